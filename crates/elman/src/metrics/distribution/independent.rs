//! What distributions whose columns are independent share: the parameters of a column, the sum of the losses, draws by the
//! inverse of the distribution function. Not here: densities.

use rand_chacha::ChaCha8Rng;

use super::{Distribution, Row};
use crate::rng::uniform;

/// The parameters of column d.
pub fn parameters<const P: usize>(raw: &[f64], columns: usize, d: usize) -> [f64; P] {
    std::array::from_fn(|p| raw[p * columns + d])
}

/// The sum of the losses of a row, and how many count; `of` gives a column's loss and its gradient by the parameters at a
/// target and unit.
pub fn loss<const P: usize>(
    Row { raw, targets, units }: Row<'_>,
    grad: &mut [f64],
    of: impl Fn([f64; P], f64, f64) -> (f64, [f64; P]),
) -> (f64, usize) {
    let (columns, mut sum, mut counted) = (targets.len(), 0.0, 0);
    for (d, (&y, &unit)) in targets.iter().zip(units).enumerate() {
        let mut slopes = [0.0; P];
        if !y.is_nan() {
            let value;
            (value, slopes) = of(parameters(raw, columns, d), y, unit);
            sum += value;
            counted += 1;
        }
        slopes.into_iter().enumerate().for_each(|(p, slope)| grad[p * columns + d] = slope);
    }
    (sum, counted)
}

/// A draw of each column.
pub fn draw(distribution: &Distribution, raw: &[f64], units: &[f64], rng: &mut ChaCha8Rng, out: &mut [f64]) {
    for (d, (out, &unit)) in out.iter_mut().zip(units).enumerate() {
        *out = distribution.quantile(raw, d, uniform(rng), unit);
    }
}
