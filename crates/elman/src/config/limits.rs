//! Checks of a number by its range, which name the setting. Not here: the ranges.

use crate::error::Error;

/// The largest integer a recipe can hold: TOML's integers have 63 bits.
pub(super) const MAX_INTEGER: u64 = i64::MAX as u64;

pub(super) fn whole(name: &'static str, got: u64, least: u64, most: u64) -> Result<(), Error> {
    if (least..=most).contains(&got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: format!("{least} to {most}") })
}

pub(super) fn real(name: &'static str, got: f64, expected: &str, fits: impl Fn(f64) -> bool) -> Result<(), Error> {
    if got.is_finite() && fits(got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: expected.into() })
}
