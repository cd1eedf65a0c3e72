//! The drift forecast: the line through the first and the last known value. Source: Hyndman and Athanasopoulos,
//! "Forecasting: Principles and Practice", section 5.2.

pub fn forecast(known: &[f64], _season: usize, horizon: usize) -> Option<Vec<f64>> {
    let first = known.iter().position(|y| !y.is_nan())?;
    let last = known.iter().rposition(|y| !y.is_nan())?;
    if first == last {
        return None;
    }
    let slope = (known[last] - known[first]) / (last - first) as f64;
    // A step ahead is counted from the end of the series, not from the last known value.
    let ahead = |h: usize| (known.len() - last + h) as f64;
    Some((0..horizon).map(|h| known[last] + slope * ahead(h)).collect())
}
