//! A point whose loss is half the square of its distance to the value, and beyond [`DELTA`] grows as a line (Huber 1964).

use super::independent;
use super::{Distribution, Kind, Row, Scratch};

/// The distance at which the square becomes a line, in units of the scaled values.
pub const DELTA: f64 = 1.0;

pub const KIND: Kind = Kind::Point;

pub use super::point::{draw, mean, quantile, width};

pub fn loss(_: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    independent::loss(row, grad, |[point]: [f64; 1], y, _| {
        let r = point - y;
        match r.abs() <= DELTA {
            true => (0.5 * r * r, [r]),
            false => (DELTA * (r.abs() - 0.5 * DELTA), [DELTA.copysign(r)]),
        }
    })
}
