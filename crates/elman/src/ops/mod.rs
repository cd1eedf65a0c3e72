//! Holds the nodes of the tape, one file each with forward beside backward. Refuses loops over time: those are the
//! kernels'.

mod cross_entropy;
mod dropout;
mod embed;
mod linear;
mod recurrent;

use elman_kernels::Element;

use crate::error::Error;
use crate::params::Params;
use crate::tape::Memory;

pub use linear::LinearIds;
pub use recurrent::{LayerIds, Sequence, StateVars};

/// A recorded node: what it read, what it wrote and what backward needs.
#[derive(Debug)]
pub(crate) enum Op<E> {
    Embed(embed::Embed),
    Recurrent(Box<recurrent::Recurrent<E>>),
    Linear(linear::Linear),
    Dropout(dropout::Dropout),
    CrossEntropy(cross_entropy::CrossEntropy<E>),
}

impl<E: Element> Op<E> {
    /// Turns the gradients by the outputs into gradients by inputs and parameters, adding to what is there.
    pub fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        match self {
            Op::Embed(op) => op.backward(m, grads),
            Op::Recurrent(op) => op.backward(m, params, grads),
            Op::Linear(op) => op.backward(m, params, grads),
            Op::Dropout(op) => op.backward(m),
            Op::CrossEntropy(op) => op.backward(m),
        }
    }

    /// Gives the node's own buffers back.
    pub fn recycle(self, m: &mut Memory<E>) {
        match self {
            Op::Recurrent(op) => op.recycle(m),
            Op::CrossEntropy(op) => op.recycle(m),
            Op::Embed(_) | Op::Linear(_) | Op::Dropout(_) => {}
        }
    }
}
