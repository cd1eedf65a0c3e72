//! Quantiles that are learned apart from each other.

use super::pinball;

/// The probabilities of the quantiles.
pub const LEVELS: [f64; 5] = [0.05, 0.1, 0.5, 0.9, 0.95];

/// A value for each level.
pub const PARAMETERS: usize = LEVELS.len();

pub fn loss(raw: &[f64], y: f64, grad: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for ((&q, &level), grad) in raw.iter().zip(&LEVELS).zip(grad) {
        sum += pinball(level, q, y);
        *grad = if y > q { -level } else { 1.0 - level };
    }
    sum
}

/// On the line through them; they may cross, so they are sorted first.
pub fn quantile(raw: &[f64], level: f64) -> f64 {
    let mut values = raw.to_vec();
    values.sort_by(f64::total_cmp);
    let next = LEVELS.partition_point(|&known| known < level);
    match next {
        0 => values[0],
        next if next == LEVELS.len() => values[next - 1],
        next => {
            let share = (level - LEVELS[next - 1]) / (LEVELS[next] - LEVELS[next - 1]);
            values[next - 1] + share * (values[next] - values[next - 1])
        }
    }
}
