//! The schedule of torch-rnn: lr / 2^floor(e / halve_every), where e is the number of whole epochs passed. Not here:
//! other factors.

use super::place::{Place, Rates};

/// The rate of a step after the warm-up.
pub fn rate(rates: &Rates, at: &Place) -> f64 {
    rates.lr * libm::pow(0.5, (at.epochs() / rates.halve_every) as f64)
}
