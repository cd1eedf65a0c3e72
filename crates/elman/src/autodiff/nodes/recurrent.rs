//! The node for a whole recurrent layer in one direction: all steps at once, state in and out. Not here: stacking
//! (`layer.rs`) and arithmetic (the kernels).

use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, WeightGrads, Weights};
use elman_kernels::{Buffer, Element};

use crate::autodiff::params::{ParamId, Params};
use crate::autodiff::tape::{Memory, Node, Tape, Var, shape_error};
use crate::error::Error;

/// A recurrent layer in one direction: its equations and its parameters. G is the cell's number of gates.
#[derive(Clone, Copy, Debug)]
pub struct LayerIds {
    /// The equations.
    pub cell: Cell,
    /// Whether the last step is read first.
    pub reverse: bool,
    /// `[G*H, I]`.
    pub weight_ih: ParamId,
    /// `[G*H]`.
    pub bias_ih: ParamId,
    /// `weight_hh` `[G*H, H]` and `bias_hh` `[G*H]`; None where the cell has no product with h.
    pub recurrent: Option<[ParamId; 2]>,
}

/// What a layer reads: vectors, or tokens that represent one-hot vectors.
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
    /// The vectors. Errors: tokens, in the name of what reads them.
    pub fn dense(&self, reader: &'static str) -> Result<Var, Error> {
        match *self {
            Sequence::Dense(x) => Ok(x),
            Sequence::Tokens { .. } => {
                let expected = format!("vectors for {reader}");
                Err(Error::Setting { name: "input of a layer", got: "tokens".into(), expected })
            }
        }
    }

    /// T*B.
    pub fn rows(&self) -> usize {
        match self {
            Sequence::Dense(x) => x.rows(),
            Sequence::Tokens { tokens, .. } => tokens.len(),
        }
    }
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
    mask: Option<Vec<bool>>,
    /// The states before the first step read, h first.
    before: Vec<Var>,
    /// Slot of `hidden` `[T+1, B, H]`, of which y and the last h are rows.
    hidden: usize,
    /// Slot of the states beside h after the last step `[S, B, H]`.
    last_cell: usize,
    gates: Buffer<E>,
    cell: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// Runs a layer over `x` from the states `before` (h, then those of [`Cell::states`]), each `[B, H]`; T follows
    /// from the rows of x. Returns h after each input, `[T*B, H]`, and pushes the states after the last step read to
    /// `after`. The last h shares its gradient with its row of the output.
    ///
    /// `mask`, `[T*B]` where it is given, is true at the positions that are read. At a masked one, x may be anything,
    /// the state passes through unchanged, and neither x nor the parameters have a gradient from there: a row of
    /// another length than T is padded with masked positions, at either end, and ends in the state after its last
    /// position read. More padding changes no bit of any value or gradient. Errors: `mask` has another length.
    pub fn recurrent(
        &mut self,
        params: &Params<E>,
        ids: LayerIds,
        x: Sequence<'_>,
        before: &[Var],
        after: &mut Vec<Var>,
        mask: Option<&[bool]>,
    ) -> Result<Var, Error> {
        let states = 1 + ids.cell.states().len();
        let (Some(&h), true) = (before.first(), before.len() == states) else {
            let (got, expected) = (vec![before.len()], vec![states]);
            return Err(Error::Shape { name: "list of states".into(), got, expected });
        };
        let (batch, hidden_size) = (h.rows(), h.cols());
        for &state in before {
            self.memory.check(state)?;
            if [state.rows(), state.cols()] != [batch, hidden_size] {
                return Err(shape_error("state of a recurrent layer", state, [batch, hidden_size]));
            }
        }
        if let Sequence::Dense(x) = x {
            self.memory.check(x)?;
        }
        let input_size = match x {
            Sequence::Dense(x) => x.cols(),
            Sequence::Tokens { vocab_size, .. } => vocab_size,
        };
        let (cell, reverse, seq_len) = (ids.cell, ids.reverse, x.rows() / batch.max(1));
        let d = Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
        let slot = |slot: usize| slot * d.state_len()..(slot + 1) * d.state_len();
        let m = &mut self.memory;
        let (mut gates, mut hidden, mut cell) = (m.take(d.gates_len()), m.take(d.hidden_len()), m.take(d.cell_len()));
        hidden[slot(d.first_slot())].copy_from_slice(m.value(h));
        // `cell` is [S][T+1][B][pad(H)], `hidden` the same of h alone.
        let of_state =
            |i: usize, slot: std::ops::Range<usize>| i * d.hidden_len() + slot.start..i * d.hidden_len() + slot.end;
        for (i, &before) in before[1..].iter().enumerate() {
            cell[of_state(i, slot(d.first_slot()))].copy_from_slice(m.value(before));
        }
        let input = match x {
            Sequence::Dense(x) => Input::Dense(m.value(x)),
            Sequence::Tokens { tokens, .. } => Input::Tokens(tokens),
        };
        let inputs = Inputs { x: input, mask };
        recurrent::forward(&m.cpu, &d, &weights(params, ids), inputs, &mut gates, &mut hidden, &mut cell)?;

        let mut last = m.take(d.cell_state_len());
        for (i, last) in last.chunks_exact_mut(d.state_len().max(1)).enumerate() {
            last.copy_from_slice(&cell[of_state(i, slot(d.last_slot()))]);
        }
        let last_cell = m.push(last, true);
        let outputs = m.push(hidden, true);
        let y = m.view(outputs, d.output_slot() * batch, d.seq_len * batch, hidden_size);
        after.push(m.view(outputs, d.last_slot() * batch, batch, hidden_size));
        after.extend((0..states - 1).map(|i| m.view(last_cell, i * batch, batch, hidden_size)));
        let x = match x {
            Sequence::Dense(x) => Saved::Dense(x),
            Sequence::Tokens { tokens, .. } => Saved::Tokens(m.lists.tokens.copy(tokens)),
        };
        let mask = mask.map(|mask| m.lists.mask.copy(mask));
        let before = m.lists.vars.copy(before);
        let node = Recurrent { ids, d, x, mask, before, hidden: outputs, last_cell, gates, cell };
        self.record(node);
        Ok(y)
    }
}

