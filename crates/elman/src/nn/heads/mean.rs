//! The mean of the outputs over the steps of each sequence.

use elman_kernels::Element;

use super::head::{Head, Steps};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub struct Mean;

/// It has no parameters.
pub fn declare(_: &mut Declaration, _: &str, _: usize) -> Mean {
    Mean
}

impl<E: Element> Head<E> for Mean {
    fn rows(&self, tape: &mut Tape<E>, _: &Params<E>, steps: Steps<'_>) -> Result<Var, Error> {
        tape.pool_mean(steps.output, steps.rows, steps.mask)
    }
}
