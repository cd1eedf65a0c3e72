//! The Bernoulli distribution of a label that is there, 1, or not, 0.

use super::independent;
use super::special::softplus;
use super::{Distribution, Kind, Row, Scratch};

pub const KIND: Kind = Kind::Label;

pub use super::independent::draw;
pub use super::point::width;

/// -ln of the probability, softplus(z) - y z, of a logit z.
pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[z]: [f64; 1], y, _| {
        let (above, probability) = softplus(z);
        (above - y * z, [probability - y])
    })
}

/// 1 where more than 1 - `level` of the probability is there.
pub fn quantile(_: &Distribution, raw: &[f64], d: usize, level: f64, _: f64) -> f64 {
    f64::from(u8::from(level > 1.0 - softplus(raw[d]).1))
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(softplus(raw[d]).1)
}
