//! The product of a weight with one vector, for full, bfloat16 and 8-bit integer weights. It reads every weight once a step,
//! so it runs at the speed of memory: the columns of a panel lie together, in order, without padding but the last panel's.
//! Not here: batches (`gemm`) and activations (`recurrent/step.rs`).
//!
//! Full and bfloat16: every output is one chain of fused multiply-adds in rising k, as in `gemm`. So full weights give the
//! bits of a whole sequence's forward, and bfloat16 weights those of full weights rounded to bfloat16.
//!
//! Integers: weight n, k is `scale[n] q[n][k]` with q of -127 to 127. The vector becomes `scale_x x[k]` with integers x as
//! large as the sum allows, 32,639 at most. The sum of the `q x` is exact, so its order is free.

mod bf16;
mod full;
mod int8;
mod product;

use crate::Number;
use crate::recurrent::precision::Precision;

pub use bf16::rounded_to_bfloat16;
pub(crate) use full::Full;
pub(crate) use product::{BoxedProduct, Product, Source, scratch_len};

use bf16::Bf16;
use int8::Int8;

/// What makes one.
pub type Maker<E> = fn(&Source<'_, E>) -> BoxedProduct<E>;

/// A number type whose weights may have narrow forms: f32 has, f64 has none.
pub(crate) trait MayBeNarrow: Number {
    /// What makes a weight of this type a narrow one; `None` for full weights, and for f64.
    fn narrow(precision: Precision) -> Option<Maker<Self>>;
}
impl MayBeNarrow for f32 {
    fn narrow(precision: Precision) -> Option<Maker<f32>> {
        match precision {
            Precision::Full => None,
            Precision::Bf16 => Some(|source| Box::new(Bf16::new(source))),
            Precision::Int8 => Some(|source| Box::new(Int8::new(source))),
        }
    }
}
impl MayBeNarrow for f64 {
    fn narrow(_: Precision) -> Option<Maker<f64>> {
        None
    }
}
