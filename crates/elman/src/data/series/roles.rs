//! Which columns of a table are what, by the settings of a forecast. Not here: the cells.

use crate::config::Forecast;
use crate::data::table::Table;
use crate::error::Error;

/// The columns of a table, by what they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles {
    /// The time column; None takes the first column, where values do not name it.
    pub time: Option<String>,
    /// The value columns; none takes all that are nothing else.
    pub values: Vec<String>,
    /// The column that says which series a row belongs to.
    pub group: Option<String>,
    /// Columns that are known in the future.
    pub future: Vec<String>,
    /// Columns that are known in the past only.
    pub past: Vec<String>,
    /// Columns that do not change within a series.
    pub statics: Vec<String>,
    /// Of the last three: columns that are categories, although their cells may be numbers.
    pub categories: Vec<String>,
    /// Whether a row is a whole series: its name, then its values.
    pub wide: bool,
}

impl Roles {
    /// As the settings say.
    pub fn of(settings: &Forecast) -> Roles {
        Roles {
            time: settings.time.clone(),
            values: settings.values.clone(),
            group: settings.group.clone(),
            future: settings.covariates.clone(),
            past: settings.past_covariates.clone(),
            statics: settings.statics.clone(),
            categories: settings.categories.clone(),
            wide: settings.wide,
        }
    }

    /// The covariates and static columns, in this order.
    pub fn others(&self) -> impl Iterator<Item = &String> {
        self.future.iter().chain(&self.past).chain(&self.statics)
    }

    /// The same with names for the time and for every value column, as a table has them.
    ///
    /// Errors: no value column; a column that is named for two things.
    pub(super) fn resolved(&self, table: &Table) -> Result<Roles, Error> {
        let refuse = |problem: String| Error::Data { name: table.name().to_string(), problem };
        let first = || table.columns().first().cloned().unwrap_or_default();
        let time = self.time.clone().unwrap_or_else(first);
        let is_other = |column: &&String| {
            **column != time && self.group.as_ref() != Some(column) && !self.others().any(|other| other == *column)
        };
        let values: Vec<String> = match self.values.is_empty() {
            true => table.columns().iter().filter(is_other).cloned().collect(),
            false => self.values.clone(),
        };
        if values.is_empty() {
            return Err(refuse(format!("the only column is {time}, expected a column of values beside the time")));
        }
        let mut all: Vec<&String> = values.iter().chain(self.others()).chain(&self.group).collect();
        all.push(&time);
        all.sort();
        if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refuse(format!("column {} is named for two things, expected one", pair[0])));
        }
        if let Some(column) = self.categories.iter().find(|column| !self.others().any(|other| other == *column)) {
            let problem = format!("{column} is a category, but neither a covariate nor a static column");
            return Err(refuse(problem));
        }
        Ok(Roles { time: Some(time), values, ..self.clone() })
    }
}
