//! Holds torch-rnn's halvings: lr / 2^floor(e / halve_every) with e whole epochs passed. Refuses other factors.

use super::Place;
use crate::config::Config;

/// The rate of a step after the warm-up.
pub fn rate(config: &Config, at: &Place) -> f64 {
    config.lr * libm::pow(0.5, (at.epochs() / config.halve_every()) as f64)
}
