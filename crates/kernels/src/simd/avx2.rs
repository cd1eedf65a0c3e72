//! The AVX2 and FMA operations: one intrinsic each. Not here: loops and policy.

use std::arch::x86_64::*;

use super::x86::intrinsics;
use super::{RawKernel, Simd};

/// Proof that this machine has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Avx2> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

/// # Safety
/// That of the kernel's `run`.
#[target_feature(enable = "avx2,fma")]
unsafe fn enabled<E: crate::scalar::Scalar, K: RawKernel<E>>(s: Avx2, kernel: K) -> K::Output
where
    Avx2: Simd<E>,
{
    // SAFETY: the caller's promise.
    unsafe { kernel.run(s) }
}

/// Bits of `2^n`: adding 1.5 * 2^23 leaves the integer n in the low bits of the sum; shifted up by 23, it is the
/// exponent's distance from that of 1.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn pow2_f32(n: __m256) -> __m256 {
    let bits = _mm256_castps_si256(_mm256_add_ps(n, _mm256_set1_ps(12582912.0)));
    let one = _mm256_castps_si256(_mm256_set1_ps(1.0));
    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32::<23>(bits), one))
}

/// As `pow2_f32`, with 1.5 * 2^52.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn pow2_f64(n: __m256d) -> __m256d {
    let bits = _mm256_castpd_si256(_mm256_add_pd(n, _mm256_set1_pd(6755399441055744.0)));
    let one = _mm256_castpd_si256(_mm256_set1_pd(1.0));
    _mm256_castsi256_pd(_mm256_add_epi64(_mm256_slli_epi64::<52>(bits), one))
}

/// `y` where `x > 0`, else 0.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn if_positive_f32(x: __m256, y: __m256) -> __m256 {
    _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps()), y)
}

/// `y` where `x > 0`, else 0.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn if_positive_f64(x: __m256d, y: __m256d) -> __m256d {
    _mm256_and_pd(_mm256_cmp_pd::<_CMP_GT_OQ>(x, _mm256_setzero_pd()), y)
}

intrinsics!(
    Avx2,
    f32,
    __m256,
    8,
    2,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_min_ps,
    _mm256_max_ps,
    _mm256_and_ps,
    _mm256_andnot_ps,
    _mm256_or_ps,
    pow2_f32,
    if_positive_f32
);
intrinsics!(
    Avx2,
    f64,
    __m256d,
    4,
    2,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_fmadd_pd,
    _mm256_fnmadd_pd,
    _mm256_min_pd,
    _mm256_max_pd,
    _mm256_and_pd,
    _mm256_andnot_pd,
    _mm256_or_pd,
    pow2_f64,
    if_positive_f64
);
