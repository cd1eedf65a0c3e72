//! Sums over forecasts, by series and by step of the horizon, and the figures of them. Not here: what a figure means
//! (`figures.rs`).

use super::figures::Figures;
use super::scored::Scored;
use crate::metrics::distribution::pinball;

/// Sums over forecasts. The memory is that of the series and of the steps, whatever the number of origins.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// The probability of the interval whose coverage is counted; None: that of the outermost levels.
    interval: Option<f64>,
    series: Vec<Sums>,
    steps: Vec<Sums>,
}

/// What the figures are computed from.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    points: Mean,
    squared: f64,
    symmetric: f64,
    /// Absolute errors over the unit of MASE.
    absolute_scaled: Mean,
    /// Squared errors over the unit of RMSSE.
    squared_scaled: Mean,
    /// Absolute errors over the standard deviation.
    standardised: Mean,
    /// Squared errors over the variance.
    standardised_squared: f64,
    /// Pinball losses over values and levels.
    pinball: Mean,
    /// |y| over values and levels.
    sizes: f64,
    inside: Mean,
}

/// A sum and how many it is of.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn merge(&mut self, other: Mean) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// The bounds of an interval, by step.
type Bounds<'a> = (&'a [f64], &'a [f64]);

impl Scores {
    /// No forecasts yet. Coverage is of the outermost pair of levels with equal probability beyond both.
    pub fn new() -> Scores {
        Scores::default()
    }

    /// The same, with the coverage of the central interval of probability `level`. Forecasts without its two levels do
    /// not count in it.
    pub fn of_interval(level: f64) -> Scores {
        Scores { interval: Some(level), ..Scores::default() }
    }

    /// Counts a forecast of a series. Series are numbered from 0.
    pub fn add(&mut self, series: usize, scored: &Scored) {
        let count = scored.actual.len().min(scored.point.len());
        grow(&mut self.series, series + 1);
        grow(&mut self.steps, count);
        let bounds = self.bounds(scored);
        for h in (0..count).filter(|&h| !scored.actual[h].is_nan()) {
            self.series[series].add(scored, h, bounds);
            self.steps[h].add(scored, h, bounds);
        }
    }

    /// The quantiles whose coverage is counted.
    fn bounds<'a>(&self, scored: &Scored<'a>) -> Option<Bounds<'a>> {
        let at = |level: f64| scored.quantiles.iter().find(|(known, _)| (known - level).abs() < 1e-9);
        let pair = |low: f64| at(low).zip(at(1.0 - low)).map(|(low, high)| (low.1.as_slice(), high.1.as_slice()));
        match self.interval {
            Some(level) => pair(0.5 * (1.0 - level)),
            None => scored.quantiles.iter().filter(|(level, _)| *level < 0.5).find_map(|(level, _)| pair(*level)),
        }
    }

    /// The figures of all forecasts. sMAPE, MASE and RMSSE are those of each series, averaged over the series, as in the
    /// M4 and M5 competitions; all others are over all values.
    pub fn figures(&self) -> Figures {
        let mut all = Sums::default();
        self.series.iter().for_each(|sums| all.merge(sums));
        let known = || self.series.iter().filter(|sums| sums.points.count > 0);
        let mean = |figure: fn(&Sums) -> Option<f64>| {
            let mut mean = Mean::default();
            known().filter_map(figure).for_each(|value| mean.add(value));
            mean.get()
        };
        Figures {
            smape: mean(|sums| Some(sums.symmetric / sums.points.count as f64)).unwrap_or(f64::NAN),
            mase: mean(|sums| sums.absolute_scaled.get()),
            rmsse: mean(Sums::rmsse),
            excluded: known().filter(|sums| sums.absolute_scaled.count == 0).count() as u64,
            ..all.figures()
        }
    }

    /// The figures by step of the horizon, over all values of the step. MASE and RMSSE have each series' own units.
    pub fn by_step(&self) -> Vec<Figures> {
        self.steps.iter().map(Sums::figures).collect()
    }

    /// The figures of each series, by its number.
    pub fn by_series(&self) -> Vec<Figures> {
        let excluded = |sums: &Sums| u64::from(sums.points.count > 0 && sums.absolute_scaled.count == 0);
        self.series.iter().map(|sums| Figures { excluded: excluded(sums), ..sums.figures() }).collect()
    }
}

/// Lengthens to at least `len`.
fn grow(sums: &mut Vec<Sums>, len: usize) {
    if sums.len() < len {
        sums.resize(len, Sums::default());
    }
}

impl Sums {
    /// Counts the value at step h.
    fn add(&mut self, scored: &Scored, h: usize, bounds: Option<Bounds>) {
        let (y, f, units) = (scored.actual[h], scored.point[h], scored.units);
        let (error, sizes) = ((y - f).abs(), y.abs() + f.abs());
        self.points.add(error);
        self.squared += error * error;
        // A NaN stays one.
        self.symmetric += if sizes == 0.0 { 0.0 } else { 200.0 * error / sizes };
        if let Some(unit) = units.absolute {
            self.absolute_scaled.add(error / unit);
        }
        if let Some(unit) = units.squared {
            self.squared_scaled.add(error * error / unit);
        }
        if let Some(unit) = units.deviation {
            self.standardised.add(error / unit);
            self.standardised_squared += (error / unit) * (error / unit);
        }
        for (level, values) in scored.quantiles {
            if let Some(&q) = values.get(h) {
                self.pinball.add(pinball(*level, q, y));
                self.sizes += y.abs();
            }
        }
        if let Some((&low, &high)) = bounds.and_then(|(low, high)| low.get(h).zip(high.get(h))) {
            self.inside.add(f64::from(u8::from(low <= y && y <= high)));
        }
    }

    fn merge(&mut self, other: &Sums) {
        self.points.merge(other.points);
        self.squared += other.squared;
        self.symmetric += other.symmetric;
        self.absolute_scaled.merge(other.absolute_scaled);
        self.squared_scaled.merge(other.squared_scaled);
        self.standardised.merge(other.standardised);
        self.standardised_squared += other.standardised_squared;
        self.pinball.merge(other.pinball);
        self.sizes += other.sizes;
        self.inside.merge(other.inside);
    }

    fn rmsse(&self) -> Option<f64> {
        self.squared_scaled.get().map(libm::sqrt)
    }

    /// The figures over all values alike.
    fn figures(&self) -> Figures {
        let count = self.points.count as f64;
        let mse = self.squared / count;
        let standardised_mse = Mean { sum: self.standardised_squared, ..self.standardised };
        let is_weighted = self.pinball.count > 0 && self.sizes > 0.0;
        Figures {
            points: self.points.count,
            mae: self.points.get().unwrap_or(f64::NAN),
            mse,
            rmse: libm::sqrt(mse),
            smape: self.symmetric / count,
            mase: self.absolute_scaled.get(),
            rmsse: self.rmsse(),
            owa: None,
            // Every level has the same values: the mean of the levels' ratios is the ratio of the sums.
            weighted_quantile_loss: is_weighted.then(|| 2.0 * self.pinball.sum / self.sizes),
            pinball: self.pinball.get(),
            coverage: self.inside.get(),
            standardised_mae: self.standardised.get(),
            standardised_mse: standardised_mse.get(),
            excluded: self.points.count - self.absolute_scaled.count,
        }
    }
}
