//! Vector operations. `operations.rs` has the trait `Simd` in which the kernels are written, and one file per instruction set
//! implements it; `backend.rs` chooses one. Not here: equations; those are in the file of their cell.
//!
//! A value of a `Simd` type proves that its instructions are legal here: only [`Backend::detect`] and its siblings make one,
//! after asking the processor. Every operation is exact to IEEE 754 lane by lane, so all backends compute the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backend;
pub(crate) mod integers;
pub(crate) mod narrow;
mod operations;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::Backend;
pub(crate) use backend::{run_f32, run_f64};
pub(crate) use operations::OnSlices;
pub use operations::{Kernel, RawKernel, Simd};
