//! Tables in which a row is a series: its name, then its values, as the files of the M4 competition. Rows have different
//! lengths; empty cells at their end are no values. Times are counted.

use super::calendar::{Clock, Stamp};
use super::roles::Roles;
use super::set::{Series, SeriesSet};
use crate::data::table::Table;
use crate::error::Error;

/// Reads the series. Errors: covariates, which have no place here; a row without a name; a cell that is no number.
pub fn read(table: &Table, roles: &Roles) -> Result<SeriesSet, Error> {
    let refuse = |problem: String| Error::Data { name: table.name().to_string(), problem };
    if let Some(column) = roles.others().next() {
        return Err(refuse(format!("{column} is a covariate, but each row is a whole series, expected none")));
    }
    let (mut all, mut missing) = (Vec::new(), 0);
    for row in 0..table.len() {
        let group = table.text(row, 0)?.to_string();
        let mut cells = Vec::new();
        for column in 1..table.columns().len() {
            let cell = table.cell(row, column).unwrap_or_default().trim();
            cells.push(match cell {
                "" => f64::NAN,
                _ => table.number(row, column)?,
            });
        }
        let known = cells.iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
        cells.truncate(known);
        missing += cells.iter().filter(|value| value.is_nan()).count();
        let statics = Vec::new();
        all.push(Series { group, start: Stamp::number(0.0), frequency: 0, known, rows: known, cells, statics });
    }
    let mut names: Vec<&String> = all.iter().map(|series| &series.group).collect();
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(refuse(format!("two rows are called {}, expected a series for each name", pair[0])));
    }
    let group = table.columns().first().cloned();
    Ok(SeriesSet {
        name: table.name().to_string(),
        roles: Roles { time: Some("step".into()), values: vec!["value".into()], group, ..roles.clone() },
        clock: Clock::counting(),
        frequencies: vec!["number 1".parse().map_err(refuse)?],
        kinds: Vec::new(),
        series: all,
        gaps: 0,
        missing,
    })
}
