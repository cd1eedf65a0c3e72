//! `Element`, the two number types of the kernels, and the constants their functions need.
//! Not here: any type but f32 and f64.

use crate::math::ExpConstants;
use crate::matvec::{self, Maker};
use crate::pairs;
use crate::recurrent::step::Precision;
use crate::simd::{Backend, RawKernel};

/// A number type of the kernels: f32 or f64.
pub trait Element:
    Copy
    + Default
    + PartialOrd
    + PartialEq
    + std::fmt::Debug
    + std::fmt::Display
    + Send
    + Sync
    + bytemuck::Pod
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + ExpConstants
    + crate::descent::EntryPoints<Self>
    + crate::elementwise::EntryPoints<Self>
    + crate::gather::EntryPoints<Self>
    + crate::head::EntryPoints<Self>
    + crate::linear::EntryPoints<Self>
    + crate::dropout::EntryPoints<Self>
    + crate::math::EntryPoints<Self>
    + crate::norm::EntryPoints<Self>
    + crate::recurrent::EntryPoints<Self>
    + crate::recurrent::step::EntryPoints<Self>
    + crate::softmax::EntryPoints<Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// `f32` or `f64`.
    const NAME: &'static str;
    /// Half the distance from 1 to the next number: the largest relative rounding error.
    const ROUNDING: f64;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number in f64.
    fn to_f64(self) -> f64;
    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;

    /// Whether two numbers, rounded to bfloat16, fit into one of this type: f32.
    const HAS_PAIRS: bool;
    /// Both rounded to the nearest bfloat16, ties to even, in the bits of one number: `even` in the low half. Panics
    /// without [`Self::HAS_PAIRS`].
    fn pair(even: Self, odd: Self) -> Self;
    /// `sum` plus the products of two pairs: two fused multiply-adds, the odd numbers' first. Subnormal operands, sums
    /// and results count as 0, as AVX512-BF16 has it. Panics without [`Self::HAS_PAIRS`].
    fn dot(a: Self, b: Self, sum: Self) -> Self;

    /// What makes a weight of this type a narrow one; None for full weights, and for f64.
    #[doc(hidden)]
    fn narrow(precision: Precision) -> Option<Maker<Self>>;

    /// Runs a kernel with the instructions of `backend`.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    #[doc(hidden)]
    unsafe fn run<K: RawKernel<Self>>(backend: Backend, kernel: K) -> K::Output;
}

macro_rules! element {
    ($float:ident, $run:ident, $narrow:expr, $has_pairs:literal, $pair:expr, $dot:expr) => {
        impl Element for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAME: &'static str = stringify!($float);
            const ROUNDING: f64 = $float::EPSILON as f64 / 2.0;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            const HAS_PAIRS: bool = $has_pairs;
            #[inline(always)]
            fn pair(even: Self, odd: Self) -> Self {
                $pair(even, odd)
            }
            #[inline(always)]
            fn dot(a: Self, b: Self, sum: Self) -> Self {
                $dot(a, b, sum)
            }
            fn narrow(precision: Precision) -> Option<Maker<Self>> {
                $narrow(precision)
            }
            unsafe fn run<K: RawKernel<Self>>(backend: Backend, kernel: K) -> K::Output {
                // SAFETY: the caller's promise.
                unsafe { crate::simd::$run(backend, kernel) }
            }
        }
    };
}
element!(f32, run_f32, matvec::narrow, true, pairs::pair, pairs::dot);
element!(f64, run_f64, |_| None, false, |_, _| unreachable!("pairs of f64"), |_, _, _| unreachable!("pairs of f64"));
