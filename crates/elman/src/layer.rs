//! Holds the stacked recurrent layer and its state. The state is plain data that goes in and comes out: no layer
//! keeps any, and truncating back-propagation is a visible [`State::from_tape`]. Refuses heads and losses.

use elman_kernels::lstm::Dims;
use elman_kernels::{Buffer, Element, pad};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
use crate::ops::{LstmIds, Sequence};
use crate::params::{Declaration, Params};
use crate::tape::{Tape, Var};

/// h and c of every layer for `batch` rows, cut off from any tape.
#[derive(Clone, Debug)]
pub struct State<E> {
    batch: usize,
    hidden_size: usize,
    /// h and c of each layer, `[B, pad(H)]`.
    layers: Vec<[Buffer<E>; 2]>,
}

/// h and c of every layer as values on a tape, each `[B, H]`.
pub type TapeState = Vec<[Var; 2]>;

impl<E: Element> State<E> {
    /// All zero.
    pub fn zeros(num_layers: usize, batch: usize, hidden_size: usize) -> State<E> {
        let zeros = || Buffer::zeros(batch * pad(hidden_size));
        State { batch, hidden_size, layers: (0..num_layers).map(|_| [zeros(), zeros()]).collect() }
    }

    /// B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Back to zero.
    pub fn reset(&mut self) {
        self.layers.iter_mut().flatten().for_each(|buffer| buffer.fill(E::ZERO));
    }

    /// Puts the state on a tape as leaves; their gradients are kept if they are wanted.
    pub fn to_tape(&self, tape: &mut Tape<E>, wants_grad: bool) -> TapeState {
        self.layers.iter().map(|l| [0, 1].map(|i| tape.leaf(self.hidden_size, &l[i], wants_grad))).collect()
    }

    /// Takes the values of a state from the tape and forgets where they came from: the detach of truncated BPTT.
    pub fn from_tape(&mut self, tape: &Tape<E>, state: &TapeState) {
        for (buffers, vars) in self.layers.iter_mut().zip(state) {
            for (buffer, &var) in buffers.iter_mut().zip(vars) {
                buffer.copy_from_slice(tape.value(var));
            }
        }
    }

    /// Every part by name, row-major: `h_l0` `[B, H]`, `c_l0`, `h_l1`, ... Allocates.
    pub fn tensors(&self) -> Vec<(String, [usize; 2], Vec<E>)> {
        let mut parts = Vec::new();
        for (l, buffers) in self.layers.iter().enumerate() {
            for (letter, buffer) in ["h", "c"].iter().zip(buffers) {
                let rows = buffer.chunks_exact(pad(self.hidden_size));
                let values = rows.flat_map(|row| &row[..self.hidden_size]).copied().collect();
                parts.push((format!("{letter}_l{l}"), [self.batch, self.hidden_size], values));
            }
        }
        parts
    }

    /// Sets a part by its name in [`State::tensors`]. Errors: no such part; another number of values.
    pub fn set(&mut self, name: &str, values: &[E]) -> Result<(), Error> {
        let unknown = || Error::UnknownParameter { name: name.into() };
        let (letter, layer) = name.split_once("_l").ok_or_else(unknown)?;
        let part = ["h", "c"].iter().position(|&l| l == letter).ok_or_else(unknown)?;
        let layer = layer.parse::<usize>().map_err(|_| unknown())?;
        let (batch, width) = (self.batch, self.hidden_size);
        let buffer = self.layers.get_mut(layer).map(|l| &mut l[part]).ok_or_else(unknown)?;
        if values.len() != batch * width {
            let (name, got) = (name.into(), vec![values.len()]);
            return Err(Error::Shape { name, got, expected: vec![batch, width] });
        }
        for (row, values) in buffer.chunks_exact_mut(pad(width)).zip(values.chunks_exact(width)) {
            row[..width].copy_from_slice(values);
        }
        Ok(())
    }
}

/// Stacked LSTM layers, PyTorch's `nn.LSTM`: layer l reads the h of layer l-1, with dropout between.
#[derive(Clone, Debug)]
pub struct Lstm {
    hidden_size: usize,
    dropout: f64,
    layers: Vec<LstmIds>,
}

impl Lstm {
    /// Declares the parameters `{prefix}weight_ih_l0` and so on. `dropout` lies in 0 <= p < 1.
    pub fn declare(
        declaration: &mut Declaration,
        prefix: &str,
        input_size: usize,
        hidden_size: usize,
        num_layers: usize,
        dropout: f64,
    ) -> Lstm {
        let layers = (0..num_layers).map(|l| {
            let input_size = if l == 0 { input_size } else { hidden_size };
            let d = Dims { seq_len: 0, batch: 0, input_size, hidden_size };
            LstmIds {
                weight_ih: declaration.matrix(format!("{prefix}weight_ih_l{l}"), d.weight_ih()),
                weight_hh: declaration.matrix(format!("{prefix}weight_hh_l{l}"), d.weight_hh()),
                bias_ih: declaration.vector(format!("{prefix}bias_ih_l{l}"), d.bias()),
                bias_hh: declaration.vector(format!("{prefix}bias_hh_l{l}"), d.bias()),
            }
        });
        Lstm { hidden_size, dropout, layers: layers.collect() }
    }

    /// A zero state for `batch` rows.
    pub fn zero_state<E: Element>(&self, batch: usize) -> State<E> {
        State::zeros(self.layers.len(), batch, self.hidden_size)
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
        for (&ids, &[hidden, cell]) in self.layers.iter().zip(state) {
            if let (Some(below), Some(rng)) = (y, dropout.as_deref_mut()) {
                x = Sequence::Dense(tape.dropout(self.dropout, rng, below)?);
            }
            let output = tape.lstm(params, ids, x, hidden, cell)?;
            after.push([output.hidden, output.cell]);
            x = Sequence::Dense(output.y);
            y = Some(output.y);
        }
        Ok((y.expect("a stack has at least one layer"), after))
    }
}
