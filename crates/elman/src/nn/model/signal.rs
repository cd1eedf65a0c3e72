//! The network of signals: recurrent layers over samples and knobs, an affine map to one sample, and the input added to it where
//! that is asked for. Not here: files and parts of recordings.

use elman_kernels::Element;
use rand_chacha::ChaCha8Rng;

use super::{Declared, Model, recurrent};
use crate::autodiff::nodes::{LinearIds, Sequence};
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Config, Signal, SignalLoss};
use crate::error::Error;
use crate::metrics::distribution::{Distribution, Output};
use crate::nn::dropout::Dropout;
use crate::nn::layer::Pass;
use crate::nn::losses::{ErrorToSignal, Likelihood, Loss};
use crate::nn::stack::Stack;
use crate::nn::state::State;

/// A network that makes a waveform of a waveform, and its parameters.
pub type SignalModel<E> = Model<E, Layers<E>>;

/// Its layers.
#[derive(Clone, Debug)]
pub struct Layers<E> {
    rnn: Stack<E>,
    map: LinearIds,
    output_dropout: Dropout,
    /// Numbers of a step: a sample, then the knobs.
    inputs: usize,
    skip: bool,
    loss: LossOf,
}

#[derive(Clone, Debug)]
enum LossOf {
    Esr { pre_emphasis: f64, dc: f64 },
    Squared(Likelihood),
}

impl<E: Element> Declared for Layers<E> {
    /// Knobs.
    type Sizes = usize;

    fn declare(config: &Config, knobs: usize) -> Result<(Layers<E>, Declaration), Error> {
        let Signal { skip, signal_loss, pre_emphasis, dc, .. } = *config.signal()?;
        let mut d = Declaration::default();
        let inputs = 1 + knobs;
        let rnn: Stack<E> = recurrent::declare(&mut d, "", config, inputs, false);
        let map = LinearIds::declare(&mut d, "decoder", rnn.as_layer().outputs(), 1);
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        let loss = match signal_loss {
            SignalLoss::Esr => LossOf::Esr { pre_emphasis, dc },
            SignalLoss::Squared => LossOf::Squared(Likelihood(Distribution::new(Output::Squared, &[], 1)?)),
        };
        Ok((Layers { rnn, map, output_dropout, inputs, skip, loss }, d))
    }
}

impl<E: Element> SignalModel<E> {
    /// Numbers of a step: a sample, then the knobs.
    pub fn inputs(&self) -> usize {
        self.layers.inputs
    }

    /// The state before the first sample of so many recordings.
    pub fn initial_state(&self, rows: usize) -> State<E> {
        self.layers.rnn.as_layer().initial_state(&self.params, rows)
    }

    /// The output `[T*B, 1]` of steps `[T*B, inputs]`, from a state, which is advanced. `dropout`: the generator of this pass's
    /// masks; None turns dropout off. Errors: steps of another width, or no whole number of them for each row.
    pub fn advance(
        &self,
        tape: &mut Tape<E>,
        steps: &[E],
        state: &mut State<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let (layer, params, rows) = (self.layers.rnn.as_layer(), &self.params, state.batch());
        let x = tape.dense_leaf(self.layers.inputs, steps, false)?;
        let before = layer.begin(tape, params, state, false)?;
        let mut pass = Pass { batch: rows, mask: None, dropout: dropout.as_deref_mut() };
        let (mut y, after) = layer.run(tape, params, Sequence::Dense(x), &before, &mut pass)?;
        state.from_tape(tape, &after);
        if let Some(rng) = dropout {
            y = self.layers.output_dropout.apply(tape, rng, y, rows)?;
        }
        let y = tape.linear(params, self.layers.map, 1, y)?;
        if !self.layers.skip {
            return Ok(y);
        }
        let sample = tape.slice(x, 0, 1)?;
        tape.add(y, sample)
    }

    /// The loss of outputs at the samples `targets` `[T*B]`; `grads` is overwritten. Errors: as `advance`.
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        (steps, targets): (&[E], &[f64]),
        state: &mut State<E>,
        mut dropout: ChaCha8Rng,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        tape.start(true);
        let y = self.advance(tape, steps, state, Some(&mut dropout))?;
        let mean = match &self.layers.loss {
            &LossOf::Esr { pre_emphasis, dc } => {
                ErrorToSignal { rows: state.batch(), pre_emphasis, dc }.mean(tape, y, targets)?
            }
            LossOf::Squared(squared) => {
                let targets: Vec<(f64, f64)> = targets.iter().map(|&y| (y, 1.0)).collect();
                squared.mean(tape, y, &targets)?
            }
        };
        tape.gradients(mean.value, &self.params, grads)
    }
}
