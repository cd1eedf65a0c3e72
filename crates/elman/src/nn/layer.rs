//! The trait `Layer`: what a network is made of. A layer declares its parameters and its states, runs a whole sequence
//! on the tape, and keeps no state of its own: states go in and come out. Not here: layers (one file each beside this
//! one).

use std::fmt::Debug;

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use crate::autodiff::nodes::{LayerIds, LinearIds, Sequence};
use crate::autodiff::params::{ParamId, Params};
use crate::autodiff::tape::{Tape, Var, shape_error};
use crate::error::Error;
use crate::nn::state::{State, StatePart};

/// How a sequence is run, beside its values.
#[derive(Debug)]
pub struct Pass<'a> {
    /// B: the rows of x are `[T, B]`.
    pub batch: usize,
    /// `[T*B]`: the positions that are read; all where it is None. At another, x may be anything: states pass through
    /// unchanged, and neither x nor parameters have a gradient from there.
    pub mask: Option<&'a [bool]>,
    /// The generator of this pass's dropout masks; None turns dropout off.
    pub dropout: Option<&'a mut ChaCha8Rng>,
}

impl Pass<'_> {
    /// All positions of `batch` rows, without dropout.
    pub fn plain(batch: usize) -> Pass<'static> {
        Pass { batch, mask: None, dropout: None }
    }
}

/// A part of a network. The parameters are declared by each layer's constructor, which keeps their ids.
pub trait Layer<E: Element>: Debug + Send + Sync {
    /// Columns of the output.
    fn outputs(&self) -> usize;

    /// The parts of its state, in the order of `before` and `after` in [`Layer::sequence`].
    fn states(&self) -> &[StatePart] {
        &[]
    }

    /// Whether no output depends on a later input, so that it can run step by step.
    fn is_causal(&self) -> bool;

    /// Runs all steps of `x` `[T*B, *]`: y `[T*B, outputs]`. `before` are the states before the first step read, one
    /// value `[B, width]` for each of [`Layer::states`]; the states after the last step are pushed to `after`.
    ///
    /// Steps one by one give the same bits as the whole sequence. Errors: x of another width; what its nodes refuse.
    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        before: &[Var],
        after: &mut Vec<Var>,
        pass: &mut Pass<'_>,
    ) -> Result<Var, Error>;

    /// What it consists of in inference, in order; None where it is anything else. Networks of these pieces can run
    /// single steps without a tape.
    fn pieces(&self) -> Option<Vec<Piece>> {
        None
    }

    /// Numbers that a position of a batch takes in memory.
    fn memory(&self) -> Footprint;
}

/// A part of a layer that the kernels' single steps are built for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Piece {
    /// Rows of a table `[V, width]` picked by tokens.
    Embedding {
        /// The table.
        table: ParamId,
        /// Numbers of a row.
        width: usize,
    },
    /// A fused recurrent layer that reads forward.
    Recurrent(LayerIds),
    /// An affine map.
    Linear(LinearIds),
}

/// Numbers that one position `[t, b]` takes in a layer, padding included: what the memory estimate adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Kept from forward to backward, outputs and states included.
    pub kept: usize,
    /// Of the output, which an evaluation keeps until its end.
    pub output: usize,
    /// In use while the layer runs, and free for the next layer's use after it.
    pub working: usize,
    /// Outputs that go through dropout.
    pub dropped: usize,
    /// The widest output.
    pub widest: usize,
}

/// What the memory of a training run follows from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// The parameters in the order of memory.
    pub packed: usize,
    /// In the order of a file.
    pub logical: usize,
    /// In the largest tensor of a file.
    pub largest: usize,
    /// Of the layers, for each position.
    pub layers: Footprint,
    /// Width of the embedding, 0 where there is none.
    pub embed: usize,
    /// Columns that go through dropout before the head.
    pub output_dropped: usize,
    /// Columns of the head.
    pub outputs: usize,
}

/// What every layer can do with its states.
impl<E: Element> dyn Layer<E> + '_ {
    /// A zero state for `batch` rows, of a sequence that was not begun: `reset` makes it the initial one.
    pub fn zero_state(&self, batch: usize) -> State<E> {
        State::new(self.states(), batch)
    }

    /// The state that every sequence begins from: zero, or the learned rows.
    pub fn initial_state(&self, params: &Params<E>, batch: usize) -> State<E> {
        let mut state = self.zero_state(batch);
        self.reset(params, &mut state);
        state
    }

    /// Makes a state the initial one.
    pub fn reset(&self, params: &Params<E>, state: &mut State<E>) {
        state.restart(self.states().iter().map(|part| part.initial.map(|id| params.slice(id))));
    }

    /// Puts a state on the tape for [`Layer::sequence`]. A given or carried state becomes leaves, whose gradients are
    /// kept if they are wanted; an initial one that is learned becomes its parameters.
    pub fn begin(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        state: &State<E>,
        wants_grad: bool,
    ) -> Result<Vec<Var>, Error> {
        let mut vars = state.to_tape(tape, wants_grad);
        if !state.is_initial() || self.states().iter().all(|part| part.initial.is_none()) {
            return Ok(vars);
        }
        let mut first_rows = tape.memory.lists.tokens.take();
        first_rows.resize(state.batch(), 0);
        for (var, part) in vars.iter_mut().zip(self.states()) {
            if let Some(id) = part.initial {
                *var = tape.embed(params, id, 1, part.width, &first_rows)?;
            }
        }
        tape.memory.lists.tokens.recycle(first_rows);
        Ok(vars)
    }

    /// As [`Layer::sequence`], with the list of the states after it, and everything that must fit checked.
    ///
    /// Errors: rows of x that are no multiple of the batch; states or a mask of another number or shape; a layer that does not
    /// do what it says.
    pub fn run(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        before: &[Var],
        pass: &mut Pass<'_>,
    ) -> Result<(Var, Vec<Var>), Error> {
        let (rows, batch, mask) = (x.rows(), pass.batch, pass.mask.map(<[bool]>::len));
        if !rows.is_multiple_of(batch.max(1)) || (batch == 0 && rows > 0) {
            let (got, expected) = (vec![rows], vec![rows / batch.max(1), batch]);
            return Err(Error::Shape { name: "input of a layer".into(), got, expected });
        }
        if let Some(mask) = mask.filter(|&mask| mask != rows) {
            return Err(Error::Shape { name: "mask".into(), got: vec![mask], expected: vec![rows] });
        }
        self.check_states(before, batch)?;
        let mut after = tape.memory.lists.vars.take();
        let y = self.sequence(tape, params, x, before, &mut after, pass)?;
        if [y.rows(), y.cols()] != [rows, self.outputs()] {
            return Err(shape_error("output of a layer", y, [rows, self.outputs()]));
        }
        self.check_states(&after, batch)?;
        Ok((y, after))
    }

    /// Errors: another number of states than this layer's; one that is not `[batch, width]`.
    fn check_states(&self, states: &[Var], batch: usize) -> Result<(), Error> {
        if states.len() != self.states().len() {
            let (got, expected) = (vec![states.len()], vec![self.states().len()]);
            return Err(Error::Shape { name: "list of states".into(), got, expected });
        }
        for (&state, part) in states.iter().zip(self.states()) {
            if [state.rows(), state.cols()] != [batch, part.width] {
                return Err(shape_error(&part.name, state, [batch, part.width]));
            }
        }
        Ok(())
    }
}
