//! RMSProp: v = alpha v + (1 - alpha) g²; w -= lr g / (sqrt(v) + eps). Not here: centring and momentum.

use super::formula::{Formula, Part, Step};
use crate::Number;

/// Decay of the mean square, and what is added to its root: PyTorch's.
const ALPHA: f64 = 0.99;
const EPS: f64 = 1e-8;

pub(crate) struct RmsProp;

impl Formula for RmsProp {
    const MOMENTS: &'static [&'static str] = &["square"];
    const SQUARES: &'static [&'static str] = Self::MOMENTS;

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let (lr, gradient) = step.numbers::<E>();
        let [alpha, rest, eps] = [ALPHA, 1.0 - ALPHA, EPS].map(E::from_f64);
        for ((w, &grad), v) in part.values.iter_mut().zip(part.grads).zip(part.m) {
            let g = gradient(*w, grad);
            *v = alpha.fma(*v, rest * g * g);
            *w = *w - lr * (g / (v.sqrt() + eps));
        }
    }
}
