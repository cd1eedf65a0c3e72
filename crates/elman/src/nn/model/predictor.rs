//! The network of tasks that answer for a sequence or for each of its steps with classes or numbers: an encoder, a head, an
//! affine map to the outputs; or an ensemble of these. Not here: names and scales; it sees tokens or vectors, and gives numbers.

use std::sync::Arc;

use elman_kernels::{Element, pad};
use rand_chacha::ChaCha8Rng;

use super::reader::Reader;
use super::{Declared, Model};
use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, ParamId, Params, Start};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Answers, Config};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::crf::Chain;
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
    /// The chain over the tags of a sentence, where they are one.
    chain: Option<ChainIds>,
    /// Numbers for each sequence, or for each step.
    outputs: usize,
}

/// The scores of a chain: of the pairs of tags, of the first tag and of the last.
type ChainIds = [ParamId; 3];

/// One of the networks of an ensemble.
#[derive(Clone, Debug)]
struct OneNetwork<E> {
    reader: Box<Reader<E>>,
    /// None where each step has outputs of its own.
    head: Option<Arc<dyn Head<E>>>,
    map: LinearIds,
}

impl<E: Element> Declared for Layers<E> {
    /// What a step is; numbers of an answer.
    type Sizes = (Input, usize);

    fn declare(config: &Config, (input, outputs): (Input, usize)) -> Result<(Layers<E>, Declaration), Error> {
        let Answers { bidirectional, pooling, ensemble_size } = config.answers()?;
        let (name, least) = if config.numbers().is_ok() { ("outputs", 1) } else { ("classes", 2) };
        if outputs < least {
            let (got, expected) = (outputs.to_string(), format!("at least {least}"));
            return Err(Error::Setting { name, got, expected });
        }
        let mut d = Declaration::default();
        let networks = (1..=ensemble_size).map(|number| {
            let prefix = if number == 1 { String::new() } else { format!("member{number}.") };
            let reader = Reader::declare(&mut d, &prefix, config, input, bidirectional);
            let width = reader.outputs();
            let head = pooling.map(|pooling| pooling.declare(&mut d, &prefix, width));
            OneNetwork {
                reader: Box::new(reader),
                head,
                map: LinearIds::declare(&mut d, &format!("{prefix}decoder"), width, outputs),
            }
        });
        let networks = networks.collect();
        let chain = config.tagging().is_ok_and(|settings| settings.crf).then(|| {
            let ids = [("transitions", outputs), ("start", 1), ("end", 1)]
                .map(|(name, rows)| d.table(format!("crf.{name}"), rows, outputs));
            ids.into_iter().for_each(|id| d.starts_as(id, Start::Constant(0.0)));
            ids
        });
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { networks, output_dropout, chain, outputs }, d))
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

    /// The mean loss of tags that are a chain, a list for each sentence of the batch, and its tokens; `grads` is overwritten. Errors:
    /// as `forward`; a network without a chain.
    pub fn chain_loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        tags: &[Vec<usize>],
        mut dropout: Option<ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<(f64, usize), Error> {
        tape.start(true);
        let emissions = self.forward(tape, batch, dropout.as_mut())?.swap_remove(0);
        let [transitions, start, end] = self.layers.chain.ok_or(Error::Value { problem: "is the loss of no chain" })?;
        let inputs = [
            emissions,
            tape.param(&self.params, transitions)?,
            tape.param(&self.params, start)?,
            tape.param(&self.params, end)?,
        ];
        let (value, _, counted) = tape.crf(inputs, tags)?;
        Ok((tape.gradients(value, &self.params, grads)?, counted))
    }

    /// The chain over the tags, where they are one. Errors: none that a network of its own settings has.
    pub fn chain(&self) -> Result<Option<Chain>, Error> {
        if self.layers.chain.is_none() {
            return Ok(None);
        }
        let [transitions, start, end] = ["transitions", "start", "end"].map(|name| {
            let values = self.params.get(&format!("crf.{name}")).unwrap_or_default();
            values.iter().map(|x| x.to_f64()).collect::<Vec<f64>>()
        });
        Chain::new(self.layers.outputs, transitions, start, end).map(Some)
    }

    /// The scores of each tag at each step of each sequence: what a chain adds to.
    pub fn emissions(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<Vec<Vec<f64>>, Error> {
        self.averages(tape, batch, self.layers.outputs, |scores, _, _, row| {
            row.iter_mut().zip(scores).for_each(|(to, score)| *to = score.to_f64());
        })
    }

    /// The probabilities of the classes of each sequence, the mean over the ensemble: one row with a head, else a row for
    /// each step.
    pub fn probabilities(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<Vec<Vec<f64>>, Error> {
        self.averages(tape, batch, self.layers.outputs, |logits, _, _, mean| mean.copy_from_slice(&softmax(logits)))
    }

    /// Networks of the ensemble.
    pub fn ensemble_size(&self) -> usize {
        self.layers.networks.len()
    }

    /// What `answer` makes of the outputs of each sequence, the mean over the ensemble: one row of `width` numbers with a head,
    /// else a row for each step. `answer` is given the outputs, the place of the sequence, the step and the row to
    /// write.
    pub fn averages(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        width: usize,
        mut answer: impl FnMut(&[E], usize, usize, &mut [f64]),
    ) -> Result<Vec<Vec<f64>>, Error> {
        tape.start(false);
        let (networks, outputs) = (&self.layers.networks, self.layers.outputs);
        let (share, mut one) = (1.0 / networks.len() as f64, vec![0.0; width]);
        let steps = |b: usize| if networks[0].head.is_some() { 1 } else { batch.lengths[b] };
        let mut all: Vec<Vec<f64>> = (0..batch.rows).map(|b| vec![0.0; steps(b) * width]).collect();
        for values in self.forward(tape, batch, None)? {
            let rows = tape.value(values);
            for (b, means) in all.iter_mut().enumerate() {
                for (t, mean) in means.chunks_exact_mut(width.max(1)).enumerate() {
                    answer(&rows[(t * batch.rows + b) * pad(outputs)..][..outputs], b, t, &mut one);
                    mean.iter_mut().zip(&one).for_each(|(mean, x)| *mean += share * x);
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
