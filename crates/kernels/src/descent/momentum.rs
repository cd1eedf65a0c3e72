//! Gradient descent with a velocity: m = momentum m + g; w -= lr m. Not here: damping.

use super::formula::{Formula, Part, Step};
use crate::Number;

pub(crate) struct Momentum;

impl Formula for Momentum {
    const MOMENTS: &'static [&'static str] = &["velocity"];
    const SQUARES: &'static [&'static str] = &[];

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let ((lr, gradient), momentum) = (step.numbers::<E>(), E::from_f64(step.momentum));
        for ((w, &grad), m) in part.values.iter_mut().zip(part.grads).zip(part.m) {
            *m = momentum.fma(*m, gradient(*w, grad));
            *w = *w - lr * *m;
        }
    }
}
