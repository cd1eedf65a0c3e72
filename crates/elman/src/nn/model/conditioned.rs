//! Holds the conditioned language model: one to many. A class or a vector of numbers sets the initial state of the recurrent
//! layers, or stands beside the token at every step, or both; an affine head says the next token. Refuses text: it sees ids.

use elman_kernels::{Element, linear, pad};
use rand_chacha::ChaCha8Rng;

use super::init;
use super::reader::Input;
use crate::autodiff::nodes::{LinearIds, Sequence, StateVars};
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Condition, Config};
use crate::error::Error;
use crate::nn::recurrent::{Dropout, Recurrent, Stack, State, TapeState};

/// A conditioned language model and its parameters.
#[derive(Clone, Debug)]
pub struct Conditioned<E> {
    layers: Layers,
    params: Params<E>,
}

/// A conditioned language model without the memory of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    vocab_size: usize,
    embed: usize,
    encoder: ParamId,
    given: Input,
    /// What a class or a vector becomes first.
    condition: Given,
    /// How the initial h and c of each layer follow from it.
    initial: Vec<(LinearIds, Option<LinearIds>)>,
    hidden_sizes: Vec<usize>,
    at_every_step: bool,
    rnn: Recurrent,
    output_dropout: Dropout,
    head: LinearIds,
}

/// The map of the condition, of width `embed`.
#[derive(Clone, Copy, Debug)]
enum Given {
    Class(ParamId),
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

impl Layers {
    /// Declares what it is made of; `given` is the number of classes or the width of the vectors. Errors: settings of another
    /// task; tokens without an embedding.
    pub fn declare(config: &Config, vocab_size: usize, given: Input) -> Result<(Layers, Declaration), Error> {
        let how = config.generate()?.condition;
        let (embed, hidden_sizes) = (config.embed, config.hidden_sizes());
        if embed == 0 {
            let expected = "1 or more: a condition has the width of an embedding".to_string();
            return Err(Error::Setting { name: "embed", got: "0".into(), expected });
        }
        let mut declaration = Declaration::default();
        let encoder = declaration.table("encoder.weight", vocab_size, embed);
        let condition = match given {
            Input::Tokens(classes) => Given::Class(declaration.table("condition.encoder.weight", classes, embed)),
            Input::Vectors(width) => Given::Vector(affine(&mut declaration, "condition", width, embed)),
        };
        let mut initial = Vec::new();
        if how != Condition::Steps {
            for (l, &hidden) in hidden_sizes.iter().enumerate() {
                let h = affine(&mut declaration, &format!("condition.h_l{l}"), embed, hidden);
                let has_cell = config.cell.has_cell();
                initial
                    .push((h, has_cell.then(|| affine(&mut declaration, &format!("condition.c_l{l}"), embed, hidden))));
            }
        }
        let at_every_step = how != Condition::State;
        let input_size = if at_every_step { 2 * embed } else { embed };
        let dropout = Dropout { p: config.dropout, locked: config.locked_dropout };
        let stack = Stack { dropout, ..Stack::plain(config.cell, input_size, &hidden_sizes) };
        let rnn = Recurrent::declare(&mut declaration, "rnn.", &stack);
        let head = affine(&mut declaration, "decoder", hidden_sizes.last().copied().unwrap_or_default(), vocab_size);
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        let layers = Layers {
            vocab_size,
            embed,
            encoder,
            given,
            condition,
            initial,
            hidden_sizes,
            at_every_step,
            rnn,
            output_dropout,
            head,
        };
        Ok((layers, declaration))
    }
}

fn affine(declaration: &mut Declaration, name: &str, inputs: usize, outputs: usize) -> LinearIds {
    let d = linear::Dims { rows: 0, inputs, outputs };
    LinearIds {
        weight: declaration.matrix(format!("{name}.weight"), d.weight()),
        bias: declaration.vector(format!("{name}.bias"), d.bias()),
    }
}

impl<E: Element> Conditioned<E> {
    /// A fresh model. Errors: an impossible configuration, or one of another task; no memory.
    pub fn new(config: &Config, vocab_size: usize, given: Input) -> Result<Self, Error> {
        config.check()?;
        let (layers, declaration) = Layers::declare(config, vocab_size, given)?;
        let mut params = declaration.zeros()?;
        init::draw(config, &mut params)?;
        Ok(Conditioned { layers, params })
    }

