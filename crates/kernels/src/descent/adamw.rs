//! AdamW: w -= lr weight_decay w, then Adam along the gradient alone. Not here: weight decay in the gradient.
//! Source: Loshchilov and Hutter 2019, algorithm 2.

use super::adam::{Adam, change};
use super::formula::{Formula, Part, Step};
use crate::Number;

pub(crate) struct AdamW;

impl Formula for AdamW {
    const MOMENTS: &'static [&'static str] = Adam::MOMENTS;
    const SQUARES: &'static [&'static str] = Adam::SQUARES;
    const WEIGHT_DECAY: f64 = 0.01;

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let (scale, change) = (E::from_f64(step.grad_scale), change(step));
        let keep = E::from_f64(1.0 - step.lr * step.weight_decay);
        for ((w, &grad), (m, v)) in part.values.iter_mut().zip(part.grads).zip(part.m.iter_mut().zip(part.v)) {
            *w = *w * keep - change(grad * scale, m, v);
        }
    }
}
