//! Forecasts as rows of a table: those that `predict` prints and those that `eval` exports have the same columns.

use elman::data::series::{Origin, SeriesSet};
use elman::task::forecast::{Asked, Forecasts};

/// The columns, and how rows are made of forecasts.
pub struct Written<'a> {
    set: &'a SeriesSet,
    /// The names of the columns.
    pub head: Vec<String>,
    /// Columns that say what is forecast; those after them are numbers.
    pub keys: usize,
}

impl Written<'_> {
    /// The columns group, time and name of the column, as far as there are several, the forecast and its quantiles.
    pub fn new<'a>(set: &'a SeriesSet, asked: &Asked) -> Written<'a> {
        let time = set.roles.time.clone().unwrap_or_default();
        let has_columns = set.roles.values.len() > 1;
        let names = set.roles.group.iter().cloned().chain([time]).chain(has_columns.then(|| "column".into()));
        let mut head: Vec<String> = names.collect();
        let keys = head.len();
        head.push("forecast".into());
        // The median is the forecast.
        let quantiles = asked.levels.iter().filter(|level| **level != 0.5);
        head.extend(quantiles.map(|level| format!("quantile_{}", (1e9 * level).round() / 1e9)));
        Written { set, head, keys }
    }

    /// Appends the rows of the forecasts from an origin. Errors: a time beyond the calendar.
    pub fn rows(&self, origin: Origin, forecasts: &Forecasts, to: &mut Vec<Vec<String>>) -> Result<(), elman::Error> {
        let (set, series) = (self.set, &self.set.series[origin.series]);
        for (d, column) in set.roles.values.iter().enumerate() {
            let median = forecasts.median(d);
            for (h, point) in median.iter().enumerate() {
                let at = set.time_text(series, origin.t + h)?;
                let group = set.roles.group.as_ref().map(|_| series.group.clone());
                let mut row: Vec<String> = group.into_iter().chain([at]).collect();
                row.extend((set.roles.values.len() > 1).then(|| column.clone()));
                row.push(point.to_string());
                let quantiles = forecasts.levels().iter().zip(forecasts.at(d, h)).filter(|(level, _)| **level != 0.5);
                row.extend(quantiles.map(|(_, value)| value.to_string()));
                to.push(row);
            }
        }
        Ok(())
    }
}
