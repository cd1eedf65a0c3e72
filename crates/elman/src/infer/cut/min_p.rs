//! Keeps the tokens whose probability is at least a share of the largest. A value outside 0 to 1 is an error.

use crate::error::Error;

pub const HELP: &str = "Choose among characters at least P times as likely as the likeliest; 0 means all";
pub const VALUE: &str = "P";
pub const DEFAULT: f64 = 0.0;

pub fn check(p: f64) -> Result<(), Error> {
    super::range::probability("min_p", p)
}

/// How many weigh at least p, the likeliest weighing 1.
pub fn kept(weights: &[f64], p: f64) -> usize {
    weights.partition_point(|&weight| weight >= p)
}
