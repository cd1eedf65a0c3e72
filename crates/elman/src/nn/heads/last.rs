//! The last layer's h after the last step of each sequence, both directions side by side.

use elman_kernels::Element;

use super::head::{Head, Steps};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub struct Last;

/// It has no parameters.
pub fn declare(_: &mut Declaration, _: &str, _: usize) -> Last {
    Last
}

impl<E: Element> Head<E> for Last {
    fn rows(&self, tape: &mut Tape<E>, _: &Params<E>, steps: Steps<'_>) -> Result<Var, Error> {
        tape.concat(steps.last)
    }
}
