//! Reads sequences of any length: tokens (one-hot or embedded) or vectors, then stacked recurrent layers under a mask.
//! Not here: heads and losses.

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use super::recurrent;
use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::Config;
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::embedding::Embedding;
use crate::nn::layer::{Layer, Pass};
use crate::nn::network::Input;
use crate::nn::stack::Stack;
use crate::nn::state::{State, StatePart};

/// An input and recurrent layers over it.
#[derive(Clone, Debug)]
pub struct Reader<E> {
    input: Input,
    embedding: Option<Embedding>,
    rnn: Stack<E>,
}

/// What was read: the last layer's output `[T*B, outputs]` and the state after it.
pub struct Read {
    /// The output at each step.
    pub output: Var,
    /// The state after the last step of each sequence, of all layers.
    pub after: Vec<Var>,
}

impl<E: Element> Reader<E> {
    /// Declares `{prefix}encoder.weight` where tokens are embedded, and the layers under `{prefix}rnn.`.
    pub fn declare(
        declaration: &mut Declaration,
        prefix: &str,
        config: &Config,
        input: Input,
        bidirectional: bool,
    ) -> Reader<E> {
        let embed = config.embed;
        let embedding = match input {
            Input::Tokens(rows) if embed > 0 => {
                Some(Embedding::declare(declaration, &format!("{prefix}encoder"), rows, embed))
            }
            _ => None,
        };
        let input_size = embedding.map_or(input.size(), |_| embed);
        let rnn = recurrent::declare(declaration, prefix, config, input_size, bidirectional);
        Reader { input, embedding, rnn }
    }

    /// Columns of its output.
    pub fn outputs(&self) -> usize {
        self.rnn.outputs()
    }

    /// The parts of its state.
    pub fn states(&self) -> &[StatePart] {
        self.rnn.states()
    }

    /// The state before the first step, of `rows` sequences.
    pub fn initial_state(&self, params: &Params<E>, rows: usize) -> State<E> {
        self.rnn.as_layer().initial_state(params, rows)
    }

    /// Reads a batch from the initial state. Errors: another kind of input; a token out of range.
    pub fn read(
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
    pub fn read_from(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        batch: &Padded<E>,
        state: &State<E>,
        dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Read, Error> {
        let x = match (self.input, self.embedding) {
            (Input::Tokens(_), Some(embedding)) => Sequence::Dense(embedding.rows(tape, params, &batch.tokens)?),
            (Input::Tokens(vocab_size), None) => Sequence::Tokens { tokens: &batch.tokens, vocab_size },
            (Input::Vectors(width), _) => Sequence::Dense(tape.dense_leaf(width, &batch.vectors, false)?),
        };
        if x.rows() != batch.steps * batch.rows {
            let (name, expected) = ("input of a reader".to_string(), vec![batch.steps * batch.rows]);
            return Err(Error::Shape { name, got: vec![x.rows()], expected });
        }
        let rnn = self.rnn.as_layer();
        let before = rnn.begin(tape, params, state, false)?;
        let mut pass = Pass { batch: batch.rows, mask: Some(&batch.mask), dropout };
        let (output, after) = rnn.run(tape, params, x, &before, &mut pass)?;
        Ok(Read { output, after })
    }

    /// The last layer's h after the last step of each sequence, of each direction.
    pub fn last(&self, read: &Read) -> Vec<Var> {
        let states = self.rnn.layers().last().map_or(0, |layer| layer.states().len());
        let last = self.rnn.states().iter().zip(&read.after).skip(read.after.len() - states);
        last.filter(|(part, _)| part.name.starts_with('h')).map(|(_, &var)| var).collect()
    }
}