/// The packed weights of a layer.
pub(crate) fn weights<E: Element>(params: &Params<E>, ids: LayerIds) -> Weights<'_, E> {
    let recurrent = |i: usize| ids.recurrent.map_or(&[][..], |both| params.slice(both[i]));
    Weights {
        weight_ih: params.slice(ids.weight_ih),
        weight_hh: recurrent(0),
        bias_ih: params.slice(ids.bias_ih),
        bias_hh: recurrent(1),
    }
}

impl<E: Element> Node<E> for Recurrent<E> {
    fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let (ids, d) = (self.ids, &self.d);
        let mut grad_hidden = m.take_grad(self.hidden);
        let mut grad_cell = m.take_grad(self.last_cell);
        let mut grad_x = match self.x {
            Saved::Dense(x) if m.wants_grad(x.slot) => Some((x, m.take_grad(x.slot))),
            _ => None,
        };
        let x = match &self.x {
            Saved::Dense(x) => Input::Dense(m.value(*x)),
            Saved::Tokens(tokens) => Input::Tokens(tokens),
        };
        let inputs = Inputs { x, mask: self.mask.as_deref() };
        let [weight_ih, weight_hh, bias_ih, bias_hh] = match ids.recurrent {
            Some([weight_hh, bias_hh]) => grads.slices_mut([ids.weight_ih, weight_hh, ids.bias_ih, bias_hh]),
            None => {
                let [weight_ih, bias_ih] = grads.slices_mut([ids.weight_ih, ids.bias_ih]);
                [weight_ih, &mut [], bias_ih, &mut []]
            }
        };
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
        m.add_grad(self.before[0], &grad_hidden[first..first + d.state_len()]);
        for (&before, grad) in self.before[1..].iter().zip(grad_cell.chunks_exact(d.state_len().max(1))) {
            m.add_grad(before, grad);
        }
        m.recycle(grad_hidden);
        m.recycle(grad_cell);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.lists.vars.recycle(std::mem::take(&mut self.before));
        m.recycle(std::mem::take(&mut self.gates));
        m.recycle(std::mem::take(&mut self.cell));
        if let Saved::Tokens(tokens) = &mut self.x {
            m.lists.tokens.recycle(std::mem::take(tokens));
        }
        if let Some(mask) = self.mask.take() {
            m.lists.mask.recycle(mask);
        }
    }
}
