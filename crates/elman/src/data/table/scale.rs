//! The scaler that gives columns of numbers mean 0 and deviation 1, fitted on the training part alone. A constant
//! column is divided by 1.

use serde::{Deserialize, Serialize};

/// What is taken off each column, and what it is divided by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Deviation of each column, over n; 1 where it is 0.
    pub deviation: Vec<f64>,
}

impl Scaler {
    /// The scaler of `width` columns of numbers that stand row after row.
    pub fn fit<'a>(width: usize, rows: impl Iterator<Item = &'a [f64]> + Clone) -> Scaler {
        let (mut count, mut mean) = (0.0_f64, vec![0.0; width]);
        for row in rows.clone() {
            count += 1.0;
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += (x - *mean) / count);
        }
        let mut deviation = vec![0.0; width];
        for row in rows {
            deviation
                .iter_mut()
                .zip(row.iter().zip(&mean))
                .for_each(|(sum, (x, mean))| *sum += (x - mean) * (x - mean));
        }
        for sum in &mut deviation {
            let of_column = libm::sqrt(*sum / count.max(1.0));
            // What rounding leaves of a column that never changes is no deviation.
            *sum = if of_column > 0.0 && of_column.is_finite() { of_column } else { 1.0 };
        }
        Scaler { mean, deviation }
    }

    /// A number of a column, scaled.
    pub fn scale(&self, column: usize, x: f64) -> f64 {
        (x - self.mean[column]) / self.deviation[column]
    }

    /// A scaled number of a column as it was.
    pub fn unscale(&self, column: usize, x: f64) -> f64 {
        x * self.deviation[column] + self.mean[column]
    }

    /// Whether it is for this number of columns, of finite numbers and deviations above 0.
    pub fn fits(&self, width: usize) -> bool {
        let is_fair = |x: &f64| x.is_finite();
        [&self.mean, &self.deviation].iter().all(|column| column.len() == width && column.iter().all(is_fair))
            && self.deviation.iter().all(|&x| x > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_mean_0_and_deviation_1() {
        let rows = [[1.0, 7.0], [2.0, 7.0], [6.0, 7.0]];
        let scaler = Scaler::fit(2, rows.iter().map(|row| &row[..]));
        assert_eq!(scaler.mean, [3.0, 7.0]);
        assert!((scaler.deviation[0] - (14.0_f64 / 3.0).sqrt()).abs() < 1e-15 && scaler.deviation[1] == 1.0);
        let scaled: Vec<f64> = rows.iter().map(|row| scaler.scale(0, row[0])).collect();
        assert!(scaled.iter().sum::<f64>().abs() < 1e-15);
        assert!((scaler.unscale(0, scaled[2]) - 6.0).abs() < 1e-15);
        assert!(scaler.fits(2) && !scaler.fits(1));
    }
}
