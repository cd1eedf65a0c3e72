//! The affine node for tokens: x is one-hot, so that the product is a column of the weight for each token. Not here: dense x
//! (`linear.rs`).

use elman_kernels::layout::{Layout, PANEL};
use elman_kernels::{Element, pad};

use crate::autodiff::params::{ParamId, Params};
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct LinearTokens {
    weight: ParamId,
    bias: Option<ParamId>,
    vocab_size: usize,
    tokens: Vec<u32>,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// y `[tokens, N]`: for each token its column of a weight `[N, V]` declared with
    /// [`weight`](crate::autodiff::params::Declaration::weight), plus the bias.
    ///
    /// Errors: a parameter of another layout or width; a token out of range.
    pub fn linear_tokens(
        &mut self,
        params: &Params<E>,
        weight: ParamId,
        bias: Option<ParamId>,
        vocab_size: usize,
        tokens: &[u32],
    ) -> Result<Var, Error> {
        let Layout::Panels { rows: outputs, cols } = params.layout(weight) else {
            let got = format!("{:?}", params.layout(weight));
            return Err(Error::Setting { name: "weight of linear_tokens", got, expected: "a matrix in panels".into() });
        };
        if cols != vocab_size {
            let (got, expected) = (vec![outputs, cols], vec![outputs, vocab_size]);
            return Err(Error::Shape { name: "weight of linear_tokens".into(), got, expected });
        }
        if let Some(bias) = bias.filter(|&bias| params.layout(bias) != Layout::Panels { rows: outputs, cols: 1 }) {
            let got = format!("{:?}", params.layout(bias));
            let expected = format!("a vector of {outputs} in panels");
            return Err(Error::Setting { name: "bias of linear_tokens", got, expected });
        }
        if let Some(position) = tokens.iter().position(|&token| token as usize >= vocab_size) {
            return Err(elman_kernels::Error::Token { token: tokens[position], position, limit: vocab_size }.into());
        }
        let (m, width) = (&mut self.memory, pad(outputs));
        let mut y = m.take(tokens.len() * width);
        let (packed, bias_values) = (params.slice(weight), bias.map(|bias| params.slice(bias)));
        for (to, &token) in y.chunks_exact_mut(width.max(1)).zip(tokens) {
            for (p, to) in to.chunks_mut(PANEL).enumerate() {
                let column = &packed[(p * vocab_size + token as usize) * PANEL..];
                to.iter_mut().zip(column).for_each(|(y, &w)| *y = w);
                if let Some(bias) = bias_values {
                    to.iter_mut().zip(&bias[p * PANEL..]).for_each(|(y, &b)| *y = b + *y);
                }
            }
        }
        let y = m.push_rows(y, tokens.len(), outputs);
        let tokens = m.lists.tokens.copy(tokens);
        self.record(LinearTokens { weight, bias, vocab_size, tokens, y });
        Ok(y)
    }
}

impl<E: Element> Node<E> for LinearTokens {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let rows = || grad_y.chunks_exact(self.y.stride()).zip(&self.tokens);
        let packed = grads.slice_mut(self.weight);
        for (row, &token) in rows() {
            for (p, from) in row.chunks(PANEL).enumerate() {
                let column = &mut packed[(p * self.vocab_size + token as usize) * PANEL..];
                column.iter_mut().zip(from).for_each(|(d, &g)| *d += g);
            }
        }
        if let Some(bias) = self.bias {
            let packed = grads.slice_mut(bias);
            for (row, _) in rows() {
                packed.iter_mut().zip(row).for_each(|(d, &g)| *d += g);
            }
        }
        m.recycle(grad_y);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.lists.tokens.recycle(std::mem::take(&mut self.tokens));
    }
}
