//! Plain gradient descent: w -= lr g. Not here: a memory.

use super::formula::{Formula, Part, Step};
use crate::Number;

pub(crate) struct Sgd;

impl Formula for Sgd {
    const MOMENTS: &'static [&'static str] = &[];
    const SQUARES: &'static [&'static str] = &[];

    #[inline(always)]
    fn run<E: Number>(step: &Step, part: Part<'_, E>) {
        let (lr, gradient) = step.numbers::<E>();
        for (w, &grad) in part.values.iter_mut().zip(part.grads) {
            *w = *w - lr * gradient(*w, grad);
        }
    }
}
