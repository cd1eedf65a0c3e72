//! exp, sigmoid, ln sigmoid and tanh on vectors, the same bits on every instruction set. Error bounds stand at each
//! function and are tested below. Not here: the platform's libm, approximate reciprocals, flushed subnormals.

use crate::entry_points::entry_points;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Number};

/// ln 2 minus its nearest f64.
const LN_2_TAIL: f64 = 2.3190468138462996e-17;
/// Beyond this, tanh rounds to 1 in both types.
const TANH_END: f64 = 20.0;

/// `(n, e^r - 1)` where x = n ln 2 + r, n integral, |r| <= ln 2 / 2.
#[inline(always)]
fn reduce<E: Number, S: Simd<E>>(s: S, x: S::V) -> (S::V, S::V) {
    let integer = s.splat(E::from_f64(E::INTEGER));
    let n = s.sub(s.fma(x, s.splat(E::from_f64(std::f64::consts::LOG2_E)), integer), integer);
    let head = E::from_f64(E::LN_2);
    let tail = E::from_f64(std::f64::consts::LN_2 - E::LN_2 + LN_2_TAIL);
    let r = s.fnma(n, s.splat(head), x);
    let r = s.fnma(n, s.splat(tail), r);
    // Horner over 1/k!, then e^r - 1 = r + r^2 p.
    let mut p = s.splat(E::from_f64(1.0 / factorial(E::DEGREE)));
    let mut k = E::DEGREE - 1;
    while k >= 2 {
        p = s.fma(p, r, s.splat(E::from_f64(1.0 / factorial(k))));
        k -= 1;
    }
    (n, s.fma(s.mul(r, r), p, r))
}

#[inline(always)]
const fn factorial(n: usize) -> f64 {
    let mut product = 1.0;
    let mut k = 2;
    while k <= n {
        product *= k as f64;
        k += 1;
    }
    product
}

/// e^x, at most 1 unit in the last place off; subnormal results are rounded, NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<E: Number, S: Simd<E>>(s: S, x: S::V) -> S::V {
    let (low, high) = E::RANGE;
    let x = s.min(s.splat(E::from_f64(high)), s.max(s.splat(E::from_f64(low)), x));
    let (n, m) = reduce(s, x);
    s.scale(s.add(s.splat(E::ONE), m), n)
}

/// 1 / (1 + e^-x), at most 2 units in the last place off where the result is normal.
#[inline(always)]
pub(crate) fn sigmoid<E: Number, S: Simd<E>>(s: S, x: S::V) -> S::V {
    let one = s.splat(E::ONE);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(E::ZERO), x))))
}

/// tanh x = (e^2|x| - 1) / (e^2|x| + 1) with the sign of x, at most 2 units in the last place off.
#[inline(always)]
pub(crate) fn tanh<E: Number, S: Simd<E>>(s: S, x: S::V) -> S::V {
    let size = s.min(s.splat(E::from_f64(TANH_END)), s.abs(x));
    let (n, m) = reduce(s, s.add(size, size));
    let scale = s.pow2(n);
    // e^y - 1 = 2^n m + (2^n - 1): no cancellation near 0.
    let less = s.fma(scale, m, s.sub(scale, s.splat(E::ONE)));
    s.copysign(s.div(less, s.add(less, s.splat(E::from_f64(2.0)))), x)
}

/// ln(1 / (1 + e^-x)), at most 3 units in the last place off where the result is normal.
#[inline(always)]
pub(crate) fn log_sigmoid<E: Number, S: Simd<E>>(s: S, x: S::V) -> S::V {
    let zero = s.splat(E::ZERO);
    // min(x, 0) - ln(1 + u), and ln(1 + u) = 2 atanh(t) with t = u / (2 + u) of 1/3 at most.
    let u = exp(s, s.sub(zero, s.abs(x)));
    let t = s.div(u, s.add(u, s.splat(E::from_f64(2.0))));
    let square = s.mul(t, t);
    // Horner over 1 / (2k + 1), then 2 atanh(t) = 2t + 2t t^2 p.
    let mut p = s.splat(E::from_f64(1.0 / (2 * E::ATANH_DEGREE + 1) as f64));
    let mut k = E::ATANH_DEGREE - 1;
    while k >= 1 {
        p = s.fma(p, square, s.splat(E::from_f64(1.0 / (2 * k + 1) as f64)));
        k -= 1;
    }
    let double = s.add(t, t);
    s.sub(s.min(zero, x), s.fma(s.mul(double, square), p, double))
}

/// A function of one number, for [`apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// e^x.
    Exp,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// ln(1 / (1 + e^-x)).
    LogSigmoid,
}

struct Apply<'a, E>(Function, &'a mut [E]);

impl<E: Number> Kernel<E> for Apply<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        for chunk in self.1.chunks_mut(S::LANES) {
            let mut lanes = [E::ZERO; 16];
            lanes[..chunk.len()].copy_from_slice(chunk);
            // SAFETY: `lanes` has 16 elements and LANES divides 16.
            unsafe {
                let x = s.load(lanes.as_ptr());
                let y = match self.0 {
                    Function::Exp => exp(s, x),
                    Function::Sigmoid => sigmoid(s, x),
                    Function::Tanh => tanh(s, x),
                    Function::LogSigmoid => log_sigmoid(s, x),
                };
                s.store(lanes.as_mut_ptr(), y);
            }
            chunk.copy_from_slice(&lanes[..chunk.len()]);
        }
    }
}

