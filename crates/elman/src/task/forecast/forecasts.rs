//! The forecasts from one origin: quantiles of every column at every step.

/// Quantiles by column, step and level.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecasts {
    levels: Vec<f64>,
    horizon: usize,
    /// `[D, H, levels]`.
    values: Vec<f64>,
}

impl Forecasts {
    /// Forecasts of `columns` columns, computed one by one from column, step and level.
    pub fn new(
        columns: usize,
        horizon: usize,
        levels: &[f64],
        mut quantile: impl FnMut([usize; 2], f64) -> f64,
    ) -> Forecasts {
        let mut values = Vec::with_capacity(columns * horizon * levels.len());
        for (d, h) in (0..columns).flat_map(|d| (0..horizon).map(move |h| (d, h))) {
            values.extend(levels.iter().map(|&level| quantile([d, h], level)));
        }
        Forecasts { levels: levels.to_vec(), horizon, values }
    }

    /// The levels, rising.
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// Steps.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// The quantiles of a column at a step, one for each level.
    pub fn at(&self, d: usize, h: usize) -> &[f64] {
        let width = self.levels.len();
        &self.values[(d * self.horizon + h) * width..][..width]
    }

    /// The medians of a column: the point forecasts.
    pub fn median(&self, d: usize) -> Vec<f64> {
        let middle = self.levels.iter().position(|&level| level == 0.5).unwrap_or(0);
        (0..self.horizon).map(|h| self.at(d, h)[middle]).collect()
    }

    /// The quantiles of a column by level: each with its values step by step.
    pub fn by_level(&self, d: usize) -> Vec<(f64, Vec<f64>)> {
        let of = |(at, &level): (usize, &f64)| (level, (0..self.horizon).map(|h| self.at(d, h)[at]).collect());
        self.levels.iter().enumerate().map(of).collect()
    }

    /// The same with every quantile passed through a function of column and value.
    pub fn map(mut self, f: impl Fn(usize, f64) -> f64) -> Forecasts {
        let width = self.horizon * self.levels.len();
        for (at, value) in self.values.iter_mut().enumerate() {
            *value = f(at / width, *value);
        }
        self
    }

    /// The same with the distance of every quantile from the median times a factor of its column.
    pub fn widened(mut self, factor: impl Fn(usize) -> f64) -> Forecasts {
        let (width, middle) = (self.levels.len(), self.levels.iter().position(|&level| level == 0.5).unwrap_or(0));
        for (at, step) in self.values.chunks_exact_mut(width).enumerate() {
            let (median, factor) = (step[middle], factor(at / self.horizon));
            step.iter_mut().for_each(|value| *value = median + factor * (*value - median));
        }
        self
    }
}
