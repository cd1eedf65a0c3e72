//! The products of 8-bit weights with 16-bit integers, four at a time, for each instruction set. Not here: rounding to
//! integers, which is in `matvec`.
//!
//! A weight is stored as `w + 128`, an unsigned byte: VNNI multiplies unsigned with signed bytes, and elsewhere an unsigned
//! byte widens without an instruction for the sign. A sum then is 128 times the sum of the vector too large, which its start
//! value subtracts. Sums are modulo 2^32: one whose final value fits an i32 is exact even if it overflows in between, so all
//! sets compute the same bits.

use super::backend::Kind;
use super::portable::{LANES_F32, Portable};
use super::{Backend, Simd};
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512, portable::PortableFma};
#[cfg(target_arch = "x86_64")]
use x86::Vnni;

/// What a stored weight is above its value.
pub(crate) const OFFSET: i32 = 128;
/// Largest magnitude of a vector's integers: its two bytes, each with a sign, reach no further.
pub(crate) const LARGEST: i32 = 127 * 256 + 127;
/// Weights that meet in one product.
pub(crate) const QUAD: usize = 4;

/// Products of integers, and the vectors of f32 that their sums become. The proof that they are legal is the same value.
pub(crate) trait Integers: Copy {
    /// The operations on f32.
    type Floats: Simd<f32>;
    /// As many i32 as its vector has lanes, in as many parts as the products need.
    type Sums: Copy;

    /// The proof for f32.
    fn floats(self) -> Self::Floats;
    /// Runs a kernel in a function compiled for these instructions.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    unsafe fn compiled<K: IntegerKernel>(self, kernel: K);
    /// Four integers of the vector in two words, as `add` takes them. Here: the 16 bits of the even ones, then of the odd
    /// ones.
    #[inline(always)]
    fn quad(x: [i16; QUAD]) -> [i32; 2] {
        let [x0, x1, x2, x3] = x.map(|x| i32::from(x as u16));
        [x0 | x2 << 16, x1 | x3 << 16]
    }
    /// Sums that all are `start`.
    fn sums(self, start: i32) -> Self::Sums;
    /// `sums[i] + w[4i] x0 + w[4i+1] x1 + w[4i+2] x2 + w[4i+3] x3`, w as stored and x a `quad`.
    ///
    /// # Safety
    /// `from` is valid for reading `4 * LANES` bytes, the w.
    unsafe fn add(self, sums: Self::Sums, from: *const u8, x: [i32; 2]) -> Self::Sums;
    /// The sums, rounded to f32.
    fn to_floats(self, sums: Self::Sums) -> <Self::Floats as Simd<f32>>::V;
}

/// Work written once for every instruction set. See [`super::RawKernel`].
pub(crate) trait IntegerKernel {
    /// Does the work with the operations of `s`.
    ///
    /// # Safety
    /// As [`super::RawKernel::run`].
    unsafe fn run<S: Integers>(self, s: S);
}

/// The instructions that a backend has for this.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set {
    #[cfg(target_arch = "x86_64")]
    Vnni(Vnni),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    PortableFma(PortableFma),
    Portable(Portable),
}

impl Set {
    /// The fastest of `backend`.
    pub fn of(backend: Backend) -> Set {
        match backend.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(s) => Vnni::detect(s).map_or(Set::Avx512(s), Set::Vnni),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(s) => Set::Avx2(s),
            #[cfg(target_arch = "x86_64")]
            Kind::PortableFma(s) => Set::PortableFma(s),
            Kind::Portable(s) => Set::Portable(s),
        }
    }

    /// All that this machine has: AVX-512 both with VNNI and without.
    #[cfg(test)]
    pub fn available() -> Vec<Set> {
        let mut all: Vec<Set> = Backend::available().into_iter().map(Set::of).collect();
        #[cfg(target_arch = "x86_64")]
        all.extend(Avx512::detect().map(Set::Avx512));
        all
    }

    /// Runs `kernel` with these instructions.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    pub unsafe fn run(self, kernel: impl IntegerKernel) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Set::Vnni(s) => s.compiled(kernel),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512(s) => s.compiled(kernel),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2(s) => s.compiled(kernel),
                #[cfg(target_arch = "x86_64")]
                Set::PortableFma(s) => s.compiled(kernel),
                Set::Portable(s) => s.compiled(kernel),
            }
        }
    }
}

