//! The network of forecasts: recurrent layers or a window over the steps, then the parameters of distributions: of the
//! next value, or of all values of the horizon, each from the state and from what is known of its step; or an ensemble
//! of these. Not here: names and scales.

use elman_kernels::{Element, pad};
use rand_chacha::ChaCha8Rng;

use super::{Declared, Model, recurrent};
use crate::autodiff::nodes::{LinearIds, Sequence};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Config, Memory};
use crate::data::series::{Batch, Widths};
use crate::error::Error;
use crate::metrics::distribution::Distribution;
use crate::nn::dropout::Dropout;
use crate::nn::embedding::Embedding;
use crate::nn::layer::Pass;
use crate::nn::losses::Mean;
use crate::nn::stack::Stack;
use crate::nn::state::State;

/// A network that forecasts, and its parameters.
pub type Forecaster<E> = Model<E, Layers<E>>;

/// Its layers.
#[derive(Clone, Debug)]
pub struct Layers<E> {
    networks: Vec<OneNetwork<E>>,
    distribution: Distribution,
    output_dropout: Dropout,
    /// Numbers at a step, categories left out.
    input: usize,
    future: usize,
}

/// One of the networks of an ensemble.
#[derive(Clone, Debug)]
struct OneNetwork<E> {
    embeddings: Vec<Embedding>,
    memory: Carrier<E>,
    decoder: Decoder,
}

/// What carries the past.
#[derive(Clone, Debug)]
enum Carrier<E> {
    Recurrent(Box<Stack<E>>),
    /// Affine maps with a hyperbolic tangent after each, and their widths: each step by itself.
    Window(Vec<(LinearIds, usize)>),
}

/// From the state at a step to the parameters of distributions.
#[derive(Clone, Debug)]
enum Decoder {
    /// Of the next value: an affine map.
    Next(LinearIds),
    /// Of all steps of the horizon: y = W_o tanh(a) + W_s a, where a is the sum of an affine map of the state, one for
    /// each step, and of one of what is known of that step. Source: the shape is that of MQ-RNN's decoder (Wen et al.
    /// 2017), with one layer.
    Horizon {
        steps: usize,
        units: usize,
        state: LinearIds,
        known: Option<LinearIds>,
        embeddings: Vec<Embedding>,
        output: LinearIds,
        skip: LinearIds,
    },
}

/// Width of the embedding of so many categories.
fn embedding_width(categories: usize) -> usize {
    categories.div_ceil(2).clamp(1, 16)
}

impl<E: Element> OneNetwork<E> {
    fn declare(
        d: &mut Declaration,
        prefix: &str,
        config: &Config,
        widths: &Widths,
        outputs: usize,
    ) -> Result<Self, Error> {
        let settings = config.forecast()?;
        let embed = |d: &mut Declaration, name: &str, counts: &[usize]| -> Vec<Embedding> {
            let one = |(at, &count): (usize, &usize)| {
                Embedding::declare(d, &format!("{prefix}{name}.{at}"), count, embedding_width(count))
            };
            counts.iter().enumerate().map(one).collect()
        };
        let embeddings = embed(d, "categories", &widths.categories);
        let mut inputs = widths.input + embeddings.iter().map(Embedding::width).sum::<usize>();
        let memory = match settings.memory {
            Memory::Window => {
                let mut maps = Vec::new();
                for (at, units) in config.hidden_sizes().into_iter().enumerate() {
                    maps.push((LinearIds::declare(d, &format!("{prefix}window.{at}"), inputs, units), units));
                    inputs = units;
                }
                Carrier::Window(maps)
            }
            Memory::Recurrent => {
                let stack: Stack<E> = recurrent::declare(d, prefix, config, inputs, false);
                inputs = stack.as_layer().outputs();
                Carrier::Recurrent(Box::new(stack))
            }
        };
        let steps = settings.steps_at_once();
        if steps == 1 {
            let decoder = Decoder::Next(LinearIds::declare(d, &format!("{prefix}decoder"), inputs, outputs));
            return Ok(OneNetwork { embeddings, memory, decoder });
        }
        let units = pad(settings.decoder);
        let state = LinearIds::declare(d, &format!("{prefix}horizon.state"), inputs, steps * units);
        let of_future = embed(d, "horizon.categories", &widths.future_categories);
        let known = widths.future + of_future.iter().map(Embedding::width).sum::<usize>();
        let known = (known > 0).then(|| LinearIds::declare(d, &format!("{prefix}horizon.known"), known, units));
        let output = LinearIds::declare(d, &format!("{prefix}horizon.output"), units, outputs);
        let skip = LinearIds::declare(d, &format!("{prefix}horizon.skip"), units, outputs);
        let decoder = Decoder::Horizon { steps, units, state, known, embeddings: of_future, output, skip };
        Ok(OneNetwork { embeddings, memory, decoder })
    }

