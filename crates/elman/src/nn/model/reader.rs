//! Holds what reads sequences of any length: tokens (one-hot or embedded) or vectors, then stacked recurrent layers under a
//! mask. Refuses heads and losses.

use elman_kernels::Element;
use elman_kernels::layout::Layout;
use rand_chacha::ChaCha8Rng;

use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Config, InitialState};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::recurrent::{Dropout, Recurrent, Stack, State, TapeState};

/// What a step of a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// One of so many tokens.
    Tokens(usize),
    /// So many numbers.
    Vectors(usize),
}

impl Input {
    /// V, or the numbers of a vector.
    pub fn size(self) -> usize {
        match self {
            Input::Tokens(size) | Input::Vectors(size) => size,
        }
    }
}

/// An input and recurrent layers over it.
#[derive(Clone, Debug)]
pub struct Reader {
    input: Input,
    /// The embedding and its width.
    table: Option<(ParamId, usize)>,
    rnn: Recurrent,
    outputs: usize,
    ways: usize,
}

/// What was read: the last layer's output `[T*B, outputs]` and the state after it.
pub struct Read {
    /// The output at each step.
    pub output: Var,
    /// The state after the last step of each sequence, of all layers.
    pub after: TapeState,
}

impl Reader {
    /// Declares `{prefix}encoder.weight` where tokens are embedded, and the layers under `{prefix}rnn.`.
    pub fn declare(
        declaration: &mut Declaration,
        prefix: &str,
        config: &Config,
        input: Input,
        bidirectional: bool,
    ) -> Reader {
        let (hidden_sizes, embed) = (config.hidden_sizes(), config.embed);
        let table = match input {
            Input::Tokens(rows) if embed > 0 => {
                let layout = Layout::Table { rows, cols: embed };
                Some((declaration.matrix(format!("{prefix}encoder.weight"), layout), embed))
            }
            _ => None,
        };
        let stack = Stack {
            cell: config.cell,
            input_size: table.map_or(input.size(), |(_, embed)| embed),
            hidden_sizes: &hidden_sizes,
            bidirectional,
            learned_state: config.initial_state == InitialState::Learned,
            dropout: Dropout { p: config.dropout, locked: config.locked_dropout },
        };
        let rnn = Recurrent::declare(declaration, &format!("{prefix}rnn."), &stack);
        let ways = if bidirectional { 2 } else { 1 };
        Reader { input, table, rnn, outputs: ways * hidden_sizes.last().copied().unwrap_or_default(), ways }
    }

    /// Columns of its output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The state before the first step, of `rows` sequences.
    pub fn initial_state<E: Element>(&self, params: &Params<E>, rows: usize) -> State<E> {
        self.rnn.initial_state(params, rows)
    }

    /// Reads a batch from the initial state. Errors: another kind of input; a token out of range.
    pub fn read<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        batch: &Padded<E>,
        dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Read, Error> {
        let state = self.initial_state(params, batch.rows);
        self.read_from(tape, params, batch, &state, dropout)
    }

    /// As [`Reader::read`], from a state of as many rows.
    pub fn read_from<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        batch: &Padded<E>,
        state: &State<E>,
        dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Read, Error> {
        let x = match (self.input, self.table) {
            (Input::Tokens(vocab_size), Some((table, width))) => {
                Sequence::Dense(tape.embed(params, table, vocab_size, width, &batch.tokens)?)
            }
            (Input::Tokens(vocab_size), None) => Sequence::Tokens { tokens: &batch.tokens, vocab_size },
            (Input::Vectors(width), _) => Sequence::Dense(tape.dense_leaf(width, &batch.vectors, false)?),
        };
        if x.rows() != batch.steps * batch.rows {
            let (name, expected) = ("input of a reader".to_string(), vec![batch.steps * batch.rows]);
            return Err(Error::Shape { name, got: vec![x.rows()], expected });
        }
        let before = self.rnn.begin(tape, params, state, false)?;
        let (output, after) = self.rnn.forward(tape, params, x, &before, Some(&batch.present), dropout)?;
        Ok(Read { output, after })
    }

    /// The last layer's h after the last step of each sequence, of both directions side by side: `[B, outputs]`.
    pub fn last<E: Element>(&self, tape: &mut Tape<E>, read: &Read) -> Result<Var, Error> {
        let last: Vec<Var> = read.after[read.after.len() - self.ways..].iter().map(|state| state.hidden).collect();
        tape.concat(&last)
    }
}
