//! Series on even grids of times, with missing values where rows or cells are missing. Not here: reading them from a table
//! (`reading.rs`), what a network reads of them (`inputs.rs`).

use super::calendar::{Clock, Frequency, Stamp};
use super::columns::Kind;
use super::roles::Roles;
use crate::error::Error;

/// A series: rows at an even distance in time, the first at `start`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What its group column says; empty where there is none.
    pub group: String,
    /// The time of its first row.
    pub start: Stamp,
    /// The place of its frequency in [`SeriesSet::frequencies`].
    pub frequency: usize,
    /// Rows up to the last one with a value: what is known. Rows after it have covariates alone.
    pub known: usize,
    /// Rows.
    pub rows: usize,
    /// `[rows, width]`: the values of a row, then its covariates known in the future, then those of the past. NaN is
    /// missing; a category is its place in the column's list.
    pub cells: Vec<f64>,
    /// The static columns.
    pub statics: Vec<f64>,
}

/// The series of a table.
#[derive(Clone, Debug)]
pub struct SeriesSet {
    /// What messages call it.
    pub name: String,
    /// Which columns are what, each with its name.
    pub roles: Roles,
    /// How times are written.
    pub clock: Clock,
    /// The times between two rows.
    pub frequencies: Vec<Frequency>,
    /// What each covariate and static column holds.
    pub kinds: Vec<Kind>,
    /// The series, in the order in which they begin in the table.
    pub series: Vec<Series>,
    /// Rows that the table does not have between the first and the last of their series.
    pub gaps: usize,
    /// Values that are missing in rows that the table has.
    pub missing: usize,
}

/// A place to forecast from: the row `t` of a series is the first that is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The place of the series.
    pub series: usize,
    /// The first row that is forecast.
    pub t: usize,
}

impl SeriesSet {
    /// Cells of a row.
    pub fn width(&self) -> usize {
        self.roles.values.len() + self.roles.future.len() + self.roles.past.len()
    }

    /// The origin after the last known row of each series.
    pub fn ends(&self) -> Vec<Origin> {
        self.series.iter().enumerate().map(|(at, series)| Origin { series: at, t: series.known }).collect()
    }

    /// The time of a row of a series, or of one that comes later. Errors: a time beyond the calendar.
    pub fn time(&self, series: &Series, row: usize) -> Result<Stamp, Error> {
        let refuse = |problem| Error::Data { name: self.name.clone(), problem };
        self.frequencies[series.frequency].add(&self.clock, series.start, row as i64).map_err(refuse)
    }

    /// The text of [`SeriesSet::time`].
    pub fn time_text(&self, series: &Series, row: usize) -> Result<String, Error> {
        Ok(self.clock.write(self.time(series, row)?))
    }

    /// Appends the rows that follow, read from another table of the same columns: series by series, by its group.
    /// Series that are not in `self` are left out. Errors: rows that do not follow the known ones.
    pub fn append(&mut self, later: &SeriesSet) -> Result<(), Error> {
        let width = self.width();
        for series in &mut self.series {
            let Some(more) = later.series.iter().find(|more| more.group == series.group) else { continue };
            let step = &self.frequencies[series.frequency];
            let is_counted = self.roles.wide;
            let next =
                if is_counted { Some(series.known as i64) } else { step.steps(&self.clock, series.start, more.start) };
            let Some(first) = next.filter(|&first| first >= series.known as i64) else {
                let problem = format!(
                    "the series {:?} begins at {}, expected a time after {}, where the known values end",
                    more.group,
                    later.clock.write(more.start),
                    self.clock.write(series.start)
                );
                return Err(Error::Data { name: later.name.clone(), problem });
            };
            let first = first as usize;
            series.cells.truncate(first * width);
            series.cells.resize(first * width, f64::NAN);
            series.cells.extend_from_slice(&more.cells);
            series.rows = first + more.rows;
            if more.known > 0 {
                series.known = first + more.known;
            }
        }
        Ok(())
    }
}

impl Series {
    /// A value of a column; NaN where it is missing or the series has no such row.
    pub fn value(&self, width: usize, row: usize, column: usize) -> f64 {
        if row < self.rows { self.cells[row * width + column] } else { f64::NAN }
    }

    /// The values of a column up to a row.
    pub fn column(&self, width: usize, column: usize, until: usize) -> Vec<f64> {
        (0..until).map(|row| self.value(width, row, column)).collect()
    }

    /// What messages call it.
    pub fn title(&self) -> String {
        if self.group.is_empty() { "the series".to_string() } else { format!("series {}", self.group) }
    }
}
