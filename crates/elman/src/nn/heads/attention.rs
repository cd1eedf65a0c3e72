//! The mean of the outputs over the steps of each sequence, weighted by a learned query against the keys tanh(W y + b).

use elman_kernels::Element;

use super::head::{Head, Steps};
use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub struct Attention {
    keys: LinearIds,
    query: ParamId,
}

/// Declares `{prefix}attention.weight`, `.bias` and `.query`.
pub fn declare(declaration: &mut Declaration, prefix: &str, width: usize) -> Attention {
    let keys = LinearIds::declare(declaration, &format!("{prefix}attention"), width, width);
    Attention { keys, query: declaration.table(format!("{prefix}attention.query"), 1, width) }
}

impl<E: Element> Head<E> for Attention {
    fn rows(&self, tape: &mut Tape<E>, params: &Params<E>, steps: Steps<'_>) -> Result<Var, Error> {
        let Steps { output, rows, mask, .. } = steps;
        let keys = tape.linear(params, self.keys, output.cols(), output)?;
        let keys = tape.tanh(keys)?;
        let query = tape.embed(params, self.query, 1, output.cols(), &vec![0; rows])?;
        tape.attention(query, [keys, output], rows, mask, None)
    }
}
