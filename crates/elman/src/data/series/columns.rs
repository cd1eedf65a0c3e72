//! Cells of a table as numbers: values, which may be missing, and covariates, which may be categories. Not here: times.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::roles::Roles;
use crate::data::table::{Table, quoted};
use crate::error::Error;

/// What a covariate or static column holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers.
    Number,
    /// Categories, in the order in which they first occur.
    Category(Vec<String>),
}

/// The places of columns in a table, and what they hold.
pub struct Cells<'a> {
    table: &'a Table,
    values: Vec<usize>,
    /// Of the covariates of the future, of the past, and of the static columns.
    others: Vec<usize>,
    /// Covariates: those of the others that are not static.
    covariates: usize,
    kinds: Vec<Kind>,
    places: Vec<HashMap<String, usize>>,
}

/// Whether a cell says that a value is missing.
fn is_missing(cell: &str) -> bool {
    let cell = cell.trim();
    cell.is_empty() || ["nan", "na", "n/a", "null", "none"].iter().any(|word| cell.eq_ignore_ascii_case(word))
}

impl<'a> Cells<'a> {
    /// The columns of `roles`, with the kinds that a model knows, else with those that their cells have.
    /// Errors: a column that is not there.
    pub fn new(table: &'a Table, roles: &Roles, known: Option<&[Kind]>) -> Result<Cells<'a>, Error> {
        let places = |names: &mut dyn Iterator<Item = &String>| -> Result<Vec<usize>, Error> {
            names.map(|name| table.column(name)).collect()
        };
        let (values, others) = (places(&mut roles.values.iter())?, places(&mut roles.others())?);
        let kinds = match known {
            Some(known) => known.to_vec(),
            None => roles.others().zip(&others).map(|(name, &at)| kind(table, roles, name, at)).collect(),
        };
        let places = kinds.iter().map(|kind| match kind {
            Kind::Number => HashMap::new(),
            Kind::Category(names) => names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect(),
        });
        let covariates = roles.future.len() + roles.past.len();
        let places = places.collect();
        Ok(Cells { table, values, others, covariates, kinds, places })
    }

    /// What the covariates and static columns hold.
    pub fn kinds(self) -> Vec<Kind> {
        self.kinds
    }

    /// Appends the values and covariates of a row; how many values are missing. Errors: a cell that holds no number.
    pub fn row(&self, row: usize, cells: &mut Vec<f64>) -> Result<usize, Error> {
        let start = cells.len();
        for &column in &self.values {
            cells.push(self.number(row, column)?);
        }
        let missing = cells[start..].iter().filter(|value| value.is_nan()).count();
        for at in 0..self.covariates {
            cells.push(self.other(row, at)?);
        }
        Ok(missing)
    }

    /// The static columns of a row. Errors: as [`Cells::row`].
    pub fn statics(&self, row: usize) -> Result<Vec<f64>, Error> {
        (self.covariates..self.others.len()).map(|at| self.other(row, at)).collect()
    }

    /// Errors: a static column of a row that is not that of the first row of its series.
    pub fn check_statics(&self, row: usize, first: usize) -> Result<(), Error> {
        for at in self.covariates..self.others.len() {
            let (one, other) = (self.other(row, at)?, self.other(first, at)?);
            if one != other && !(one.is_nan() && other.is_nan()) {
                let [got, expected] =
                    [row, first].map(|row| quoted(self.table.cell(row, self.others[at]).unwrap_or_default()));
                let problem = format!("{got} is given, expected {expected} as in the first row of its series");
                return Err(self.table.refusal(row, self.others[at], problem));
            }
        }
        Ok(())
    }

    fn other(&self, row: usize, at: usize) -> Result<f64, Error> {
        let column = self.others[at];
        match &self.kinds[at] {
            Kind::Number => self.number(row, column),
            Kind::Category(_) => {
                let cell = self.table.cell(row, column).unwrap_or_default();
                Ok(self.places[at].get(cell.trim()).map_or(f64::NAN, |&place| place as f64))
            }
        }
    }

    fn number(&self, row: usize, column: usize) -> Result<f64, Error> {
        let cell = self.table.cell(row, column).unwrap_or_default();
        if is_missing(cell) {
            return Ok(f64::NAN);
        }
        match cell.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => {
                let problem = format!("{} is given, expected a finite number or an empty cell", quoted(cell));
                Err(self.table.refusal(row, column, problem))
            }
        }
    }
}

/// What a column holds: categories where it is named as such or has a cell that is no number.
fn kind(table: &Table, roles: &Roles, name: &String, column: usize) -> Kind {
    let cells = || (0..table.len()).map(|row| table.cell(row, column).unwrap_or_default());
    let is_number = |cell: &str| is_missing(cell) || cell.trim().parse::<f64>().is_ok_and(f64::is_finite);
    if !roles.categories.contains(name) && cells().all(is_number) {
        return Kind::Number;
    }
    let (mut names, mut places) = (Vec::new(), HashMap::new());
    for cell in cells().map(str::trim).filter(|cell| !cell.is_empty()) {
        places.entry(cell).or_insert_with(|| names.push(cell.to_string()));
    }
    Kind::Category(names)
}
