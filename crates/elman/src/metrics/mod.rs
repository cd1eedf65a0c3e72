//! Holds the measures of what was predicted against what was true, one file for a kind of task. Refuses models and data: they
//! see numbers. All arithmetic is in f64.

mod bleu;
mod classes;
pub mod distribution;
pub mod forecast;

pub use bleu::Bleu;
pub use classes::{ClassFigures, Confusion};
