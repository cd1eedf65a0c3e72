//! The Poisson distribution of counts.

use super::counts::{count, mean as mean_count, near, scaled_mean};
use super::incomplete::upper_gamma;
use super::independent;
use super::quantiles::{least_count, normal_quantile};
use super::special::ln_poisson;
use super::{Distribution, Kind, Row, Scratch};

/// A number whose softplus is the mean of the scaled value.
const PARAMETERS: usize = 1;

/// Where counts of this mean are no longer whole numbers of f64 to a deviation, the normal distribution is as good.
const NEARLY_NORMAL: f64 = 1e15;

pub const KIND: Kind = Kind::Count;

pub use super::independent::draw;

pub fn width(distribution: &Distribution) -> usize {
    PARAMETERS * distribution.columns
}

pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[raw]: [f64; PARAMETERS], y, unit| {
        let (y, (m, slope)) = (count(y, unit), mean_count(raw, unit));
        (-ln_poisson(y, m), [(m - y) / m * slope])
    })
}

pub fn quantile(_: &Distribution, raw: &[f64], d: usize, level: f64, unit: f64) -> f64 {
    let (m, _) = mean_count(raw[d], unit);
    let near = near([m, libm::sqrt(m), 1.0 / libm::sqrt(m)], normal_quantile(level));
    if m > NEARLY_NORMAL {
        return libm::floor(near) / unit;
    }
    least_count(level, near, |k| upper_gamma(k + 1.0, m)) / unit
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(scaled_mean(raw[d]))
}
