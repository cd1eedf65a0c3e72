//! Naive2 of the M4 competition: the last value of the seasonally adjusted series, with the season put back.

use super::decomposition::Adjusted;
use super::missing::filled;

pub fn forecast(known: &[f64], season: usize, horizon: usize) -> Option<Vec<f64>> {
    let adjusted = Adjusted::new(filled(known)?, season);
    let last = *adjusted.values.last()?;
    Some(adjusted.with_season(vec![last; horizon]))
}
