//! A normal distribution of all columns at once: covariance L L^T with L a lower triangle. Where targets are missing, the loss
//! is that of the distribution of the others, exactly.

use rand_chacha::ChaCha8Rng;

use super::quantiles::normal_quantile;
use super::{Distribution, Kind, Row, Scratch, inside, scale};
use crate::rng::uniform;

/// ln(2 pi) / 2.
const CONSTANT: f64 = 0.918_938_533_204_672_8;

pub const KIND: Kind = Kind::Real;

/// The means, then the rows of L, of whose diagonal the softplus is taken.
pub fn width(distribution: &Distribution) -> usize {
    place(distribution.columns, distribution.columns, 0)
}

/// Where row i of L has its column j.
fn place(columns: usize, i: usize, j: usize) -> usize {
    columns + i * (i + 1) / 2 + j
}

/// L[i][j] for j <= i, else 0; and its derivative by the raw number.
fn entry(raw: &[f64], columns: usize, i: usize, j: usize) -> (f64, f64) {
    let number = |j| raw[place(columns, i, j)];
    match j.cmp(&i) {
        std::cmp::Ordering::Less => (number(j), 1.0),
        std::cmp::Ordering::Equal => scale(number(i)),
        std::cmp::Ordering::Greater => (0.0, 0.0),
    }
}

/// With o the k observed columns, the rows L[o] are M Q, where M `[k, k]` is a lower triangle and the rows of Q `[k, columns]`
/// are orthonormal. With z = M^-1 (y - mean) and w = M^-T z, the loss is ln(2 pi)/2 k + the sum of ln M[i][i] + z z / 2; its
/// gradient is -w by the means, and (M^-T - w z^T) Q by L[o]. Where the first k columns are observed, M is a part of L and Q
/// that of the identity.
pub fn loss(distribution: &Distribution, row: Row<'_>, grad: &mut [f64], scratch: &mut Scratch) -> (f64, usize) {
    let first = row.targets.iter().take_while(|y| !y.is_nan()).count();
    let are_first = row.targets[first..].iter().all(|y| y.is_nan());
    loss_by(distribution, row, grad, scratch, are_first)
}

fn loss_by(
    Distribution { columns, .. }: &Distribution,
    Row { raw, targets, .. }: Row<'_>,
    grad: &mut [f64],
    scratch: &mut Scratch,
    are_first: bool,
) -> (f64, usize) {
    let columns = *columns;
    let observed = || targets.iter().enumerate().filter(|(_, y)| !y.is_nan()).enumerate();
    let (n, mut sum) = (observed().count(), 0.0);
    let [m, q, z, w, c] = scratch.parts([n * n, n * columns, n, n, n]);
    for (at, (d, y)) in observed() {
        if are_first {
            (0..n).for_each(|j| m[at * n + j] = entry(raw, columns, d, j).0);
        } else {
            factor(&mut m[at * n..][..n], q, [columns, at], |j| entry(raw, columns, d, j).0);
        }
        let known: f64 = m[at * n..].iter().zip(&z[..at]).map(|(m, z)| m * z).sum();
        let diagonal = m[at * n + at];
        z[at] = (y - raw[d] - known) / diagonal;
        sum += CONSTANT + libm::log(diagonal) + 0.5 * z[at] * z[at];
    }
    for at in (0..n).rev() {
        let known: f64 = (at + 1..n).map(|j| m[j * n + at] * w[j]).sum();
        w[at] = (z[at] - known) / m[at * n + at];
    }
    grad.fill(0.0);
    for (at, (d, _)) in observed() {
        grad[d] = -w[at];
        let own = &mut grad[place(columns, d, 0)..][..d + 1];
        if are_first {
            own.iter_mut().zip(&*z).for_each(|(own, z)| *own = -w[at] * z);
            own[d] += 1.0 / m[at * n + at];
        } else {
            // Row `at` of M^-T - w z^T, then its product with Q.
            inverse_column(m, n, at, c);
            for ((c, z), q) in c.iter().zip(&*z).zip(q.chunks_exact(columns)) {
                let factor = c - w[at] * z;
                own.iter_mut().zip(q).for_each(|(own, q)| *own += factor * q);
            }
        }
        own[d] *= entry(raw, columns, d, d).1;
    }
    (sum, n)
}

