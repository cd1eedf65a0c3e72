//! The network of classification and tagging: an encoder, a head, an affine map to the outputs; or an ensemble
//! of these. Not here: names and scales; it sees tokens or vectors, and gives numbers.

use std::sync::Arc;

use elman_kernels::{Element, pad};
use rand_chacha::ChaCha8Rng;

use super::reader::Reader;
use super::{Declared, Model};
use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Config, TaskSettings};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::heads::{Head, Steps};
use crate::nn::losses::{Loss, Mean};
use crate::nn::network::Input;

/// A network that answers for each sequence or each of its steps, and its parameters.
pub type Predictor<E> = Model<E, Layers<E>>;

/// Its layers.
#[derive(Clone, Debug)]
pub struct Layers<E> {
    networks: Vec<OneNetwork<E>>,
    output_dropout: Dropout,
    /// Numbers for each sequence, or for each step.
    outputs: usize,
}

/// One of the networks of an ensemble.
#[derive(Clone, Debug)]
struct OneNetwork<E> {
    reader: Box<Reader<E>>,
    /// None where each step has outputs of its own.
    head: Option<Arc<dyn Head<E>>>,
    map: LinearIds,
}

/// The layers that read the steps. Their output has the returned number of columns.
fn declare_reader<E: Element>(d: &mut Declaration, prefix: &str, config: &Config, input: Input) -> (Reader<E>, usize) {
    let bidirectional = match &config.task {
        Some(TaskSettings::Classify(settings)) => settings.bidirectional,
        Some(TaskSettings::Tag(settings) | TaskSettings::Restore(settings)) => settings.bidirectional,
        _ => false,
    };
    let reader = Reader::declare(d, prefix, config, input, bidirectional);
    let outputs = reader.outputs();
    (reader, outputs)
}

impl<E: Element> Declared for Layers<E> {
    /// What a step is; classes.
    type Sizes = (Input, usize);

    fn declare(config: &Config, (input, outputs): (Input, usize)) -> Result<(Layers<E>, Declaration), Error> {
        let (pooling, ensemble_size) = match &config.task {
            Some(TaskSettings::Classify(settings)) => (Some(settings.pooling), settings.ensemble_size),
            Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)) => (None, 1),
            _ => return Err(config.another_task("classify, tag or restore")),
        };
        if outputs < 2 {
            let (got, expected) = (outputs.to_string(), "at least 2".into());
            return Err(Error::Setting { name: "classes", got, expected });
        }
        let mut d = Declaration::default();
        let networks = (1..=ensemble_size).map(|number| {
            let prefix = if number == 1 { String::new() } else { format!("member{number}.") };
            let (reader, width) = declare_reader(&mut d, &prefix, config, input);
            let head = pooling.map(|pooling| pooling.declare(&mut d, &prefix, width));
            OneNetwork {
                reader: Box::new(reader),
                head,
                map: LinearIds::declare(&mut d, &format!("{prefix}decoder"), width, outputs),
            }
        });
        let networks = networks.collect();
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { networks, output_dropout, outputs }, d))
    }
}

impl<E: Element> Predictor<E> {
    /// The outputs of each network of the ensemble: `[B, outputs]` with a head, else `[T*B, outputs]`. `dropout`: the
    /// generator of this pass's masks; None turns dropout off.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Vec<Var>, Error> {
        let networks = self.layers.networks.iter();
        networks.map(|network| self.outputs(network, tape, batch, dropout.as_deref_mut())).collect()
    }

    fn outputs(
        &self,
        network: &OneNetwork<E>,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let (params, mask) = (&self.params, &batch.mask);
        let read = network.reader.read(tape, params, batch, dropout.as_deref_mut())?;
        let (last, mut y) = (network.reader.last(&read), read.output);
        if let Some(head) = &network.head {
            y = head.rows(tape, params, Steps { output: y, last: &last, rows: batch.rows, mask })?;
        }
        if let Some(rng) = dropout {
            y = self.layers.output_dropout.apply(tape, rng, y, batch.rows)?;
        }
        tape.linear(params, network.map, self.layers.outputs, y)
    }

    /// The mean loss of a batch, over the ensemble too, as a value and as the last network's [`Mean`]; `grads` is
    /// overwritten. `targets` are those of the rows of the outputs. Errors: as `forward`; those of the loss.
    pub fn loss_and_grads<L: Loss<E>>(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        loss: &L,
        targets: &[L::Target],
        mut dropout: Option<ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<(f64, Mean), Error> {
        tape.start(true);
        let mut sum: Option<(Var, Mean)> = None;
        for outputs in self.forward(tape, batch, dropout.as_mut())? {
            let mean = loss.mean(tape, outputs, targets)?;
            let value = sum.map_or(Ok(mean.value), |(sum, _)| tape.add(sum, mean.value))?;
            sum = Some((value, mean));
        }
        let (sum, mean) = sum.ok_or(Error::Value { problem: "is the loss of an ensemble of no networks" })?;
        let value = tape.scale(sum, 1.0 / self.layers.networks.len() as f64)?;
        Ok((tape.gradients(value, &self.params, grads)?, mean))
    }

    /// The probabilities of the classes of each sequence, the mean over the ensemble: one row with a head, else a row for
    /// each step.
    pub fn probabilities(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<Vec<Vec<f64>>, Error> {
        tape.start(false);
        let (networks, classes) = (&self.layers.networks, self.layers.outputs);
        let share = 1.0 / networks.len() as f64;
        let steps = |b: usize| if networks[0].head.is_some() { 1 } else { batch.lengths[b] };
        let mut all: Vec<Vec<f64>> = (0..batch.rows).map(|b| vec![0.0; steps(b) * classes]).collect();
        for logits in self.forward(tape, batch, None)? {
            let rows = tape.value(logits);
            for (b, mean) in all.iter_mut().enumerate() {
                for (t, mean) in mean.chunks_exact_mut(classes).enumerate() {
                    let row = &rows[(t * batch.rows + b) * pad(classes)..][..classes];
                    mean.iter_mut().zip(softmax(row)).for_each(|(mean, p)| *mean += share * p);
                }
            }
        }
        Ok(all)
    }
}

/// The softmax of a row in f64.
pub(crate) fn softmax<E: Element>(row: &[E]) -> Vec<f64> {
    let largest = row.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| libm::exp(x.to_f64() - largest)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|x| x / sum).collect()
}
