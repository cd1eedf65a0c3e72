//! The nodes of the tape, one file each with forward beside backward. Not here: loops over time, which are the kernels',
//! but for `scan.rs`, which runs a step of the user's own.

mod additive;
mod attention;
mod columns;
mod crf;
mod cross_entropy;
mod dropout;
mod elementwise;
mod embed;
mod error_to_signal;
mod head;
mod known;
mod layer_norm;
mod likelihood;
mod linear;
mod linear_tokens;
mod merge;
mod param;
mod pool;
mod recurrent;
mod reduce;
mod scan;
mod select;
mod smoothing;

pub(crate) use error_to_signal::{LEAST_ENERGY, SignalError};
pub use head::Targets;
pub use linear::LinearIds;
pub(crate) use recurrent::weights;
pub use recurrent::{LayerIds, Sequence};
pub use scan::ScanOptions;
