//! The trait `Simd`: the vector operations that the kernels are written in. One file per instruction set implements it. Not
//! here: equations; those are in the file of their cell.
//!
//! A value of a `Simd` type proves that its instructions are legal here: only [`Backend::detect`] and its siblings make one,
//! after asking the processor. Every operation is exact to IEEE 754 lane by lane, so all backends compute the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod integers;
pub(crate) mod narrow;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::{Element, Error};

/// Vector operations on elements `E`. `self` is the proof of legality and carries no data.
pub trait Simd<E: Element>: Copy + Send + Sync {
    /// A vector of [`Self::LANES`] elements.
    type V: Copy;
    /// Elements per vector; divides 16.
    const LANES: usize;
    /// Vectors per row of a full product tile.
    const TILE: usize;

    /// Runs a kernel in a function compiled for these instructions.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    unsafe fn vectorize<K: RawKernel<E>>(self, kernel: K) -> K::Output;
    /// The same for a kernel that uses [`Simd::dot_pairs`].
    ///
    /// # Safety
    /// As `vectorize`; the backend [has such products](Backend::multiplies_bfloat16).
    #[inline(always)]
    unsafe fn vectorize_pairs<K: RawKernel<E>>(self, kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { self.vectorize(kernel) }
    }

    /// # Safety
    /// `from` is valid for reading `LANES` elements.
    unsafe fn load(self, from: *const E) -> Self::V;
    /// # Safety
    /// `to` is valid for writing `LANES` elements.
    unsafe fn store(self, to: *mut E, x: Self::V);
    /// Fetches the memory around `at` for writing, where the instruction set can: a hint that may lead anywhere.
    #[inline(always)]
    fn fetch_to_write(self, _at: *const E) {}
    /// The same for reading, to the second-level cache.
    #[inline(always)]
    fn fetch(self, _at: *const E) {}
    /// Writes the transpose of 16 rows of 16 elements, whose rows begin `from_stride` and `to_stride` apart.
    ///
    /// # Safety
    /// `from` is valid for reading those rows, `to` for writing them; they do not overlap.
    #[inline(always)]
    unsafe fn transpose(self, from: *const E, from_stride: usize, to: *mut E, to_stride: usize) {
        for i in 0..16 {
            for j in 0..16 {
                // SAFETY: the caller's promise.
                unsafe { *to.add(i * to_stride + j) = *from.add(j * from_stride + i) };
            }
        }
    }
    /// `x` in every lane.
    fn splat(self, x: E) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `sum` plus the products of the pairs of bfloat16 in every lane of `a` and `b`, see [`Element::dot`].
    ///
    /// # Safety
    /// Called in a kernel that [`Simd::vectorize_pairs`] runs.
    #[inline(always)]
    unsafe fn dot_pairs(self, a: Self::V, b: Self::V, sum: Self::V) -> Self::V {
        let lanes = |x| {
            let mut lanes = [E::ZERO; 16];
            // SAFETY: no vector has more lanes.
            unsafe { self.store(lanes.as_mut_ptr(), x) };
            lanes
        };
        let (a, b, sum) = (lanes(a), lanes(b), lanes(sum));
        let sums: [E; 16] = std::array::from_fn(|i| if i < Self::LANES { E::dot(a[i], b[i], sum[i]) } else { E::ZERO });
        // SAFETY: as above.
        unsafe { self.load(sums.as_ptr()) }
    }
    /// `a` where `a < b`, else `b`: a NaN in `b` comes through.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` where `a > b`, else `b`: a NaN in `b` comes through.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `y` where `x > 0`, else 0.
    fn if_positive(self, x: Self::V, y: Self::V) -> Self::V;
    /// `|x|`.
    fn abs(self, x: Self::V) -> Self::V;
    /// `|magnitude|` with the sign of `sign`.
    fn copysign(self, magnitude: Self::V, sign: Self::V) -> Self::V;
    /// `2^n` for an integral `n` in the range of normal exponents.
    fn pow2(self, n: Self::V) -> Self::V;
    /// `x * 2^n`, rounded once, for an x about 1 and an integral `n` of up to twice that range.
    #[inline(always)]
    fn scale(self, x: Self::V, n: Self::V) -> Self::V {
        // In two factors, so that neither leaves the normal range; only the second product can round.
        let integer = self.splat(E::from_f64(E::INTEGER));
        let half = self.sub(self.fma(n, self.splat(E::from_f64(0.5)), integer), integer);
        self.mul(self.mul(x, self.pow2(half)), self.pow2(self.sub(n, half)))
    }
}

/// Work on slices, written once for every instruction set. `run` and all it calls in a loop must be `#[inline(always)]`,
/// so that it is compiled inside the function that enables the instructions.
pub trait Kernel<E: Element> {
    /// What the work returns.
    type Output;
    /// Does the work with the operations of `s`.
    fn run<S: Simd<E>>(self, s: S) -> Self::Output;
}

/// A [`Kernel`] on memory that it has pointers to.
pub trait RawKernel<E: Element> {
    /// What the work returns.
    type Output;
    /// Does the work with the operations of `s`.
    ///
    /// # Safety
    /// The kernel's pointers are valid over the ranges that its type states, and what it writes is read and written by
    /// nothing else meanwhile.
    unsafe fn run<S: Simd<E>>(self, s: S) -> Self::Output;
}

/// A kernel on slices, which asks nothing of its caller, where one with pointers is expected.
pub(crate) struct OnSlices<K>(pub K);

impl<E: Element, K: Kernel<E>> RawKernel<E> for OnSlices<K> {
    type Output = K::Output;
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) -> K::Output {
        self.0.run(s)
    }
}

/// Runs a kernel on slices with the instructions of `backend`.
pub(crate) fn run<E: Element, K: Kernel<E>>(backend: Backend, kernel: K) -> K::Output {
    // SAFETY: a kernel on slices has no pointers.
    unsafe { E::run(backend, OnSlices(kernel)) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
pub struct Backend(Kind);

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
