//! What is fitted on the training part of series, and what a new table of the same kind needs: columns, frequencies,
//! categories, and the scaling of covariates. Not here: the scaling of values, which is computed on the values before
//! each forecast (`inputs.rs`).

use serde::{Deserialize, Serialize};

use super::calendar::Frequency;
use super::columns::Kind;
use super::roles::Roles;
use super::set::{Series, SeriesSet};
use crate::config::{Forecast, Transform};
use crate::data::table::scale::Scaler;
use crate::error::Error;

/// What a model file holds of the series that it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// The time column.
    pub time: String,
    /// The value columns.
    pub columns: Vec<String>,
    /// The covariates known in the future, those of the past, and the static columns.
    pub covariates: Vec<String>,
    /// What each of these holds.
    pub kinds: Vec<Kind>,
    /// The times between two rows.
    pub frequencies: Vec<Frequency>,
    /// Whether the place in year, week, day and hour is an input.
    pub turns: [bool; 4],
    /// Of the covariates and static columns, in their order; categories are not scaled.
    pub(super) scaler: Scaler,
    /// Of the values after their transforms, where one scale is for all.
    pub(super) global: Scaler,
    /// Of the inputs that describe the unit of each value column: two for each.
    pub(super) unit_scaler: Scaler,
    /// The time of each series' last row that was trained on, where a forecast depends on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) trained: Vec<(String, String)>,
}

impl Fitted {
    /// Fits the covariates on the first `cuts` rows of each series. The scaling of units is fitted later.
    pub fn new(settings: &Forecast, set: &SeriesSet, cuts: &[usize]) -> Result<Fitted, Error> {
        let (values, width) = (set.roles.values.len(), set.width());
        let covariates: Vec<String> = set.roles.others().cloned().collect();
        let rows = set.series.iter().zip(cuts).flat_map(|(series, &cut)| {
            (0..cut).map(move |row| [&series.cells[row * width + values..(row + 1) * width], &series.statics].concat())
        });
        let (mut scaler, kinds) = (fit(covariates.len(), rows), set.kinds.clone());
        for (at, _) in kinds.iter().enumerate().filter(|(_, kind)| **kind != Kind::Number) {
            (scaler.mean[at], scaler.deviation[at]) = (0.0, 1.0);
        }
        let mut turns = [false; 4];
        if settings.calendar {
            for (frequency, series) in set.series.iter().map(|series| (&set.frequencies[series.frequency], series)) {
                let known = frequency.turns(&set.clock, series.start).map(|turn| turn.is_some());
                turns = std::array::from_fn(|at| turns[at] || known[at]);
            }
        }
        let last = |(series, &cut): (&Series, &usize)| -> Result<(String, String), Error> {
            Ok((series.group.clone(), set.time_text(series, cut.saturating_sub(1))?))
        };
        let trained = match settings.recent {
            0 => Vec::new(),
            _ => set.series.iter().zip(cuts).filter(|(_, cut)| **cut > 0).map(last).collect::<Result<_, Error>>()?,
        };
        Ok(Fitted {
            time: set.roles.time.clone().unwrap_or_default(),
            columns: set.roles.values.clone(),
            covariates,
            kinds,
            frequencies: set.frequencies.clone(),
            turns,
            scaler,
            global: Scaler { mean: vec![0.0; values], deviation: vec![1.0; values] },
            unit_scaler: Scaler { mean: vec![0.0; 2 * values], deviation: vec![1.0; 2 * values] },
            trained,
        })
    }

    /// The roles of the columns in a table of new data.
    pub fn roles(&self, settings: &Forecast) -> Roles {
        let time = if settings.wide { None } else { Some(self.time.clone()) };
        let values = if settings.wide { Vec::new() } else { self.columns.clone() };
        Roles { time, values, ..Roles::of(settings) }
    }

    /// Whether what was read from a file fits the settings and itself.
    pub(crate) fn is_fair(&self, settings: &Forecast) -> bool {
        let others = Roles::of(settings).others().count();
        !self.columns.is_empty()
            && self.covariates.len() == others
            && self.kinds.len() == others
            && !self.frequencies.is_empty()
            && self.scaler.fits(others)
            && self.global.fits(self.columns.len())
            && self.unit_scaler.fits(2 * self.columns.len())
    }

    /// The rows of a series that were trained on: those up to the time that the model keeps; none of a series that it
    /// does not know.
    pub fn trained_rows(&self, set: &SeriesSet, series: &Series) -> usize {
        let known = self.trained.iter().find(|(group, _)| *group == series.group);
        let last = known.and_then(|(_, text)| set.clock.read(text).ok());
        let frequency = &set.frequencies[series.frequency];
        let steps = last.and_then(|last| frequency.steps(&set.clock, series.start, last));
        steps.map_or(0, |steps| usize::try_from(steps + 1).unwrap_or(0))
    }
}

/// Mean and deviation of each column over the rows in which it is a number.
pub(super) fn fit(width: usize, rows: impl Iterator<Item = Vec<f64>>) -> Scaler {
    let (mut count, mut mean, mut squares) = (vec![0.0_f64; width], vec![0.0_f64; width], vec![0.0_f64; width]);
    for row in rows {
        for (d, x) in row.into_iter().enumerate().filter(|(_, x)| !x.is_nan()) {
            count[d] += 1.0;
            let off = x - mean[d];
            mean[d] += off / count[d];
            squares[d] += off * (x - mean[d]);
        }
    }
    let deviation = squares.iter().zip(&count).zip(&mean).map(|((sum, count), mean)| {
        let deviation = libm::sqrt(sum / count.max(1.0));
        // What rounding leaves of a column that never changes is no deviation.
        if deviation > 1e-12 * mean.abs() && deviation.is_finite() { deviation } else { 1.0 }
    });
    Scaler { deviation: deviation.collect(), mean }
}

/// Errors: a value that has no logarithm or power, by series and time; a count that is no whole number from 0 on.
pub fn check_values(settings: &Forecast, set: &SeriesSet) -> Result<(), Error> {
    let needs_positive = settings.has(Transform::Log) || settings.has(Transform::BoxCox);
    let counts = settings.output.is_count();
    if !needs_positive && !counts {
        return Ok(());
    }
    let (columns, width) = (set.roles.values.len(), set.width());
    for series in &set.series {
        for (row, d) in (0..series.known).flat_map(|row| (0..columns).map(move |d| (row, d))) {
            let y = series.value(width, row, d);
            let expected = match y {
                y if y.is_nan() => continue,
                y if needs_positive && y <= 0.0 => "values above 0 for a logarithm or power",
                y if counts && (y < 0.0 || libm::floor(y) != y) => "counts: whole numbers from 0 on",
                _ => continue,
            };
            let (column, title, at) = (&set.roles.values[d], series.title(), set.time_text(series, row)?);
            let problem = format!("{column} of {title} is {y} at {at}, expected {expected}");
            return Err(Error::Data { name: set.name.clone(), problem });
        }
    }
    Ok(())
}
