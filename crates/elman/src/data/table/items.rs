//! Sequences as they are read, before they become numbers: texts, or rows of numbers. Sequences that do not fit themselves
//! are errors.

use crate::error::Error;

/// What the sequences are made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Items {
    /// Texts, still to become tokens.
    Texts(Vec<String>),
    /// Rows of as many numbers as there are columns, row after row.
    Vectors {
        /// The features' columns.
        columns: Vec<String>,
        /// What the group column says of each sequence.
        groups: Vec<String>,
        /// The numbers of each sequence.
        sequences: Vec<Vec<f64>>,
    },
}

impl Items {
    /// Number of sequences.
    pub fn len(&self) -> usize {
        match self {
            Items::Texts(texts) => texts.len(),
            Items::Vectors { sequences, .. } => sequences.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Errors, in the name of the data: groups that are not as many as sequences; rows of numbers that are not whole,
    /// or a sequence without any; a number that is not finite, by sequence, row and column.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let Items::Vectors { columns, groups, sequences } = self else { return Ok(()) };
        let refuse = |problem: String| Err(Error::Data { name: name.to_string(), problem });
        if groups.len() != sequences.len() {
            return refuse(format!(
                "{} groups are given, expected one for each of {} sequences",
                groups.len(),
                sequences.len()
            ));
        }
        let width = columns.len();
        for (numbers, group) in sequences.iter().zip(groups) {
            if numbers.is_empty() || width == 0 || !numbers.len().is_multiple_of(width) {
                let got = numbers.len();
                return refuse(format!(
                    "sequence {group} has {got} numbers, expected rows of {width} columns, at least one"
                ));
            }
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                let (row, column) = (at / width, &columns[at % width]);
                let x = numbers[at];
                return refuse(format!(
                    "sequence {group}, row {row}, column {column}: {x} is given, expected a finite number"
                ));
            }
        }
        Ok(())
    }

    /// Those at `places`, in that order.
    pub fn pick(&self, places: &[usize]) -> Items {
        match self {
            Items::Texts(texts) => Items::Texts(places.iter().map(|&at| texts[at].clone()).collect()),
            Items::Vectors { columns, groups, sequences } => Items::Vectors {
                columns: columns.clone(),
                groups: places.iter().map(|&at| groups[at].clone()).collect(),
                sequences: places.iter().map(|&at| sequences[at].clone()).collect(),
            },
        }
    }
}

/// For each of `classes` its place among the `known`. Errors: one that is not known, by name.
pub(crate) fn places(name: &str, classes: &[String], known: &[String]) -> Result<Vec<u32>, Error> {
    let place = |class: &String| {
        let at = known.iter().position(|other| other == class);
        at.map(|at| at as u32)
            .ok_or_else(|| Error::Data { name: name.to_string(), problem: unknown_class(class, known) })
    };
    classes.iter().map(place).collect()
}

/// What is wrong with a class that is not among the `known`.
pub(crate) fn unknown_class(class: &str, known: &[String]) -> String {
    format!("the class {class:?} was not trained on, expected one of {}", known.join(", "))
}
