//! Holds the measures of what was predicted against what was true, one file for a kind of task. Refuses models and data: they
//! see numbers. All arithmetic is in f64.

mod classes;
pub mod forecast;

pub use classes::{ClassFigures, Confusion};
