//! What the errors of a series are divided by, computed from its training part. Not here: the errors.

/// The units of one column of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// The mean of `|y[t] - y[t - m]|`, the unit of MASE; None where there are no such pairs, or it is 0.
    pub absolute: Option<f64>,
    /// The mean of `(y[t] - y[t - m])^2`, the unit of RMSSE; None likewise.
    pub squared: Option<f64>,
    /// The mean; 0 where no value is known.
    pub mean: f64,
    /// The standard deviation (with n, not n - 1, below the fraction line), the unit of standardised errors; None where
    /// all values are equal.
    pub deviation: Option<f64>,
}

impl Units {
    /// The units of a training part with a season of `season` steps (0 and 1: none). NaN is a missing value; a pair with
    /// one does not count.
    pub fn of(train: &[f64], season: usize) -> Units {
        let pairs = train.iter().skip(season.max(1)).zip(train);
        let differences = pairs.map(|(y, before)| y - before).filter(|difference| !difference.is_nan());
        let (mut count, mut absolute, mut squared) = (0.0, 0.0, 0.0);
        for difference in differences {
            count += 1.0;
            absolute += difference.abs();
            squared += difference * difference;
        }
        let (mean, variance) = moments(train);
        Units {
            absolute: unit(absolute / count),
            squared: unit(squared / count),
            mean,
            deviation: unit(libm::sqrt(variance)),
        }
    }
}

/// What can be divided by.
fn unit(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then_some(value)
}

/// Mean and variance of the known values. Both are of differences to the first one, so that equal values have a variance
/// of exactly 0.
fn moments(values: &[f64]) -> (f64, f64) {
    let known = || values.iter().copied().filter(|y| !y.is_nan());
    let Some(first) = known().next() else { return (0.0, 0.0) };
    let count = known().count() as f64;
    let shift = known().map(|y| y - first).sum::<f64>() / count;
    let squared = known().map(|y| (y - first - shift) * (y - first - shift)).sum::<f64>();
    (first + shift, squared / count)
}
