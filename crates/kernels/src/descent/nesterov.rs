//! Gradient descent with a velocity that looks ahead: m = momentum m + g; w -= lr (g + momentum m). Not here: damping.

use super::formula::{Formula, Part, Step};
use crate::Number;

pub(crate) struct Nesterov;

impl Formula for Nesterov {
    const MOMENTS: &'static [&'static str] = &["velocity"];
    const SQUARES: &'static [&'static str] = &[];

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let ((lr, gradient), momentum) = (step.numbers::<E>(), E::from_f64(step.momentum));
        for ((w, &grad), m) in part.values.iter_mut().zip(part.grads).zip(part.m) {
            let g = gradient(*w, grad);
            *m = momentum.fma(*m, g);
            *w = *w - lr * momentum.fma(*m, g);
        }
    }
}
