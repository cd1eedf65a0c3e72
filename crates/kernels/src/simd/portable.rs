//! The portable operations: arrays and plain loops that the compiler vectorises with whatever the target
//! has. On x86-64 the same source is also compiled with hardware FMA (`PortableFma`). Not here: intrinsics.

use super::{RawKernel, Simd};

/// Whether this build has no instruction for a fused multiply-add. Each is then a call of many instructions, and vectors
/// are short to keep the code small.
const IS_SLOW: bool = cfg!(all(target_arch = "x86_64", not(target_feature = "fma")));
/// Elements of a vector of f32, and of f64, in the source as this build compiles it.
pub(super) const LANES_F32: usize = if IS_SLOW { 2 } else { 8 };
const LANES_F64: usize = if IS_SLOW { 2 } else { 4 };
/// Rows of a product tile at most: where calls take the time, larger ones would only be more code.
const ROWS: usize = if IS_SLOW { 1 } else { usize::MAX };

/// The portable source as this build compiles it. Legal everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

/// The portable source compiled with FMA: proof that this machine has the instruction.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortableFma(());

#[cfg(target_arch = "x86_64")]
impl PortableFma {
    /// The proof, if the processor has the instruction.
    pub fn detect() -> Option<PortableFma> {
        is_x86_feature_detected!("fma").then_some(PortableFma(()))
    }
}

#[cfg(target_arch = "x86_64")]
/// # Safety
/// That of the kernel's `run`.
#[target_feature(enable = "fma")]
unsafe fn with_fma<E: crate::scalar::Scalar, K: RawKernel<E>>(s: PortableFma, kernel: K) -> K::Output
where
    PortableFma: Simd<E>,
{
    // SAFETY: the caller's promise.
    unsafe { kernel.run(s) }
}

/// A function of its own for every kernel, as the other instruction sets have: a tile is then compiled once, not at every
/// place that runs it.
///
/// # Safety
/// That of the kernel's `run`.
unsafe fn plain<E: crate::scalar::Scalar, K: RawKernel<E>>(s: Portable, kernel: K) -> K::Output
where
    Portable: Simd<E>,
{
    // SAFETY: the caller's promise.
    unsafe { kernel.run(s) }
}

/// What `of` gives for every lane.
#[inline(always)]
fn lanes<T: Copy + Default, const N: usize>(of: impl Fn(usize) -> T) -> [T; N] {
    if !cfg!(miri) {
        return std::array::from_fn(of);
    }
    // The same in a tenth of Miri's time.
    let (mut all, mut i) = ([T::default(); N], 0);
    while i < N {
        all[i] = of(i);
        i += 1;
    }
    all
}

macro_rules! portable {
    ($token:ident, $float:ident, $bits:ident, $lanes:expr, $shift:literal, $magic:literal, $rows:expr, |$s:ident, $kernel:ident| $vectorize:expr) => {
        impl Simd<$float> for $token {
            type V = [$float; $lanes];
            const LANES: usize = $lanes;
            const TILE: usize = 2;
            const MOST_TILE_ROWS: usize = $rows;

            #[inline(always)]
            unsafe fn vectorize<K: RawKernel<$float>>(self, $kernel: K) -> K::Output {
                let $s = self;
                $vectorize
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $float) -> Self::V {
                // SAFETY: the caller's promise on `from`; an array needs no more than its element's alignment.
                unsafe { from.cast::<Self::V>().read() }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float, x: Self::V) {
                // SAFETY: the caller's promise on `to`.
                unsafe { to.cast::<Self::V>().write(x) }
            }
            #[inline(always)]
            fn splat(self, x: $float) -> Self::V {
                [x; $lanes]
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                lanes(|i| a[i] + b[i])
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                lanes(|i| a[i] - b[i])
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                lanes(|i| a[i] * b[i])
            }
            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                lanes(|i| a[i] / b[i])
            }
            #[inline(always)]
            fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                lanes(|i| a[i].mul_add(b[i], c[i]))
            }
            #[inline(always)]
            fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                lanes(|i| (-a[i]).mul_add(b[i], c[i]))
            }
            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn if_positive(self, x: Self::V, y: Self::V) -> Self::V {
                lanes(|i| if x[i] > 0.0 { y[i] } else { 0.0 })
            }
            #[inline(always)]
            fn abs(self, x: Self::V) -> Self::V {
                x.map($float::abs)
            }
            #[inline(always)]
            fn copysign(self, magnitude: Self::V, sign: Self::V) -> Self::V {
                lanes(|i| magnitude[i].copysign(sign[i]))
            }
            /// The low bits of `n + 1.5 * 2^shift` are the integer n; shifted up they are the exponent's distance
            /// from that of 1.
            #[inline(always)]
            fn pow2(self, n: Self::V) -> Self::V {
                let one = (1.0 as $float).to_bits();
                n.map(|n| $float::from_bits((((n + $magic).to_bits()) << $shift).wrapping_add(one)))
            }
        }
    };
}

portable!(Portable, f32, u32, LANES_F32, 23, 12582912.0, ROWS, |s, kernel| {
    // SAFETY: the caller's promise.
    unsafe { plain(s, kernel) }
});
portable!(Portable, f64, u64, LANES_F64, 52, 6755399441055744.0, ROWS, |s, kernel| {
    // SAFETY: the caller's promise.
    unsafe { plain(s, kernel) }
});
#[cfg(target_arch = "x86_64")]
portable!(PortableFma, f32, u32, 8, 23, 12582912.0, usize::MAX, |s, kernel| {
    // SAFETY: `s` proves that the processor has FMA; the caller's promise.
    unsafe { with_fma(s, kernel) }
});
#[cfg(target_arch = "x86_64")]
portable!(PortableFma, f64, u64, 4, 52, 6755399441055744.0, usize::MAX, |s, kernel| {
    // SAFETY: `s` proves that the processor has FMA; the caller's promise.
    unsafe { with_fma(s, kernel) }
});
