//! What a head is: from the steps that were read to one row of each sequence.

use std::fmt::Debug;

use crate::autodiff::params::Params;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// What was read of a batch of B sequences.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// The output of each step, `[T*B, width]`.
    pub output: Var,
    /// The last layer's h after the last step of each sequence, of each direction, `[B, H]`.
    pub last: &'a [Var],
    /// B.
    pub rows: usize,
    /// `[T*B]`: where a sequence has a step.
    pub mask: &'a [bool],
}

/// A head whose parameters are declared.
pub trait Head<E>: Debug + Send + Sync {
    /// The row of each sequence, `[B, width]`. Errors: those of its nodes.
    fn rows(&self, tape: &mut Tape<E>, params: &Params<E>, steps: Steps<'_>) -> Result<Var, Error>;
}
