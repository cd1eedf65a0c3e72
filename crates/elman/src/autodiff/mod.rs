//! Reverse-mode differentiation: parameters, the tape, and its nodes. Not here: layers, data, training.

pub mod nodes;
pub mod params;
mod pool;
pub mod tape;
