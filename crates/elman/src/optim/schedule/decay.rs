//! Holds char-rnn's decay: lr in the first `lr_decay_after` epochs, then lr * lr_decay^(e - lr_decay_after + 1) with e whole
//! epochs passed. Refuses decay within an epoch.

use super::Place;
use crate::config::Config;

/// The rate of a step after the warm-up.
pub fn rate(config: &Config, at: &Place) -> f64 {
    let times = (at.epochs() + 1).saturating_sub(config.lr_decay_after());
    config.lr * libm::pow(config.lr_decay(), times as f64)
}
