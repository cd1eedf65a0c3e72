//! Holds the embedding node: each token picks its row of a table. Refuses dense input.

use elman_kernels::{Element, gather};

use super::Op;
use crate::error::Error;
use crate::params::{ParamId, Params};
use crate::tape::{Memory, Tape, Var};

#[derive(Debug)]
pub(crate) struct Embed {
    table: ParamId,
    tokens: Vec<u32>,
    vocab_size: usize,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// Rows `[tokens, width]` of `table` `[V, width]`.
    pub fn embed(
        &mut self,
        params: &Params<E>,
        table: ParamId,
        vocab_size: usize,
        width: usize,
        tokens: &[u32],
    ) -> Result<Var, Error> {
        let mut y = self.memory.take(tokens.len() * elman_kernels::pad(width));
        gather::forward(vocab_size, width, params.slice(table), tokens, &mut y)?;
        let y = self.memory.push_rows(y, tokens.len(), width);
        self.record(Op::Embed(Embed { table, tokens: tokens.to_vec(), vocab_size, y }));
        Ok(y)
    }
}

impl Embed {
    pub fn backward<E: Element>(&self, m: &mut Memory<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let grad_table = grads.slice_mut(self.table);
        gather::backward(&m.cpu, self.vocab_size, self.y.cols(), &self.tokens, &grad_y, grad_table)?;
        m.recycle(grad_y);
        Ok(())
    }
}
