//! Holds the classifier: a reader, one row made of all its steps, an affine head, cross-entropy. Refuses texts and classes'
//! names: it sees tokens or vectors, and numbers.

use elman_kernels::{Element, linear, pad};
use rand_chacha::ChaCha8Rng;

use super::init;
use super::reader::{Input, Reader};
use crate::config::{Config, Pooling};
use crate::data::sequences::Padded;
use crate::error::Error;
use crate::layer::Dropout;
use crate::ops::LinearIds;
use crate::params::{Declaration, ParamId, Params};
use crate::tape::{Tape, Var};

/// A classifier and its parameters.
#[derive(Clone, Debug)]
pub struct Classifier<E> {
    layers: Layers,
    params: Params<E>,
}

/// What is done for rare classes while a classifier learns; nothing where both are None.
#[derive(Clone, Debug, Default)]
pub struct Balance<E> {
    /// What an example of each class counts.
    pub weights: Option<Vec<f64>>,
    /// What is added to the logit of each class.
    pub offsets: Option<Vec<E>>,
}

/// A classifier without the memory of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    reader: Reader,
    pooling: Pooling,
    /// The map of the keys, and the query, of learned weights.
    attention: Option<(LinearIds, ParamId)>,
    output_dropout: Dropout,
    head: LinearIds,
    classes: usize,
}

impl Layers {
    /// Declares what a classifier is made of. Errors: settings of another task; fewer than two classes.
    pub fn declare(config: &Config, input: Input, classes: usize) -> Result<(Layers, Declaration), Error> {
        let settings = config.classify()?;
        if classes < 2 {
            let (got, expected) = (classes.to_string(), "at least 2".into());
            return Err(Error::Setting { name: "classes", got, expected });
        }
        let mut declaration = Declaration::default();
        let reader = Reader::declare(&mut declaration, "", config, input, settings.bidirectional);
        let width = reader.outputs();
        let attention = (settings.pooling == Pooling::Attention).then(|| {
            let weight = declaration.weight("attention.weight", width, width);
            let ids = LinearIds { weight, bias: declaration.bias("attention.bias", width) };
            (ids, declaration.table("attention.query", 1, width))
        });
        let head = linear::Dims { rows: 0, inputs: width, outputs: classes };
        let head = LinearIds {
            weight: declaration.matrix("decoder.weight", head.weight()),
            bias: declaration.vector("decoder.bias", head.bias()),
        };
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { reader, pooling: settings.pooling, attention, output_dropout, head, classes }, declaration))
    }
}

impl<E: Element> Classifier<E> {
    /// A fresh classifier. Errors: an impossible configuration, or one of another task; fewer than two classes; no memory.
    pub fn new(config: &Config, input: Input, classes: usize) -> Result<Self, Error> {
        config.check()?;
        let (layers, declaration) = Layers::declare(config, input, classes)?;
        let mut params = declaration.zeros()?;
        init::draw(config, &mut params)?;
        Ok(Classifier { layers, params })
    }

    /// A classifier with given parameters, declared by its layers.
    pub(crate) fn of(layers: Layers, params: Params<E>) -> Self {
        Classifier { layers, params }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.layers.classes
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }

    /// Logits `[B, classes]`. `dropout`: the generator of this pass's masks; None turns dropout off.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let layers = &self.layers;
        let read = layers.reader.read(tape, &self.params, batch, dropout.as_deref_mut())?;
        let (y, rows, present) = (read.output, batch.rows, &batch.present);
        let mut pooled = match (layers.pooling, layers.attention) {
            (Pooling::First, _) => tape.pool_first(y, rows, present)?,
            (Pooling::Mean, _) => tape.pool_mean(y, rows, present)?,
            (Pooling::Max, _) => tape.pool_max(y, rows, present)?,
            (Pooling::Attention, Some((map, query))) => {
                let keys = tape.linear(&self.params, map, y.cols(), y)?;
                let keys = tape.tanh(keys)?;
                let query = tape.embed(&self.params, query, 1, y.cols(), &vec![0; rows])?;
                tape.attention(query, [keys, y], rows, present, None)?
            }
            (Pooling::Last | Pooling::Attention, _) => layers.reader.last(tape, &read)?,
        };
        if let Some(rng) = dropout {
            pooled = layers.output_dropout.apply(tape, rng, pooled, rows)?;
        }
        tape.linear(&self.params, layers.head, layers.classes, pooled)
    }

    /// Mean loss in nats; `grads` is overwritten. Errors: as [`Self::forward`]; a balance of other classes.
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        targets: &[u32],
        balance: &Balance<E>,
        mut dropout: Option<ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        tape.start(true);
        let mut logits = self.forward(tape, batch, dropout.as_mut())?;
        if let Some(offsets) = &balance.offsets {
            let offsets = tape.dense_leaf(offsets.len(), &offsets.repeat(batch.rows), false)?;
            logits = tape.add(logits, offsets)?;
        }
        let (loss, _) = match &balance.weights {
            Some(weights) => tape.weighted_cross_entropy(logits, targets, weights)?,
            None => tape.cross_entropy(logits, targets)?,
        };
        tape.gradients(loss, &self.params, grads)
    }

    /// The probabilities of each sequence `[B, classes]`, row-major.
    pub fn probabilities(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<Vec<f64>, Error> {
        tape.start(false);
        let logits = self.forward(tape, batch, None)?;
        let rows = tape.value(logits).chunks_exact(pad(self.layers.classes));
        Ok(rows.flat_map(|row| softmax(&row[..self.layers.classes])).collect())
    }
}

/// The softmax of a row in f64.
pub(crate) fn softmax<E: Element>(row: &[E]) -> Vec<f64> {
    let largest = row.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| libm::exp(x.to_f64() - largest)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|x| x / sum).collect()
}
