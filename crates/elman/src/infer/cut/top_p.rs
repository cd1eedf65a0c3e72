//! Keeps the most probable tokens until their sum reaches p. A value outside 0 to 1 is an error. Source: Holtzman and
//! others 2020, nucleus sampling.

use crate::error::Error;

pub const HELP: &str = "Choose among the likeliest characters that together have this probability; 1 means all";
pub const VALUE: &str = "P";
pub const DEFAULT: f64 = 1.0;

pub fn check(p: f64) -> Result<(), Error> {
    super::range::probability("top_p", p)
}

/// How many of the most probable are needed to reach p of the sum.
pub fn kept(weights: &[f64], p: f64) -> usize {
    let total: f64 = weights.iter().sum();
    let (mut kept, mut mass) = (0, 0.0);
    while kept < weights.len() && (kept == 0 || mass < p * total) {
        mass += weights[kept];
        kept += 1;
    }
    kept
}
