//! What a loss is.

use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// A mean loss.
#[derive(Clone, Copy, Debug)]
pub struct Mean {
    /// The mean over the targets that count, `[1, 1]`, to be differentiated.
    pub value: Var,
    /// The sum of the losses in f64.
    pub sum: f64,
    /// Targets that count.
    pub counted: usize,
}

/// A loss of a network's outputs.
pub trait Loss<E> {
    /// The target of one output: a class, or one value of a row.
    type Target;

    /// The mean loss of `outputs` at `targets`, row after row. Errors: those of its nodes.
    fn mean(&self, tape: &mut Tape<E>, outputs: Var, targets: &[Self::Target]) -> Result<Mean, Error>;
}
