//! Holds the language model: tokens (one-hot or embedded), stacked recurrent layers, affine head (its weight may be the
//! embedding's), cross-entropy.
//! Refuses text and optimizers: it sees token ids and leaves gradients.

mod stepper;

use elman_kernels::layout::Layout;
use elman_kernels::{Element, linear, pad};
use rand_chacha::ChaCha8Rng;

use super::init;
use crate::autodiff::nodes::{LinearIds, Sequence, Targets};
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Config, InitialState};
use crate::error::Error;
use crate::nn::recurrent::{Dropout, Recurrent, Stack, State, TapeState};
use crate::nn::shards::{Half, Halves, Shards, is_worth_it};

/// A language model and its parameters.
#[derive(Clone, Debug)]
pub struct LanguageModel<E> {
    vocab_size: usize,
    embed: usize,
    encoder: Option<ParamId>,
    rnn: Recurrent,
    output_dropout: Dropout,
    decoder: LinearIds,
    params: Params<E>,
}

impl<E: Element> LanguageModel<E> {
    /// A fresh model: every parameter drawn as `init` says, in the order of the state dict, then `forget_bias` added to the
    /// forget gate's part of each `bias_ih` of an LSTM.
    ///
    /// Errors: an impossible configuration; a vocabulary of fewer than one token.
    pub fn new(config: &Config, vocab_size: usize) -> Result<Self, Error> {
        config.check()?;
        let mut model = Self::zeros(config, vocab_size)?;
        init::draw(config, &mut model.params)?;
        Ok(model)
    }

    /// A model of zeros, to be filled from a file.
    pub fn zeros(config: &Config, vocab_size: usize) -> Result<Self, Error> {
        if vocab_size == 0 {
            let (got, expected) = ("0".into(), "at least 1".into());
            return Err(Error::Setting { name: "vocab_size", got, expected });
        }
        let mut declaration = Declaration::default();
        let (embed, hidden_sizes) = (config.embed, config.hidden_sizes());
        let inputs = hidden_sizes.last().copied().unwrap_or_default();
        let head = linear::Dims { rows: 0, inputs, outputs: vocab_size };
        // Where both maps are one parameter, it lies as the product reads it.
        let table = if config.tied { head.weight() } else { Layout::Table { rows: vocab_size, cols: embed } };
        let encoder = (embed > 0).then(|| declaration.matrix("encoder.weight", table));
        let stack = Stack {
            cell: config.cell,
            input_size: if embed > 0 { embed } else { vocab_size },
            hidden_sizes: &hidden_sizes,
            bidirectional: false,
            learned_state: config.initial_state == InitialState::Learned,
            dropout: Dropout { p: config.dropout, locked: config.locked_dropout },
        };
        let rnn = Recurrent::declare(&mut declaration, "rnn.", &stack);
        let decoder = LinearIds {
            weight: match encoder {
                Some(encoder) if config.tied => encoder,
                _ => declaration.matrix("decoder.weight", head.weight()),
            },
            bias: declaration.vector("decoder.bias", head.bias()),
        };
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok(LanguageModel { vocab_size, embed, encoder, rnn, output_dropout, decoder, params: declaration.zeros()? })
    }

    /// V.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }

    /// The state that a text begins from, for `batch` rows: zero, or what was learned.
    pub fn initial_state(&self, batch: usize) -> State<E> {
        self.rnn.initial_state(&self.params, batch)
    }

    /// Makes a state the initial one.
    pub fn reset(&self, state: &mut State<E>) {
        self.rnn.reset(&self.params, state);
    }

