//! Student's t.

use super::{digamma, scale, sigmoid, softplus, student_quantile};

/// Location, a number whose softplus is the scale, and one whose softplus is the degrees of freedom less 2.
pub const PARAMETERS: usize = 3;

pub fn loss(raw: &[f64], y: f64, grad: &mut [f64]) -> f64 {
    let (scale, slope) = scale(raw[1]);
    let (v, v_slope) = (2.0 + softplus(raw[2]), sigmoid(raw[2]));
    let r = (y - raw[0]) / scale;
    let a = 1.0 + r * r / v;
    grad[0] = -(v + 1.0) * r / (v * scale * a);
    grad[1] = (1.0 - (v + 1.0) * r * r / (v * a)) / scale * slope;
    let by_v = digamma(0.5 * v) - digamma(0.5 * (v + 1.0)) + 1.0 / v + libm::log(a) - (v + 1.0) * r * r / (v * v * a);
    grad[2] = 0.5 * by_v * v_slope;
    libm::lgamma(0.5 * v) - libm::lgamma(0.5 * (v + 1.0))
        + 0.5 * libm::log(std::f64::consts::PI * v)
        + libm::log(scale)
        + 0.5 * (v + 1.0) * libm::log(a)
}

pub fn quantile(raw: &[f64], level: f64) -> f64 {
    raw[0] + scale(raw[1]).0 * student_quantile(2.0 + softplus(raw[2]), level)
}
