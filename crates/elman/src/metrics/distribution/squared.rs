//! A point whose loss is the square of its distance to the value: it learns the mean.

use super::independent;
use super::{Distribution, Kind, Row, Scratch};

pub const KIND: Kind = Kind::Point;

pub use super::point::{draw, quantile, width};

pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[point]: [f64; 1], y, _| ((y - point) * (y - point), [2.0 * (point - y)]))
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(raw[d])
}