    /// A model with given parameters, declared by its layers.
    pub(crate) fn of(layers: Layers, params: Params<E>) -> Self {
        Conditioned { layers, params }
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }

    /// The condition of each of `steps` times as many rows, `[steps*B, embed]`.
    fn condition(&self, tape: &mut Tape<E>, given: &Conditions<E>, steps: usize) -> Result<Var, Error> {
        let layers = &self.layers;
        match (layers.condition, given, layers.given) {
            (Given::Class(table), Conditions::Classes(classes), Input::Tokens(count)) => {
                tape.embed(&self.params, table, count, layers.embed, &classes.repeat(steps))
            }
            (Given::Vector(map), Conditions::Vectors(rows), Input::Vectors(width)) => {
                let x = tape.dense_leaf(width, &rows.repeat(steps), false)?;
                let y = tape.linear(&self.params, map, layers.embed, x)?;
                tape.tanh(y)
            }
            _ => Err(Error::Setting { name: "condition", got: "another kind".into(), expected: "the model's".into() }),
        }
    }

    /// The state that texts for these conditions begin from, on the tape.
    fn begin(&self, tape: &mut Tape<E>, given: &Conditions<E>, rows: usize) -> Result<TapeState, Error> {
        let layers = &self.layers;
        if layers.initial.is_empty() {
            let state: State<E> = layers.rnn.zero_state(rows);
            return Ok(state.to_tape(tape, false));
        }
        let condition = self.condition(tape, given, 1)?;
        let mut state = Vec::with_capacity(layers.initial.len());
        for (&(h, c), &hidden) in layers.initial.iter().zip(&layers.hidden_sizes) {
            let h = tape.linear(&self.params, h, hidden, condition)?;
            let cell = c.map(|c| tape.linear(&self.params, c, hidden, condition)).transpose()?;
            state.push(StateVars { hidden: tape.tanh(h)?, cell });
        }
        Ok(state)
    }

    /// Logits `[T*B, V]` of what follows `tokens` `[T*B]` from the state `before`, and the state after them.
    fn forward(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        given: &Conditions<E>,
        before: &TapeState,
        present: Option<&[bool]>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, TapeState), Error> {
        let layers = &self.layers;
        let rows = before.first().map_or(1, |state| state.hidden.rows());
        let mut x = tape.embed(&self.params, layers.encoder, layers.vocab_size, layers.embed, tokens)?;
        if layers.at_every_step {
            let condition = self.condition(tape, given, tokens.len() / rows.max(1))?;
            x = tape.concat(&[x, condition])?;
        }
        let x = Sequence::Dense(x);
        let (mut y, after) = layers.rnn.forward(tape, &self.params, x, before, present, dropout.as_deref_mut())?;
        if let Some(rng) = dropout {
            y = layers.output_dropout.apply(tape, rng, y, rows)?;
        }
        Ok((tape.linear(&self.params, layers.head, layers.vocab_size, y)?, after))
    }

    /// The loss of `targets` `[T*B]` after `tokens` `[T*B]`: the mean in nats over those that count, and the sum. With `grads`,
    /// which are overwritten, dropout is on as `dropout` says.
    pub fn loss(
        &self,
        tape: &mut Tape<E>,
        [tokens, targets]: [&[u32]; 2],
        given: &Conditions<E>,
        present: &[bool],
        rows: usize,
        learn: Option<(&mut Params<E>, Option<ChaCha8Rng>)>,
    ) -> Result<(f64, f64), Error> {
        let (grads, mut dropout) = learn.map_or((None, None), |(grads, dropout)| (Some(grads), dropout));
        tape.start(grads.is_some());
        let before = self.begin(tape, given, rows)?;
        let (logits, _) = self.forward(tape, tokens, given, &before, Some(present), dropout.as_mut())?;
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
        let mut state = self.layers.rnn.zero_state(rows);
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
