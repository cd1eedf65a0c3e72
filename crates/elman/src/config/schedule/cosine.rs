//! The cosine schedule: lr * (f + (1 - f) * (1 + cos(pi p)) / 2), where p = (step - warmup) / (steps - warmup) and f is
//! `min_lr_frac`; the last step has lr * f. Not here: restarts.

use super::place::{Place, Rates};

/// The rate of a step after the warm-up.
pub fn rate(rates: &Rates, at: &Place) -> f64 {
    let progress = (at.step.min(at.steps) - rates.warmup) as f64 / (at.steps - rates.warmup) as f64;
    let cosine = (1.0 + libm::cos(std::f64::consts::PI * progress)) / 2.0;
    rates.lr * (rates.min_lr_frac + (1.0 - rates.min_lr_frac) * cosine)
}
