//! Holds the stacked recurrent layer and its state. The state is plain data that goes in and comes out: no layer
//! keeps any, and truncating back-propagation is a visible [`State::from_tape`]. Refuses heads and losses.

use elman_kernels::recurrent::{Cell, Dims};
use elman_kernels::{Buffer, Element, pad};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::ops::{LayerIds, Sequence, StateVars};
use crate::params::{Declaration, Params};
use crate::tape::{Tape, Var};

/// h, and c where the cell has one, of every layer for `batch` rows, cut off from any tape.
#[derive(Clone, Debug)]
pub struct State<E> {
    batch: usize,
    parts: Vec<Part<E>>,
}

/// One part of a state, `[B, pad(H)]`.
#[derive(Clone, Debug)]
struct Part<E> {
    /// `h_l0`, `c_l0`, ...
    name: String,
    hidden_size: usize,
    /// Whether this is the c that belongs to the h before it.
    is_cell: bool,
    values: Buffer<E>,
}

/// The state of every layer on a tape.
pub type TapeState = Vec<StateVars>;

impl<E: Element> State<E> {
    /// B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Back to zero.
    pub fn reset(&mut self) {
        self.parts.iter_mut().for_each(|part| part.values.fill(E::ZERO));
    }

    /// Puts the state on a tape as leaves; their gradients are kept if they are wanted.
    pub fn to_tape(&self, tape: &mut Tape<E>, wants_grad: bool) -> TapeState {
        let mut state: TapeState = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let var = tape.leaf(part.hidden_size, &part.values, wants_grad);
            match state.last_mut() {
                Some(layer) if part.is_cell => layer.cell = Some(var),
                _ => state.push(StateVars { hidden: var, cell: None }),
            }
        }
        state
    }

    /// Takes the values of a state from the tape and forgets where they came from: the detach of truncated BPTT.
    pub fn from_tape(&mut self, tape: &Tape<E>, state: &TapeState) {
        for (part, var) in self.parts.iter_mut().zip(vars(state)) {
            part.values.copy_from_slice(tape.value(var));
        }
    }

    /// Every part by name, row-major: `h_l0` `[B, H]`, `c_l0`, `h_l1`, ... Allocates.
    pub fn tensors(&self) -> Vec<(String, [usize; 2], Vec<E>)> {
        let tensor = |part: &Part<E>| {
            let rows = part.values.chunks_exact(pad(part.hidden_size));
            let values = rows.flat_map(|row| &row[..part.hidden_size]).copied().collect();
            (part.name.clone(), [self.batch, part.hidden_size], values)
        };
        self.parts.iter().map(tensor).collect()
    }

    /// Sets a part by its name in [`State::tensors`]. Errors: no such part; another number of values.
    pub fn set(&mut self, name: &str, values: &[E]) -> Result<(), Error> {
        let Some(part) = self.parts.iter_mut().find(|part| part.name == name) else {
            return Err(Error::UnknownParameter { name: name.into() });
        };
        let width = part.hidden_size;
        if values.len() != self.batch * width {
            let (name, got) = (name.into(), vec![values.len()]);
            return Err(Error::Shape { name, got, expected: vec![self.batch, width] });
        }
        for (row, values) in part.values.chunks_exact_mut(pad(width)).zip(values.chunks_exact(width)) {
            row[..width].copy_from_slice(values);
        }
        Ok(())
    }
}

/// Every part of a state on the tape, in the order of [`State::tensors`].
pub fn vars(state: &TapeState) -> impl Iterator<Item = Var> {
    state.iter().flat_map(|layer| [Some(layer.hidden), layer.cell]).flatten()
}

/// Stacked recurrent layers, PyTorch's `nn.LSTM`, `nn.GRU` and `nn.RNN`: layer l reads the h of layer l-1, with dropout
/// between.
#[derive(Clone, Debug)]
pub struct Recurrent {
    hidden_size: usize,
    dropout: f64,
    layers: Vec<LayerIds>,
}

impl Recurrent {
    /// Declares the parameters `{prefix}weight_ih_l0` and so on. `dropout` lies in 0 <= p < 1.
    pub fn declare(
        declaration: &mut Declaration,
        prefix: &str,
        cell: Cell,
        input_size: usize,
        hidden_size: usize,
        num_layers: usize,
        dropout: f64,
    ) -> Recurrent {
        let reverse = false;
        let layers = (0..num_layers).map(|l| {
            let input_size = if l == 0 { input_size } else { hidden_size };
            let d = Dims { cell, seq_len: 0, batch: 0, input_size, hidden_size, reverse };
            LayerIds {
                cell,
                reverse,
                weight_ih: declaration.matrix(format!("{prefix}weight_ih_l{l}"), d.weight_ih()),
                weight_hh: declaration.matrix(format!("{prefix}weight_hh_l{l}"), d.weight_hh()),
                bias_ih: declaration.vector(format!("{prefix}bias_ih_l{l}"), d.bias_ih()),
                bias_hh: declaration.vector(format!("{prefix}bias_hh_l{l}"), d.bias_hh()),
            }
        });
        Recurrent { hidden_size, dropout, layers: layers.collect() }
    }

    /// Every layer's equations and parameters.
    pub(crate) fn layers(&self) -> &[LayerIds] {
        &self.layers
    }

    /// A zero state for `batch` rows.
    pub fn zero_state<E: Element>(&self, batch: usize) -> State<E> {
        let hidden_size = self.hidden_size;
        let part = |name: String, is_cell: bool| {
            let values = Buffer::zeros(batch * pad(hidden_size));
            Part { name, hidden_size, is_cell, values }
        };
        let parts = self.layers.iter().enumerate().flat_map(|(l, layer)| {
            let hidden = part(format!("h_l{l}"), false);
            let cell = layer.cell.has_cell().then(|| part(format!("c_l{l}"), true));
            [Some(hidden), cell].into_iter().flatten()
        });
        State { batch, parts: parts.collect() }
    }

    /// Runs all layers over `x`: y `[T*B, H]` of the last layer and the state after the last step.
    /// `dropout`: the generator of this pass's masks; `None` turns dropout off.
    pub fn forward<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        state: &TapeState,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, TapeState), Error> {
        let (mut x, mut after, mut y) = (x, Vec::with_capacity(state.len()), None);
        for (&ids, &before) in self.layers.iter().zip(state) {
            if let (Some(below), Some(rng)) = (y, dropout.as_deref_mut()) {
                x = Sequence::Dense(tape.dropout(self.dropout, rng, below)?);
            }
            let (output, layer_after) = tape.recurrent(params, ids, x, before)?;
            after.push(layer_after);
            x = Sequence::Dense(output);
            y = Some(output);
        }
        Ok((y.expect("a stack has at least one layer"), after))
    }
}
