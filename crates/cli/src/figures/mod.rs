//! The figures of data that a model was not trained on, as lines and as fields of a JSON object: training prints them of what it
//! holds out, `eval` of other data. Not here: measuring; the library does.

pub mod classes;
pub mod forecast;
pub mod numbers;
pub mod signal;
pub mod translation;

use crate::stream::Stream;
use crate::terminal::{fact, row};

/// How lines are laid out.
#[derive(Clone, Copy)]
pub struct Form {
    /// Columns of the terminal, if there is one.
    width: Option<usize>,
    /// A line of a name and words.
    line: fn(&str, &str) -> String,
}

impl Form {
    /// The form for what training prints on stderr.
    pub fn of_training() -> Form {
        Form { width: Stream::Err.width(), line: fact }
    }

    /// The form for results on stdout.
    pub fn of_results() -> Form {
        Form { width: Stream::Out.width(), line: row }
    }
}
