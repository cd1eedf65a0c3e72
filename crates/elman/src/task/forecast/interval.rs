//! How intervals are widened from the errors of earlier forecasts: by split conformal prediction (Vovk, Gammerman,
//! Shafer 2005) with the forecaster's own past as calibration set. Not here: networks and series.

/// How often the interval's own width y is off, on its side of the middle; None of an interval without width.
pub fn score([low, middle, high]: [f64; 3], y: f64) -> Option<f64> {
    let width = if y > middle { high - middle } else { middle - low };
    (width > 0.0).then(|| (y - middle).abs() / width)
}

/// The factor, 1 at least, that would have brought a share `level` of the values within their intervals; 1 where too few
/// values are known to say.
pub fn widening(scores: &mut [f64], level: f64) -> f64 {
    scores.sort_by(f64::total_cmp);
    let rank = libm::ceil(level * (scores.len() + 1) as f64) as usize;
    scores.get(rank.max(1) - 1).map_or(1.0, |&score| score.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_grows_until_as_many_lie_within_as_it_says() {
        // Ten known values; four of five are wanted: the ninth of ten by rank, since ceil(0.8 * 11) = 9.
        let mut scores: Vec<f64> = (1..=10).map(|at| f64::from(at) * 0.3).collect();
        scores.reverse();
        assert!((widening(&mut scores, 0.8) - 2.7).abs() < 1e-12);
        // Where enough lie within, nothing is made narrower; where too few are known, nothing is predicted.
        assert_eq!(widening(&mut [0.1; 20], 0.8), 1.0);
        assert_eq!(widening(&mut [9.0, 9.0, 9.0], 0.8), 1.0);
        assert_eq!(widening(&mut [9.0, 9.0, 9.0, 9.0], 0.8), 9.0);
        assert_eq!(widening(&mut [], 0.8), 1.0);
        let interval = [8.0, 10.0, 14.0];
        assert_eq!((score(interval, 12.0), score(interval, 7.0)), (Some(0.5), Some(1.5)));
        assert_eq!(score([10.0, 10.0, 14.0], 7.0), None);
    }
}
