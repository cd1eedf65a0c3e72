//! Layers one after another, as one layer. `Recurrent` declares PyTorch's `nn.LSTM`, `nn.GRU` and `nn.RNN`, and the same of
//! every other cell: layer l reads the output of layer l-1, in one direction or two, with dropout between.
//! Not here: heads and losses.

use std::sync::Arc;

use elman_kernels::Element;

use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::bidirectional::Bidirectional;
use crate::nn::cells::Cell;
use crate::nn::cells::direction::Direction;
use crate::nn::dropout::Dropout;
use crate::nn::layer::{Footprint, Layer, Pass, Piece};
use crate::nn::state::{StatePart, distinct, split};

/// What stacked recurrent layers of one cell are made of.
#[derive(Clone, Copy, Debug)]
pub struct Recurrent<'a> {
    /// Every layer's equations.
    pub cell: Cell,
    /// I, columns of the first layer's input.
    pub input_size: usize,
    /// H of each layer, from the first on.
    pub hidden_sizes: &'a [usize],
    /// Whether each layer also runs from the last step to the first. A layer's output then is both side by side.
    pub bidirectional: bool,
    /// Whether the state before the first step is a parameter instead of zero.
    pub learned_state: bool,
    /// Dropout between layers, 0 <= p < 1.
    pub dropout: Dropout,
}

impl<'a> Recurrent<'a> {
    /// One direction, from the zero state, without dropout.
    pub fn plain(cell: impl Into<Cell>, input_size: usize, hidden_sizes: &'a [usize]) -> Recurrent<'a> {
        let (cell, dropout) = (cell.into(), Dropout::default());
        Recurrent { cell, input_size, hidden_sizes, bidirectional: false, learned_state: false, dropout }
    }

    /// Declares the parameters `{prefix}weight_ih_l0`, `{prefix}weight_ih_l0_reverse` and so on, and, where the initial
    /// state is learned, `{prefix}initial_h_l0` and so on, `[1, H]`, after each direction's weights.
    pub fn declare<E: Element>(&self, declaration: &mut Declaration, prefix: &str) -> Stack<E> {
        let mut input_size = self.input_size;
        let mut layers: Vec<Arc<dyn Layer<E>>> = Vec::new();
        for (l, &hidden_size) in self.hidden_sizes.iter().enumerate() {
            if l > 0 {
                layers.push(Arc::new(self.dropout.layer(input_size)));
            }
            let mut direction = |reverse| {
                let name = format!("l{l}{}", if reverse { "_reverse" } else { "" });
                let learned_state = self.learned_state;
                let direction = Direction { prefix, name: &name, input_size, hidden_size, reverse, learned_state };
                self.cell.declare(declaration, &direction)
            };
            let forward = direction(false);
            let layer = match self.bidirectional {
                true => Arc::new(Bidirectional::new(forward, direction(true))),
                false => forward,
            };
            input_size = layer.outputs();
            layers.push(layer);
        }
        Stack::of(layers)
    }
}

/// Layers of which each reads the output of the one before.
#[derive(Clone, Debug)]
pub struct Stack<E> {
    layers: Vec<Arc<dyn Layer<E>>>,
    states: Vec<StatePart>,
}

impl<E: Element> Stack<E> {
    /// A stack of layers. States of one name are told apart by their number: `h_l0`, `h_l0.2`. Errors: no layers.
    pub fn new(layers: Vec<Arc<dyn Layer<E>>>) -> Result<Stack<E>, Error> {
        if layers.is_empty() {
            return Err(Error::Setting { name: "layers of a stack", got: "0".into(), expected: "at least 1".into() });
        }
        Ok(Stack::of(layers))
    }

    pub(crate) fn of(layers: Vec<Arc<dyn Layer<E>>>) -> Stack<E> {
        let states = distinct(layers.iter().flat_map(|layer| layer.states()));
        Stack { layers, states }
    }

    /// The layers, from the first on.
    pub fn layers(&self) -> &[Arc<dyn Layer<E>>] {
        &self.layers
    }

    /// The same as a trait object, for what every layer can do.
    pub fn as_layer(&self) -> &dyn Layer<E> {
        self
    }
}

impl<E: Element> Layer<E> for Stack<E> {
    fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs())
    }

    fn states(&self) -> &[StatePart] {
        &self.states
    }

    fn is_causal(&self) -> bool {
        self.layers.iter().all(|layer| layer.is_causal())
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        before: &[Var],
        after: &mut Vec<Var>,
        pass: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        let Some((first, rest)) = self.layers.split_first() else {
            return Err(Error::Setting { name: "layers of a stack", got: "0".into(), expected: "at least 1".into() });
        };
        let (own, mut before) = split(before, first.states().len())?;
        let mut y = first.sequence(tape, params, x, own, after, pass)?;
        for layer in rest {
            let (own, others) = split(before, layer.states().len())?;
            y = layer.sequence(tape, params, Sequence::Dense(y), own, after, pass)?;
            before = others;
        }
        Ok(y)
    }

    fn pieces(&self) -> Option<Vec<Piece>> {
        let mut all = Vec::new();
        for layer in &self.layers {
            all.extend(layer.pieces()?);
        }
        Some(all)
    }

    fn memory(&self) -> Footprint {
        let mut all = Footprint::default();
        for part in self.layers.iter().map(|layer| layer.memory()) {
            all.kept = all.kept.saturating_add(part.kept);
            all.output = all.output.saturating_add(part.output);
            all.working = all.working.max(part.working);
            all.dropped = all.dropped.saturating_add(part.dropped);
            all.widest = all.widest.max(part.widest);
        }
        all
    }
}
