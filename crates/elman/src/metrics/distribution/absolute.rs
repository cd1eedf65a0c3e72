//! A point whose loss is its distance to the value: it learns the median.

use super::independent;
use super::{Distribution, Kind, Row, Scratch};

pub const KIND: Kind = Kind::Point;

pub use super::point::{draw, mean, quantile, width};

pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[point]: [f64; 1], y, _| {
        let slope = if y > point { -1.0 } else { f64::from(u8::from(y < point)) };
        ((y - point).abs(), [slope])
    })
}
