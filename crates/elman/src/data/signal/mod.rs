//! Signals: recordings of what goes into a device and what comes out of it, read and written as WAV, brought into step with each
//! other, and cut into parts. Not here: networks.

mod align;
mod pairs;
mod wav;

pub use align::Shift;
pub use pairs::{Pair, Pairs, Span, Spans};
pub use wav::{Format, WavReader, WavWriter};
