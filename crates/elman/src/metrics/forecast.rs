//! The measures of forecasts: errors of points, of quantiles, and the coverage of intervals. All but sMAPE and MASE are
//! in the unit of the values. Source: Hyndman and Koehler 2006 (MASE); sMAPE as in the M4 competition.

use serde::Serialize;

use crate::metrics::distribution::pinball;

/// Sums over forecasts and observed values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors {
    count: u64,
    absolute: f64,
    squared: f64,
    symmetric: f64,
    /// Absolute errors over the training span's own step.
    scaled: f64,
    pinball: f64,
    inside: u64,
    intervals: u64,
}

/// A forecast of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The median.
    pub point: f64,
    /// The bounds of an interval, where there are any.
    pub interval: Option<(f64, f64)>,
}

/// The means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ForecastFigures {
    /// Values that were forecast.
    pub points: u64,
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean of 200 |y - f| / (|y| + |f|), in percent; 0 where both are 0.
    pub smape: f64,
    /// Mean absolute error over that of the (seasonal) naive forecast, one step ahead, within the training span.
    pub mase: f64,
    /// Mean pinball loss of the interval's bounds and the point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// Share of the values that lay within the interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
}

impl Errors {
    /// Counts a forecast of `y`; `naive` is the naive forecast's mean absolute error in the training span, `level` the
    /// probability of the interval.
    pub fn add(&mut self, y: f64, forecast: Forecast, naive: f64, level: f64) {
        let error = (y - forecast.point).abs();
        let sizes = y.abs() + forecast.point.abs();
        self.count += 1;
        self.absolute += error;
        self.squared += error * error;
        self.symmetric += if sizes > 0.0 { 200.0 * error / sizes } else { 0.0 };
        self.scaled += error / naive;
        if let Some((low, high)) = forecast.interval {
            let (below, above) = (0.5 * (1.0 - level), 0.5 * (1.0 + level));
            let losses = [pinball(below, low, y), pinball(0.5, forecast.point, y), pinball(above, high, y)];
            self.pinball += losses.iter().sum::<f64>() / 3.0;
            self.inside += u64::from(low <= y && y <= high);
            self.intervals += 1;
        }
    }

    /// The means; None where nothing was forecast.
    pub fn figures(&self) -> Option<ForecastFigures> {
        let n = self.count as f64;
        let share = |sum: f64| (self.intervals > 0).then(|| sum / self.intervals as f64);
        (self.count > 0).then(|| ForecastFigures {
            points: self.count,
            mae: self.absolute / n,
            rmse: libm::sqrt(self.squared / n),
            smape: self.symmetric / n,
            mase: self.scaled / n,
            pinball: share(self.pinball),
            coverage: share(self.inside as f64),
        })
    }
}

/// The mean absolute difference of values `season` apart: what MASE is measured by. None where there are none, or it is
/// 0.
pub fn naive_error(values: &[f64], season: usize) -> Option<f64> {
    let errors: Vec<f64> = values.iter().skip(season).zip(values).map(|(y, before)| (y - before).abs()).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    (mean > 0.0).then_some(mean)
}

/// The forecast `steps` (from 0) beyond known values that repeats the last season; the last value where `season` is 1.
pub fn seasonal_naive(known: &[f64], season: usize, steps: usize) -> Option<f64> {
    known.len().checked_sub(season).map(|start| known[start + steps % season])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_formulas_by_hand() {
        let mut errors = Errors::default();
        errors.add(10.0, Forecast { point: 8.0, interval: Some((5.0, 9.0)) }, 4.0, 0.8);
        errors.add(-1.0, Forecast { point: 0.0, interval: Some((-2.0, 1.0)) }, 4.0, 0.8);
        errors.add(0.0, Forecast { point: 0.0, interval: None }, 4.0, 0.8);
        let figures = errors.figures().unwrap();
        assert_eq!((figures.points, figures.mae, figures.mase), (3, 1.0, 0.25));
        assert!((figures.rmse - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((figures.smape - (400.0 / 18.0 + 200.0) / 3.0).abs() < 1e-12);
        assert_eq!(figures.coverage, Some(0.5));
        // Bounds at .1 and .9: (.1*5 + .5*2 + .9*1)/3 and (.1*1 + .5*1 + .1*2)/3.
        assert!((figures.pinball.unwrap() - 0.5 * ((0.5 + 1.0 + 0.9) / 3.0 + (0.1 + 0.5 + 0.2) / 3.0)).abs() < 1e-15);
        assert_eq!(Errors::default().figures(), None);
    }

    #[test]
    fn the_bounds_of_an_interval_are_inside_it() {
        let coverage = |y: f64| {
            let mut errors = Errors::default();
            errors.add(y, Forecast { point: 0.0, interval: Some((-2.0, 1.0)) }, 1.0, 0.8);
            errors.figures().unwrap().coverage
        };
        assert_eq!([-2.0, 1.0].map(coverage), [Some(1.0); 2]);
        assert_eq!([(-2.0_f64).next_down(), 1.0_f64.next_up()].map(coverage), [Some(0.0); 2]);
    }

    #[test]
    fn naive_forecasts_repeat_the_last_season() {
        let known = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
        assert_eq!((0..5).map(|h| seasonal_naive(&known, 3, h).unwrap()).sum::<f64>(), 90.0);
        assert_eq!(seasonal_naive(&known, 1, 7), Some(30.0));
        assert_eq!(seasonal_naive(&known, 7, 0), None);
        assert_eq!(naive_error(&known, 3), Some(18.0));
        assert_eq!((naive_error(&[1.0, 1.0], 1), naive_error(&[1.0], 3)), (None, None));
    }
}
