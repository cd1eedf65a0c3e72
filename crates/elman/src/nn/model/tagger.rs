//! The tagger: a reader, an affine head at every step, and cross-entropy over the steps that the mask keeps. Not here:
//! names; it sees tokens or vectors, and numbers.

use elman_kernels::softmax::IGNORED;
use elman_kernels::{Element, linear, pad};
use rand_chacha::ChaCha8Rng;

use super::classifier::softmax;
use super::init;
use super::reader::Reader;
use crate::autodiff::nodes::LinearIds;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::config::Config;
use crate::data::table::sequences::Padded;
use crate::error::Error;
use crate::nn::dropout::Dropout;
use crate::nn::network::Input;

/// A tagger and its parameters.
#[derive(Clone, Debug)]
pub struct Tagger<E> {
    layers: Layers<E>,
    params: Params<E>,
}

/// A tagger without the memory of its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Layers<E> {
    reader: Reader<E>,
    output_dropout: Dropout,
    head: LinearIds,
    classes: usize,
}

impl<E: Element> Layers<E> {
    /// Declares what a tagger is made of. Errors: settings of another task; fewer than two classes.
    pub fn declare(config: &Config, input: Input, classes: usize) -> Result<(Layers<E>, Declaration), Error> {
        let bidirectional = config.tagging()?.bidirectional;
        if classes < 2 {
            let (got, expected) = (classes.to_string(), "at least 2".into());
            return Err(Error::Setting { name: "classes", got, expected });
        }
        let mut declaration = Declaration::default();
        let reader = Reader::declare(&mut declaration, "", config, input, bidirectional);
        let head = linear::Dims { rows: 0, inputs: reader.outputs(), outputs: classes };
        let head = LinearIds {
            weight: declaration.matrix("decoder.weight", head.weight()),
            bias: declaration.vector("decoder.bias", head.bias()),
        };
        let output_dropout = Dropout { p: config.output_dropout, locked: config.locked_dropout };
        Ok((Layers { reader, output_dropout, head, classes }, declaration))
    }
}

impl<E: Element> Tagger<E> {
    /// A fresh tagger. Errors: an impossible configuration, or one of another task; fewer than two classes; no memory.
    pub fn new(config: &Config, input: Input, classes: usize) -> Result<Self, Error> {
        config.check()?;
        let (layers, declaration) = Layers::declare(config, input, classes)?;
        let mut params = declaration.zeros()?;
        init::draw(config, &mut params)?;
        Ok(Tagger { layers, params })
    }

    /// A tagger with given parameters, declared by its layers.
    pub(crate) fn of(layers: Layers<E>, params: Params<E>) -> Self {
        Tagger { layers, params }
    }

    /// The parameters.
    pub fn params(&self) -> &Params<E> {
        &self.params
    }

    /// The parameters.
    pub fn params_mut(&mut self) -> &mut Params<E> {
        &mut self.params
    }

    /// Logits at every step, `[T*B, classes]`. `dropout`: the generator of this pass's masks; None turns dropout off.
    pub fn forward(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        mut dropout: Option<&mut ChaCha8Rng>,
    ) -> Result<Var, Error> {
        let layers = &self.layers;
        let mut y = layers.reader.read(tape, &self.params, batch, dropout.as_deref_mut())?.output;
        if let Some(rng) = dropout {
            y = layers.output_dropout.apply(tape, rng, y, batch.rows)?;
        }
        tape.linear(&self.params, layers.head, layers.classes, y)
    }

    /// Mean loss of a step in nats, over the `targets` `[T*B]` that are not [`IGNORED`]; `grads` is overwritten.
    pub fn loss_and_grads(
        &self,
        tape: &mut Tape<E>,
        batch: &Padded<E>,
        targets: &[u32],
        mut dropout: Option<ChaCha8Rng>,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        tape.start(true);
        let logits = self.forward(tape, batch, dropout.as_mut())?;
        let (loss, _) = tape.cross_entropy(logits, targets)?;
        tape.gradients(loss, &self.params, grads)
    }

    /// The probabilities at every step of each sequence: `[length, classes]`, row-major.
    pub fn probabilities(&self, tape: &mut Tape<E>, batch: &Padded<E>) -> Result<Vec<Vec<f64>>, Error> {
        tape.start(false);
        let logits = self.forward(tape, batch, None)?;
        let (values, width, classes) = (tape.value(logits), pad(self.layers.classes), self.layers.classes);
        let row = |t: usize, b: usize| &values[(t * batch.rows + b) * width..][..classes];
        let of = |b: usize| (0..batch.lengths[b]).flat_map(|t| softmax(row(t, b))).collect();
        Ok((0..batch.rows).map(of).collect())
    }
}

/// The targets of a batch, time-major: [`IGNORED`] where a sequence has ended.
pub fn targets<E>(batch: &Padded<E>, labels: &[&[u32]]) -> Vec<u32> {
    let label = |t: usize, b: usize| labels[b].get(t).copied().unwrap_or(IGNORED);
    (0..batch.steps).flat_map(|t| (0..batch.rows).map(move |b| label(t, b))).collect()
}
