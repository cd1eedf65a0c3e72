//! Fused recurrent layers and packed products: slices in, slices out.
//!
//! All instructions that depend on the processor and all `unsafe` code of the project are here. Each public function checks
//! the lengths of its arguments and runs with the instruction set of its [`Cpu`]. Not here: tensors, graphs, files and
//! randomness, which are in the crate `elman`.
//!
//! Legend of dimensions, used in every file: `T` seq_len, `B` batch, `I` input_size, `H` hidden_size, `V`
//! vocab_size, `N` outputs of a product, `K` its inputs, `P` panels. `pad(n)` is `n` rounded up to 16.
//!
//! Two rules hold everywhere:
//! * A row of activations is `pad(n)` elements long and its padding is zero, so no loop has a ragged end.
//! * Every sum runs in one order that depends on the sizes alone, never on threads or vector width.

mod adaptive;
mod buffer;
mod cpu;
pub mod descent;
pub mod dropout;
mod element;
pub mod elementwise;
mod entry_points;
mod error;
pub mod gather;
mod gemm;
mod gru;
mod gru_reset_before;
pub mod head;
pub mod layout;
pub mod linear;
pub mod lock;
mod lstm;
#[cfg(test)]
mod lstm_on_two_panels;
pub mod math;
mod matvec;
mod min_gru;
pub mod norm;
mod number;
mod pairs;
pub mod peak;
mod profiler;
pub mod recurrent;
pub mod reference;
mod rnn;
mod rows;
mod scalar;
mod scratch;
mod simd;
mod slstm;
pub mod softmax;
mod team;
mod weight_grad;
mod workers;

pub use buffer::Buffer;
pub use cpu::Cpu;
pub use element::Element;
pub use error::Error;
pub use lock::Lock;
pub use number::Number;
pub use profiler::{Part, Profiler};
pub use scalar::Scalar;
pub use simd::Backend;

/// `n` rounded up to the row granularity of 16 elements; `usize::MAX`, which no slice has, where that is beyond it.
#[inline]
pub const fn pad(n: usize) -> usize {
    n.div_ceil(16).saturating_mul(16)
}
