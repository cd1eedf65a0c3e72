//! The forecast of a value with its interval, and how intervals are widened from the errors of earlier ones: by split
//! conformal prediction (Vovk, Gammerman, Shafer 2005) with the forecaster's own past as calibration set. Not here:
//! networks and series.

use crate::config::{Forecast, Transform};

/// The forecast of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The median.
    pub middle: f64,
    /// The lower bound of the interval.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Point {
    /// The point as the time line's levels are: in logarithms where they are taken.
    pub(super) fn levels(self, settings: &Forecast) -> Point {
        self.map(|y| if settings.has(Transform::Log) { libm::log(y) } else { y })
    }

    /// The reverse of [`Point::levels`].
    pub(super) fn values(self, settings: &Forecast) -> Point {
        self.map(|y| if settings.has(Transform::Log) { libm::exp(y) } else { y })
    }

    fn map(self, f: impl Fn(f64) -> f64) -> Point {
        Point { middle: f(self.middle), low: f(self.low), high: f(self.high) }
    }

    /// How often the interval's own width y is off, on its side of the middle; None of an interval without width.
    pub(super) fn score(self, y: f64) -> Option<f64> {
        let width = if y > self.middle { self.high - self.middle } else { self.middle - self.low };
        (width > 0.0).then(|| (y - self.middle).abs() / width)
    }

    /// The point with bounds this many times as far from the middle.
    pub(super) fn times(self, factor: f64) -> Point {
        let Point { middle, low, high } = self;
        Point { middle, low: middle + factor * (low - middle), high: middle + factor * (high - middle) }
    }
}

/// The factor, 1 at least, that would have brought a share `level` of the values within their intervals; 1 where too few
/// values are known to say.
pub(super) fn widening(scores: &mut [f64], level: f64) -> f64 {
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
        let point = Point { middle: 10.0, low: 8.0, high: 14.0 };
        assert_eq!((point.score(12.0), point.score(7.0)), (Some(0.5), Some(1.5)));
        assert_eq!(Point { low: 10.0, ..point }.score(7.0), None);
        assert_eq!(point.times(1.5), Point { middle: 10.0, low: 7.0, high: 16.0 });
    }
}
