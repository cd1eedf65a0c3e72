//! Holds the stacked recurrent layers: one direction or two, widths of their own, an initial state that is given or
//! learned. Their state is plain data that goes in and comes out (`state.rs`): no layer keeps any.
//! Refuses heads and losses.

use elman_kernels::Element;
use elman_kernels::recurrent::{Cell, Dims};
use rand_chacha::ChaCha8Rng;

use crate::autodiff::nodes::{LayerIds, Sequence};
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

pub use crate::nn::state::{State, TapeState, vars};

/// What a stack of recurrent layers is made of.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a> {
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

impl<'a> Stack<'a> {
    /// One direction, from the zero state, without dropout.
    pub fn plain(cell: Cell, input_size: usize, hidden_sizes: &'a [usize]) -> Stack<'a> {
        let dropout = Dropout::default();
        Stack { cell, input_size, hidden_sizes, bidirectional: false, learned_state: false, dropout }
    }
}

/// How much dropout, and what its mask varies with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dropout {
    /// Probability to drop an element.
    pub p: f64,
    /// One mask for all steps of a row (variational dropout, Gal and Ghahramani 2016) instead of one for each step.
    pub locked: bool,
}

impl Dropout {
    /// The node: x `[T*B, H]` with B = `batch`.
    pub fn apply<E: Element>(
        self,
        tape: &mut Tape<E>,
        rng: &mut ChaCha8Rng,
        x: Var,
        batch: usize,
    ) -> Result<Var, Error> {
        if self.locked { tape.locked_dropout(self.p, rng, x, batch) } else { tape.dropout(self.p, rng, x) }
    }
}

/// One direction of one layer.
#[derive(Clone, Debug)]
struct Direction {
    /// `l0`, `l0_reverse`, `l1`, ...
    name: String,
    hidden_size: usize,
    ids: LayerIds,
    /// Rows `[1, H]` of the learned h and c.
    initial: Option<(ParamId, Option<ParamId>)>,
}

/// Stacked recurrent layers, PyTorch's `nn.LSTM`, `nn.GRU` and `nn.RNN`: layer l reads the output of layer l-1, with
/// dropout between.
#[derive(Clone, Debug)]
pub struct Recurrent {
    directions: Vec<Direction>,
    /// 1 or 2.
    ways: usize,
    dropout: Dropout,
}

impl Recurrent {
    /// Declares the parameters `{prefix}weight_ih_l0`, `{prefix}weight_ih_l0_reverse` and so on, and, where the initial
    /// state is learned, `{prefix}initial_h_l0` and `{prefix}initial_c_l0` `[1, H]` after each direction's weights.
    pub fn declare(declaration: &mut Declaration, prefix: &str, stack: &Stack<'_>) -> Recurrent {
        let ways = if stack.bidirectional { 2 } else { 1 };
        let mut input_size = stack.input_size;
        let mut directions = Vec::with_capacity(ways * stack.hidden_sizes.len());
        for (l, &hidden_size) in stack.hidden_sizes.iter().enumerate() {
            for reverse in [false, true].into_iter().take(ways) {
                let name = format!("l{l}{}", if reverse { "_reverse" } else { "" });
                let cell = stack.cell;
                let d = Dims { cell, seq_len: 0, batch: 0, input_size, hidden_size, reverse };
                let ids = LayerIds {
                    cell,
                    reverse,
                    weight_ih: declaration.matrix(format!("{prefix}weight_ih_{name}"), d.weight_ih()),
                    weight_hh: declaration.matrix(format!("{prefix}weight_hh_{name}"), d.weight_hh()),
                    bias_ih: declaration.vector(format!("{prefix}bias_ih_{name}"), d.bias_ih()),
                    bias_hh: declaration.vector(format!("{prefix}bias_hh_{name}"), d.bias_hh()),
                };
                let mut row = |letter| declaration.table(format!("{prefix}initial_{letter}_{name}"), 1, hidden_size);
                let initial = stack.learned_state.then(|| (row('h'), cell.has_cell().then(|| row('c'))));
                directions.push(Direction { name, hidden_size, ids, initial });
            }
            input_size = ways * hidden_size;
        }
        Recurrent { directions, ways, dropout: stack.dropout }
    }

