//! What a reader of labelled data accepts: the classes and texts that a model knows, and what becomes of a row that cannot be
//! read. Not here: the formats (`labelled.rs`, `tagged.rs`, `written.rs`, `parallel.rs`).

use crate::data::table::OnBad;
use crate::data::table::items::unknown_class;
use crate::error::Error;

/// Whether a text can be read: the error says why not.
pub type Check<'a> = &'a dyn Fn(&str) -> Result<(), Error>;

/// What is accepted; by default every class and text, and the first row that cannot be read is an error.
#[derive(Default)]
pub struct Reading<'a> {
    /// The only classes there may be: another one is an error that names its row, whatever `on_bad` says, because figures
    /// without such rows would be those of other data.
    pub classes: Option<&'a [String]>,
    /// Whether a text can be read; one that cannot is a bad row.
    pub check: Option<Check<'a>>,
    /// What becomes of a row that cannot be read; without it the first is an error.
    pub on_bad: Option<OnBad<'a>>,
}

impl Reading<'_> {
    /// Handles a row that cannot be read.
    pub(crate) fn bad(&mut self, error: Error) -> Result<(), Error> {
        match &mut self.on_bad {
            Some(on_bad) => on_bad(error),
            None => Err(error),
        }
    }

    /// What was read of a row, or None where it cannot be read and that is no error.
    pub(crate) fn kept<T>(&mut self, read: Result<T, Error>) -> Result<Option<T>, Error> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) => self.bad(error).map(|()| None),
        }
    }

    /// What is wrong with a class, if something is.
    pub(crate) fn problem_of_class(&self, class: &str) -> Option<String> {
        let classes = self.classes?;
        (!classes.iter().any(|known| known == class)).then(|| unknown_class(class, classes))
    }

    /// What is wrong with a text, if something is.
    pub(crate) fn problem_of_text(&self, text: &str) -> Option<String> {
        self.check?(text).err().map(|error| error.to_string())
    }
}
