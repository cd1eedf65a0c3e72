//! The models of exponential smoothing by their components, and their smoothing parameters. Source: Hyndman, Koehler, Ord
//! and Snyder 2008, "Forecasting with Exponential Smoothing", table 2.1. Not here: states (`states.rs`).

/// How the error enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// y = f + e.
    Additive,
    /// y = f (1 + e).
    Multiplicative,
}

/// How the trend enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// A level alone.
    None,
    /// A slope that is added in each step.
    Additive,
    /// A slope that falls by a factor in each step.
    Damped,
}

/// How the season enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// No season.
    None,
    /// Summands.
    Additive,
    /// Factors.
    Multiplicative,
}

/// A model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The error.
    pub errors: Errors,
    /// The trend.
    pub trend: Trend,
    /// The season.
    pub season: Season,
}

/// The factors by which an error of one step changes the states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    /// Of the level.
    pub alpha: f64,
    /// Of the slope.
    pub beta: f64,
    /// Of the season.
    pub gamma: f64,
    /// What a slope is multiplied by in each step.
    pub phi: f64,
}

/// The least of alpha, beta and gamma; 1 less it is the most. With the bounds of phi those of R's package forecast.
const LEAST: f64 = 1e-4;
const PHI: (f64, f64) = (0.8, 0.98);

impl Model {
    /// The models for a series: multiplicative ones only where all values are positive; no multiplicative season with
    /// additive errors, whose variance is infinite.
    pub fn admissible(is_seasonal: bool, is_positive: bool) -> Vec<Model> {
        let mut models = Vec::new();
        for errors in [Errors::Additive, Errors::Multiplicative] {
            for trend in [Trend::None, Trend::Additive, Trend::Damped] {
                for season in [Season::None, Season::Additive, Season::Multiplicative] {
                    models.push(Model { errors, trend, season });
                }
            }
        }
        models.retain(|model| {
            let fits_season = is_seasonal || model.season == Season::None;
            let fits_values = is_positive || model.errors == Errors::Additive;
            fits_season && fits_values && (model.season != Season::Multiplicative || !model.is_additive())
        });
        models
    }

    /// Whether the errors are additive.
    pub fn is_additive(self) -> bool {
        self.errors == Errors::Additive
    }

    /// The name in the literature: `ETS(M,Ad,N)`.
    pub fn name(self) -> String {
        let errors = if self.is_additive() { "A" } else { "M" };
        let trend = match self.trend {
            Trend::None => "N",
            Trend::Additive => "A",
            Trend::Damped => "Ad",
        };
        let season = match self.season {
            Season::None => "N",
            Season::Additive => "A",
            Season::Multiplicative => "M",
        };
        format!("ETS({errors},{trend},{season})")
    }

    /// The number of smoothing parameters.
    pub fn smoothing(self) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 1,
            Trend::Damped => 2,
        };
        1 + trend + usize::from(self.season != Season::None)
    }

    /// The number of initial states that are fitted: the sum of a season's effects is fixed.
    pub fn states(self, period: usize) -> usize {
        let season = if self.season == Season::None { 0 } else { period - 1 };
        1 + usize::from(self.trend != Trend::None) + season
    }

    /// The smoothing parameters at a place in the unit cube, which is what their bounds allow: beta is below alpha, gamma
    /// below 1 - alpha. Small alphas, whose differences matter more, have more of the cube.
    pub fn smoothing_at(self, place: &[f64]) -> Smoothing {
        let mut rest = place.iter().copied();
        let mut between = |low: f64, high: f64| low + (high - low) * rest.next().unwrap_or(0.0);
        let root = between(0.0, 1.0);
        let alpha = LEAST + (1.0 - 2.0 * LEAST) * root * root;
        let beta = if self.trend == Trend::None { 0.0 } else { between(LEAST, alpha) };
        let gamma = if self.season == Season::None { 0.0 } else { between(LEAST, 1.0 - alpha) };
        let phi = if self.trend == Trend::Damped { between(PHI.0, PHI.1) } else { 1.0 };
        Smoothing { alpha, beta, gamma, phi }
    }
}
