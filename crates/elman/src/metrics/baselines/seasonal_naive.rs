//! The seasonal naive forecast: of each place in the season the last known value.

pub fn forecast(known: &[f64], season: usize, horizon: usize) -> Option<Vec<f64>> {
    let first = known.len().checked_sub(season)?;
    let last = |place: usize| (0..=first + place).rev().step_by(season).map(|t| known[t]).find(|y| !y.is_nan());
    let cycle: Vec<f64> = (0..season).map(last).collect::<Option<_>>()?;
    Some(cycle.into_iter().cycle().take(horizon).collect())
}