macro_rules! portable {
    ($token:ident, $lanes:expr, |$s:ident, $kernel:ident| $compiled:expr) => {
        impl Integers for $token {
            type Floats = $token;
            type Sums = [i32; $lanes];

            #[inline(always)]
            fn floats(self) -> $token {
                self
            }
            #[inline(always)]
            unsafe fn compiled<K: IntegerKernel>(self, $kernel: K) {
                let $s = self;
                $compiled
            }
            #[inline(always)]
            fn sums(self, start: i32) -> [i32; $lanes] {
                [start; $lanes]
            }
            #[inline(always)]
            unsafe fn add(self, sums: [i32; $lanes], from: *const u8, [even, odd]: [i32; 2]) -> [i32; $lanes] {
                // SAFETY: the caller's promise.
                let w = unsafe { from.cast::<[[u8; QUAD]; $lanes]>().read() };
                std::array::from_fn(|i| {
                    let [w0, w1, w2, w3] = w[i].map(i32::from);
                    // Two products of 8 by 16 bits fit an i32; the sums may wrap.
                    let even = w0 * i32::from(even as i16) + w2 * (even >> 16);
                    let odd = w1 * i32::from(odd as i16) + w3 * (odd >> 16);
                    sums[i].wrapping_add(even).wrapping_add(odd)
                })
            }
            #[inline(always)]
            fn to_floats(self, sums: [i32; $lanes]) -> [f32; $lanes] {
                sums.map(|x| x as f32)
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

    use super::{Avx2, Avx512, IntegerKernel, Integers, PortableFma, QUAD};

    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "fma")]
    pub(super) unsafe fn portable_fma<K: IntegerKernel>(s: PortableFma, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }
    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<K: IntegerKernel>(s: Avx2, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }
    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,fma")]
    unsafe fn avx512<K: IntegerKernel>(s: Avx512, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }
    /// # Safety
    /// That of the kernel's `run`.
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vnni,fma")]
    unsafe fn vnni<K: IntegerKernel>(s: Vnni, kernel: K) {
        // SAFETY: the caller's promise.
        unsafe { kernel.run(s) };
    }

    /// Proof that this machine has AVX512-VNNI beside AVX-512.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Vnni {
        floats: Avx512,
    }

    impl Vnni {
        /// The proof, if the processor has the instructions.
        pub fn detect(floats: Avx512) -> Option<Vnni> {
            is_x86_feature_detected!("avx512vnni").then_some(Vnni { floats })
        }
    }

    /// Implements `Integers` by products of 16 bits: bytes at even places are masked out of their words, those at odd
    /// ones shifted down.
    macro_rules! by_words {
        ($token:ident, $compiled:ident, $sums:ident, $floats:ident, $load:ident, $splat16:ident, $splat:ident, $and:ident,
         $shift:ident, $madd:ident, $add:ident, $convert:ident) => {
            impl Integers for $token {
                type Floats = $token;
                type Sums = $sums;

                #[inline(always)]
                fn floats(self) -> $token {
                    self
                }
                #[inline(always)]
                unsafe fn compiled<K: IntegerKernel>(self, kernel: K) {
                    // SAFETY: `self` proves that the processor has these instructions; the caller's promise.
                    unsafe { $compiled(self, kernel) }
                }
                #[inline(always)]
                fn sums(self, start: i32) -> $sums {
                    // SAFETY: `self` proves the instruction.
                    unsafe { $splat(start) }
                }
                #[inline(always)]
                unsafe fn add(self, sums: $sums, from: *const u8, [x_even, x_odd]: [i32; 2]) -> $sums {
                    // SAFETY: the caller's promise on `from`; `self` proves the instructions.
                    unsafe {
                        let w = $load(from.cast());
                        let (even, odd) = ($and(w, $splat16(0xff)), $shift::<8>(w));
                        let sums = $add(sums, $madd(even, $splat(x_even)));
                        $add(sums, $madd(odd, $splat(x_odd)))
                    }
                }
                #[inline(always)]
                fn to_floats(self, sums: $sums) -> $floats {
                    // SAFETY: `self` proves the instruction.
                    unsafe { $convert(sums) }
                }
            }
        };
    }
    by_words!(
        Avx2,
        avx2,
        __m256i,
        __m256,
        _mm256_loadu_si256,
        _mm256_set1_epi16,
        _mm256_set1_epi32,
        _mm256_and_si256,
        _mm256_srli_epi16,
        _mm256_madd_epi16,
        _mm256_add_epi32,
        _mm256_cvtepi32_ps
    );
    by_words!(
        Avx512,
        avx512,
        __m512i,
        __m512,
        _mm512_loadu_si512,
        _mm512_set1_epi16,
        _mm512_set1_epi32,
        _mm512_and_si512,
        _mm512_srli_epi16,
        _mm512_madd_epi16,
        _mm512_add_epi32,
        _mm512_cvtepi32_ps
    );

    /// Sums of the products with the low bytes, and with the high ones, each of four in one instruction.
    impl Integers for Vnni {
        type Floats = Avx512;
        type Sums = [__m512i; 2];

        #[inline(always)]
        fn floats(self) -> Avx512 {
            self.floats
        }
        #[inline(always)]
        unsafe fn compiled<K: IntegerKernel>(self, kernel: K) {
            // SAFETY: `self` proves that the processor has these instructions; the caller's promise.
            unsafe { vnni(self, kernel) }
        }
        /// The low bytes, then the high ones, where `x = low + 256 high` and both have a sign.
        #[inline(always)]
        fn quad(x: [i16; QUAD]) -> [i32; 2] {
            let low = x.map(|x| x as u8);
            let high = x.map(|x| ((i32::from(x) + 128) >> 8) as u8);
            [i32::from_le_bytes(low), i32::from_le_bytes(high)]
        }
        #[inline(always)]
        fn sums(self, start: i32) -> [__m512i; 2] {
            // SAFETY: `self` proves the instructions.
            unsafe { [_mm512_set1_epi32(start), _mm512_setzero_si512()] }
        }
        #[inline(always)]
        unsafe fn add(self, [low, high]: [__m512i; 2], from: *const u8, [x_low, x_high]: [i32; 2]) -> [__m512i; 2] {
            // SAFETY: the caller's promise on `from`; `self` proves the instructions.
            unsafe {
                let w = _mm512_loadu_si512(from.cast());
                [
                    _mm512_dpbusd_epi32(low, w, _mm512_set1_epi32(x_low)),
                    _mm512_dpbusd_epi32(high, w, _mm512_set1_epi32(x_high)),
                ]
            }
        }
        #[inline(always)]
        fn to_floats(self, [low, high]: [__m512i; 2]) -> __m512 {
            // SAFETY: `self` proves the instructions.
            unsafe { _mm512_cvtepi32_ps(_mm512_add_epi32(low, _mm512_slli_epi32::<8>(high))) }
        }
    }
}
