//! Holds the cut after the k likeliest. Refuses nothing: more than there are keeps all.

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
