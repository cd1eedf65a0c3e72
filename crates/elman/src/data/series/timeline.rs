//! The time line of forecasts: the input at t is (`y[t-1]`, `x[t]`) and predicts `y[t]`, or `y[t]`, `y[t+1]`, ... at
//! once. Values are transformed and scaled on input and transformed back on output; the scaling is fitted on the
//! training span alone. A value that has no logarithm is an error with its series and time. No input at t depends on
//! `y[t]` or later.

use serde::{Deserialize, Serialize};

use crate::config::{Forecast, Transform};
use crate::data::series::time::{self, Scale};
use crate::data::series::{Series, SeriesSet};
use crate::data::table::scale::Scaler;
use crate::error::Error;
use crate::metrics::forecast::naive_error;

/// What is fitted, and what the times are: all that new data of the same kind needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// The time column.
    pub time: String,
    /// What it counts.
    pub scale: Scale,
    /// The commonest difference between two times.
    pub step: f64,
    /// The value columns.
    pub columns: Vec<String>,
    /// The covariates' columns.
    pub covariates: Vec<String>,
    /// Of the transformed values, then of the covariates.
    scaler: Scaler,
    /// Each series' mean error of the seasonal naive forecast within the training span, column by column: MASE's unit.
    naive: Vec<(String, Vec<f64>)>,
    /// The time of each series' last row that was trained on.
    #[serde(default)]
    trained: Vec<(String, f64)>,
}

/// A series on the time line.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Values, or their logarithms, column by column.
    levels: Vec<Vec<f64>>,
    /// Levels, or their differences to a season before: NaN where there are none.
    base: Vec<Vec<f64>>,
    /// Scaled covariates, column by column.
    covariates: Vec<Vec<f64>>,
    times: Vec<f64>,
    /// The time of the last row that was trained on; that of no row where none was.
    trained: f64,
}

impl Timeline {
    /// Fits the time line on the first `cuts` rows of each series. Errors: as [`Timeline::prepare`].
    pub fn fit(settings: &Forecast, set: &SeriesSet, cuts: &[usize]) -> Result<Timeline, Error> {
        let (values, width) = (set.columns.len(), set.columns.len() + set.covariates.len());
        let mut timeline = Timeline {
            time: set.time.clone(),
            scale: set.scale,
            step: set.step,
            columns: set.columns.clone(),
            covariates: set.covariates.clone(),
            scaler: Scaler { mean: vec![0.0; width], deviation: vec![1.0; width] },
            naive: Vec::new(),
            trained: Vec::new(),
        };
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (series, &cut) in set.series.iter().zip(cuts) {
            let prepared = timeline.prepare(settings, series)?;
            for t in timeline.first(settings)..cut {
                let mut row: Vec<f64> = (0..values).map(|d| prepared.known(settings, d, t)).collect();
                row.extend(prepared.covariates.iter().map(|column| column[t]));
                rows.push(row);
            }
            let errors = (0..values).map(|d| {
                let known = &series.values[d][..cut];
                naive_error(known, settings.season).unwrap_or(1.0)
            });
            timeline.naive.push((series.group.clone(), errors.collect()));
            let last = series.times[..cut].last().copied().unwrap_or(f64::NEG_INFINITY);
            timeline.trained.push((series.group.clone(), last));
        }
        timeline.scaler = Scaler::fit(width, rows.iter().map(Vec::as_slice));
        if settings.has(Transform::Diff) {
            // Differences over several steps are scaled too: no mean of a single step is taken off.
            timeline.scaler.mean[..values].fill(0.0);
        }
        Ok(timeline)
    }

    /// Numbers of an input.
    pub fn width(&self, settings: &Forecast) -> usize {
        let calendar = if settings.calendar { 2 * time::turns(self.scale, 0.0).iter().flatten().count() } else { 0 };
        settings.lags() * self.columns.len() + self.covariates.len() + calendar
    }

    /// The first t whose input is known: rows before it are its past.
    pub fn first(&self, settings: &Forecast) -> usize {
        let season = if settings.has(Transform::Seasonal) { settings.season } else { 0 };
        season + settings.lags() + usize::from(settings.has(Transform::Diff))
    }

    /// What MASE is measured by, of a series and a column: 1 where the series is not known.
    pub fn naive_error(&self, group: &str, column: usize) -> f64 {
        let known = self.naive.iter().find(|(name, _)| name == group);
        known.and_then(|(_, errors)| errors.get(column)).copied().unwrap_or(1.0)
    }

    /// Whether what was read from a file makes sense.
    pub(crate) fn is_fair(&self) -> bool {
        let width = self.columns.len() + self.covariates.len();
        !self.columns.is_empty() && self.scaler.fits(width) && self.step.is_finite() && self.step > 0.0
    }

