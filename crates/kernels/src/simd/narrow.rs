//! The operation on bfloat16 weights, for each instruction set: the two of a word are widened to f32, which is exact. Not
//! here: rounding, which is in `matvec`.

use super::backend::Kind;
use super::portable::{LANES_F32, Portable};
use super::{Backend, Simd};
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512, portable::PortableFma};

/// A `Simd` of f32 that widens bfloat16. The proof that they are legal is the same value.
pub(crate) trait Narrow: Simd<f32> {
    /// Runs a kernel in a function compiled for these instructions.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    unsafe fn narrow<K: NarrowKernel>(self, kernel: K);
    /// The bfloat16 in the low and in the high half of each word, as f32.
    ///
    /// # Safety
    /// `from` is valid for reading `LANES` words.
    unsafe fn widen(self, from: *const u32) -> (Self::V, Self::V);
}

/// Work written once for every instruction set. See [`super::RawKernel`].
pub(crate) trait NarrowKernel {
    /// Does the work with the operations of `s`.
    ///
    /// # Safety
    /// As [`super::RawKernel::run`].
    unsafe fn run<S: Narrow>(self, s: S);
}

/// Runs `kernel` with the instructions of `backend`.
///
/// # Safety
/// That of the kernel's `run`.
pub(crate) unsafe fn run(backend: Backend, kernel: impl NarrowKernel) {
    // SAFETY: the caller's promise.
    unsafe {
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
}

macro_rules! portable {
    ($token:ident, $lanes:expr, |$s:ident, $kernel:ident| $narrow:expr) => {
        impl Narrow for $token {
            #[inline(always)]
            unsafe fn narrow<K: NarrowKernel>(self, $kernel: K) {
                let $s = self;
                $narrow
            }
            #[inline(always)]
            unsafe fn widen(self, from: *const u32) -> (Self::V, Self::V) {
                // SAFETY: the caller's promise; an array needs no more than its element's alignment.
                let words = unsafe { from.cast::<[u32; $lanes]>().read() };
                (words.map(|w| f32::from_bits(w << 16)), words.map(|w| f32::from_bits(w & 0xffff_0000)))
            }
        }
    };
}
portable!(Portable, LANES_F32, |s, kernel| {
    // SAFETY: the caller's promise.
    unsafe { kernel.run(s) }
});
#[cfg(target_arch = "x86_64")]
portable!(PortableFma, 8, |s, kernel| {
    // SAFETY: `s` proves that the processor has FMA; the caller's promise.
    unsafe { x86::portable_fma(s, kernel) }
});

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Avx2, Avx512, Narrow, NarrowKernel, PortableFma};

    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "fma")]
    pub(super) unsafe fn portable_fma<K: NarrowKernel>(s: PortableFma, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }
    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<K: NarrowKernel>(s: Avx2, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }
    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "avx512f,avx512dq,fma")]
    unsafe fn avx512<K: NarrowKernel>(s: Avx512, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }

    impl Narrow for Avx2 {
        #[inline(always)]
        unsafe fn narrow<K: NarrowKernel>(self, kernel: K) {
            // SAFETY: `self` proves that the processor has these instructions; the caller's promise.
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
    }

    impl Narrow for Avx512 {
        #[inline(always)]
        unsafe fn narrow<K: NarrowKernel>(self, kernel: K) {
            // SAFETY: `self` proves that the processor has these instructions; the caller's promise.
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
    }
}
