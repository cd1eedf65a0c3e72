//! Holds the node for a whole recurrent layer in one direction: all steps at once, state in and out.
//! Refuses stacking (see `layer.rs`) and arithmetic (see the kernels).

use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, WeightGrads, Weights};
use elman_kernels::{Buffer, Element};

use super::Op;
use crate::error::Error;
use crate::params::{ParamId, Params};
use crate::tape::{Memory, Tape, Var};

/// A recurrent layer in one direction: its equations and its parameters. G is the cell's number of gates.
#[derive(Clone, Copy, Debug)]
pub struct LayerIds {
    /// The equations.
    pub cell: Cell,
    /// Whether the last step is read first.
    pub reverse: bool,
    /// `[G*H, I]`.
    pub weight_ih: ParamId,
    /// `[G*H, H]`.
    pub weight_hh: ParamId,
    /// `[G*H]`.
    pub bias_ih: ParamId,
    /// `[G*H]`.
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

/// The state of one layer and direction on the tape, each part `[B, H]`.
#[derive(Clone, Copy, Debug)]
pub struct StateVars {
    /// h.
    pub hidden: Var,
    /// c, where the cell has one.
    pub cell: Option<Var>,
}

#[derive(Debug)]
enum Saved {
    Dense(Var),
    Tokens(Vec<u32>),
}

#[derive(Debug)]
pub(crate) struct Recurrent<E> {
    ids: LayerIds,
    d: Dims,
    x: Saved,
    /// `[T*B]`: the positions that are read; all where it is `None`.
    present: Option<Vec<bool>>,
    before: StateVars,
    /// Slot of `hidden` `[T+1, B, H]`, of which y and the last h are rows.
    hidden: usize,
    last_cell: Option<Var>,
    gates: Buffer<E>,
    cell: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// Runs a layer over `x` from the state `before`; T follows from the rows of x. Returns h after each input, `[T*B,
    /// H]`, and the state after the last step read. The last h shares its gradient with its row of the first.
    ///
    /// `present`, `[T*B]` where it is given, says which positions are read. At another, x may be anything, the state
    /// passes through unchanged, and neither x nor the parameters have a gradient from there: a row of another length
    /// than T is padded with absent positions, at either end, and ends in the state after its last one present. More
    /// padding changes no bit of any value or gradient. Errors: `present` has another length.
    pub fn recurrent(
        &mut self,
        params: &Params<E>,
        ids: LayerIds,
        x: Sequence<'_>,
        before: StateVars,
        present: Option<&[bool]>,
    ) -> Result<(Var, StateVars), Error> {
        let (batch, hidden_size) = (before.hidden.rows(), before.hidden.cols());
        let input_size = match x {
            Sequence::Dense(x) => x.cols(),
            Sequence::Tokens { vocab_size, .. } => vocab_size,
        };
        let (cell, reverse, seq_len) = (ids.cell, ids.reverse, x.rows() / batch.max(1));
        let d = Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
        let slot = |slot: usize| slot * d.state_len()..(slot + 1) * d.state_len();
        let m = &mut self.memory;
        let (mut gates, mut hidden, mut cell) = (m.take(d.gates_len()), m.take(d.hidden_len()), m.take(d.cell_len()));
        hidden[slot(d.first_slot())].copy_from_slice(m.value(before.hidden));
        if let Some(before) = before.cell {
            cell[slot(d.first_slot())].copy_from_slice(m.value(before));
        }
        let input = match x {
            Sequence::Dense(x) => Input::Dense(m.value(x)),
            Sequence::Tokens { tokens, .. } => Input::Tokens(tokens),
        };
        let inputs = Inputs { x: input, mask: present };
        recurrent::forward(&m.cpu, &d, &weights(params, ids), inputs, &mut gates, &mut hidden, &mut cell)?;

        let last_cell = before.cell.map(|_| {
            let mut last = m.take(d.state_len());
            last.copy_from_slice(&cell[slot(d.last_slot())]);
            m.push_rows(last, batch, hidden_size)
        });
        let states = m.push(hidden, true);
        let y = m.view(states, d.output_slot() * batch, d.seq_len * batch, hidden_size);
        let after = StateVars { hidden: m.view(states, d.last_slot() * batch, batch, hidden_size), cell: last_cell };
        let x = match x {
            Sequence::Dense(x) => Saved::Dense(x),
            Sequence::Tokens { tokens, .. } => Saved::Tokens(m.lists.tokens.copy(tokens)),
        };
        let present = present.map(|present| m.lists.present.copy(present));
        let node = Recurrent { ids, d, x, present, before, hidden: states, last_cell, gates, cell };
        let boxed = match m.lists.recurrent.pop() {
            Some(mut boxed) => {
                *boxed = node;
                boxed
            }
            None => Box::new(node),
        };
        self.record(Op::Recurrent(boxed));
        Ok((y, after))
    }
}

fn weights<E: Element>(params: &Params<E>, ids: LayerIds) -> Weights<'_, E> {
    Weights {
        weight_ih: params.slice(ids.weight_ih),
        weight_hh: params.slice(ids.weight_hh),
        bias_ih: params.slice(ids.bias_ih),
        bias_hh: params.slice(ids.bias_hh),
    }
}

impl<E: Element> Recurrent<E> {
    pub fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let (ids, d) = (self.ids, &self.d);
        let mut grad_hidden = m.take_grad(self.hidden);
        let mut grad_cell = self.last_cell.map(|c| m.take_grad(c.slot)).unwrap_or_default();
        let mut grad_x = match self.x {
            Saved::Dense(x) if m.wants_grad(x.slot) => Some((x, m.take_grad(x.slot))),
            _ => None,
        };
        let x = match &self.x {
            Saved::Dense(x) => Input::Dense(m.value(*x)),
            Saved::Tokens(tokens) => Input::Tokens(tokens),
        };
        let inputs = Inputs { x, mask: self.present.as_deref() };
        let [weight_ih, weight_hh, bias_ih, bias_hh] =
            grads.slices_mut([ids.weight_ih, ids.weight_hh, ids.bias_ih, ids.bias_hh]);
        let run = recurrent::Sequence {
            gates: &mut self.gates,
            hidden: m.buffer(self.hidden),
            cell: &self.cell,
            grad_hidden: &mut grad_hidden,
            grad_cell: &mut grad_cell,
        };
        let grads = WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh };
        let target = grad_x.as_mut().map(|(x, grad)| &mut grad[x.range()]);
        recurrent::backward(&m.cpu, d, &weights(params, ids), inputs, run, target, grads)?;
        if let Some((x, grad)) = grad_x {
            m.put_grad(x.slot, grad);
        }
        let first = d.first_slot() * d.state_len();
        m.add_grad(self.before.hidden, &grad_hidden[first..first + d.state_len()]);
        if let Some(before) = self.before.cell {
            m.add_grad(before, &grad_cell);
        }
        m.recycle(grad_hidden);
        m.recycle(grad_cell);
        Ok(())
    }

    pub fn recycle(mut node: Box<Self>, m: &mut Memory<E>) {
        m.recycle(std::mem::take(&mut node.gates));
        m.recycle(std::mem::take(&mut node.cell));
        if let Saved::Tokens(tokens) = &mut node.x {
            m.lists.tokens.recycle(std::mem::take(tokens));
        }
        if let Some(present) = node.present.take() {
            m.lists.present.recycle(present);
        }
        m.lists.recurrent.push(node);
    }
}
