//! The negative binomial distribution of counts, by its mean m and its dispersion a: the variance is m + a m^2.

use super::counts::{count, mean as mean_count, near, scaled_mean};
use super::incomplete::incomplete_beta;
use super::independent;
use super::quantiles::{least_count, normal_quantile};
use super::special::{deviance, ln_binomial, softplus, sum_of_shares};
use super::{Distribution, Kind, Row, Scratch};

/// A number whose softplus is the mean of the scaled value, and one whose softplus is the dispersion of the count.
const PARAMETERS: usize = 2;

/// The least dispersion.
const LEAST_DISPERSION: f64 = 1e-8;

pub const KIND: Kind = Kind::Count;

pub use super::independent::draw;

pub fn width(distribution: &Distribution) -> usize {
    PARAMETERS * distribution.columns
}

fn dispersion(raw: f64) -> (f64, f64) {
    let (above, slope) = softplus(raw);
    (LEAST_DISPERSION + above, slope)
}

/// With r = 1/a, the probability of y is r / (r + y) times the binomial one of y in r + y, whose p is a m / (1 + a m).
pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[raw_mean, raw_dispersion]: [f64; PARAMETERS], y, unit| {
        let (y, (m, m_slope), (a, a_slope)) = (count(y, unit), mean_count(raw_mean, unit), dispersion(raw_dispersion));
        let (r, u) = (1.0 / a, a * m);
        let odds = 1.0 + u;
        let value = if y == 0.0 {
            r * libm::log1p(u)
        } else {
            let chance = ln_binomial([r, y], [1.0 / odds, u / odds], (m - y) / odds);
            libm::log1p(a * y) - chance
        };
        // (ln(1 + u) - u / (1 + u)) / a^2 - y m / (1 + u) + the sum of k / (1 + a k).
        let by_dispersion = y * m / odds - deviance(odds, 1.0, u) / odds * r * r - sum_of_shares(a, y);
        (value, [(m - y) / (m * odds) * m_slope, by_dispersion * a_slope])
    })
}

pub fn quantile(distribution: &Distribution, raw: &[f64], d: usize, level: f64, unit: f64) -> f64 {
    let [raw_mean, raw_dispersion]: [f64; PARAMETERS] = independent::parameters(raw, distribution.columns, d);
    let ((m, _), (a, _)) = (mean_count(raw_mean, unit), dispersion(raw_dispersion));
    let odds = 1.0 + a * m;
    let deviation = libm::sqrt(m * odds);
    let near = near([m, deviation, (1.0 + 2.0 * a * m) / deviation], normal_quantile(level));
    least_count(level, near, |k| incomplete_beta([1.0 / a, k + 1.0], [1.0 / odds, a * m / odds])) / unit
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(scaled_mean(raw[d]))
}
