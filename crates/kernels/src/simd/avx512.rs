//! The AVX-512 F, DQ and BW operations: one intrinsic each, and the transpose of 16 by 16 in registers.
//! Not here: loops over memory, and policy.

use std::arch::x86_64::*;

use super::x86::intrinsics;
use super::{RawKernel, Simd};

/// Proof that this machine has AVX-512 F, DQ and BW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, if the processor has the instructions.
    pub fn detect() -> Option<Avx512> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq");
        (has && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("fma")).then_some(Avx512(()))
    }
}

/// # Safety
/// That of the kernel's `run`.
#[target_feature(enable = "avx512f,avx512dq,fma")]
unsafe fn enabled<E: crate::scalar::Scalar, K: RawKernel<E>>(s: Avx512, kernel: K) -> K::Output
where
    Avx512: Simd<E>,
{
    // SAFETY: the caller's promise.
    unsafe { kernel.run(s) }
}

/// # Safety
/// That of the kernel's `run`.
#[target_feature(enable = "avx512f,avx512dq,avx512bf16,fma")]
unsafe fn enabled_dot<K: RawKernel<f32>>(s: Avx512, kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    unsafe { kernel.run(s) }
}

/// Every lane of `a` and `b` is two bfloat16.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn dot(a: __m512, b: __m512, sum: __m512) -> __m512 {
    // SAFETY: vectors of 64 bytes, of which any are legal.
    let (a, b) = unsafe { (std::mem::transmute::<__m512, __m512bh>(a), std::mem::transmute::<__m512, __m512bh>(b)) };
    _mm512_dpbf16_ps(sum, a, b)
}

/// 16 rows of 16: pairs of rows are interleaved, then pairs of pairs, so that a lane of four holds one column of four rows;
/// then the lanes are exchanged.
///
/// # Safety
/// As [`Simd::transpose`].
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: the caller's promise.
    let rows: [__m512; 16] = std::array::from_fn(|i| unsafe { _mm512_loadu_ps(from.add(i * from_stride)) });
    let mut fours = [_mm512_setzero_ps(); 16];
    for (rows, fours) in rows.chunks_exact(4).zip(fours.chunks_exact_mut(4)) {
        let double = |x| _mm512_castps_pd(x);
        let (low, high) = (_mm512_unpacklo_ps(rows[0], rows[1]), _mm512_unpackhi_ps(rows[0], rows[1]));
        let (low_after, high_after) = (_mm512_unpacklo_ps(rows[2], rows[3]), _mm512_unpackhi_ps(rows[2], rows[3]));
        fours[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(double(low), double(low_after)));
        fours[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(double(low), double(low_after)));
        fours[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(double(high), double(high_after)));
        fours[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(double(high), double(high_after)));
    }
    for j in 0..4 {
        // Lane L of `fours[4 g + j]` is column 4 L + j of the rows from 4 g on.
        let (first, second) = ((fours[j], fours[4 + j]), (fours[8 + j], fours[12 + j]));
        let even = |(a, b)| _mm512_shuffle_f32x4::<0x88>(a, b);
        let odd = |(a, b)| _mm512_shuffle_f32x4::<0xdd>(a, b);
        let columns = [
            even((even(first), even(second))),
            even((odd(first), odd(second))),
            odd((even(first), even(second))),
            odd((odd(first), odd(second))),
        ];
        for (lane, column) in columns.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_ps(to.add((4 * lane + j) * to_stride), column) };
        }
    }
}

/// Bits of `2^n`: adding 1.5 * 2^23 leaves the integer n in the low bits of the sum; shifted up by 23, it is the
/// exponent's distance from that of 1.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn pow2_f32(n: __m512) -> __m512 {
    let bits = _mm512_castps_si512(_mm512_add_ps(n, _mm512_set1_ps(12582912.0)));
    let one = _mm512_castps_si512(_mm512_set1_ps(1.0));
    _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32::<23>(bits), one))
}

/// As `pow2_f32`, with 1.5 * 2^52.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn pow2_f64(n: __m512d) -> __m512d {
    let bits = _mm512_castpd_si512(_mm512_add_pd(n, _mm512_set1_pd(6755399441055744.0)));
    let one = _mm512_castpd_si512(_mm512_set1_pd(1.0));
    _mm512_castsi512_pd(_mm512_add_epi64(_mm512_slli_epi64::<52>(bits), one))
}

/// `y` where `x > 0`, else 0.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn if_positive_f32(x: __m512, y: __m512) -> __m512 {
    _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()), y)
}

/// `y` where `x > 0`, else 0.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
fn if_positive_f64(x: __m512d, y: __m512d) -> __m512d {
    _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(x, _mm512_setzero_pd()), y)
}

intrinsics!(
    Avx512,
    f32,
    __m512,
    16,
    4,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_min_ps,
    _mm512_max_ps,
    _mm512_and_ps,
    _mm512_andnot_ps,
    _mm512_or_ps,
    pow2_f32,
    if_positive_f32,
    _mm512_scalef_ps;
    enabled_dot,
    dot,
    transpose
);
intrinsics!(
    Avx512,
    f64,
    __m512d,
    8,
    4,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_set1_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_fmadd_pd,
    _mm512_fnmadd_pd,
    _mm512_min_pd,
    _mm512_max_pd,
    _mm512_and_pd,
    _mm512_andnot_pd,
    _mm512_or_pd,
    pow2_f64,
    if_positive_f64,
    _mm512_scalef_pd
);