    /// A zero state for `batch` rows, of a run that was not begun: [`Recurrent::reset`] makes it the initial one.
    pub fn zero_state<E: Element>(&self, batch: usize) -> State<E> {
        let mut state = State::empty(batch);
        for direction in &self.directions {
            state.push('h', &direction.name, direction.hidden_size);
            if direction.ids.cell.has_cell() {
                state.push('c', &direction.name, direction.hidden_size);
            }
        }
        state
    }

    /// The state that every sequence begins from: zero, or the learned rows.
    pub fn initial_state<E: Element>(&self, params: &Params<E>, batch: usize) -> State<E> {
        let mut state = self.zero_state(batch);
        self.reset(params, &mut state);
        state
    }

    /// Makes a state the initial one.
    pub fn reset<E: Element>(&self, params: &Params<E>, state: &mut State<E>) {
        let rows = self.directions.iter().flat_map(|direction| match direction.initial {
            Some((hidden, cell)) => [Some(Some(hidden)), cell.map(Some)],
            None => [Some(None), direction.ids.cell.has_cell().then_some(None)],
        });
        state.restart(rows.flatten().map(|id| id.map(|id| params.slice(id))));
    }

    /// Puts a state on the tape for [`Recurrent::forward`]. A given or carried state becomes leaves, whose gradients are
    /// kept if they are wanted; an initial one that is learned becomes its parameters.
    pub fn begin<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        state: &State<E>,
        wants_grad: bool,
    ) -> Result<TapeState, Error> {
        if !state.is_initial() {
            return Ok(state.to_tape(tape, wants_grad));
        }
        let mut first_rows = tape.memory.lists.tokens.take();
        first_rows.resize(state.batch(), 0);
        let mut begun = state.to_tape(tape, wants_grad);
        for (vars, direction) in begun.iter_mut().zip(&self.directions) {
            let Some((hidden, cell)) = direction.initial else { continue };
            let mut row = |id| tape.embed(params, id, 1, direction.hidden_size, &first_rows);
            vars.hidden = row(hidden)?;
            vars.cell = cell.map(row).transpose()?;
        }
        tape.memory.lists.tokens.recycle(first_rows);
        Ok(begun)
    }

    /// Every layer's equations and parameters; of a layer that runs both ways, each direction's.
    pub(crate) fn layers(&self) -> impl Iterator<Item = LayerIds> {
        self.directions.iter().map(|direction| direction.ids)
    }

    /// Runs all layers over `x`: y `[T*B, ways * H]` of the last layer and the state after the last step (of a reverse
    /// direction: after the first). `present` `[T*B]`: the positions that are read, where not all are; see
    /// [`Tape::recurrent`]. `dropout`: the generator of this pass's masks; `None` turns dropout off.
    pub fn forward<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        state: &TapeState,
        present: Option<&[bool]>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, TapeState), Error> {
        let (mut x, mut after, mut y): (_, TapeState, Option<Var>) = (x, tape.memory.lists.states.take(), None);
        for (layer, before) in self.directions.chunks(self.ways).zip(state.chunks(self.ways)) {
            if let (Some(below), Some(rng)) = (y, dropout.as_deref_mut()) {
                x = Sequence::Dense(self.dropout.apply(tape, rng, below, before[0].hidden.rows())?);
            }
            let mut outputs = [None; 2];
            for ((direction, &before), output) in layer.iter().zip(before).zip(&mut outputs) {
                let (way, way_after) = tape.recurrent(params, direction.ids, x, before, present)?;
                after.push(way_after);
                *output = Some(way);
            }
            let output = match outputs {
                [Some(forward), Some(reverse)] => tape.concat(&[forward, reverse])?,
                [output, _] => output.expect("a layer has at least one direction"),
            };
            x = Sequence::Dense(output);
            y = Some(output);
        }
        Ok((y.expect("a stack has at least one layer"), after))
    }
}
