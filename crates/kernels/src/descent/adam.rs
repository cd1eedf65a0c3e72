//! Adam: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²;
//! w -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps). Not here: AMSGrad.
//! Source: Kingma and Ba 2015, algorithm 1; the bias corrections are applied as PyTorch does, to the rate and to the root.

use super::formula::{Formula, Part, Step};
use crate::Number;

/// Decays of the first and the second moment, and what is added to the root of the second: PyTorch's.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

pub(crate) struct Adam;

impl Formula for Adam {
    const MOMENTS: &'static [&'static str] = &["adam_m", "adam_v"];
    const SQUARES: &'static [&'static str] = &["adam_v"];

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let ((_, gradient), change) = (step.numbers::<E>(), change(step));
        for ((w, &grad), (m, v)) in part.values.iter_mut().zip(part.grads).zip(part.m.iter_mut().zip(part.v)) {
            *w = *w - change(gradient(*w, grad), m, v);
        }
    }
}

/// What a step takes off a value with the gradient g, whose moments it updates.
#[inline(always)]
pub(super) fn change<E: Number>(step: &Step) -> impl Fn(E, &mut E, &mut E) -> E {
    let n = step.number as f64;
    let rate = E::from_f64(step.lr / (1.0 - libm::pow(BETA1, n)));
    let root_scale = E::from_f64(1.0 / libm::sqrt(1.0 - libm::pow(BETA2, n)));
    let [beta1, rest1, beta2, rest2, eps] = [BETA1, 1.0 - BETA1, BETA2, 1.0 - BETA2, EPS].map(E::from_f64);
    move |g, m, v| {
        *m = beta1.fma(*m, rest1 * g);
        *v = beta2.fma(*v, rest2 * g * g);
        rate * (*m / v.sqrt().fma(root_scale, eps))
    }
}
