//! What a loss is, and an example of one for the gradient check.

use std::fmt;

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

/// A loss with its targets.
pub(crate) struct Example {
    /// Which loss it is.
    pub name: String,
    /// What is special about it; empty where nothing is.
    pub options: &'static str,
    /// Rows and columns of the outputs.
    pub shape: [usize; 2],
    /// The mean loss of the outputs.
    pub mean: MeanOf,
}

type MeanOf = Box<dyn Fn(&mut Tape<f64>, Var) -> Result<Mean, Error>>;

impl Example {
    /// The loss `loss` of outputs of a shape, at `targets`.
    pub fn of<L>(name: &str, options: &'static str, shape: [usize; 2], loss: L, targets: Vec<L::Target>) -> Example
    where
        L: Loss<f64> + 'static,
        L::Target: 'static,
    {
        let mean = Box::new(move |tape: &mut Tape<f64>, outputs: Var| loss.mean(tape, outputs, &targets));
        Example { name: name.into(), options, shape, mean }
    }
}

impl fmt::Debug for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Example").field("name", &self.name).field("options", &self.options).finish_non_exhaustive()
    }
}
