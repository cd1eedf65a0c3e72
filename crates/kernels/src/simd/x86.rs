//! The macro that turns a list of x86-64 intrinsics into an implementation of `Simd`. Not here: the lists; they are in the
//! file of their instruction set.

/// Implements `Simd` for a token and a number type, one intrinsic an operation. The file that calls this has the
/// function `enabled`, compiled for the token's instructions.
macro_rules! intrinsics {
    ($token:ident, $float:ident, $vector:ident, $lanes:literal, $tile:literal, $load:ident, $store:ident, $splat:ident, $add:ident, $sub:ident,
     $mul:ident, $div:ident, $fma:ident, $fnma:ident, $min:ident, $max:ident, $and:expr, $andnot:expr, $or:expr, $pow2:expr, $if_positive:expr $(, $scale:ident)? $(; $enabled_dot:ident, $dot:ident, $transpose:ident)?) => {
        impl Simd<$float> for $token {
            type V = $vector;
            const LANES: usize = $lanes;
            const TILE: usize = $tile;

            #[inline(always)]
            unsafe fn vectorize<K: RawKernel<$float>>(self, kernel: K) -> K::Output {
                // SAFETY: `self` proves that the processor has these instructions; the caller's promise.
                unsafe { enabled(self, kernel) }
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $float) -> $vector {
                // SAFETY: the caller's promise on `from`; `self` proves the instruction.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float, x: $vector) {
                // SAFETY: the caller's promise on `to`; `self` proves the instruction.
                unsafe { $store(to, x) }
            }
            #[inline(always)]
            fn fetch(self, at: *const $float) {
                // SAFETY: a hint, which faults nowhere; `self` proves the instruction.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
            }
            #[inline(always)]
            fn fetch_to_write(self, at: *const $float) {
                // SAFETY: a hint, which faults nowhere and which processors without it pass over. The intrinsic of this
                // instruction fetches for reading where the compiler is not told of the feature, which has no stable name.
                #[cfg(not(miri))]
                unsafe {
                    std::arch::asm!("prefetchw [{}]", in(reg) at as usize, options(nostack, preserves_flags, nomem));
                }
                #[cfg(miri)]
                let _ = at;
            }
            #[inline(always)]
            fn splat(self, x: $float) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn fma(self, a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            fn fnma(self, a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $fnma(a, b, c) }
            }
            #[inline(always)]
            fn min(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $min(a, b) }
            }
            #[inline(always)]
            fn max(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            fn if_positive(self, x: $vector, y: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $if_positive(x, y) }
            }
            #[inline(always)]
            fn abs(self, x: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $andnot($splat(-0.0), x) }
            }
            #[inline(always)]
            fn copysign(self, magnitude: $vector, sign: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $or($andnot($splat(-0.0), magnitude), $and($splat(-0.0), sign)) }
            }
            #[inline(always)]
            fn pow2(self, n: $vector) -> $vector {
                // SAFETY: `self` proves the instruction.
                unsafe { $pow2(n) }
            }
            $(
                #[inline(always)]
                fn scale(self, x: $vector, n: $vector) -> $vector {
                    // SAFETY: `self` proves the instruction.
                    unsafe { $scale(x, n) }
                }
            )?
            $(
                #[inline(always)]
                unsafe fn vectorize_pairs<K: RawKernel<$float>>(self, kernel: K) -> K::Output {
                    // SAFETY: `self` proves its instructions; the caller promises that of the products, and what the kernel asks.
                    unsafe { $enabled_dot(self, kernel) }
                }
                #[inline(always)]
                unsafe fn transpose(self, from: *const $float, from_stride: usize, to: *mut $float, to_stride: usize) {
                    // SAFETY: the caller's promise; `self` proves the instructions.
                    unsafe { $transpose(from, from_stride, to, to_stride) }
                }
                #[inline(always)]
                unsafe fn dot_pairs(self, a: $vector, b: $vector, sum: $vector) -> $vector {
                    // SAFETY: the caller's promise.
                    unsafe { $dot(a, b, sum) }
                }
            )?
        }
    };
}
pub(super) use intrinsics;
