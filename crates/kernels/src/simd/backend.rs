//! `Backend`: an instruction set that this machine has, and the choice of one. Not here: the operations of each; they have a
//! file of their own.

use super::operations::{RawKernel, Simd};
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    PortableFma(portable::PortableFma),
    Portable(portable::Portable),
}

/// An instruction set that this machine was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(pub(super) Kind);

impl Backend {
    /// All that this machine can run, the fastest first. The last is the portable source as this build compiles
    /// it; before it, on x86-64, comes the same source compiled with hardware FMA.
    pub fn available() -> Vec<Backend> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(avx512::Avx512::detect().map(Kind::Avx512));
            all.extend(avx2::Avx2::detect().map(Kind::Avx2));
            all.extend(portable::PortableFma::detect().map(Kind::PortableFma));
        }
        all.push(Kind::Portable(portable::Portable));
        all.into_iter().map(Backend).collect()
    }

    /// The fastest that this machine has.
    pub fn detect() -> Backend {
        Backend::available()[0]
    }

    /// The backend a user names: `avx512`, `avx2` or `portable`.
    ///
    /// Errors: the name is unknown, or this machine lacks the instructions.
    pub fn named(name: &str) -> Result<Backend, Error> {
        let available = Backend::available();
        available.iter().find(|b| b.name() == name).copied().ok_or_else(|| {
            let mut names: Vec<_> = available.iter().map(|b| b.name()).collect();
            names.dedup();
            Error::Backend { got: name.into(), available: names.join(", ") }
        })
    }

    /// The name a user types. Both ways of compiling the portable source have one name: they differ in speed only.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::PortableFma(_) => "portable",
            Kind::Portable(_) => "portable",
        }
    }

    /// Whether products of bfloat16 pairs can be had: AVX-512 without AVX512-BF16 has no fast ones. The other backends
    /// compute them exactly, number by number.
    pub fn multiplies_bfloat16(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => is_x86_feature_detected!("avx512bf16"),
            _ => true,
        }
    }

    /// Whether those are one instruction each.
    pub fn has_bfloat16_instruction(self) -> bool {
        self.name() == "avx512" && self.multiplies_bfloat16()
    }

    /// Whether this is the portable source without hardware FMA on a build that has none: right, and slow.
    pub fn is_plain(self) -> bool {
        matches!(self.0, Kind::Portable(_)) && !cfg!(target_feature = "fma") && cfg!(target_arch = "x86_64")
    }
}

macro_rules! run_for {
    ($name:ident, $float:ident) => {
        /// Runs `kernel` with the instructions of `backend`.
        ///
        /// # Safety
        /// That of the kernel's `run`.
        pub(crate) unsafe fn $name<K: RawKernel<$float>>(backend: Backend, kernel: K) -> K::Output {
            // SAFETY: the caller's promise.
            unsafe {
                match backend.0 {
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx512(s) => Simd::<$float>::vectorize(s, kernel),
                    #[cfg(target_arch = "x86_64")]
                    Kind::Avx2(s) => Simd::<$float>::vectorize(s, kernel),
                    #[cfg(target_arch = "x86_64")]
                    Kind::PortableFma(s) => Simd::<$float>::vectorize(s, kernel),
                    Kind::Portable(s) => Simd::<$float>::vectorize(s, kernel),
                }
            }
        }
    };
}
run_for!(run_f32, f32);
run_for!(run_f64, f64);
