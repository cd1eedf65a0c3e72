//! Automatic exponential smoothing: the model of error, trend and season with the least AICc. Sources: Hyndman, Koehler,
//! Ord and Snyder 2008; the choice as in R's package forecast. Not here: multiplicative trends.

mod fit;
mod model;
mod nelder_mead;
mod solve;
mod states;
#[cfg(test)]
mod tests;

use super::missing::filled;

pub use fit::Fitted;
pub use model::{Errors, Model, Season, Smoothing, Trend};
pub use states::{States, Walk};

/// Steps of a season at most; a longer one is not modelled, as in R.
const LONGEST_SEASON: usize = 24;

/// A series' model.
#[derive(Clone, Debug)]
pub struct Ets {
    /// The components.
    pub model: Model,
    /// What was fitted.
    pub fitted: Fitted,
    /// Akaike's criterion, corrected for short series, without a constant.
    pub aicc: f64,
    period: usize,
    count: usize,
}

impl Ets {
    /// The model of the least AICc. Missing values are on the line between their neighbours. None where the series is too
    /// short for any, or all values are equal.
    pub fn choose(known: &[f64], season: usize) -> Option<Ets> {
        let values = filled(known)?;
        let is_seasonal = (2..=LONGEST_SEASON).contains(&season) && values.len() > season;
        let is_positive = values.iter().all(|&y| y > 0.0);
        let models = Model::admissible(is_seasonal, is_positive).into_iter();
        models.filter_map(|model| Ets::fit(model, &values, season)).min_by(|a, b| a.aicc.total_cmp(&b.aicc))
    }

    /// A given model. `values` has none missing. None where the series is too short for it or not positive, all values are
    /// equal, or the season has fewer than two steps.
    pub fn fit(model: Model, values: &[f64], season: usize) -> Option<Ets> {
        let period = if model.season == Season::None { 1 } else { season };
        let (parameters, count) = (model.parameters(period)?, values.len());
        let rest = count.checked_sub(parameters + 2)? + 1;
        let needs_positive = !model.is_additive() || model.season == Season::Multiplicative;
        let is_constant = values.iter().all(|&y| y == values[0]);
        if is_constant || needs_positive && values.iter().any(|&y| y <= 0.0) {
            return None;
        }
        let fitted = fit::fit(model, period, values)?;
        let k = parameters as f64;
        let aicc = fitted.walk.deviance + 2.0 * k + 2.0 * k * (k + 1.0) / rest as f64;
        Some(Ets { model, fitted, aicc, period, count })
    }

    /// The next values.
    pub fn forecast(&self, horizon: usize) -> Vec<f64> {
        self.fitted.walk.last.forecast(self.model, self.fitted.smoothing.phi, self.count, horizon)
    }

    /// The standard deviations of the forecasts' errors by step, where errors are additive and normally distributed: an
    /// interval of 95 % is 1.96 of them to both sides. None of other models, which have no closed form.
    ///
    /// Source: Hyndman et al. 2008, table 6.1, class 1.
    pub fn deviations(&self, horizon: usize) -> Option<Vec<f64>> {
        if !self.model.is_additive() || self.model.season == Season::Multiplicative {
            return None;
        }
        let Smoothing { alpha, beta, gamma, phi } = self.fitted.smoothing;
        let freedom = (self.count + 1 - self.model.parameters(self.period)?) as f64;
        let (mut variance, mut damped, mut power) = (1.0, 0.0, 1.0);
        let mut deviations = Vec::with_capacity(horizon);
        for h in 1..=horizon {
            deviations.push(libm::sqrt(variance * self.fitted.walk.squared / freedom));
            power *= phi;
            damped += power;
            let effect = if h.is_multiple_of(self.period) { gamma } else { 0.0 };
            let weight = alpha + beta * damped + effect;
            variance += weight * weight;
        }
        Some(deviations)
    }
}

impl Model {
    /// The number of parameters: of smoothing, initial states, and the variance. None of a season without two steps.
    fn parameters(self, period: usize) -> Option<usize> {
        let has_period = self.season == Season::None || (2..=LONGEST_SEASON).contains(&period);
        has_period.then(|| self.smoothing() + self.states(period) + 1)
    }
}

/// Of equal values, that value.
pub fn forecast(known: &[f64], season: usize, horizon: usize) -> Option<Vec<f64>> {
    let values = filled(known)?;
    if values.len() > 1 && values.iter().all(|&y| y == values[0]) {
        return Some(vec![values[0]; horizon]);
    }
    Some(Ets::choose(&values, season)?.forecast(horizon))
}
