//! `Number`: a number type for which kernels run on every instruction set. The modules' generic functions are bound by it.
//! Not here: their entry points (`element.rs`).

use crate::scalar::Scalar;
use crate::simd::{Backend, Kernel, OnSlices, RawKernel, run_f32, run_f64};

/// f32 or f64 with its vector operations.
pub trait Number: Scalar {
    /// Runs a kernel with the instructions of `backend`.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    #[doc(hidden)]
    unsafe fn run<K: RawKernel<Self>>(backend: Backend, kernel: K) -> K::Output;
}

macro_rules! number {
    ($float:ident, $run:ident) => {
        impl Number for $float {
            unsafe fn run<K: RawKernel<Self>>(backend: Backend, kernel: K) -> K::Output {
                // SAFETY: the caller's promise.
                unsafe { $run(backend, kernel) }
            }
        }
    };
}
number!(f32, run_f32);
number!(f64, run_f64);
/// Runs a kernel on slices with the instructions of `backend`.
pub(crate) fn run<E: Number, K: Kernel<E>>(backend: Backend, kernel: K) -> K::Output {
    // SAFETY: a kernel on slices has no pointers.
    unsafe { E::run(backend, OnSlices(kernel)) }
}
