//! Classification: a class for every sequence. Not here: how it is learned, which it shares with tagging (`labels.rs`).

pub use super::labels::{Figures, Labels as Classify, Trained, likeliest};
