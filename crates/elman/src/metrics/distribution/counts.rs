//! What distributions of counts share: the count that a scaled value stands for, and the mean that a raw number encodes.

use super::special::softplus;

/// The least mean of a scaled value: a loss has a bottom.
const LEAST_MEAN: f64 = 1e-6;

/// Counts and means are between its inverse and this, so that no product of a few overflows.
const MOST: f64 = 1e150;

/// The count of a scaled value: whole, and not below 0.
pub fn count(y: f64, unit: f64) -> f64 {
    libm::round(y * unit).clamp(0.0, MOST)
}

/// The scaled mean that a raw number encodes.
pub fn scaled_mean(raw: f64) -> f64 {
    LEAST_MEAN + softplus(raw).0
}

/// The mean of the count, and its derivative by the raw number.
pub fn mean(raw: f64, unit: f64) -> (f64, f64) {
    let (above, slope) = softplus(raw);
    (((LEAST_MEAN + above) * unit).clamp(1.0 / MOST, MOST), slope * unit)
}

/// What a count of this mean, deviation and skewness is near to at a quantile z of the standard normal distribution. Source:
/// the expansion of Cornish and Fisher, two terms.
pub fn near([mean, deviation, skewness]: [f64; 3], z: f64) -> f64 {
    mean + deviation * (z + skewness * (z * z - 1.0) / 6.0)
}