entry_points! {
    /// Applies a function to every element in place.
    pub fn apply(cpu: &Cpu, function: Function, x: &mut [E]) -> () = apply_for;
}

fn apply_for<E: Number>(cpu: &Cpu, function: Function, x: &mut [E]) {
    cpu.run(Apply(function, x));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    /// Numbers over the whole range, dense near 0, with the ends of every case. Few for Miri, which runs some thousand
    /// times slower.
    fn inputs() -> Vec<f64> {
        let (step, few) = if cfg!(miri) { (2000, 40) } else { (1, 1) };
        let mut x: Vec<f64> = (-80_000..=80_000).step_by(step).map(|i| i as f64 * 1.1e-3).collect();
        x.extend((-400..=60).step_by(few).flat_map(|e| [libm::exp2(e as f64 / 4.0), -libm::exp2(e as f64 / 4.0)]));
        x.extend([0.0, -0.0, 0.34657, -0.34657, 0.34658, 19.9, 20.1, 700.0, -700.0, 709.7, -745.0]);
        x
    }

    /// Largest error in units of the last place of a normal result.
    fn worst<E: Number + EntryPoints<E>>(function: Function, truth: impl Fn(f64) -> f64, normal: f64) -> f64 {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let x: Vec<E> = inputs().into_iter().map(E::from_f64).collect();
        let mut y = x.clone();
        apply(&cpu, function, &mut y);
        let errors = x.iter().zip(&y).filter_map(|(x, y)| {
            let want = truth(x.to_f64());
            let want_here = E::from_f64(want).to_f64();
            if !want_here.is_finite() || want.abs() < normal {
                assert!(
                    y.to_f64() == want_here || (y.to_f64() - want).abs() <= normal,
                    "{function:?}({x}) = {y}, expected {want}"
                );
                return None;
            }
            Some((y.to_f64() - want).abs() / (want.abs() * 2.0 * E::ROUNDING))
        });
        errors.fold(0.0, f64::max)
    }

    #[test]
    fn errors_stay_within_the_stated_bounds() {
        let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        let (f32_tiny, f64_tiny) = (f32::MIN_POSITIVE as f64, f64::MIN_POSITIVE);
        // The bounds are what is reached, rounded up: a polynomial of one degree less is beyond them. In f64 the truth is
        // itself up to one unit off.
        let within = |worst: f64, bound: f64| assert!(worst <= bound, "off by {worst}, {bound} allowed");
        within(worst::<f32>(Function::Exp, libm::exp, f32_tiny), 0.75);
        within(worst::<f64>(Function::Exp, libm::exp, f64_tiny), 1.0);
        within(worst::<f32>(Function::Sigmoid, sigmoid, f32_tiny), 1.2);
        within(worst::<f64>(Function::Sigmoid, sigmoid, f64_tiny), 1.8);
        within(worst::<f32>(Function::Tanh, libm::tanh, f32_tiny), 1.1);
        within(worst::<f64>(Function::Tanh, libm::tanh, f64_tiny), 2.0);
        let log_sigmoid = |x: f64| x.min(0.0) - libm::log1p(libm::exp(-x.abs()));
        within(worst::<f32>(Function::LogSigmoid, log_sigmoid, f32_tiny), 2.0);
        within(worst::<f64>(Function::LogSigmoid, log_sigmoid, f64_tiny), 3.0);
    }

    #[test]
    fn every_backend_computes_the_same_bits() {
        fn bits<E: Number + EntryPoints<E>>(backend: Backend, function: Function) -> Vec<u64> {
            let cpu = Cpu::with_backend(backend, 1).unwrap();
            let mut x: Vec<E> = inputs().into_iter().step_by(7).map(E::from_f64).collect();
            apply(&cpu, function, &mut x);
            x.into_iter().map(|x| x.to_f64().to_bits()).collect()
        }
        for function in [Function::Exp, Function::Sigmoid, Function::Tanh, Function::LogSigmoid] {
            for backend in Backend::available() {
                assert_eq!(bits::<f32>(backend, function), bits::<f32>(Backend::detect(), function), "{backend:?}");
                assert_eq!(bits::<f64>(backend, function), bits::<f64>(Backend::detect(), function), "{backend:?}");
            }
        }
    }

    #[test]
    fn ends_and_nan() {
        for backend in Backend::available() {
            let cpu = Cpu::with_backend(backend, 1).unwrap();
            let inf = f32::INFINITY;
            let mut x = [inf, -inf, f32::NAN, 0.0];
            apply(&cpu, Function::Exp, &mut x);
            assert!(x[0] == inf && x[1] == 0.0 && x[2].is_nan() && x[3] == 1.0);
            let mut x = [inf, -inf, f32::NAN, -0.0];
            apply(&cpu, Function::Tanh, &mut x);
            assert!(x[0] == 1.0 && x[1] == -1.0 && x[2].is_nan() && x[3].to_bits() == (-0.0f32).to_bits());
            let mut x = [inf, -inf, f32::NAN, 0.0];
            apply(&cpu, Function::Sigmoid, &mut x);
            assert!(x[0] == 1.0 && x[1] == 0.0 && x[2].is_nan() && x[3] == 0.5);
            let mut x = [inf, -inf, f32::NAN, 0.0];
            apply(&cpu, Function::LogSigmoid, &mut x);
            assert!(x[0] == 0.0 && x[1] == -inf && x[2].is_nan() && x[3] == -std::f32::consts::LN_2);
        }
    }
}
