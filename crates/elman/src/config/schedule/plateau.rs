//! The plateau schedule: lr / 2^n, where `Patience` of the training loop counts n. Not here: losses.

use super::place::{Place, Rates};

/// The rate of a step after the warm-up.
pub fn rate(rates: &Rates, at: &Place) -> f64 {
    rates.lr * libm::pow(0.5, at.halvings as f64)
}
