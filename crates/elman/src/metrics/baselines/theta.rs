//! The Theta method on the seasonally adjusted series: the mean of the line of least squares and of simple exponential
//! smoothing of the values with their distance to it doubled. Sources: Assimakopoulos and Nikolopoulos 2000; the benchmark
//! code of the M4 competition.

use super::decomposition::Adjusted;
use super::line::Line;
use super::missing::filled;
use super::smoothing::last_level;

pub fn forecast(known: &[f64], season: usize, horizon: usize) -> Option<Vec<f64>> {
    let known = filled(known)?;
    let is_positive = known.iter().all(|&y| y > 0.0);
    let adjusted = Adjusted::new(known, season);
    let line = Line::through(&adjusted.values)?;
    let doubled: Vec<f64> = adjusted.values.iter().enumerate().map(|(t, y)| 2.0 * y - line.at(t)).collect();
    let level = last_level(&doubled)?;
    // As in the competition, whose series are positive: a forecast below 0 becomes 0.
    let bounded = |value: f64| if is_positive && value < 0.0 { 0.0 } else { value };
    let n = adjusted.values.len();
    let forecast = (0..horizon).map(|h| bounded(0.5 * (level + line.at(n + h)))).collect();
    Some(adjusted.with_season(forecast))
}
