//! The language model: tokens (one-hot or embedded), stacked recurrent layers, affine head (its weight may be tied to
//! the embedding's), cross-entropy. Not here: text and optimizers; it sees token ids and gives gradients.

use std::sync::Arc;

use elman_kernels::layout::Layout;
use elman_kernels::{Element, linear, pad};
use rand_chacha::ChaCha8Rng;

use super::{Declared, Model, recurrent};
use crate::autodiff::nodes::{LinearIds, Sequence, Targets};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::Config;
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::embedding::Embedding;
use crate::nn::layer::{Layer, Pass, Sizes};
use crate::nn::linear::Linear;
use crate::nn::network::{Input, Network};
use crate::nn::shards::{Shard, Shards};
use crate::nn::stack::Stack;
use crate::nn::state::State;

/// A language model and its parameters: made for a number of tokens.
pub type LanguageModel<E> = Model<E, Layers<E>>;

/// Its layers.
#[derive(Clone, Debug)]
pub struct Layers<E> {
    vocab_size: usize,
    encoder: Option<Embedding>,
    rnn: Stack<E>,
    output_dropout: Dropout,
    decoder: LinearIds,
}

impl<E: Element> Declared for Layers<E> {
    /// Tokens of the vocabulary.
    type Sizes = usize;

    fn declare(config: &Config, vocab_size: usize) -> Result<(Layers<E>, Declaration), Error> {
        if vocab_size == 0 {
            let (got, expected) = ("0".into(), "at least 1".into());
            return Err(Error::Setting { name: "vocab_size", got, expected });
        }
        let mut declaration = Declaration::default();
        let (embed, hidden_sizes) = (config.embed, config.hidden_sizes());
        let inputs = hidden_sizes.last().copied().unwrap_or_default();
        let head = linear::Dims { rows: 0, inputs, outputs: vocab_size };
        // Where both maps are one parameter, its layout is the one the product reads.
        let table = if config.tied { head.weight() } else { Layout::Table { rows: vocab_size, cols: embed } };
        let encoder = (embed > 0).then(|| Embedding::declare_as(&mut declaration, "encoder", table));
        let input_size = if embed > 0 { embed } else { vocab_size };
        let rnn = recurrent::declare(&mut declaration, "", config, input_size, false);
        let decoder = LinearIds {
            weight: match encoder {
                Some(encoder) if config.tied => encoder.table(),
                _ => declaration.matrix("decoder.weight", head.weight()),
            },
            bias: declaration.vector("decoder.bias", head.bias()),
        };
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { vocab_size, encoder, rnn, output_dropout, decoder }, declaration))
    }
}

impl<E: Element> Layers<E> {
    /// What the memory estimate adds up.
    pub(crate) fn sizes(&self, declaration: &Declaration) -> Sizes {
        Sizes {
            packed: declaration.packed_len(),
            logical: declaration.count(),
            largest: declaration.largest(),
            layers: self.rnn.memory(),
            embed: self.encoder.map_or(0, |encoder| encoder.width()),
            output_dropped: if self.output_dropout.p > 0.0 { self.rnn.outputs() } else { 0 },
            outputs: self.vocab_size,
        }
    }
}

impl<E: Element> LanguageModel<E> {
    /// V.
    pub fn vocab_size(&self) -> usize {
        self.layers.vocab_size
    }

    /// The network as it is run: embedding, recurrent layers and head in one stack, sharing the parameters' memory.
    pub fn network(&self) -> Network<E> {
        let mut layers: Vec<Arc<dyn Layer<E>>> = Vec::new();
        if let Some(encoder) = self.layers.encoder {
            layers.push(Arc::new(encoder));
        }
        layers.extend(self.layers.rnn.layers().iter().cloned());
        layers.push(Arc::new(Linear::of(self.layers.decoder, self.layers.vocab_size)));
        Network::new(Arc::new(Stack::of(layers)), self.params.clone(), Input::Tokens(self.layers.vocab_size))
    }

    /// The state that a text begins from, for `batch` rows: zero, or what was learned.
    pub fn initial_state(&self, batch: usize) -> State<E> {
        self.layers.rnn.as_layer().initial_state(&self.params, batch)
    }

