//! Series from tables: a row is a point in time of a series (`long.rs`), or a whole series (`wide.rs`).

use super::long::{self, Known};
use super::roles::Roles;
use super::set::SeriesSet;
use super::wide;
use crate::config::Forecast;
use crate::data::table::{Format, Table};
use crate::error::Error;

/// The table in bytes, as the settings say: where a row is a series, rows may have any number of cells. Errors: as
/// [`Table::from_bytes`].
pub fn table(settings: &Forecast, name: &str, bytes: &[u8], format: Format) -> Result<Table, Error> {
    match settings.wide {
        true => Table::ragged(name, bytes, format, settings.header),
        false => Table::from_bytes(name, bytes, format, settings.header),
    }
}

impl SeriesSet {
    /// Reads the series of a table.
    ///
    /// Errors: a column that is not there or is named for two things; no value column, no row; a cell that is neither
    /// empty nor a finite number; a time that cannot be read, is not on the series' grid, occurs twice in it or does not
    /// rise; a frequency that the model was not trained on; a static column that changes.
    pub fn new(table: &Table, roles: &Roles, known: &Known<'_>) -> Result<SeriesSet, Error> {
        if table.is_empty() {
            let problem = "the table has no rows, expected at least 1".to_string();
            return Err(Error::Data { name: table.name().to_string(), problem });
        }
        if roles.wide { wide::read(table, roles) } else { long::read(table, roles, known) }
    }
}
