//! Holds the node for a whole LSTM layer in one direction: all steps at once, state in and out.
//! Refuses stacking (see `layer.rs`) and arithmetic (see the kernels).

use elman_kernels::lstm::{self, Dims, Input, WeightGrads, Weights};
use elman_kernels::{Buffer, Element, pad};

use super::Op;
use crate::error::Error;
use crate::params::{ParamId, Params};
use crate::tape::{Memory, Tape, Var};

/// Parameters of an LSTM layer.
#[derive(Clone, Copy, Debug)]
pub struct LstmIds {
    /// `[4H, I]`.
    pub weight_ih: ParamId,
    /// `[4H, H]`.
    pub weight_hh: ParamId,
    /// `[4H]`.
    pub bias_ih: ParamId,
    /// `[4H]`.
    pub bias_hh: ParamId,
}

/// What a layer reads: vectors, or tokens that stand for one-hot vectors.
#[derive(Clone, Copy, Debug)]
pub enum Sequence<'a> {
    /// `[T*B, I]`.
    Dense(Var),
    /// `[T*B]` tokens below the number of inputs.
    Tokens {
        /// The tokens.
        tokens: &'a [u32],
        /// V.
        vocab_size: usize,
    },
}

impl Sequence<'_> {
    /// T*B.
    pub fn rows(&self) -> usize {
        match self {
            Sequence::Dense(x) => x.rows(),
            Sequence::Tokens { tokens, .. } => tokens.len(),
        }
    }
}

/// What a layer writes.
#[derive(Clone, Copy, Debug)]
pub struct LstmOutput {
    /// h of every step, `[T*B, H]`.
    pub y: Var,
    /// The last h, `[B, H]`; shares its gradient with the last rows of `y`.
    pub hidden: Var,
    /// The last c, `[B, H]`.
    pub cell: Var,
}

#[derive(Debug)]
enum Saved {
    Dense(Var),
    Tokens(Vec<u32>),
}

#[derive(Debug)]
pub(crate) struct Lstm<E> {
    ids: LstmIds,
    d: Dims,
    x: Saved,
    hidden0: Var,
    cell0: Var,
    /// Slot of `hidden` `[T+1, B, H]`, of which y and the last h are rows.
    hidden: usize,
    last_cell: Var,
    gates: Buffer<E>,
    cell: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// Runs a layer over `x` from the state `hidden0`, `cell0` `[B, H]`; T follows from the rows of x.
    pub fn lstm(
        &mut self,
        params: &Params<E>,
        ids: LstmIds,
        x: Sequence<'_>,
        hidden0: Var,
        cell0: Var,
    ) -> Result<LstmOutput, Error> {
        let (batch, hidden_size) = (hidden0.rows(), hidden0.cols());
        let input_size = match x {
            Sequence::Dense(x) => x.cols(),
            Sequence::Tokens { vocab_size, .. } => vocab_size,
        };
        let d = Dims { seq_len: x.rows() / batch.max(1), batch, input_size, hidden_size };
        let m = &mut self.memory;
        let (mut gates, mut hidden, mut cell) = (m.take(d.gates_len()), m.take(d.states_len()), m.take(d.states_len()));
        hidden[..d.state_len()].copy_from_slice(m.value(hidden0));
        cell[..d.state_len()].copy_from_slice(m.value(cell0));
        let input = match x {
            Sequence::Dense(x) => Input::Dense(m.value(x)),
            Sequence::Tokens { tokens, .. } => Input::Tokens(tokens),
        };
        lstm::forward(&m.cpu, &d, &weights(params, ids), input, &mut gates, &mut hidden, &mut cell)?;

        let mut last_cell = m.take(d.state_len());
        last_cell.copy_from_slice(&cell[d.seq_len * d.state_len()..]);
        let last_cell = m.push_rows(last_cell, batch, hidden_size);
        let slot = m.push(hidden, true);
        let output = LstmOutput {
            y: m.view(slot, batch, d.seq_len * batch, hidden_size),
            hidden: m.view(slot, d.seq_len * batch, batch, hidden_size),
            cell: last_cell,
        };
        let x = match x {
            Sequence::Dense(x) => Saved::Dense(x),
            Sequence::Tokens { tokens, .. } => Saved::Tokens(tokens.to_vec()),
        };
        self.record(Op::Lstm(Box::new(Lstm { ids, d, x, hidden0, cell0, hidden: slot, last_cell, gates, cell })));
        Ok(output)
    }
}

fn weights<E: Element>(params: &Params<E>, ids: LstmIds) -> Weights<'_, E> {
    Weights {
        weight_ih: params.slice(ids.weight_ih),
        weight_hh: params.slice(ids.weight_hh),
        bias_ih: params.slice(ids.bias_ih),
        bias_hh: params.slice(ids.bias_hh),
    }
}

impl<E: Element> Lstm<E> {
    pub fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let (ids, d) = (self.ids, &self.d);
        let mut grad_hidden = m.take_grad(self.hidden);
        let mut grad_cell = m.take_grad(self.last_cell.slot);
        let mut grad_x = match self.x {
            Saved::Dense(x) if m.wants_grad(x.slot) => Some((x, m.take_grad(x.slot))),
            _ => None,
        };
        let input = match &self.x {
            Saved::Dense(x) => Input::Dense(m.value(*x)),
            Saved::Tokens(tokens) => Input::Tokens(tokens),
        };
        let [weight_ih, weight_hh, bias_ih, bias_hh] =
            grads.slices_mut([ids.weight_ih, ids.weight_hh, ids.bias_ih, ids.bias_hh]);
        lstm::backward(
            &m.cpu,
            d,
            &weights(params, ids),
            input,
            &mut self.gates,
            m.buffer(self.hidden),
            &self.cell,
            &mut grad_hidden,
            &mut grad_cell,
            grad_x.as_mut().map(|(x, grad)| &mut grad[x.range()]),
            WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh },
        )?;
        if let Some((x, grad)) = grad_x {
            m.put_grad(x.slot, grad);
        }
        for (state, grad) in [(self.hidden0, &grad_hidden), (self.cell0, &grad_cell)] {
            if m.wants_grad(state.slot) {
                let mut target = m.take_grad(state.slot);
                let rows = target[state.range()].iter_mut().zip(&grad[..d.batch * pad(d.hidden_size)]);
                rows.for_each(|(t, &g)| *t += g);
                m.put_grad(state.slot, target);
            }
        }
        m.recycle(grad_hidden);
        m.recycle(grad_cell);
        Ok(())
    }

    pub fn recycle(self, m: &mut Memory<E>) {
        m.recycle(self.gates);
        m.recycle(self.cell);
    }
}
