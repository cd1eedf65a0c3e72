//! The figures of a set of forecasts. Not here: the sums they come from (`scores.rs`).

use serde::Serialize;

/// Means over forecasts. Those that are not optional are NaN where nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Values that were forecast and are known.
    pub points: u64,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean of 200 |y - f| / (|y| + |f|), in percent; 0 where both are 0.
    pub smape: f64,
    /// Mean absolute error over that of the (seasonal) naive forecast, one season ahead, within the training part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mase: Option<f64>,
    /// Root of: mean squared error over that of the (seasonal) naive forecast within the training part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmsse: Option<f64>,
    /// Mean of sMAPE and MASE, each over that of Naive2; set by [`Figures::relative_to`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owa: Option<f64>,
    /// Twice the sum of the pinball losses over the sum of |y|, mean over the levels (GluonTS's definition).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted_quantile_loss: Option<f64>,
    /// Mean pinball loss over values and levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinball: Option<f64>,
    /// Share of the values that lay within the interval, its bounds included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Mean absolute error in standard deviations of the training part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardised_mae: Option<f64>,
    /// Mean squared error in squared standard deviations of the training part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standardised_mse: Option<f64>,
    /// Series without a unit for MASE, which MASE leaves out; in the figures of a step, values without one.
    pub excluded: u64,
}

impl Figures {
    /// These figures with OWA, from those of Naive2 on the same values. None of it where either has no MASE, or one of
    /// Naive2's is 0.
    pub fn relative_to(mut self, naive2: &Figures) -> Figures {
        let ratio = |ours: f64, theirs: f64| (theirs > 0.0).then(|| ours / theirs);
        let mase = self.mase.zip(naive2.mase).and_then(|(ours, theirs)| ratio(ours, theirs));
        self.owa = ratio(self.smape, naive2.smape).zip(mase).map(|(smape, mase)| 0.5 * (smape + mase));
        self
    }
}
