//! Holds the schedule that keeps `lr`. Refuses to move.

use super::Place;
use crate::config::Config;

/// The rate of a step after the warm-up.
pub fn rate(config: &Config, _: &Place) -> f64 {
    config.lr
}
