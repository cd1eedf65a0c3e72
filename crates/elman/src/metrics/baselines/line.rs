//! The line of least squares through values in equal steps. Not here: other regressions.

/// The line of least squares.
pub struct Line {
    middle: f64,
    mean: f64,
    /// The difference of a step.
    pub slope: f64,
}

impl Line {
    /// None of fewer than two values.
    pub fn through(values: &[f64]) -> Option<Line> {
        if values.len() < 2 {
            return None;
        }
        let n = values.len() as f64;
        let middle = 0.5 * (n - 1.0);
        let (mut sum, mut product, mut squared) = (0.0, 0.0, 0.0);
        for (t, y) in values.iter().enumerate() {
            // Differences to the first value, so that equal values have a slope of exactly 0.
            let (x, y) = (t as f64 - middle, y - values[0]);
            sum += y;
            product += x * y;
            squared += x * x;
        }
        Some(Line { middle, mean: values[0] + sum / n, slope: product / squared })
    }

    /// The value at step t.
    pub fn at(&self, t: usize) -> f64 {
        self.mean + self.slope * (t as f64 - self.middle)
    }
}