    /// A series on the time line. Errors: a value that has no logarithm.
    pub fn prepare(&self, settings: &Forecast, series: &Series) -> Result<Prepared, Error> {
        let count = self.columns.len();
        let mut levels = Vec::with_capacity(count);
        for (d, values) in series.values[..count].iter().enumerate() {
            let bad = values.iter().position(|&y| settings.has(Transform::Log) && y <= 0.0);
            if let Some(t) = bad {
                let (column, at) = (&self.columns[d], time::text(self.scale, series.times[t]));
                let group = if series.group.is_empty() { String::new() } else { format!(" of {}", series.group) };
                let problem =
                    format!("{column}{group} is {} at {at}, expected values above 0 for a logarithm", values[t]);
                return Err(Error::Data { name: "series".into(), problem });
            }
            let level = |&y: &f64| if settings.has(Transform::Log) { libm::log(y) } else { y };
            levels.push(values.iter().map(level).collect());
        }
        let covariates = series.values[count..].iter().enumerate();
        let covariates =
            covariates.map(|(c, x)| x.iter().map(|&x| self.scaler.scale(count + c, x)).collect()).collect();
        let known = self.trained.iter().find(|(group, _)| *group == series.group);
        let trained = known.map_or(f64::NEG_INFINITY, |(_, last)| *last);
        let times = series.times.clone();
        let mut prepared = Prepared { levels, base: Vec::new(), covariates, times, trained };
        prepared.base =
            (0..count).map(|d| (0..prepared.times.len()).map(|t| prepared.base_at(settings, d, t)).collect()).collect();
        Ok(prepared)
    }

    /// The input at t, into `row`: for t up to the number of rows, so that what comes next can be forecast.
    pub fn input(&self, settings: &Forecast, series: &Prepared, t: usize, row: &mut Vec<f64>) {
        for lag in 1..=settings.lags() {
            for d in 0..self.columns.len() {
                row.push(self.scaler.scale(d, series.known(settings, d, t - lag)));
            }
        }
        row.extend(series.covariates.iter().map(|x| x.get(t).copied().unwrap_or(0.0)));
        if settings.calendar {
            for turn in time::turns(self.scale, series.time_of(t, self.step)).into_iter().flatten() {
                let angle = 2.0 * std::f64::consts::PI * turn;
                row.extend([libm::sin(angle), libm::cos(angle)]);
            }
        }
    }

    /// What the net is to say at t of column d, h steps on: scaled; None where the series has ended before.
    pub fn target(
        &self,
        settings: &Forecast,
        series: &Prepared,
        t: usize,
        h: usize,
        d: usize,
        end: usize,
    ) -> Option<f64> {
        let value = (t + h < end).then(|| series.base[d][t + h] - series.anchor(settings, d, t))?;
        Some(self.scaler.scale(d, value))
    }

    /// The value of a scaled number at t, h steps on. `later`: the levels of steps t, t + 1, ... that are
    /// forecast already, for a season that reaches there.
    pub fn value(&self, settings: &Forecast, series: &Prepared, [t, h, d]: [usize; 3], x: f64, later: &[f64]) -> f64 {
        let level = self.level(settings, series, [t, h, d], x, later);
        if settings.has(Transform::Log) { libm::exp(level) } else { level }
    }

    /// The level of [`Timeline::value`].
    pub fn level(&self, settings: &Forecast, series: &Prepared, [t, h, d]: [usize; 3], x: f64, later: &[f64]) -> f64 {
        let base = self.scaler.unscale(d, x) + series.anchor(settings, d, t);
        if !settings.has(Transform::Seasonal) {
            return base;
        }
        let before = t + h - settings.season;
        base + if before < t { series.levels[d][before] } else { later[before - t] }
    }
}

impl Prepared {
    /// Rows that are known.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The value of a row, or its logarithm where that is taken.
    pub fn level(&self, column: usize, t: usize) -> f64 {
        self.levels[column][t]
    }

    /// Whether a row came after all that was trained on.
    pub fn is_new(&self, t: usize) -> bool {
        self.times[t] > self.trained
    }

    /// The time of a row, or of one that is to come.
    pub fn time_of(&self, t: usize, step: f64) -> f64 {
        match self.times.get(t) {
            Some(&at) => at,
            None => self.times.last().map_or(0.0, |last| last + (t + 1 - self.times.len()) as f64 * step),
        }
    }

    /// The rows before t.
    pub fn until(&self, t: usize) -> Prepared {
        let cut = |columns: &[Vec<f64>]| columns.iter().map(|column| column[..t].to_vec()).collect();
        // What is known beforehand stays.
        let covariates = self.covariates.clone();
        let times = self.times[..t].to_vec();
        Prepared { levels: cut(&self.levels), base: cut(&self.base), covariates, times, trained: self.trained }
    }

