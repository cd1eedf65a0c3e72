//! The naive forecast: the last known value, repeated.

pub fn forecast(known: &[f64], _season: usize, horizon: usize) -> Option<Vec<f64>> {
    let last = known.iter().rfind(|y| !y.is_nan())?;
    Some(vec![*last; horizon])
}
