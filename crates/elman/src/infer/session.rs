//! Streaming inference: a network that is run one step at a time, with a state for each of its rows. Owned and `Send`;
//! rows can be added, removed, copied and saved while it runs. A step has the bits of the sequence, allocates nothing
//! and takes no lock on one thread. Not here: what is done with the outputs (`batch.rs`, `search.rs`).

use std::fmt::Debug;

use elman_kernels::recurrent::step::{self, Stepper};
use elman_kernels::{Cpu, Element, pad};

pub use elman_kernels::recurrent::step::Precision;

use super::stepper;
use crate::autodiff::nodes::Sequence;
use crate::autodiff::tape::Tape;
use crate::error::Error;
use crate::nn::layer::Pass;
use crate::nn::network::{Input, Network};
use crate::nn::state::State;

/// The most rows of a session: beyond it the outputs alone would fill a small machine.
const MAX_ROWS: usize = 1 << 14;

/// A network and the states of its rows.
pub struct Session<E> {
    network: Network<E>,
    cpu: Cpu,
    precision: Precision,
    body: Body<E>,
    /// Whether the network has single steps of the kernels.
    has_steps: bool,
    /// `[rows, outputs]` of the last step.
    outputs: Vec<E>,
}

/// How steps are made. Both give the same bits.
enum Body<E> {
    /// All rows at once, as nodes of a tape that records nothing.
    Tape { tape: Box<Tape<E>>, state: State<E> },
    /// Row after row, over weights that are laid out for single steps. `row` is `[pad(outputs)]`.
    Steps { stepper: Box<Stepper<E>>, states: Vec<step::State<E>>, row: Vec<E> },
}

