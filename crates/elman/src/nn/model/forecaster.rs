//! The forecaster: recurrent layers, or layers without recurrence over a window, and an affine head whose outputs are
//! the parameters of distributions. Not here: scales and times; it sees vectors.

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use super::init;
use super::reader::Reader;
use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Config, Memory, Output};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::network::Input;
use crate::nn::state::State;

/// A forecaster and its parameters.
#[derive(Clone, Debug)]
pub struct Forecaster<E> {
    layers: Layers<E>,
    params: Params<E>,
}

/// A forecaster without the memory of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Layers<E> {
    body: Body<E>,
    dropout: Dropout,
    head: LinearIds,
    /// Numbers that the head gives.
    outputs: usize,
    output: Output,
}

#[derive(Clone, Debug)]
enum Body<E> {
    Recurrent(Box<Reader<E>>),
    /// Affine maps with a hyperbolic tangent after each, and their widths.
    Window {
        width: usize,
        maps: Vec<(LinearIds, usize)>,
    },
}

impl<E: Element> Layers<E> {
    /// Declares what a forecaster of `targets` values at a step is made of. Errors: settings of another task.
    pub fn declare(config: &Config, width: usize, targets: usize) -> Result<(Layers<E>, Declaration), Error> {
        let settings = config.forecast()?;
        let mut declaration = Declaration::default();
        let (body, last) = match settings.memory {
            Memory::Recurrent => {
                let reader = Reader::declare(&mut declaration, "", config, Input::Vectors(width), false);
                let outputs = reader.outputs();
                (Body::Recurrent(Box::new(reader)), outputs)
            }
            Memory::Window => {
                let (mut maps, mut inputs) = (Vec::new(), width);
                for (at, outputs) in config.hidden_sizes().into_iter().enumerate() {
                    maps.push((
                        LinearIds::declare(&mut declaration, &format!("window.{at}"), inputs, outputs),
                        outputs,
                    ));
                    inputs = outputs;
                }
                (Body::Window { width, maps }, inputs)
            }
        };
        let outputs = settings.output.parameters() * targets;
        let head = LinearIds::declare(&mut declaration, "decoder", last, outputs);
        let dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { body, dropout, head, outputs, output: settings.output }, declaration))
    }
}

impl<E: Element> Forecaster<E> {
    /// A fresh forecaster that reads `width` numbers a step and forecasts `targets`. Errors: an impossible
    /// configuration, or one of another task; no memory.
    pub fn new(config: &Config, width: usize, targets: usize) -> Result<Self, Error> {
        config.check()?;
        let (layers, declaration) = Layers::declare(config, width, targets)?;
        let mut params = declaration.zeros()?;
        init::draw(config, &mut params)?;
        Ok(Forecaster { layers, params })
    }

    /// A forecaster with given parameters, declared by its layers.
    pub(crate) fn of(layers: Layers<E>, params: Params<E>) -> Self {
        Forecaster { layers, params }
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }

    /// The state before the first step, of `rows` series; None where there is none.
    pub fn initial_state(&self, rows: usize) -> Option<State<E>> {
        match &self.layers.body {
            Body::Recurrent(reader) => Some(reader.initial_state(&self.params, rows)),
            Body::Window { .. } => None,
        }
    }

    /// The parameters of the distributions at each step, `[T*B, P*targets]`; `state` is advanced.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        state: &mut Option<State<E>>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let Layers { body, head, outputs, .. } = &self.layers;
        let mut y = match (body, state) {
            (Body::Recurrent(reader), Some(state)) => {
                let read = reader.read_from(tape, &self.params, batch, state, dropout.as_deref_mut())?;
                state.from_tape(tape, &read.after);
                read.output
            }
            (Body::Recurrent(reader), None) => reader.read(tape, &self.params, batch, dropout.as_deref_mut())?.output,
            (Body::Window { width, maps }, _) => {
                let mut x = tape.dense_leaf(*width, &batch.vectors, false)?;
                for &(map, outputs) in maps {
                    x = tape.linear(&self.params, map, outputs, x)?;
                    x = tape.tanh(x)?;
                }
                x
            }
        };
        if let Some(rng) = dropout {
            y = self.layers.dropout.apply(tape, rng, y, batch.rows)?;
        }
        tape.linear(&self.params, *head, *outputs, y)
    }

    /// Mean loss of the targets `[T*B, targets]`, of which NaN does not count, and their number; `grads` is overwritten.
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        targets: &[f64],
        mut dropout: Option<ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<(f64, usize), Error> {
        tape.start(true);
        let raw = self.forward(tape, batch, &mut None, dropout.as_mut())?;
        let (loss, sum, counted) = tape.likelihood(self.layers.output, raw, targets)?;
        grads.values_mut().fill(E::ZERO);
        tape.backward(loss, &self.params, grads)?;
        Ok((sum / counted.max(1) as f64, counted))
    }
}
