//! `Scalar`: arithmetic and constants of f32 and f64, all that vector operations ask of their elements. Not here: running
//! kernels (`number.rs`).

/// Constants of the exponential in one number type.
#[doc(hidden)]
#[allow(missing_docs)]
pub trait ExpConstants {
    // Below the first, exp is 0; above the second, infinity.
    const RANGE: (f64, f64);
    // The exp of this, and of all below, is finite.
    const EXP_FINITE: f64;
    // Adding and subtracting this rounds to an integer.
    const INTEGER: f64;
    // Degree of the Taylor polynomial of e^r: its remainder at |r| = ln 2 / 2 is below the rounding error.
    const DEGREE: usize;
    // Degree of the polynomial of atanh(t) / t in t^2: its remainder at t = 1/3 is below the rounding error.
    const ATANH_DEGREE: usize;
    // ln 2 rounded to this type; the rest of ln 2 follows from it.
    const LN_2: f64;
}
impl ExpConstants for f32 {
    const RANGE: (f64, f64) = (-104.0, 89.0);
    const EXP_FINITE: f64 = 88.0;
    const INTEGER: f64 = 12582912.0;
    const DEGREE: usize = 7;
    const ATANH_DEGREE: usize = 6;
    const LN_2: f64 = std::f32::consts::LN_2 as f64;
}
impl ExpConstants for f64 {
    const RANGE: (f64, f64) = (-746.0, 710.0);
    const EXP_FINITE: f64 = 709.0;
    const INTEGER: f64 = 6755399441055744.0;
    const DEGREE: usize = 13;
    const ATANH_DEGREE: usize = 15;
    const LN_2: f64 = std::f64::consts::LN_2;
}

/// f32 or f64: arithmetic and constants.
pub trait Scalar:
    Copy
    + Default
    + PartialOrd
    + PartialEq
    + std::fmt::Debug
    + std::fmt::Display
    + Send
    + Sync
    + bytemuck::Pod
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + ExpConstants
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// `f32` or `f64`.
    const NAME: &'static str;
    /// Half the distance from 1 to the next number: the largest relative rounding error.
    const ROUNDING: f64;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The same number in f64.
    fn to_f64(self) -> f64;
    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;

    /// Whether two numbers, rounded to bfloat16, fit into one of this type: f32.
    const HAS_PAIRS: bool;
    /// Both rounded to the nearest bfloat16, ties to even, in the bits of one number: `even` in the low half. Panics
    /// without [`Self::HAS_PAIRS`].
    fn pair(even: Self, odd: Self) -> Self;
    /// `sum` plus the products of two pairs: two fused multiply-adds, the odd numbers' first. Subnormal operands, sums
    /// and results count as 0, as AVX512-BF16 has it. Panics without [`Self::HAS_PAIRS`].
    fn dot(a: Self, b: Self, sum: Self) -> Self;
}

macro_rules! scalar {
    ($float:ident, $has_pairs:literal, $pair:expr, $dot:expr) => {
        impl Scalar for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAME: &'static str = stringify!($float);
            const ROUNDING: f64 = $float::EPSILON as f64 / 2.0;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            const HAS_PAIRS: bool = $has_pairs;
            #[inline(always)]
            fn pair(even: Self, odd: Self) -> Self {
                $pair(even, odd)
            }
            #[inline(always)]
            fn dot(a: Self, b: Self, sum: Self) -> Self {
                $dot(a, b, sum)
            }
        }
    };
}
scalar!(f32, true, pair, dot);
scalar!(f64, false, |_, _| unreachable!("pairs of f64"), |_, _, _| unreachable!("pairs of f64"));

/// The bits of the nearest bfloat16, ties to even; what is beyond the largest becomes infinite, a NaN stays one.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let nearest = (bits.wrapping_add(0x7fff + (bits >> 16 & 1))) >> 16;
    let quiet = bits >> 16 | 0x40;
    if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { nearest }
}

/// See [`Scalar::pair`].
#[inline(always)]
fn pair(even: f32, odd: f32) -> f32 {
    f32::from_bits(rounded(even) | rounded(odd) << 16)
}

/// See [`Scalar::dot`].
#[inline(always)]
fn dot(a: f32, b: f32, sum: f32) -> f32 {
    let (even, odd) = (
        |x: f32| flushed(f32::from_bits(x.to_bits() << 16)),
        |x: f32| flushed(f32::from_bits(x.to_bits() & 0xffff_0000)),
    );
    let sum = fma_flushed(odd(a), odd(b), flushed(sum));
    fma_flushed(even(a), even(b), sum)
}

/// `a b + c` with one rounding, 0 where that is below the normal numbers before their exponent is bounded. What is rounded
/// up to the least of them is therefore looked at again, 2^24 times as large.
#[inline(always)]
fn fma_flushed(a: f32, b: f32, c: f32) -> f32 {
    const SCALE: f32 = (1 << 24) as f32;
    let sum = a.mul_add(b, c);
    if sum.abs() == f32::MIN_POSITIVE {
        let (larger, smaller) = if a.abs() > b.abs() { (a, b) } else { (b, a) };
        if larger.mul_add(smaller * SCALE, c * SCALE).abs() < f32::MIN_POSITIVE * SCALE {
            return f32::from_bits(sum.to_bits() & 0x8000_0000);
        }
    }
    flushed(sum)
}

/// 0 with the sign of x where x is subnormal.
#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { f32::from_bits(x.to_bits() & 0x8000_0000) } else { x }
}
