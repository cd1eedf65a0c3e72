//! Adagrad: v += g²; w -= lr g / (sqrt(v) + eps). Not here: a decay of its rate.

use super::formula::{Formula, Part, Step};
use crate::Number;

/// Added to the root: PyTorch's.
const EPS: f64 = 1e-10;

pub(crate) struct Adagrad;

impl Formula for Adagrad {
    const MOMENTS: &'static [&'static str] = &["square"];
    const SQUARES: &'static [&'static str] = Self::MOMENTS;

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let ((lr, gradient), eps) = (step.numbers::<E>(), E::from_f64(EPS));
        for ((w, &grad), v) in part.values.iter_mut().zip(part.grads).zip(part.m) {
            let g = gradient(*w, grad);
            *v = g.fma(g, *v);
            *w = *w - lr * (g / (v.sqrt() + eps));
        }
    }
}
