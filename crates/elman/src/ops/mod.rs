//! Holds the nodes of the tape, one file each with forward beside backward. Refuses loops over time: those are the
//! kernels', but for `scan.rs`, which runs a step of the user's own.

mod additive;
mod attention;
mod columns;
mod cross_entropy;
mod dropout;
mod elementwise;
mod embed;
mod head;
mod likelihood;
mod linear;
mod param;
mod pool;
mod recurrent;
mod reduce;
mod scan;
mod select;
mod smoothing;

use elman_kernels::Element;

use crate::error::Error;
use crate::params::Params;
use crate::tape::{Memory, Var};

pub use head::Targets;
pub use linear::LinearIds;
pub(crate) use recurrent::Recurrent;
pub use recurrent::{LayerIds, Sequence, StateVars};

/// A recorded node: what it read, what it wrote and what backward needs.
#[derive(Debug)]
pub(crate) enum Op<E> {
    Embed(embed::Embed),
    Recurrent(Box<Recurrent<E>>),
    Linear(linear::Linear),
    Dropout(dropout::Dropout),
    CrossEntropy(cross_entropy::CrossEntropy<E>),
    Param(param::Param),
    One(elementwise::One),
    Two(elementwise::Two),
    Softmax(reduce::Softmax),
    Sum(reduce::Sum),
    Concat(columns::Concat),
    Slice(columns::Slice),
    Scan(Box<scan::Scan<E>>),
    Likelihood(likelihood::Likelihood<E>),
    PoolMean(pool::Mean),
    Pick(pool::Pick),
    Attention(Box<attention::Attention<E>>),
    Select(select::Select),
    Additive(Box<additive::Additive<E>>),
}

/// An [`Error::Shape`] of a value.
fn shape_error(name: &str, got: Var, expected: [usize; 2]) -> Error {
    Error::Shape { name: name.into(), got: vec![got.rows(), got.cols()], expected: expected.to_vec() }
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
            Op::Param(op) => op.backward(m, grads),
            Op::One(op) => op.backward(m),
            Op::Two(op) => op.backward(m),
            Op::Softmax(op) => op.backward(m),
            Op::Sum(op) => op.backward(m),
            Op::Concat(op) => op.backward(m),
            Op::Slice(op) => op.backward(m),
            Op::Scan(op) => op.backward(m, params, grads),
            Op::Likelihood(op) => op.backward(m),
            Op::PoolMean(op) => op.backward(m),
            Op::Pick(op) => op.backward(m),
            Op::Attention(op) => op.backward(m),
            Op::Select(op) => op.backward(m),
            Op::Additive(op) => op.backward(m),
        }
    }

    /// Gives the node's own buffers back.
    pub fn recycle(self, m: &mut Memory<E>) {
        match self {
            Op::Embed(op) => op.recycle(m),
            Op::Recurrent(op) => Recurrent::recycle(op, m),
            Op::Dropout(op) => op.recycle(m),
            Op::CrossEntropy(op) => op.recycle(m),
            Op::Scan(op) => op.recycle(m),
            Op::Likelihood(op) => op.recycle(m),
            Op::Attention(op) => op.recycle(m),
            Op::Additive(op) => op.recycle(m),
            _ => {}
        }
    }
}
