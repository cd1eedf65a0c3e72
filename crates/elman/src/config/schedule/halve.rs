//! Holds torch-rnn's halvings: lr / 2^floor(e / halve_every) with e whole epochs passed. Refuses other factors.

use super::place::{Place, Rates};

/// The rate of a step after the warm-up.
pub fn rate(rates: &Rates, at: &Place) -> f64 {
    rates.lr * libm::pow(0.5, (at.epochs() / rates.halve_every) as f64)
}
