//! The normal distribution.

use super::{normal_quantile, scale};

/// Mean, and a number whose softplus is the deviation.
pub const PARAMETERS: usize = 2;

pub fn loss(raw: &[f64], y: f64, grad: &mut [f64]) -> f64 {
    let (scale, slope) = scale(raw[1]);
    let r = (y - raw[0]) / scale;
    grad[0] = -r / scale;
    grad[1] = (1.0 - r * r) / scale * slope;
    0.5 * libm::log(2.0 * std::f64::consts::PI) + libm::log(scale) + 0.5 * r * r
}

pub fn quantile(raw: &[f64], level: f64) -> f64 {
    raw[0] + scale(raw[1]).0 * normal_quantile(level)
}
