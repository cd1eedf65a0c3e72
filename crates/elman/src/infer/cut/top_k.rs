//! Keeps the k most probable tokens; all of them where there are no more than k.

use crate::error::Error;

pub const HELP: &str = "Choose among the N likeliest characters; 0 means all";
pub const VALUE: &str = "N";
pub const DEFAULT: usize = 0;

pub fn check(_: usize) -> Result<(), Error> {
    Ok(())
}

/// How many of the likeliest stay.
pub fn kept(weights: &[f64], k: usize) -> usize {
    if k == 0 { weights.len() } else { k }
}