    /// The parameters of distributions at some rows `[N, hidden]`: `[N, width]`, or `[N*H, width]`.
    fn decode(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        (width, future): (usize, usize),
        batch: &Batch<E>,
        state: Var,
    ) -> Result<Var, Error> {
        match &self.decoder {
            Decoder::Next(map) => tape.linear(params, *map, width, state),
            Decoder::Horizon { steps, units, state: map, known, embeddings, output, skip } => {
                let each = tape.linear(params, *map, steps * units, state)?;
                let mut a = tape.split_rows(each, *steps)?;
                if let Some(known) = known {
                    let x = beside(tape, params, (future, &batch.future), embeddings, &batch.future_ids)?;
                    let x = tape.linear(params, *known, *units, x)?;
                    a = tape.add(a, x)?;
                }
                let bent = tape.tanh(a)?;
                let bent = tape.linear(params, *output, width, bent)?;
                let straight = tape.linear(params, *skip, width, a)?;
                tape.add(bent, straight)
            }
        }
    }
}

/// Numbers and embedded categories side by side.
fn beside<E: Element>(
    tape: &mut Tape<E>,
    params: &Params<E>,
    (width, numbers): (usize, &[E]),
    embeddings: &[Embedding],
    ids: &[Vec<u32>],
) -> Result<Var, Error> {
    let mut parts = Vec::with_capacity(1 + embeddings.len());
    if width > 0 {
        parts.push(tape.dense_leaf(width, numbers, false)?);
    }
    for (embedding, ids) in embeddings.iter().zip(ids) {
        parts.push(embedding.rows(tape, params, ids)?);
    }
    if let [one] = parts[..] { Ok(one) } else { tape.concat(&parts) }
}

impl<E: Element> Declared for Layers<E> {
    type Sizes = Widths;

    fn declare(config: &Config, widths: Widths) -> Result<(Layers<E>, Declaration), Error> {
        let settings = config.forecast()?;
        let distribution = Distribution::new(settings.output, &settings.quantiles, widths.columns)?;
        let mut d = Declaration::default();
        let networks = (1..=settings.ensemble_size).map(|number| {
            let prefix = if number == 1 { String::new() } else { format!("member{number}.") };
            OneNetwork::declare(&mut d, &prefix, config, &widths, distribution.width())
        });
        let networks = networks.collect::<Result<_, Error>>()?;
        let output_dropout = Dropout { p: config.output_dropout, locked: false };
        let Widths { input, future, .. } = widths;
        Ok((Layers { networks, distribution, output_dropout, input, future }, d))
    }
}

impl<E: Element> Forecaster<E> {
    /// What its numbers are the parameters of.
    pub fn distribution(&self) -> &Distribution {
        &self.layers.distribution
    }

    /// Networks of the ensemble.
    pub fn ensemble_size(&self) -> usize {
        self.layers.networks.len()
    }

