//! The trait `Simd`: the vector operations that the kernels are written in, and the traits of work that uses them. Not here:
//! the instruction sets; each has a file.

use crate::scalar::Scalar;

/// Vector operations on elements `E`. `self` is the proof of legality and carries no data.
pub trait Simd<E: Scalar>: Copy + Send + Sync {
    /// A vector of [`Self::LANES`] elements.
    type V: Copy;
    /// Elements per vector; divides 16.
    const LANES: usize;
    /// Vectors per row of a full product tile.
    const TILE: usize;
    /// Rows of a product tile at most.
    const MOST_TILE_ROWS: usize = usize::MAX;

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
    /// `sum` plus the products of the pairs of bfloat16 in every lane of `a` and `b`, see [`Scalar::dot`].
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
        let first = self.sub(self.fma(n, self.splat(E::from_f64(0.5)), integer), integer);
        self.mul(self.mul(x, self.pow2(first)), self.pow2(self.sub(n, first)))
    }
}

/// Work on slices, written once for every instruction set. `run` and all it calls in a loop must be `#[inline(always)]`,
/// so that it is compiled inside the function that enables the instructions.
pub trait Kernel<E: Scalar> {
    /// What the work returns.
    type Output;
    /// Does the work with the operations of `s`.
    fn run<S: Simd<E>>(self, s: S) -> Self::Output;
}

/// A [`Kernel`] on memory that it has pointers to.
pub trait RawKernel<E: Scalar> {
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

impl<E: Scalar, K: Kernel<E>> RawKernel<E> for OnSlices<K> {
    type Output = K::Output;
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) -> K::Output {
        self.0.run(s)
    }
}
