//! Student's t.

use std::f64::consts::PI;

use super::independent;
use super::quantiles::student_quantile;
use super::special::{gamma_ratio, softplus};
use super::{Distribution, Kind, Row, Scratch, scale};

/// Location, a number whose softplus is the scale, and one whose softplus is the degrees of freedom less 2.
const PARAMETERS: usize = 3;

pub const KIND: Kind = Kind::Real;

pub use super::independent::draw;

pub fn width(distribution: &Distribution) -> usize {
    PARAMETERS * distribution.columns
}

/// -ln Gamma((v + 1)/2) + ln Gamma(v/2) + ln(pi v)/2 + ln s + (v + 1)/2 ln(1 + r^2/v), where r = (y - mean)/s.
pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[location, scaled, freedom]: [f64; PARAMETERS], y, _| {
        let ((scale, slope), (above_2, v_slope)) = (scale(scaled), softplus(freedom));
        let (v, inverse) = (2.0 + above_2, 1.0 / scale);
        let ([sum, factor], digammas) = gamma_ratio(0.5 * v);
        let r = (y - location) * inverse;
        let share = r * r / v;
        let (log, weight) = (libm::log1p(share), (v + 1.0) / (1.0 + share));
        let by_v = 0.5 * (1.0 / v - digammas + log - weight * share / v) * v_slope;
        let value = 0.5 * libm::log(scale * (PI * v / factor) * scale) - sum + 0.5 * (v + 1.0) * log;
        (value, [-weight * r / v * inverse, (1.0 - weight * share) * inverse * slope, by_v])
    })
}

pub fn quantile(distribution: &Distribution, raw: &[f64], d: usize, level: f64, _: f64) -> f64 {
    let [location, scaled, freedom]: [f64; PARAMETERS] = independent::parameters(raw, distribution.columns, d);
    location + scale(scaled).0 * student_quantile(2.0 + softplus(freedom).0, level)
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(raw[d])
}