    /// The state before the first step of network `at`, of `rows` series; None where there is none.
    pub fn initial_state(&self, at: usize, rows: usize) -> Option<State<E>> {
        match &self.layers.networks[at].memory {
            Carrier::Recurrent(stack) => Some(stack.as_layer().initial_state(&self.params, rows)),
            Carrier::Window(_) => None,
        }
    }

    /// The parameters that network `at` gives at the origins of a batch, from a state, which is advanced: `[N, width]` or
    /// `[N*H, width]`. `dropout`: the generator of this pass's masks; None turns dropout off. Errors: a batch of other
    /// widths.
    pub fn advance(
        &self,
        at: usize,
        tape: &mut Tape<E>,
        batch: &Batch<E>,
        state: &mut Option<State<E>>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let (network, params) = (&self.layers.networks[at], &self.params);
        let numbers = (self.layers.input, &batch.input[..]);
        let mut x = beside(tape, params, numbers, &network.embeddings, &batch.ids)?;
        match &network.memory {
            Carrier::Recurrent(stack) => {
                let given = match state.take() {
                    Some(state) => state,
                    None => stack.as_layer().initial_state(params, batch.rows),
                };
                let layer = stack.as_layer();
                let before = layer.begin(tape, params, &given, false)?;
                let mut pass = Pass { batch: batch.rows, mask: Some(&batch.mask), dropout: dropout.as_deref_mut() };
                let (output, after) = layer.run(tape, params, Sequence::Dense(x), &before, &mut pass)?;
                let mut advanced = given;
                advanced.from_tape(tape, &after);
                *state = Some(advanced);
                x = output;
            }
            Carrier::Window(maps) => {
                for &(map, units) in maps {
                    x = tape.linear(params, map, units, x)?;
                    x = tape.tanh(x)?;
                }
            }
        }
        let mut chosen = tape.select(x, &batch.origins)?;
        if let Some(rng) = dropout {
            chosen = self.layers.output_dropout.apply(tape, rng, chosen, batch.origins.len())?;
        }
        network.decode(tape, params, (self.layers.distribution.width(), self.layers.future), batch, chosen)
    }

    /// The mean loss of a batch, over the ensemble too, as a value and as the last network's [`Mean`]; `grads` is
    /// overwritten. Errors: as `advance`.
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        batch: &Batch<E>,
        mut dropout: ChaCha8Rng,
        grads: &mut Params<E>,
    ) -> Result<(f64, Mean), Error> {
        tape.start(true);
        let mut sum: Option<(Var, Mean)> = None;
        for at in 0..self.layers.networks.len() {
            let outputs = self.advance(at, tape, batch, &mut None, Some(&mut dropout))?;
            let mean = self.mean(tape, outputs, batch)?;
            let value = sum.map_or(Ok(mean.value), |(sum, _)| tape.add(sum, mean.value))?;
            sum = Some((value, mean));
        }
        let (sum, mean) = sum.ok_or(Error::Value { problem: "is the loss of an ensemble of no networks" })?;
        let value = tape.scale(sum, 1.0 / self.layers.networks.len() as f64)?;
        Ok((tape.gradients(value, &self.params, grads)?, mean))
    }

    /// The sum of the losses of a batch without dropout and the values that count, over the ensemble.
    pub fn loss(&self, tape: &mut Tape<E>, batch: &Batch<E>) -> Result<(f64, usize), Error> {
        let (mut sum, mut counted) = (0.0, 0);
        for at in 0..self.layers.networks.len() {
            tape.start(false);
            let outputs = self.advance(at, tape, batch, &mut None, None)?;
            let mean = self.mean(tape, outputs, batch)?;
            sum += mean.sum;
            counted += mean.counted;
        }
        Ok((sum, counted))
    }

    fn mean(&self, tape: &mut Tape<E>, outputs: Var, batch: &Batch<E>) -> Result<Mean, Error> {
        let (value, sum, counted) =
            tape.likelihood(&self.layers.distribution, outputs, &batch.targets, &batch.units)?;
        Ok(Mean { value, sum, counted })
    }
}
