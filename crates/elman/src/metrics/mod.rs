//! The measures of predictions against true values, one file for a kind of task. All arithmetic is in f64. Not here:
//! models and data.

pub mod baselines;
mod bleu;
mod classes;
pub mod distribution;
pub mod forecast;
pub mod labels;
pub mod regression;
pub mod signal;
pub mod spans;

pub use bleu::Bleu;
pub use classes::{ClassFigures, Confusion};
