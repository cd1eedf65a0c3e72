//! A data set as tasks take it: sequences with their classes, split into a part to train on and a held-out one. Not here:
//! how they become numbers (`encoding.rs`).

use crate::config::Config;
use crate::data::table::items::Items;
use crate::data::text::corpus::Fingerprint;
use crate::error::Error;
use crate::metrics::Confusion;

/// Sequences and their classes, by place among the names: one for each sequence, or one for each of its steps.
#[derive(Clone, Debug)]
pub struct Part {
    /// The sequences.
    pub items: Items,
    /// The classes.
    pub labels: Vec<Vec<u32>>,
    /// What messages call the sequences.
    pub what: &'static str,
}

/// The parts of a data set.
#[derive(Clone, Debug)]
pub struct Split {
    /// How the data is known again.
    pub fingerprint: Fingerprint,
    /// The classes' names.
    pub classes: Vec<String>,
    /// To train on.
    pub train: Part,
    /// Kept from training.
    pub held: Part,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
    /// Of a text to be restored: the counts of classes if every held-out word stands as it mostly stood in training.
    pub by_words: Option<Confusion>,
}

/// A data set that can be split.
pub trait Dataset: Sized {
    /// The parts that `config` asks for; all of `self` is to train on where `validation` is given.
    ///
    /// Errors: settings of another task; data that does not fit itself; fewer than two classes; a validation set with
    /// other classes.
    fn split(self, config: &Config, validation: Option<Self>) -> Result<Split, Error>;
}

/// Errors: fewer than two classes; `each` is what has a class.
pub(crate) fn needs_two(name: &str, each: &str, classes: &[String]) -> Result<(), Error> {
    if classes.len() >= 2 {
        return Ok(());
    }
    let problem = format!("every {each} is {}, expected at least 2 classes", classes.join(""));
    Err(Error::Data { name: name.to_string(), problem })
}

/// For each of `classes` its place among the `known`. Errors: one that is not known, by name.
pub(crate) fn places(name: &str, classes: &[String], known: &[String]) -> Result<Vec<u32>, Error> {
    let place = |class: &String| {
        let at = known.iter().position(|other| other == class);
        at.map(|at| at as u32).ok_or_else(|| {
            let problem = format!("the class {class:?} was not trained on, expected one of {}", known.join(", "));
            Error::Data { name: name.to_string(), problem }
        })
    };
    classes.iter().map(place).collect()
}
