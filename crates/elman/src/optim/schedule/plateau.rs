//! Holds the plateau: lr / 2^halvings, which [`Patience`](crate::optim::Patience) counts. Refuses to look at losses.

use super::Place;
use crate::config::Config;

/// The rate of a step after the warm-up.
pub fn rate(config: &Config, at: &Place) -> f64 {
    config.lr * libm::pow(0.5, at.halvings as f64)
}
