//! The normal distribution.

use super::independent;
use super::quantiles::normal_quantile;
use super::{Distribution, Kind, Row, Scratch, scale};

/// Mean, and a number whose softplus is the deviation.
const PARAMETERS: usize = 2;

/// ln(2 pi) / 2.
const CONSTANT: f64 = 0.918_938_533_204_672_8;

pub const KIND: Kind = Kind::Real;

pub use super::independent::draw;

pub fn width(distribution: &Distribution) -> usize {
    PARAMETERS * distribution.columns
}

pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[mean, scaled]: [f64; PARAMETERS], y, _| {
        let (scale, slope) = scale(scaled);
        let inverse = 1.0 / scale;
        let r = (y - mean) * inverse;
        (CONSTANT + libm::log(scale) + 0.5 * r * r, [-r * inverse, (1.0 - r * r) * inverse * slope])
    })
}

pub fn quantile(distribution: &Distribution, raw: &[f64], d: usize, level: f64, _: f64) -> f64 {
    let [mean, scaled]: [f64; PARAMETERS] = independent::parameters(raw, distribution.columns, d);
    mean + scale(scaled).0 * normal_quantile(level)
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(raw[d])
}
