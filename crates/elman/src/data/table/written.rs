//! Texts with what they are written for: a class each, or a row of numbers each. Conditions that do not fit the texts are
//! errors. Not here: anything fitted.

use crate::data::table::labelled::{Items, Labelled};
use crate::data::text::corpus::Fingerprint;
use crate::error::Error;

/// Texts and what they are written for.
#[derive(Clone, Debug)]
pub struct Written {
    /// The texts.
    pub texts: Vec<String>,
    /// What each is written for.
    pub given: GivenOf,
    /// How the data is known again.
    pub fingerprint: Fingerprint,
}

/// What texts are written for.
#[derive(Clone, Debug)]
pub enum GivenOf {
    /// A class each, by its place among the names.
    Classes {
        /// The classes' names.
        names: Vec<String>,
        /// The class of each text.
        labels: Vec<u32>,
    },
    /// A row of numbers each.
    Vectors {
        /// The columns' names.
        columns: Vec<String>,
        /// The numbers of each text.
        rows: Vec<Vec<f64>>,
    },
}

impl Written {
    /// Errors: conditions that are not as many as texts; a label beyond the classes; a row of another width than the
    /// columns; a number that is not finite.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::Data { name: self.fingerprint.name.clone(), problem });
        let count = match &self.given {
            GivenOf::Classes { labels, .. } => labels.len(),
            GivenOf::Vectors { rows, .. } => rows.len(),
        };
        if count != self.texts.len() {
            return refuse(format!(
                "{count} conditions are given, expected one for each of {} texts",
                self.texts.len()
            ));
        }
        match &self.given {
            GivenOf::Classes { names, labels } => match labels.iter().find(|&&label| label as usize >= names.len()) {
                None => Ok(()),
                Some(label) => refuse(format!("a label is {label}, expected a class below {}", names.len())),
            },
            GivenOf::Vectors { columns, rows } => {
                for (at, row) in rows.iter().enumerate() {
                    if row.len() != columns.len() {
                        return refuse(format!("row {at} has {} numbers, expected {}", row.len(), columns.len()));
                    }
                    if let Some(column) = row.iter().position(|x| !x.is_finite()) {
                        let (x, name) = (row[column], &columns[column]);
                        return refuse(format!("row {at}, column {name}: {x} is given, expected a finite number"));
                    }
                }
                Ok(())
            }
        }
    }

    /// Labelled texts. Errors: sequences of numbers.
    pub fn of(labelled: Labelled) -> Result<Written, Error> {
        let Labelled { items, labels, classes: names, fingerprint } = labelled;
        match items {
            Items::Texts(texts) => Ok(Written { texts, given: GivenOf::Classes { names, labels }, fingerprint }),
            Items::Vectors { .. } => {
                let problem = "the sequences are rows of numbers, expected texts to write".to_string();
                Err(Error::Data { name: fingerprint.name, problem })
            }
        }
    }
}
