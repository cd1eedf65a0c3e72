//! The measures of forecasts: errors of points and of quantiles, and the coverage of intervals. Sources: Hyndman and
//! Koehler 2006 (MASE); the M4 and M5 competitions (sMAPE, OWA, RMSSE). Not here: forecasts.

mod figures;
mod scored;
mod scores;
#[cfg(test)]
mod tests;
mod units;

pub use figures::Figures;
pub use scored::Scored;
pub use scores::Scores;
pub use units::Units;