    /// Appends a row of levels that were drawn: the past of the next step. `step` is the time between two rows.
    pub fn push(&mut self, settings: &Forecast, levels: &[f64], step: f64) {
        self.times.push(self.time_of(self.times.len(), step));
        let t = self.times.len() - 1;
        for (d, &level) in levels.iter().enumerate() {
            self.levels[d].push(level);
            let base = self.base_at(settings, d, t);
            self.base[d].push(base);
        }
    }

    fn base_at(&self, settings: &Forecast, d: usize, t: usize) -> f64 {
        match settings.has(Transform::Seasonal) {
            false => self.levels[d][t],
            true if t >= settings.season => self.levels[d][t] - self.levels[d][t - settings.season],
            true => f64::NAN,
        }
    }

    /// What an input says of row t: its base, or the difference to the row before.
    fn known(&self, settings: &Forecast, d: usize, t: usize) -> f64 {
        match settings.has(Transform::Diff) {
            true => self.base[d][t] - self.base[d][t - 1],
            false => self.base[d][t],
        }
    }

    /// What a target at t is the difference to.
    fn anchor(&self, settings: &Forecast, d: usize, t: usize) -> f64 {
        if settings.has(Transform::Diff) { self.base[d][t - 1] } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: Vec<f64>) -> SeriesSet {
        let times = (0..values.len()).map(|t| 24_000.0 + t as f64).collect();
        SeriesSet {
            name: "t".into(),
            time: "month".into(),
            scale: Scale::Month,
            step: 1.0,
            gaps: 0,
            columns: vec!["y".into()],
            covariates: Vec::new(),
            group: None,
            series: vec![Series { group: String::new(), times, values: vec![values] }],
        }
    }

    fn settings(transform: &[Transform]) -> Forecast {
        Forecast { transform: transform.to_vec(), season: 4, horizon: 4, ..Forecast::default() }
    }

    /// Growing, with a season of 4.
    fn growing() -> Vec<f64> {
        (0..30).map(|t| 10.0 * 1.03_f64.powi(t) * [1.0, 1.5, 0.7, 2.0][t as usize % 4]).collect()
    }

    #[test]
    fn what_goes_in_comes_back_whatever_the_transform() {
        use Transform::{Diff, Log, Seasonal};
        let set = set(growing());
        for transform in [&[][..], &[Log], &[Diff], &[Seasonal], &[Log, Seasonal], &[Log, Seasonal, Diff]] {
            let settings = settings(transform);
            let timeline = Timeline::fit(&settings, &set, &[24]).unwrap();
            let prepared = timeline.prepare(&settings, &set.series[0]).unwrap();
            for t in timeline.first(&settings)..27 {
                for h in 0..4 {
                    let Some(x) = timeline.target(&settings, &prepared, t, h, 0, 30) else { continue };
                    let y = timeline.value(&settings, &prepared, [t, h, 0], x, &[]);
                    let want = set.series[0].values[0][t + h];
                    assert!((y / want - 1.0).abs() < 1e-12, "{transform:?} {t} {h}: {y} {want}");
                }
            }
            assert!(timeline.target(&settings, &prepared, 26, 4, 0, 30).is_none());
        }
    }

    #[test]
    fn an_input_knows_nothing_of_its_target_and_what_follows() {
        for (transform, lags) in [(vec![], 1), (vec![Transform::Log, Transform::Seasonal, Transform::Diff], 3)] {
            let settings = Forecast { lags: Some(lags), ..settings(&transform) };
            let (plain, mut other) = (set(growing()), set(growing()));
            let t = 20;
            other.series[0].values[0][t..].iter_mut().for_each(|y| *y += 100.0);
            let timeline = Timeline::fit(&settings, &plain, &[t]).unwrap();
            assert_eq!(Timeline::fit(&settings, &other, &[t]).unwrap(), timeline, "the training span alone");
            let rows = |set: &SeriesSet, t| {
                let (mut row, prepared) = (Vec::new(), timeline.prepare(&settings, &set.series[0]).unwrap());
                timeline.input(&settings, &prepared, t, &mut row);
                row
            };
            assert_eq!(rows(&plain, t).len(), timeline.width(&settings));
            assert_eq!(rows(&plain, t), rows(&other, t));
            assert_ne!(rows(&plain, t + 1), rows(&other, t + 1));
        }
    }

    #[test]
    fn a_value_without_logarithm_is_named() {
        let error = Timeline::fit(&settings(&[Transform::Log]), &set(vec![1.0, 0.0, 2.0]), &[3]).unwrap_err();
        assert_eq!(error.to_string(), "y is 0 at 2000-02, expected values above 0 for a logarithm (series)");
    }
}