    /// Makes a state the initial one of `batch` rows. Allocates where it has another number of them.
    pub fn restart<'a>(&self, state: &'a mut State<E>, batch: usize) -> &'a mut State<E> {
        if state.batch() != batch {
            *state = self.rnn.zero_state(batch);
        }
        self.reset(state);
        state
    }

    /// Puts a state on the tape. The initial one brings its parameters with it.
    pub fn begin(&self, tape: &mut Tape<E>, state: &State<E>) -> Result<TapeState, Error> {
        self.rnn.begin(tape, &self.params, state, false)
    }

    /// Logits `[T*B, V]` for tokens `[T*B]`, and the state after them.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        state: &TapeState,
        dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, TapeState), Error> {
        let (y, after) = self.layers(tape, tokens, state, dropout)?;
        Ok((tape.linear(&self.params, self.decoder, self.vocab_size, y)?, after))
    }

    /// What the head reads, `[T*B, H]`, and the state after the tokens.
    fn layers(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        state: &TapeState,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, TapeState), Error> {
        let x = match self.encoder {
            Some(table) => Sequence::Dense(tape.embed(&self.params, table, self.vocab_size, self.embed, tokens)?),
            None => Sequence::Tokens { tokens, vocab_size: self.vocab_size },
        };
        let (mut y, after) = self.rnn.forward(tape, &self.params, x, state, None, dropout.as_deref_mut())?;
        if let (Some(rng), Some(state)) = (dropout, state.first()) {
            y = self.output_dropout.apply(tape, rng, y, state.hidden.rows())?;
        }
        Ok((y, after))
    }

    /// One step of truncated BPTT: the mean loss in nats. `grads` is overwritten; `state` is advanced and detached. A large
    /// batch is done in two halves of its rows, each with masks of its own, whose gradients are added at the end; sizes decide, not
    /// threads.
    ///
    /// Shapes: `inputs` and `targets` `[T*B]`, time-major (row t*B + b), B that of `state`.
    /// A target of [`elman_kernels::softmax::IGNORED`] does not count.
    /// `dropout`: the generator of this step's masks; `None` turns dropout off.
    #[allow(clippy::too_many_arguments)]
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        shards: &mut Shards<E>,
        inputs: &[u32],
        targets: &[u32],
        state: &mut State<E>,
        mut dropout: Option<ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        let (batch, counted) = (state.batch(), Targets::counted(targets));
        let worth_it = is_worth_it(targets.len(), batch, self.params.values().len());
        let halves = match worth_it && inputs.len() == targets.len() {
            true => Some(self.halves(tape, shards, batch)?),
            false => None,
        };
        let Some(mut halves) = halves.filter(|halves| halves.take_state(state)) else {
            let targets = Targets { tokens: targets, batch, counted };
            let sum = self.forward_and_back(tape, inputs, targets, state, dropout.as_mut(), grads)?;
            return Ok(sum / counted as f64);
        };
        halves.give_out(inputs, targets, state, dropout.as_ref());
        let Halves { pair: [first, second], second_grads } = &mut *halves;
        tape.memory.cpu.together(&mut [(first, &mut *grads), (second, second_grads)], |(half, grads)| {
            let Half { tape, inputs, targets, state, dropout, sum, .. } = half;
            let targets = Targets { tokens: targets, batch: state.batch(), counted };
            *sum = self.forward_and_back(tape, inputs, targets, state, dropout.as_mut(), grads);
        });
        let sum = halves.add_up(&tape.memory.cpu, state, grads);
        shards.0 = Some(halves);
        Ok(sum? / counted as f64)
    }

    /// The halves of an earlier step, or new ones where they were for something else.
    fn halves(&self, tape: &Tape<E>, shards: &mut Shards<E>, batch: usize) -> Result<Box<Halves<E>>, Error> {
        match shards.0.take().filter(|halves| halves.fit(&self.params, batch)) {
            Some(halves) => Ok(halves),
            None => Ok(Box::new(Halves::new(&tape.memory.cpu, &self.params, batch, |rows| self.rnn.zero_state(rows))?)),
        }
    }

    /// The sum of the losses of all these rows, at once.
    fn forward_and_back(
        &self,
        tape: &mut Tape<E>,
        inputs: &[u32],
        targets: Targets<'_>,
        state: &mut State<E>,
        dropout: Option<&mut ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        tape.start(true);
        let before = self.begin(tape, state)?;
        let (y, after) = self.layers(tape, inputs, &before, dropout)?;
        tape.memory.clear(grads.values_mut());
        let sum =
            tape.linear_cross_entropy(&self.params, self.decoder, self.vocab_size, y, targets, Some(&mut *grads))?;
        state.from_tape(tape, &after);
        tape.recycle_states([before, after]);
        tape.backward_seeded(&self.params, grads)?;
        Ok(sum)
    }

    /// Sum of the losses in nats, without dropout; `state` is advanced. Shapes: as [`Self::loss_and_grads`].
    pub fn loss_sum(
        &self,
        tape: &mut Tape<E>,
        inputs: &[u32],
        targets: &[u32],
        state: &mut State<E>,
    ) -> Result<f64, Error> {
        tape.start(false);
        let before = self.begin(tape, state)?;
        let (y, after) = self.layers(tape, inputs, &before, None)?;
        let targets = Targets { tokens: targets, batch: state.batch(), counted: Targets::counted(targets) };
        let sum = tape.linear_cross_entropy(&self.params, self.decoder, self.vocab_size, y, targets, None)?;
        state.from_tape(tape, &after);
        tape.recycle_states([before, after]);
        Ok(sum)
    }

    /// One step for each row of `state`, which is advanced: `logits` becomes `[B, V]`, row-major.
    pub fn step(
        &self,
        tape: &mut Tape<E>,
        inputs: &[u32],
        state: &mut State<E>,
        logits: &mut Vec<E>,
    ) -> Result<(), Error> {
        tape.start(false);
        let before = self.begin(tape, state)?;
        let (rows, after) = self.forward(tape, inputs, &before, None)?;
        state.from_tape(tape, &after);
        tape.recycle_states([before, after]);
        logits.clear();
        for row in tape.value(rows).chunks_exact(pad(self.vocab_size)) {
            logits.extend_from_slice(&row[..self.vocab_size]);
        }
        Ok(())
    }
}
