//! The decay of char-rnn: lr in the first `lr_decay_after` epochs, then lr * lr_decay^(e - lr_decay_after + 1), where e
//! is the number of whole epochs passed. Not here: decay within an epoch.

use super::place::{Place, Rates};

/// The rate of a step after the warm-up.
pub fn rate(rates: &Rates, at: &Place) -> f64 {
    let times = (at.epochs() + 1).saturating_sub(rates.lr_decay_after);
    rates.lr * libm::pow(rates.lr_decay, times as f64)
}
