//! The errors of settings out of range. Not here: the ranges.

use crate::error::Error;

/// An error that names the setting, what it was and what was wanted.
pub fn refuse<T>(name: &'static str, got: f64, expected: &str) -> Result<T, Error> {
    Err(Error::Setting { name, got: got.to_string(), expected: expected.into() })
}

/// A probability. Errors: another number, by the name of its setting.
pub fn probability(name: &'static str, p: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&p) { Ok(()) } else { refuse(name, p, "0 to 1") }
}
