//! The embedding node: each token selects its row of a table, or of a head's weight that is tied to it. Not here: dense
//! input.

use elman_kernels::layout::Layout;
use elman_kernels::{Element, gather, pad};

use crate::autodiff::params::{ParamId, Params};
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Embed {
    table: ParamId,
    tokens: Vec<u32>,
    vocab_size: usize,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// Rows `[tokens, width]` of `table` `[V, width]`, declared as a table or, where products use it too, as a weight.
    pub fn embed(
        &mut self,
        params: &Params<E>,
        table: ParamId,
        vocab_size: usize,
        width: usize,
        tokens: &[u32],
    ) -> Result<Var, Error> {
        let mut y = self.memory.take(tokens.len() * pad(width));
        match params.layout(table) {
            Layout::Table { .. } => gather::forward(vocab_size, width, params.slice(table), tokens, &mut y)?,
            layout => {
                if let Some(position) = tokens.iter().position(|&token| token as usize >= vocab_size) {
                    let token = tokens[position];
                    return Err(elman_kernels::Error::Token { token, position, limit: vocab_size }.into());
                }
                y.fill(E::ZERO);
                let table = params.slice(table);
                for_each_element(layout, tokens, |at, packed| y[at] = table[packed]);
            }
        }
        let y = self.memory.push_rows(y, tokens.len(), width);
        let tokens = self.memory.lists.tokens.copy(tokens);
        self.record(Embed { table, tokens, vocab_size, y });
        Ok(y)
    }
}

/// Where each element of the selected rows is in their value and in the packed memory of a table of any layout.
fn for_each_element(layout: Layout, tokens: &[u32], mut then: impl FnMut(usize, usize)) {
    let width = layout.cols();
    for (row, &token) in tokens.iter().enumerate() {
        let (start, step) = layout.row(token as usize);
        (0..width).for_each(|col| then(row * pad(width) + col, start + col * step));
    }
}

impl<E: Element> Node<E> for Embed {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let layout = grads.layout(self.table);
        let grad_table = grads.slice_mut(self.table);
        match layout {
            Layout::Table { .. } => {
                gather::backward(&m.cpu, self.vocab_size, self.y.cols(), &self.tokens, &grad_y, grad_table)?;
            }
            layout => for_each_element(layout, &self.tokens, |at, packed| grad_table[packed] += grad_y[at]),
        }
        m.recycle(grad_y);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.lists.tokens.recycle(std::mem::take(&mut self.tokens));
    }
}
