//! Holds the operations on weights of fewer bits, each beside its portable statement: two bfloat16 of a word widened to
//! f32, and integer dot products of pairs. Refuses rounding and policy: those are `matvec`'s.
//!
//! Widening is exact and integer sums do not round, so all backends compute the same bits here too.

use super::portable::Portable;
use super::{Backend, Kind, Simd};
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512, portable::PortableFma};

/// A `Simd` of f32 with operations on narrow weights. The proof that they are legal is the same value.
pub(crate) trait Narrow: Simd<f32> {
    /// As many i32 as the vector has lanes.
    type Sums: Copy;

    /// Runs a kernel in a function compiled for these instructions.
    fn narrow<K: NarrowKernel>(self, kernel: K);
    /// The bfloat16 in the low and in the high half of each word, as f32.
    ///
    /// # Safety
    /// `from` is valid for reading `LANES` words.
    unsafe fn widen(self, from: *const u32) -> (Self::V, Self::V);
    /// Sums of 0.
    fn no_sums(self) -> Self::Sums;
    /// `sums[i] + w[2i] x0 + w[2i+1] x1`, where x0 and x1 are the low and the high 16 bits of `x`.
    ///
    /// # Safety
    /// `from` is valid for reading `2 * LANES` bytes, the w; no sum leaves the range of i32.
    unsafe fn dot(self, sums: Self::Sums, from: *const i8, x: i32) -> Self::Sums;
    /// The sums, rounded to f32.
    fn to_floats(self, sums: Self::Sums) -> Self::V;
}

/// Work written once for every instruction set. See [`super::Kernel`].
pub(crate) trait NarrowKernel {
    /// Does the work with the operations of `s`.
    fn run<S: Narrow>(self, s: S);
}

/// Runs `kernel` with the instructions of `backend`.
pub(crate) fn run(backend: Backend, kernel: impl NarrowKernel) {
    match backend.0 {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512(s) => s.narrow(kernel),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2(s) => s.narrow(kernel),
        #[cfg(target_arch = "x86_64")]
        Kind::PortableFma(s) => s.narrow(kernel),
        Kind::Portable(s) => s.narrow(kernel),
    }
}

macro_rules! portable {
    ($token:ident, |$s:ident, $kernel:ident| $narrow:expr) => {
        impl Narrow for $token {
            type Sums = [i32; 8];

            #[inline(always)]
            fn narrow<K: NarrowKernel>(self, $kernel: K) {
                let $s = self;
                $narrow
            }
            #[inline(always)]
            unsafe fn widen(self, from: *const u32) -> (Self::V, Self::V) {
                // SAFETY: the caller's promise; an array needs no more than its element's alignment.
                let words = unsafe { from.cast::<[u32; 8]>().read() };
                (words.map(|w| f32::from_bits(w << 16)), words.map(|w| f32::from_bits(w & 0xffff_0000)))
            }
            #[inline(always)]
            fn no_sums(self) -> [i32; 8] {
                [0; 8]
            }
            #[inline(always)]
            unsafe fn dot(self, sums: [i32; 8], from: *const i8, x: i32) -> [i32; 8] {
                // SAFETY: the caller's promise.
                let w = unsafe { from.cast::<[i8; 16]>().read() };
                let (x0, x1) = (i32::from(x as i16), x >> 16);
                std::array::from_fn(|i| sums[i] + i32::from(w[2 * i]) * x0 + i32::from(w[2 * i + 1]) * x1)
            }
            #[inline(always)]
            fn to_floats(self, sums: [i32; 8]) -> Self::V {
                sums.map(|x| x as f32)
            }
        }
    };
}
portable!(Portable, |s, kernel| kernel.run(s));
#[cfg(target_arch = "x86_64")]
portable!(PortableFma, |s, kernel| {
    // SAFETY: `s` proves that the processor has FMA.
    unsafe { x86::portable_fma(s, kernel) }
});

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Avx2, Avx512, Narrow, NarrowKernel, PortableFma};

    #[target_feature(enable = "fma")]
    pub(super) fn portable_fma<K: NarrowKernel>(s: PortableFma, kernel: K) {
        kernel.run(s);
    }
    #[target_feature(enable = "avx2,fma")]
    fn avx2<K: NarrowKernel>(s: Avx2, kernel: K) {
        kernel.run(s);
    }
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,fma")]
    fn avx512<K: NarrowKernel>(s: Avx512, kernel: K) {
        kernel.run(s);
    }

    impl Narrow for Avx2 {
        type Sums = __m256i;

        #[inline(always)]
        fn narrow<K: NarrowKernel>(self, kernel: K) {
            // SAFETY: `self` proves that the processor has these instructions.
            unsafe { avx2(self, kernel) }
        }
        #[inline(always)]
        unsafe fn widen(self, from: *const u32) -> (__m256, __m256) {
            // SAFETY: the caller's promise on `from`; `self` proves the instructions.
            unsafe {
                let words = _mm256_loadu_si256(from.cast());
                let high = _mm256_and_si256(words, _mm256_set1_epi32(0xffff_0000_u32 as i32));
                (_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)), _mm256_castsi256_ps(high))
            }
        }
        #[inline(always)]
        fn no_sums(self) -> __m256i {
            // SAFETY: `self` proves the instruction.
            unsafe { _mm256_setzero_si256() }
        }
        #[inline(always)]
        unsafe fn dot(self, sums: __m256i, from: *const i8, x: i32) -> __m256i {
            // SAFETY: the caller's promise on `from`; `self` proves the instructions.
            unsafe {
                let w = _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast()));
                _mm256_add_epi32(sums, _mm256_madd_epi16(w, _mm256_set1_epi32(x)))
            }
        }
        #[inline(always)]
        fn to_floats(self, sums: __m256i) -> __m256 {
            // SAFETY: `self` proves the instruction.
            unsafe { _mm256_cvtepi32_ps(sums) }
        }
    }

    impl Narrow for Avx512 {
        type Sums = __m512i;

        #[inline(always)]
        fn narrow<K: NarrowKernel>(self, kernel: K) {
            // SAFETY: `self` proves that the processor has these instructions.
            unsafe { avx512(self, kernel) }
        }
        #[inline(always)]
        unsafe fn widen(self, from: *const u32) -> (__m512, __m512) {
            // SAFETY: the caller's promise on `from`; `self` proves the instructions.
            unsafe {
                let words = _mm512_loadu_si512(from.cast());
                let high = _mm512_and_si512(words, _mm512_set1_epi32(0xffff_0000_u32 as i32));
                (_mm512_castsi512_ps(_mm512_slli_epi32::<16>(words)), _mm512_castsi512_ps(high))
            }
        }
        #[inline(always)]
        fn no_sums(self) -> __m512i {
            // SAFETY: `self` proves the instruction.
            unsafe { _mm512_setzero_si512() }
        }
        #[inline(always)]
        unsafe fn dot(self, sums: __m512i, from: *const i8, x: i32) -> __m512i {
            // SAFETY: the caller's promise on `from`; `self` proves the instructions.
            unsafe {
                let w = _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast()));
                _mm512_add_epi32(sums, _mm512_madd_epi16(w, _mm512_set1_epi32(x)))
            }
        }
        #[inline(always)]
        fn to_floats(self, sums: __m512i) -> __m512 {
            // SAFETY: `self` proves the instruction.
            unsafe { _mm512_cvtepi32_ps(sums) }
        }
    }
}
