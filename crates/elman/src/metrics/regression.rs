//! The measures of predicted numbers: MAE, RMSE, R2, and the share within an interval. Source: scikit-learn's definitions, with
//! columns averaged uniformly. A true number of NaN is not known and does not count.

/// The figures of one column, or the means over the columns.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct RegressionFigures {
    /// Numbers that count.
    pub count: u64,
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// 1 less the squared errors' share of the squared distances from the mean; None where the true numbers are all the same.
    pub r2: Option<f64>,
    /// Share of the numbers from the lowest to the highest predicted quantile; None where fewer than two are predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
}

/// Sums over the numbers of one column.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: u64,
    absolute: f64,
    squared: f64,
    /// Mean of the true numbers, and the sum of their squared distances from it.
    mean: f64,
    spread: f64,
    inside: u64,
}

/// Errors of predictions, column by column.
#[derive(Clone, Debug)]
pub struct RegressionErrors {
    columns: Vec<Sums>,
    has_interval: bool,
}

impl RegressionErrors {
    /// Of so many columns, none counted yet. `has_interval`: at least two quantiles are predicted.
    pub fn new(columns: usize, has_interval: bool) -> RegressionErrors {
        RegressionErrors { columns: vec![Sums::default(); columns], has_interval }
    }

    /// Counts a prediction of a column. `quantiles` rise.
    pub fn add(&mut self, column: usize, truth: f64, predicted: f64, quantiles: &[f64]) {
        if truth.is_nan() {
            return;
        }
        let sums = &mut self.columns[column];
        sums.count += 1;
        let error = predicted - truth;
        sums.absolute += error.abs();
        sums.squared += error * error;
        let from_mean = truth - sums.mean;
        sums.mean += from_mean / sums.count as f64;
        sums.spread += from_mean * (truth - sums.mean);
        if let ([low, ..], [.., high]) = (quantiles, quantiles) {
            sums.inside += u64::from(*low <= truth && truth <= *high);
        }
    }

    /// The figures of each column; None of one of which no number counts.
    pub fn each(&self) -> Vec<Option<RegressionFigures>> {
        let of = |sums: &Sums| {
            let n = sums.count as f64;
            (sums.count > 0).then(|| RegressionFigures {
                count: sums.count,
                mae: sums.absolute / n,
                rmse: libm::sqrt(sums.squared / n),
                r2: (sums.spread > 0.0).then(|| 1.0 - sums.squared / sums.spread),
                coverage: self.has_interval.then(|| sums.inside as f64 / n),
            })
        };
        self.columns.iter().map(of).collect()
    }

    /// The mean of the columns' figures; None where no number counts.
    pub fn all(&self) -> Option<RegressionFigures> {
        let each: Vec<RegressionFigures> = self.each().into_iter().flatten().collect();
        let columns = each.len() as f64;
        let mean = |of: fn(&RegressionFigures) -> f64| each.iter().map(of).sum::<f64>() / columns;
        let r2: Option<Vec<f64>> = each.iter().map(|figures| figures.r2).collect();
        (!each.is_empty()).then(|| RegressionFigures {
            count: each.iter().map(|figures| figures.count).sum(),
            mae: mean(|figures| figures.mae),
            rmse: mean(|figures| figures.rmse),
            r2: r2.map(|all| all.iter().sum::<f64>() / columns),
            coverage: self.has_interval.then(|| mean(|figures| figures.coverage.unwrap_or_default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_scikit_learns() {
        // By scikit-learn 1.9 for truth 3 -.5 2 7 and predicted 2.5 0 2 8: mean_absolute_error .5,
        // root_mean_squared_error .6123724356957945, r2_score .9486081370449679.
        let mut errors = RegressionErrors::new(2, true);
        for (truth, predicted) in [(3.0, 2.5), (-0.5, 0.0), (f64::NAN, 9.0), (2.0, 2.0), (7.0, 8.0)] {
            errors.add(0, truth, predicted, &[predicted - 0.5, predicted, predicted + 0.5]);
        }
        let figures = errors.each()[0].unwrap();
        assert_eq!((figures.count, figures.mae, figures.coverage), (4, 0.5, Some(0.75)));
        assert!((figures.rmse - 0.612_372_435_695_794_5).abs() < 1e-15);
        assert!((figures.r2.unwrap() - 0.948_608_137_044_967_9).abs() < 1e-15);
        assert_eq!(errors.each()[1], None, "nothing is known of the second column");
        assert_eq!(errors.all().unwrap(), figures);
        // Large numbers that hardly differ keep their R2: the spread is not a difference of squares.
        let mut far = RegressionErrors::new(1, false);
        [(1e9, 1e9 + 0.5), (1e9 + 1.0, 1e9 + 1.0), (1e9 + 2.0, 1e9 + 2.0)]
            .into_iter()
            .for_each(|(truth, predicted)| far.add(0, truth, predicted, &[]));
        assert!((far.all().unwrap().r2.unwrap() - 0.875).abs() < 1e-12);
        assert_eq!(RegressionErrors::new(1, false).all(), None);
    }
}
