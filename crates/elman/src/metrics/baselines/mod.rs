//! The simple methods that forecasts are compared with: a table, and a file for each. A series is a slice of values in
//! equal steps; NaN is a missing one. All arithmetic is in f64, with the crate `libm`. Not here: networks; errors of
//! forecasts (`metrics::forecast`).

mod decomposition;
mod drift;
pub mod ets;
mod line;
mod missing;
mod naive;
mod naive2;
mod seasonal_naive;
mod smoothing;
#[cfg(test)]
mod tests;
mod theta;

use serde::{Deserialize, Serialize};

/// Makes the enum of methods and their dispatch; each has a file of its own with `forecast`.
macro_rules! baselines {
    ($($(#[$doc:meta])* $baseline:ident $name:literal $file:ident;)*) => {
        /// A simple method of forecasting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Baseline {
            $($(#[$doc])* #[serde(rename = $name)] $baseline,)*
        }

        impl Baseline {
            /// Every method.
            pub const ALL: &'static [Baseline] = &[$(Baseline::$baseline),*];

            /// The name in configurations and figures.
            pub fn name(self) -> &'static str {
                match self {
                    $(Baseline::$baseline => $name,)*
                }
            }

            /// The next `horizon` values after `known`, with a season of `season` steps (0 and 1: none). None where the
            /// series is too short for the method, or a forecast would not be a finite number.
            pub fn forecast(self, known: &[f64], season: usize, horizon: usize) -> Option<Vec<f64>> {
                let forecast = match self {
                    $(Baseline::$baseline => $file::forecast(known, season.max(1), horizon),)*
                };
                forecast.filter(|values| values.iter().all(|value| value.is_finite()))
            }
        }
    };
}

baselines! {
    /// The last value, repeated.
    Naive "naive" naive;
    /// The last season, repeated; without a season, the last value.
    SeasonalNaive "seasonal_naive" seasonal_naive;
    /// The line through the first and the last value.
    Drift "drift" drift;
    /// The last value of the seasonally adjusted series, times the season, as the M4 competition defines it.
    Naive2 "naive2" naive2;
    /// The mean of a line and of simple exponential smoothing, seasonally adjusted, as in the M4 competition.
    Theta "theta" theta;
    /// The exponential smoothing model of the least AICc. Slow: from milliseconds to seconds a series.
    Ets "ets" ets;
}