/// Row `at` of M, and that of Q from those before it: the method of Gram and Schmidt, twice. The last entry of the row of L is
/// that of no row before it, so that M[at][at] is at least as large.
fn factor(m: &mut [f64], q: &mut [f64], [columns, at]: [usize; 2], entry: impl Fn(usize) -> f64) {
    let (before, rest) = q.split_at_mut(at * columns);
    let own = &mut rest[..columns];
    own.iter_mut().enumerate().for_each(|(j, own)| *own = entry(j));
    m.fill(0.0);
    for _ in 0..2 {
        for (m, other) in m.iter_mut().zip(before.chunks_exact(columns)) {
            let share: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
            *m += share;
            own.iter_mut().zip(other).for_each(|(own, other)| *own -= share * other);
        }
    }
    m[at] = norm(own.iter().copied());
    own.iter_mut().for_each(|own| *own /= m[at]);
}

/// Column `at` of M^-1.
fn inverse_column(m: &[f64], n: usize, at: usize, c: &mut [f64]) {
    for i in 0..n {
        let known: f64 = (at..i).map(|j| m[i * n + j] * c[j]).sum();
        c[i] = if i < at { 0.0 } else { (f64::from(u8::from(i == at)) - known) / m[i * n + i] };
    }
}

/// The Euclidean norm, without overflow of the squares.
fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |most: f64, x| most.max(x.abs()));
    largest * libm::sqrt(values.map(|x| (x / largest) * (x / largest)).sum())
}

/// Of the column's normal distribution.
pub fn quantile(Distribution { columns, .. }: &Distribution, raw: &[f64], d: usize, level: f64, _: f64) -> f64 {
    raw[d] + norm((0..=d).map(|j| entry(raw, *columns, d, j).0)) * normal_quantile(level)
}

pub fn mean(_: &Distribution, raw: &[f64], d: usize, _: f64) -> Option<f64> {
    Some(raw[d])
}

/// The means and L z, where z is normal.
pub fn draw(
    Distribution { columns, .. }: &Distribution,
    raw: &[f64],
    _: &[f64],
    rng: &mut ChaCha8Rng,
    out: &mut [f64],
) {
    out.iter_mut().for_each(|z| *z = normal_quantile(inside(uniform(rng))));
    for d in (0..out.len()).rev() {
        let change: f64 = out[..=d].iter().enumerate().map(|(j, z)| entry(raw, *columns, d, j).0 * z).sum();
        out[d] = raw[d] + change;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::*;

    /// Four columns and their targets.
    const RAW: [f64; 14] = [0.3, -0.2, 1.0, 0.1, 0.5, -0.7, -0.2, 0.4, 1.1, 0.3, -0.6, 0.8, 0.25, -1.0];
    const TARGETS: [f64; 4] = [0.5, -1.0, 2.0, 0.75];

    #[test]
    fn any_observed_columns_give_the_loss_of_the_first_columns_where_those_are_observed() {
        let joint = Distribution::new(Output::Joint, &[], 4).unwrap();
        for observed in 0..=4 {
            let mut targets = TARGETS;
            targets[observed..].fill(f64::NAN);
            let row = Row { raw: &RAW, targets: &targets, units: &[1.0; 4] };
            let of = |are_first| {
                let (mut grad, mut scratch) = ([f64::NAN; 14], Scratch::default());
                (loss_by(&joint, row, &mut grad, &mut scratch, are_first), grad)
            };
            let (((short, _), short_grad), ((general, counted), general_grad)) = (of(true), of(false));
            assert_eq!(counted, observed);
            assert!((short - general).abs() < 1e-14, "{short} {general}");
            for (a, b) in short_grad.iter().zip(general_grad) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
    }
}
