//! Texts with what they are written for: a class each, or a row of numbers each. Conditions that do not fit the texts are
//! errors. Not here: anything fitted.

use std::path::Path;

use crate::config::Source;
use crate::data::table::items::places;
use crate::data::table::labelled::{Items, Labelled};
use crate::data::table::reading::Reading;
use crate::data::table::{Format, Table};
use crate::data::text::corpus::{Corpus, Fingerprint};
use crate::data::text::text_encoding::TextEncoding;
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
    /// Reads texts and their conditions: classes, or the columns that `source.features` names, of a table that is CSV
    /// unless the file's ending says otherwise.
    ///
    /// Errors: as [`Labelled::read_with`]; of columns, what cannot be read, a cell without text or number, no rows.
    pub fn read(
        path: &Path,
        source: &Source,
        encoding: TextEncoding,
        reading: &mut Reading<'_>,
    ) -> Result<Written, Error> {
        if source.features.is_empty() {
            return Written::of(Labelled::read_with(path, source, encoding, reading)?);
        }
        let corpus = Corpus::read_table(&[path.to_path_buf()], encoding)?;
        let format = Format::of_path(path).unwrap_or(Format::Csv);
        let on_bad = &mut |error| reading.bad(error);
        let table = Table::parse(corpus.name(), corpus.bytes(), format, source.header, on_bad)?;
        let text = table.column(&source.text)?;
        let columns: Vec<usize> = source.features.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
        let (mut texts, mut rows) = (Vec::new(), Vec::new());
        for row in 0..table.len() {
            let numbers = || columns.iter().map(|&column| table.number(row, column)).collect::<Result<Vec<f64>, _>>();
            let read = table.text(row, text).and_then(|words| match reading.problem_of_text(words) {
                Some(problem) => Err(table.refusal(row, text, problem)),
                None => Ok((words.to_string(), numbers()?)),
            });
            if let Some((words, numbers)) = reading.kept(read)? {
                texts.push(words);
                rows.push(numbers);
            }
        }
        let given = GivenOf::Vectors { columns: source.features.clone(), rows };
        Ok(Written { texts, given, fingerprint: corpus.fingerprint() })
    }

    /// The same with the classes of a model. Errors: a class that the model does not know, by name.
    pub fn with_classes(self, classes: &[String]) -> Result<Written, Error> {
        let GivenOf::Classes { names, labels } = &self.given else { return Ok(self) };
        let places = places(&self.fingerprint.name, names, classes)?;
        let labels = labels.iter().map(|&label| places[label as usize]).collect();
        Ok(Written { given: GivenOf::Classes { names: classes.to_vec(), labels }, ..self })
    }

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
