//! Standard output and standard error as terminals: their sizes, and whether they show colours and progress. Not here: what is
//! printed (`terminal.rs`).

use std::io::{self, IsTerminal};

use console::Term;

/// A stream that may be a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

impl Stream {
    /// Rows and columns of the terminal, 24 and 80 where it does not tell; None if it is no terminal.
    pub fn size(self) -> Option<(usize, usize)> {
        let (term, is_terminal) = match self {
            Stream::Out => (Term::stdout(), io::stdout().is_terminal()),
            Stream::Err => (Term::stderr(), io::stderr().is_terminal()),
        };
        let size = term.size_checked().map_or((24, 80), |(rows, columns)| (rows.into(), columns.into()));
        is_terminal.then_some((size.0, size.1.max(8)))
    }

    /// Columns of the terminal; None if it is no terminal.
    pub fn width(self) -> Option<usize> {
        self.size().map(|(_, columns)| columns)
    }

    /// Whether to colour it: a terminal that is not `dumb`, and `NO_COLOR` unset or empty.
    pub fn is_coloured(self) -> bool {
        let is_unset = |value: Option<std::ffi::OsString>| value.is_none_or(|value| value.is_empty());
        self.size().is_some() && !is_dumb() && is_unset(std::env::var_os("NO_COLOR"))
    }
}

/// Whether the terminal can only append: `TERM=dumb`.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// Whether stderr is a terminal on which a line can be overwritten.
pub fn shows_progress() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}
