//! The largest output over the steps of each sequence, of each unit.

use elman_kernels::Element;

use super::head::{Head, Steps};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub struct Max;

/// It has no parameters.
pub fn declare(_: &mut Declaration, _: &str, _: usize) -> Max {
    Max
}

impl<E: Element> Head<E> for Max {
    fn rows(&self, tape: &mut Tape<E>, _: &Params<E>, steps: Steps<'_>) -> Result<Var, Error> {
        tape.pool_max(steps.output, steps.rows, steps.mask)
    }
}
