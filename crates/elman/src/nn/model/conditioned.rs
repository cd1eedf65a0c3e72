//! The conditioned language model, one to many. A class or a vector of numbers sets the initial state of the recurrent
//! layers, or is concatenated to the token at every step, or both; an affine head predicts the next token. Not here:
//! text; it sees ids.

use elman_kernels::{Element, pad};
use rand_chacha::ChaCha8Rng;

use super::first_state::FirstState;
use super::{Declared, Model};
use crate::autodiff::nodes::{LinearIds, Sequence};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Condition, Config};
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::embedding::Embedding;
use crate::nn::layer::{Layer, Pass};
use crate::nn::network::Input;
use crate::nn::stack::{Recurrent, Stack};
use crate::nn::state::State;

/// A conditioned language model and its parameters: made for a number of tokens and what a condition is.
pub type Conditioned<E> = Model<E, Layers<E>>;

/// Its layers.
#[derive(Clone, Debug)]
pub struct Layers<E> {
    vocab_size: usize,
    encoder: Embedding,
    given: Input,
    /// What a class or a vector becomes first.
    condition: Given,
    /// How the first state follows from it; None where the state begins with zero.
    initial: Option<FirstState>,
    at_every_step: bool,
    rnn: Stack<E>,
    output_dropout: Dropout,
    head: LinearIds,
}

/// The map of the condition, of width `embed`.
#[derive(Clone, Copy, Debug)]
enum Given {
    Class(Embedding),
    Vector(LinearIds),
}

/// What texts are written for: the classes, or the vectors row after row.
#[derive(Clone, Debug, PartialEq)]
pub enum Conditions<E> {
    /// A class for each row.
    Classes(Vec<u32>),
    /// A vector for each row.
    Vectors(Vec<E>),
}

impl<E: Element> Declared for Layers<E> {
    /// Tokens; the number of classes or the width of the vectors that texts are written for.
    type Sizes = (usize, Input);

    fn declare(config: &Config, (vocab_size, given): (usize, Input)) -> Result<(Layers<E>, Declaration), Error> {
        let how = config.generate()?.condition;
        let (embed, hidden_sizes) = (config.embed, config.hidden_sizes());
        if embed == 0 {
            let expected = "1 or more: a condition has the width of an embedding".to_string();
            return Err(Error::Setting { name: "embed", got: "0".into(), expected });
        }
        let mut declaration = Declaration::default();
        let encoder = Embedding::declare(&mut declaration, "encoder", vocab_size, embed);
        let condition = match given {
            Input::Tokens(classes) => {
                Given::Class(Embedding::declare(&mut declaration, "condition.encoder", classes, embed))
            }
            Input::Vectors(width) => Given::Vector(LinearIds::declare(&mut declaration, "condition", width, embed)),
        };
        let initial =
            (how != Condition::Steps).then(|| FirstState::declare(&mut declaration, "condition", config, embed));
        let at_every_step = how != Condition::State;
        let input_size = if at_every_step { 2 * embed } else { embed };
        let dropout = Dropout { p: config.dropout, locked: config.locked_dropout };
        let recurrent = Recurrent { dropout, ..Recurrent::plain(config.cell, input_size, &hidden_sizes) };
        let rnn = recurrent.declare(&mut declaration, "rnn.");
        let head = LinearIds::declare(&mut declaration, "decoder", rnn.outputs(), vocab_size);
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        let layers =
            Layers { vocab_size, encoder, given, condition, initial, at_every_step, rnn, output_dropout, head };
        Ok((layers, declaration))
    }
}

impl<E: Element> Conditioned<E> {
    /// The condition of each of `steps` times as many rows, `[steps*B, embed]`.
    fn condition(&self, tape: &mut Tape<E>, given: &Conditions<E>, steps: usize) -> Result<Var, Error> {
        let layers = &self.layers;
        match (layers.condition, given, layers.given) {
            (Given::Class(table), Conditions::Classes(classes), Input::Tokens(_)) => {
                table.rows(tape, &self.params, &classes.repeat(steps))
            }
            (Given::Vector(map), Conditions::Vectors(rows), Input::Vectors(width)) => {
                let x = tape.dense_leaf(width, &rows.repeat(steps), false)?;
                let y = tape.linear(&self.params, map, layers.encoder.width(), x)?;
                tape.tanh(y)
            }
            _ => Err(Error::Setting { name: "condition", got: "another kind".into(), expected: "the model's".into() }),
        }
    }

