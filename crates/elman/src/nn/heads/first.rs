//! The output of the first step of each sequence.

use elman_kernels::Element;

use super::head::{Head, Steps};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub struct First;

/// It has no parameters.
pub fn declare(_: &mut Declaration, _: &str, _: usize) -> First {
    First
}

impl<E: Element> Head<E> for First {
    fn rows(&self, tape: &mut Tape<E>, _: &Params<E>, steps: Steps<'_>) -> Result<Var, Error> {
        tape.pool_first(steps.output, steps.rows, steps.mask)
    }
}
