//! What every optimizer's file states and reads: the trait `Formula`, one step's numbers and the memory that it moves. Not
//! here: formulas; each is in a file of its own.

use crate::Number;

/// One optimizer. In the formulas w is a value, g its gradient times the clipping factor, m and v its moments.
pub(crate) trait Formula {
    /// What each moment is called in a state file: at most two.
    const MOMENTS: &'static [&'static str];
    /// Those of them that are means or sums of squares: never below 0.
    const SQUARES: &'static [&'static str];
    /// The weight decay where none was asked for.
    const WEIGHT_DECAY: f64 = 0.0;

    /// Moves every value of a part.
    fn run<E: Number>(step: &Step, part: Part<'_, E>);
}

/// Some values with what belongs to them; `m` and `v` are empty where the formula has no such moment.
pub(crate) struct Part<'a, E> {
    pub values: &'a mut [E],
    pub grads: &'a [E],
    pub m: &'a mut [E],
    pub v: &'a mut [E],
}

/// One step's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Learning rate of this step.
    pub lr: f64,
    /// Share of the velocity that is kept, where there is one.
    pub momentum: f64,
    /// Times each value, added to its gradient (for [`super::OptimizerKind::AdamW`]: taken off the value). 0 does nothing.
    pub weight_decay: f64,
    /// Factor on every gradient: below 1 where the norm is clipped. Weight decay comes after it.
    pub grad_scale: f64,
    /// This step's number t, from 1.
    pub number: u64,
}

impl Step {
    /// The rate, and what makes a gradient of a value's own and its decay.
    #[inline(always)]
    pub(super) fn numbers<E: Number>(&self) -> (E, impl Fn(E, E) -> E + Copy) {
        let [lr, decay, scale] = [self.lr, self.weight_decay, self.grad_scale].map(E::from_f64);
        (lr, move |w: E, grad: E| decay.fma(w, grad * scale))
    }
}
