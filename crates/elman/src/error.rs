//! Holds the one error type of the library. Each message names the thing, what it was and what was wanted.

use std::path::PathBuf;

/// Why the library refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{name} is {got}, expected {expected}")]
    Setting {
        /// The setting, as a user writes it.
        name: &'static str,
        /// What it was.
        got: String,
        /// What was wanted.
        expected: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("{name} has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Tensor name.
        name: String,
        /// What it was.
        got: Vec<usize>,
        /// What was wanted.
        expected: Vec<usize>,
    },
    /// Reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// Verb: `read`, `write`, `create`, ...
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}
