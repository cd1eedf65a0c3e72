//! Quantiles that are learned apart from each other.

use super::{Distribution, Kind, Row, Scratch, pinball};

pub const KIND: Kind = Kind::Real;

pub use super::independent::draw;

/// A value for each level.
pub fn width(distribution: &Distribution) -> usize {
    distribution.levels.len() * distribution.columns
}

pub fn loss(distribution: &Distribution, row: Row<'_>, grad: &mut [f64], _: &mut Scratch) -> (f64, usize) {
    let (mut sum, mut counted, columns) = (0.0, 0, distribution.columns);
    for (d, &y) in row.targets.iter().enumerate() {
        let own = grad[d..].iter_mut().step_by(columns);
        if y.is_nan() {
            own.for_each(|grad| *grad = 0.0);
            continue;
        }
        counted += 1;
        let values = row.raw[d..].iter().step_by(columns);
        for ((&level, &q), grad) in distribution.levels.iter().zip(values).zip(own) {
            sum += pinball(level, q, y);
            *grad = if y > q { -level } else { 1.0 - level };
        }
    }
    (sum, counted)
}

/// On the line through the values in rising order.
pub fn quantile(distribution: &Distribution, raw: &[f64], d: usize, level: f64, _: f64) -> f64 {
    let levels = &distribution.levels;
    let value = |rank: usize| ranked(raw, distribution.columns, d, rank);
    let next = levels.partition_point(|&known| known < level);
    match next {
        0 => value(0),
        next if next == levels.len() => value(next - 1),
        next => {
            let share = (level - levels[next - 1]) / (levels[next] - levels[next - 1]);
            let (below, above) = (value(next - 1), value(next));
            below + share * (above - below)
        }
    }
}

/// The value of column d that `rank` others precede in rising order. Compares all with all: there are few.
fn ranked(raw: &[f64], columns: usize, d: usize, rank: usize) -> f64 {
    let values = || raw.iter().skip(d).step_by(columns);
    let is_of_rank = |value: &&f64| {
        let less = values().filter(|other| other.total_cmp(value).is_lt()).count();
        let equal = values().filter(|other| other.total_cmp(value).is_eq()).count();
        (less..less + equal).contains(&rank)
    };
    values().find(is_of_rank).copied().unwrap_or(f64::NAN)
}

pub fn mean(_: &Distribution, _: &[f64], _: usize, _: f64) -> Option<f64> {
    None
}
