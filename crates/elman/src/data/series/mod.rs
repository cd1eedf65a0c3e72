//! Time series from a table: rows of one series on an even grid of times, with missing values where rows or cells are
//! missing (`set.rs`); what is fitted on them (`fitted.rs`); what a network reads of them (`window.rs`, `inputs.rs`,
//! `batch.rs`).

mod batch;
pub mod calendar;
mod columns;
pub mod fitted;
mod inputs;
mod long;
mod reading;
mod roles;
mod set;
#[cfg(test)]
mod tests;
mod wide;
mod window;

pub use batch::{Batch, Read};
pub use columns::Kind;
pub use inputs::{Timeline, Unit, View, Widths};
pub use long::Known;
pub use reading::table;
pub use roles::Roles;
pub use set::{Origin, Series, SeriesSet};
pub use window::Window;
