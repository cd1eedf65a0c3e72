//! A forecast beside the values that came. Not here: its errors (`scores.rs`).

use super::units::Units;

/// One forecast of one column of a series, from one origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored<'a> {
    /// The observed values by step; NaN: unknown, does not count.
    pub actual: &'a [f64],
    /// The forecast values. A step beyond the shorter of both does not count; a NaN makes the figures NaN.
    pub point: &'a [f64],
    /// Level, and the forecast quantiles of it by step; rising levels. May be empty.
    pub quantiles: &'a [(f64, Vec<f64>)],
    /// What the errors are divided by.
    pub units: Units,
}