    /// Makes a state the initial one.
    pub fn reset(&self, state: &mut State<E>) {
        self.layers.rnn.as_layer().reset(&self.params, state);
    }

    /// Makes a state the initial one of `batch` rows. Allocates where it has another number of them.
    pub fn restart<'a>(&self, state: &'a mut State<E>, batch: usize) -> &'a mut State<E> {
        if state.batch() != batch {
            *state = self.layers.rnn.as_layer().zero_state(batch);
        }
        self.reset(state);
        state
    }

    /// Puts a state on the tape. The initial one brings its parameters with it.
    pub fn begin(&self, tape: &mut Tape<E>, state: &State<E>) -> Result<Vec<Var>, Error> {
        self.layers.rnn.as_layer().begin(tape, &self.params, state, false)
    }

    /// Logits `[T*B, V]` for tokens `[T*B]`, and the state after them.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        state: &[Var],
        dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, Vec<Var>), Error> {
        let (y, after) = self.layers(tape, tokens, state, dropout)?;
        Ok((tape.linear(&self.params, self.layers.decoder, self.layers.vocab_size, y)?, after))
    }

    /// What the head reads, `[T*B, H]`, and the state after the tokens.
    fn layers(
        &self,
        tape: &mut Tape<E>,
        tokens: &[u32],
        state: &[Var],
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<(Var, Vec<Var>), Error> {
        let x = match self.layers.encoder {
            Some(encoder) => Sequence::Dense(encoder.rows(tape, &self.params, tokens)?),
            None => Sequence::Tokens { tokens, vocab_size: self.layers.vocab_size },
        };
        let batch = state.first().map_or(1, Var::rows);
        let mut pass = Pass { batch, mask: None, dropout: dropout.as_deref_mut() };
        let (mut y, after) = self.layers.rnn.as_layer().run(tape, &self.params, x, state, &mut pass)?;
        if let Some(rng) = dropout {
            y = self.layers.output_dropout.apply(tape, rng, y, batch)?;
        }
        Ok((y, after))
    }

    /// One step of truncated BPTT: the mean loss in nats. `grads` is overwritten; `state` is advanced and detached. A
    /// large batch is done in two shards of its rows, each with masks of its own, whose gradients are summed at the
    /// end; sizes decide, not threads.
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
        let sizes = [if inputs.len() == targets.len() { targets.len() } else { 0 }, batch];
        let zero_state = |rows| self.layers.rnn.as_layer().zero_state(rows);
        if !shards.prepare(&tape.memory.cpu, &self.params, sizes, zero_state)? || !shards.take_state(state) {
            let targets = Targets { tokens: targets, batch, counted };
            let sum = self.forward_and_back(tape, inputs, targets, state, dropout.as_mut(), grads)?;
            return Ok(sum / counted as f64);
        }
        shards.give_out([inputs, targets], state, dropout.as_ref());
        let sum = shards.run(&tape.memory.cpu, state, grads, |shard| {
            let Shard { tape, inputs, targets, state, dropout, grads, sum, .. } = shard;
            let targets = Targets { tokens: targets, batch: state.batch(), counted };
            *sum = self.forward_and_back(tape, inputs, targets, state, dropout.as_mut(), grads);
        })?;
        Ok(sum / counted as f64)
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
        let sum = tape.linear_cross_entropy(
            &self.params,
            self.layers.decoder,
            self.layers.vocab_size,
            y,
            targets,
            Some(&mut *grads),
        )?;
        state.from_tape(tape, &after);
        tape.recycle_vars([before, after]);
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
        let sum =
            tape.linear_cross_entropy(&self.params, self.layers.decoder, self.layers.vocab_size, y, targets, None)?;
        state.from_tape(tape, &after);
        tape.recycle_vars([before, after]);
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
        tape.recycle_vars([before, after]);
        logits.clear();
        for row in tape.value(rows).chunks_exact(pad(self.layers.vocab_size)) {
            logits.extend_from_slice(&row[..self.layers.vocab_size]);
        }
        Ok(())
    }
}
