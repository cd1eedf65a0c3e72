//! The classifier: a reader, pooling over its steps, an affine head, cross-entropy; or an ensemble of these. Not here:
//! texts and the names of classes; it sees tokens or vectors, and numbers.

use elman_kernels::{Element, linear, pad};
use rand_chacha::ChaCha8Rng;

use super::init;
use super::reader::Reader;
use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::{Classify as Settings, Config, Pooling};
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::network::Input;

/// A classifier and its parameters.
#[derive(Clone, Debug)]
pub struct Classifier<E> {
    layers: Layers<E>,
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
pub(crate) struct Layers<E> {
    models: Vec<Model<E>>,
    pooling: Pooling,
    output_dropout: Dropout,
    classes: usize,
}

/// One of the networks whose probabilities are averaged.
#[derive(Clone, Debug)]
struct Model<E> {
    reader: Reader<E>,
    /// The map of the keys, and the query, of learned weights.
    attention: Option<(LinearIds, ParamId)>,
    head: LinearIds,
}

impl<E: Element> Layers<E> {
    /// Declares what a classifier is made of. Errors: settings of another task; fewer than two classes.
    pub fn declare(config: &Config, input: Input, classes: usize) -> Result<(Layers<E>, Declaration), Error> {
        let settings = config.classify()?;
        if classes < 2 {
            let (got, expected) = (classes.to_string(), "at least 2".into());
            return Err(Error::Setting { name: "classes", got, expected });
        }
        let mut declaration = Declaration::default();
        let models = (1..=settings.ensemble_size).map(|number| {
            let prefix = if number == 1 { String::new() } else { format!("member{number}.") };
            Model::declare(&mut declaration, &prefix, config, settings, input, classes)
        });
        let models = models.collect();
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { models, pooling: settings.pooling, output_dropout, classes }, declaration))
    }
}

impl<E: Element> Model<E> {
    fn declare(
        declaration: &mut Declaration,
        prefix: &str,
        config: &Config,
        settings: &Settings,
        input: Input,
        classes: usize,
    ) -> Model<E> {
        let reader = Reader::declare(declaration, prefix, config, input, settings.bidirectional);
        let width = reader.outputs();
        let attention = (settings.pooling == Pooling::Attention).then(|| {
            let weight = declaration.weight(format!("{prefix}attention.weight"), width, width);
            let ids = LinearIds { weight, bias: declaration.bias(format!("{prefix}attention.bias"), width) };
            (ids, declaration.table(format!("{prefix}attention.query"), 1, width))
        });
        let head = linear::Dims { rows: 0, inputs: width, outputs: classes };
        let head = LinearIds {
            weight: declaration.matrix(format!("{prefix}decoder.weight"), head.weight()),
            bias: declaration.vector(format!("{prefix}decoder.bias"), head.bias()),
        };
        Model { reader, attention, head }
    }
}

impl<E: Element> Classifier<E> {
    /// A fresh classifier. Errors: an impossible configuration, or one of another task; fewer than two classes; no
    /// memory.
    pub fn new(config: &Config, input: Input, classes: usize) -> Result<Self, Error> {
        config.check()?;
        let (layers, declaration) = Layers::declare(config, input, classes)?;
        let mut params = declaration.zeros()?;
        init::draw(config, &mut params)?;
        Ok(Classifier { layers, params })
    }

    /// A classifier with given parameters, declared by its layers.
    pub(crate) fn of(layers: Layers<E>, params: Params<E>) -> Self {
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

    /// Logits `[B, classes]` of each model. `dropout`: the generator of this pass's masks; None turns dropout off.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Vec<Var>, Error> {
        let models = self.layers.models.iter();
        models.map(|model| self.logits(model, tape, batch, dropout.as_deref_mut())).collect()
    }

    fn logits(
        &self,
        model: &Model<E>,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let layers = &self.layers;
        let read = model.reader.read(tape, &self.params, batch, dropout.as_deref_mut())?;
        let (y, rows, mask) = (read.output, batch.rows, &batch.mask);
        let mut pooled = match (layers.pooling, model.attention) {
            (Pooling::First, _) => tape.pool_first(y, rows, mask)?,
            (Pooling::Mean, _) => tape.pool_mean(y, rows, mask)?,
            (Pooling::Max, _) => tape.pool_max(y, rows, mask)?,
            (Pooling::Attention, Some((map, query))) => {
                let keys = tape.linear(&self.params, map, y.cols(), y)?;
                let keys = tape.tanh(keys)?;
                let query = tape.embed(&self.params, query, 1, y.cols(), &vec![0; rows])?;
                tape.attention(query, [keys, y], rows, mask, None)?
            }
            (Pooling::Last | Pooling::Attention, _) => model.reader.last(tape, &read)?,
        };
        if let Some(rng) = dropout {
            pooled = layers.output_dropout.apply(tape, rng, pooled, rows)?;
        }
        tape.linear(&self.params, model.head, layers.classes, pooled)
    }

    /// Mean loss in nats, over the models too; `grads` is overwritten. Errors: as [`Self::forward`]; a balance of other
    /// classes.
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
        let offsets = balance.offsets.as_ref().map(|all| tape.dense_leaf(all.len(), all, false)).transpose()?;
        let mut sum: Option<Var> = None;
        for mut logits in self.forward(tape, batch, dropout.as_mut())? {
            if let Some(offsets) = offsets {
                logits = tape.add(logits, offsets)?;
            }
            let (loss, _) = match &balance.weights {
                Some(weights) => tape.weighted_cross_entropy(logits, targets, weights)?,
                None => tape.cross_entropy(logits, targets)?,
            };
            sum = Some(sum.map_or(Ok(loss), |sum| tape.add(sum, loss))?);
        }
        let sum = sum.expect("a classifier has a model");
        let mean = tape.scale(sum, 1.0 / self.layers.models.len() as f64)?;
        tape.gradients(mean, &self.params, grads)
    }

    /// The probabilities of each sequence `[B, classes]`, row-major.
    pub fn probabilities(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<Vec<f64>, Error> {
        tape.start(false);
        let (classes, share) = (self.layers.classes, 1.0 / self.layers.models.len() as f64);
        let mut mean = vec![0.0; batch.rows * classes];
        for logits in self.forward(tape, batch, None)? {
            let rows = tape.value(logits).chunks_exact(pad(classes));
            let all = rows.flat_map(|row| softmax(&row[..classes]));
            mean.iter_mut().zip(all).for_each(|(mean, p)| *mean += share * p);
        }
        Ok(mean)
    }
}

/// The softmax of a row in f64.
pub(crate) fn softmax<E: Element>(row: &[E]) -> Vec<f64> {
    let largest = row.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| libm::exp(x.to_f64() - largest)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|x| x / sum).collect()
}