    /// The state that texts for these conditions begin from, on the tape.
    fn begin(&self, tape: &mut Tape<E>, given: &Conditions<E>, rows: usize) -> Result<Vec<Var>, Error> {
        let layers = &self.layers;
        let Some(initial) = &layers.initial else {
            return Ok(layers.rnn.as_layer().zero_state(rows).to_tape(tape, false));
        };
        let condition = self.condition(tape, given, 1)?;
        initial.of(tape, &self.params, layers.rnn.states(), rows, |_, _| Ok(condition))
    }

    /// Logits `[T*B, V]` of what follows `tokens` `[T*B]` from the state `before`, and the state after them.
    fn forward(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        given: &Conditions<E>,
        before: &[Var],
        mask: Option<&[bool]>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, Vec<Var>), Error> {
        let layers = &self.layers;
        let rows = before.first().map_or(1, Var::rows);
        let mut x = layers.encoder.rows(tape, &self.params, tokens)?;
        if layers.at_every_step {
            let condition = self.condition(tape, given, tokens.len() / rows.max(1))?;
            x = tape.concat(&[x, condition])?;
        }
        let x = Sequence::Dense(x);
        let mut pass = Pass { batch: rows, mask, dropout: dropout.as_deref_mut() };
        let (mut y, after) = layers.rnn.as_layer().run(tape, &self.params, x, before, &mut pass)?;
        if let Some(rng) = dropout {
            y = layers.output_dropout.apply(tape, rng, y, rows)?;
        }
        Ok((tape.linear(&self.params, layers.head, layers.vocab_size, y)?, after))
    }

    /// The loss of `targets` `[T*B]` after `tokens` `[T*B]`: the mean in nats over those that count, and the sum. With
    /// `grads`, which are overwritten, dropout is on as `dropout` says.
    pub fn loss(
        &self,
        tape: &mut Tape<E>,
        [tokens, targets]: [&[u32]; 2],
        given: &Conditions<E>,
        mask: &[bool],
        rows: usize,
        learn: Option<(&mut Params<E>, Option<ChaCha8Rng>)>,
    ) -> Result<(f64, f64), Error> {
        let (grads, mut dropout) = learn.map_or((None, None), |(grads, dropout)| (Some(grads), dropout));
        tape.start(grads.is_some());
        let before = self.begin(tape, given, rows)?;
        let (logits, _) = self.forward(tape, tokens, given, &before, Some(mask), dropout.as_mut())?;
        let (loss, sum) = tape.cross_entropy(logits, targets)?;
        let mean = match grads {
            Some(grads) => tape.gradients(loss, &self.params, grads)?,
            None => tape.value(loss)[0].to_f64(),
        };
        Ok((mean, sum))
    }

    /// The state that texts for these conditions begin from.
    pub fn initial_state(&self, tape: &mut Tape<E>, given: &Conditions<E>, rows: usize) -> Result<State<E>, Error> {
        tape.start(false);
        let begun = self.begin(tape, given, rows)?;
        let mut state = self.layers.rnn.as_layer().zero_state(rows);
        state.from_tape(tape, &begun);
        Ok(state)
    }

    /// One step for each row: logits `[B, V]`, row-major; `state` is advanced.
    pub fn step(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        given: &Conditions<E>,
        state: &mut State<E>,
    ) -> Result<Vec<E>, Error> {
        tape.start(false);
        let before = state.to_tape(tape, false);
        let (logits, after) = self.forward(tape, tokens, given, &before, None, None)?;
        state.from_tape(tape, &after);
        let width = self.layers.vocab_size;
        Ok(tape.value(logits).chunks_exact(pad(width)).flat_map(|row| row[..width].to_vec()).collect())
    }
}