/// What a step reads.
enum Read<'a, E> {
    Tokens(&'a [u32]),
    Vectors(&'a [E]),
}

impl<E: Element> Session<E> {
    /// `rows` rows of a network, each at the start of a sequence.
    ///
    /// Errors: no rows; a network of which an output depends on a later input; narrow weights (`precision`) for layers
    /// that have no single steps of the kernels, or in f64.
    pub fn new(network: Network<E>, rows: usize, precision: Precision, cpu: &Cpu) -> Result<Session<E>, Error> {
        if rows == 0 || rows > MAX_ROWS {
            let expected = format!("1 to {MAX_ROWS}");
            return Err(Error::Setting { name: "rows of a session", got: rows.to_string(), expected });
        }
        if !network.layers().is_causal() {
            let (got, expected) = ("a network that reads backward".into(), "one that reads forward only".into());
            return Err(Error::Setting { name: "network of a session", got, expected });
        }
        let state = network.layers().initial_state(network.params(), rows);
        let body = Body::of(&network, state, precision, cpu)?;
        let has_steps = stepper::exist_for(&network);
        Ok(Session { network, cpu: cpu.clone(), precision, body, has_steps, outputs: Vec::new() })
    }

    /// The network.
    pub fn network(&self) -> &Network<E> {
        &self.network
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match &self.body {
            Body::Tape { state, .. } => state.batch(),
            Body::Steps { states, .. } => states.len(),
        }
    }

    /// Threads that a step of one row runs on, where rows run one after another.
    pub fn threads(&self) -> Option<usize> {
        match &self.body {
            Body::Tape { .. } => None,
            Body::Steps { stepper, .. } => Some(stepper.threads()),
        }
    }

    /// Bytes of weights that a step of one row reads, where rows run one after another.
    pub fn bytes(&self) -> Option<usize> {
        match &self.body {
            Body::Tape { .. } => None,
            Body::Steps { stepper, .. } => Some(stepper.bytes()),
        }
    }

    /// One step: a token for each row. Returns the outputs `[rows, outputs]`, row-major.
    ///
    /// Errors: a network that reads vectors; another number of tokens than rows; a token out of range. Then no row has
    /// moved.
    pub fn step_tokens(&mut self, tokens: &[u32]) -> Result<&[E], Error> {
        self.advance(Read::Tokens(tokens))?;
        Ok(&self.outputs)
    }

    /// One step: a vector for each row, `[rows, inputs]`, row-major. Returns the outputs `[rows, outputs]`, row-major.
    ///
    /// Errors: a network that reads tokens; another number of values; a value that is not finite, by row and column.
    /// Then no row has moved.
    pub fn step(&mut self, inputs: &[E]) -> Result<&[E], Error> {
        self.advance(Read::Vectors(inputs))?;
        Ok(&self.outputs)
    }

    /// The outputs of the last step, which the caller may change.
    pub(crate) fn outputs_mut(&mut self) -> &mut [E] {
        &mut self.outputs
    }

    /// Checks what a step reads, so that nothing is half done.
    fn check(&self, read: &Read<'_, E>) -> Result<(), Error> {
        let rows = self.rows();
        match (self.network.input(), read) {
            (Input::Tokens(vocab_size), Read::Tokens(tokens)) => {
                if tokens.len() != rows {
                    let (got, expected) = (vec![tokens.len()], vec![rows]);
                    return Err(Error::Shape { name: "tokens of a step".into(), got, expected });
                }
                match tokens.iter().position(|&token| token as usize >= vocab_size) {
                    None => Ok(()),
                    Some(position) => {
                        let token = tokens[position];
                        Err(elman_kernels::Error::Token { token, position, limit: vocab_size }.into())
                    }
                }
            }
            (Input::Vectors(width), Read::Vectors(values)) => {
                if values.len() != rows * width {
                    let (got, expected) = (vec![values.len()], vec![rows, width]);
                    return Err(Error::Shape { name: "inputs of a step".into(), got, expected });
                }
                match values.iter().position(|x| !x.to_f64().is_finite()) {
                    None => Ok(()),
                    Some(at) => {
                        let (row, column) = (at / width.max(1), at % width.max(1));
                        let got = format!("{} in row {row}, column {column}", values[at]);
                        Err(Error::Setting { name: "input of a step", got, expected: "a finite number".into() })
                    }
                }
            }
            (input, _) => {
                let got = format!("{} for a network that reads {}", read.kind(), input.kind());
                Err(Error::Setting { name: "input of a step", got, expected: input.kind().into() })
            }
        }
    }

    fn advance(&mut self, read: Read<'_, E>) -> Result<(), Error> {
        self.check(&read)?;
        let Session { network, body, outputs, .. } = self;
        outputs.clear();
        match body {
            Body::Steps { stepper, states, row } => {
                let Read::Tokens(tokens) = read else {
                    unreachable!("only networks that read tokens have single steps")
                };
                for (&token, state) in tokens.iter().zip(states) {
                    stepper.step(token, state, row)?;
                    outputs.extend_from_slice(&row[..stepper.vocab_size()]);
                }
            }
            Body::Tape { tape, state } => {
                tape.start(false);
                let before = network.layers().begin(tape, network.params(), state, false)?;
                let x = match (read, network.input()) {
                    (Read::Tokens(tokens), input) => Sequence::Tokens { tokens, vocab_size: input.size() },
                    (Read::Vectors(values), input) => Sequence::Dense(tape.dense_leaf(input.size(), values, false)?),
                };
                let mut pass = Pass::plain(state.batch());
                let (y, after) = network.layers().run(tape, network.params(), x, &before, &mut pass)?;
                state.from_tape(tape, &after);
                for row in tape.value(y).chunks_exact(pad(y.cols()).max(1)) {
                    outputs.extend_from_slice(&row[..y.cols()]);
                }
                tape.recycle_vars([before, after]);
            }
        }
        Ok(())
    }

    /// The states of all rows, to be kept. Allocates.
    pub fn state(&self) -> State<E> {
        match &self.body {
            Body::Tape { state, .. } => state.clone(),
            Body::Steps { states, .. } => {
                let mut state = self.network.layers().zero_state(states.len());
                stepper::to_state(states, &mut state);
                state
            }
        }
    }

    /// Continues from states, as many rows as they have. Errors: those of another network; no rows.
    pub fn set_state(&mut self, state: &State<E>) -> Result<(), Error> {
        if !state.is_like(&self.network.layers().zero_state(0)) || state.batch() == 0 {
            let (got, expected) = (format!("{} rows of another network", state.batch()), "the network's".to_string());
            return Err(Error::Setting { name: "state of a session", got, expected });
        }
        let mut state = state.clone();
        state.was_begun();
        self.rebuild(state)
    }

    /// Adds a row at the start of a sequence; its number. Allocates.
    pub fn add_row(&mut self) -> Result<usize, Error> {
        let row = self.rows();
        if row == MAX_ROWS {
            let expected = format!("at most {MAX_ROWS}");
            return Err(Error::Setting { name: "rows of a session", got: format!("{row} and one more"), expected });
        }
        let mut state = self.network.layers().zero_state(row + 1);
        state.put_rows(0, &self.state());
        state.put_rows(row, &self.network.layers().initial_state(self.network.params(), 1));
        state.was_begun();
        self.rebuild(state)?;
        Ok(row)
    }

    /// Removes a row; those after it move up by one. Errors: no such row; it is the last one.
    pub fn remove_row(&mut self, row: usize) -> Result<(), Error> {
        let rest: Vec<usize> = (0..self.rows()).filter(|&other| other != row).collect();
        if rest.is_empty() || rest.len() == self.rows() {
            let expected = format!("one of {} rows, of which one stays", self.rows());
            return Err(Error::Setting { name: "row to remove", got: row.to_string(), expected });
        }
        self.pick(&rest)
    }

    /// Makes the rows those at `from`, in that order; a row may come several times. Allocates. Errors: no rows; no such
    /// row.
    pub fn pick(&mut self, from: &[usize]) -> Result<(), Error> {
        if from.is_empty() || from.len() > MAX_ROWS {
            let (got, expected) = (from.len().to_string(), format!("1 to {MAX_ROWS}"));
            return Err(Error::Setting { name: "rows of a session", got, expected });
        }
        let mut state = self.state().pick(from)?;
        state.was_begun();
        self.rebuild(state)
    }

    /// Copies the state of a row to another. Allocates. Errors: no such row.
    pub fn copy_row(&mut self, from: usize, to: usize) -> Result<(), Error> {
        let mut rows: Vec<usize> = (0..self.rows()).collect();
        let count = rows.len();
        let Some(place) = rows.get_mut(to).filter(|_| from < count) else {
            let got = format!("{from} to {to}");
            return Err(Error::Setting { name: "row to copy", got, expected: format!("rows below {count}") });
        };
        *place = from;
        self.pick(&rows)
    }

    /// Puts a row back to the start of a sequence. Allocates. Errors: no such row.
    pub fn reset_row(&mut self, row: usize) -> Result<(), Error> {
        if row >= self.rows() {
            let expected = format!("a row below {}", self.rows());
            return Err(Error::Setting { name: "row to reset", got: row.to_string(), expected });
        }
        let mut state = self.state();
        state.put_rows(row, &self.network.layers().initial_state(self.network.params(), 1));
        state.was_begun();
        self.rebuild(state)
    }

    /// Continues with other states, in the form that suits their number.
    fn rebuild(&mut self, new: State<E>) -> Result<(), Error> {
        match &mut self.body {
            Body::Tape { state, .. } if new.batch() > 1 || !self.has_steps => *state = new,
            Body::Steps { stepper, states, .. } if new.batch() == 1 || self.precision != Precision::Full => {
                *states = stepper::of_state(stepper, &new);
            }
            body => *body = Body::of(&self.network, new, self.precision, &self.cpu)?,
        }
        self.outputs.clear();
        Ok(())
    }
}

impl<E: Element> Read<'_, E> {
    fn kind(&self) -> &'static str {
        match self {
            Read::Tokens(_) => "tokens",
            Read::Vectors(_) => "vectors",
        }
    }
}

impl<E: Element> Body<E> {
    /// One row, or narrow weights: single steps, where the layers have them. Else the layers that train.
    fn of(network: &Network<E>, state: State<E>, precision: Precision, cpu: &Cpu) -> Result<Body<E>, Error> {
        let is_narrow = precision != Precision::Full;
        if is_narrow || state.batch() == 1 {
            if let Some(stepper) = stepper::of(network, precision, cpu)? {
                let row = vec![E::ZERO; pad(stepper.vocab_size())];
                let states = stepper::of_state(&stepper, &state);
                return Ok(Body::Steps { stepper: Box::new(stepper), states, row });
            }
            if is_narrow {
                let got = format!("{precision:?}").to_lowercase();
                let expected = "full: the model has layers without single steps of the kernels".to_string();
                return Err(Error::Setting { name: "precision of the weights", got, expected });
            }
        }
        Ok(Body::Tape { tape: Box::new(Tape::new(cpu)), state })
    }
}

impl<E> Debug for Session<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = match &self.body {
            Body::Tape { .. } => "together",
            Body::Steps { .. } => "one after another",
        };
        f.debug_struct("Session").field("rows", &rows).field("precision", &self.precision).finish_non_exhaustive()
    }
}
