//! Quantiles of the standard normal distribution, of Student's t, and of counts from their distribution functions. Not
//! here: the distributions of forecasts, which have location and scale.

use std::f64::consts::{PI, SQRT_2};

use super::incomplete::incomplete_beta;
use super::special::gamma_ratio;

/// From so many degrees of freedom on, Student's t is taken by its series about the normal distribution.
const NEARLY_NORMAL: f64 = 1e6;

/// The quantile of the standard normal distribution, 0 < level < 1.
pub fn normal_quantile(level: f64) -> f64 {
    if level > 0.5 { -lower(1.0 - level) } else { lower(level) }
}

/// The same at a level of 0.5 at most. Source: the rational function 26.2.23 of Abramowitz and Stegun, off by less than
/// 4.5e-4, then two steps of Halley, which leave the rounding.
fn lower(level: f64) -> f64 {
    let t = libm::sqrt(-2.0 * libm::log(level));
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut x = above / below - t;
    for _ in 0..2 {
        let excess = 0.5 * libm::erfc(-x / SQRT_2) - level;
        let step = excess * libm::sqrt(2.0 * PI) * libm::exp(0.5 * x * x);
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

/// The quantile of Student's t with `v` degrees of freedom, 2 at least, 0 < level < 1.
pub fn student_quantile(v: f64, level: f64) -> f64 {
    let tail = if level > 0.5 { 1.0 - level } else { level };
    let sign = if level > 0.5 { 1.0 } else { -1.0 };
    let z = -lower(tail);
    if tail == 0.5 || z <= 0.0 {
        return 0.0;
    }
    // Source: Abramowitz and Stegun 26.7.5; the next term is below 1e-15 of z.
    let s = z * z;
    let second = z * ((5.0 * s + 16.0) * s + 3.0) / (96.0 * v * v);
    let series = z + z * (s + 1.0) / (4.0 * v) + second;
    if v > NEARLY_NORMAL {
        return sign * series;
    }
    // The logarithm of the tail is a concave function of ln x that falls: the steps of Newton's method approach the root from
    // above. With 2 degrees of freedom the quantile has a closed form, and is above all others.
    let largest = (1.0 - 2.0 * tail) / libm::sqrt(2.0 * tail * (1.0 - tail));
    let mut x = if v < 5.0 { largest } else { largest.min(series) };
    let front = density_at_0(v);
    for _ in 0..50 {
        let square = x * x;
        let sum = v + square;
        let above = 0.5 * incomplete_beta([0.5 * v, 0.5], [v / sum, square / sum]);
        let density = front * libm::exp(-0.5 * (v + 1.0) * libm::log1p(square / v));
        let step = above / (x * density) * libm::log(above / tail);
        let next = x * libm::exp(step.clamp(-2.0, 2.0));
        let done = (next - x).abs() <= 4.0 * f64::EPSILON * x;
        x = next;
        if done || !x.is_finite() {
            break;
        }
    }
    sign * x
}

/// The density of Student's t at 0.
fn density_at_0(v: f64) -> f64 {
    let ([sum, factor], _) = gamma_ratio(0.5 * v);
    libm::exp(sum) * libm::sqrt(factor / (PI * v))
}

/// The least whole number k >= 0 with cdf(k) >= level, from one that is near.
pub fn least_count(level: f64, near: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let is_enough = |k: f64| cdf(k) >= level;
    if is_enough(0.0) {
        return 0.0;
    }
    // `low` is not enough, `high` is.
    let (mut low, mut high) = (0.0, libm::floor(near.clamp(1.0, f64::MAX)));
    // No step is so small that the sum rounds it away.
    let mut step = libm::floor(4.0 * f64::EPSILON * high).max(1.0);
    if is_enough(high) {
        while high - step > low {
            if !is_enough(high - step) {
                low = high - step;
                break;
            }
            (high, step) = (high - step, 2.0 * step);
        }
    } else {
        low = high;
        loop {
            high = low + step;
            if !high.is_finite() || is_enough(high) {
                break;
            }
            (low, step) = (high, 2.0 * step);
        }
    }
    while high - low > 1.0 {
        let middle = libm::floor(0.5 * low + 0.5 * high);
        if middle <= low || middle >= high {
            break;
        }
        if is_enough(middle) { high = middle } else { low = middle }
    }
    high
}
