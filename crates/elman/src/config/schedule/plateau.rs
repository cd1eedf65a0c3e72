//! Holds the plateau: lr / 2^halvings, which `Patience` of the training loop counts. Refuses to look at losses.

use super::place::{Place, Rates};

/// The rate of a step after the warm-up.
pub fn rate(rates: &Rates, at: &Place) -> f64 {
    rates.lr * libm::pow(0.5, at.halvings as f64)
}
