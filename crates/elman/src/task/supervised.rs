//! What tasks share whose examples are independent of each other: batches of like length, the sizes of a run, and the
//! trainer's view of them. Not here: networks, losses and figures, which are a task's own.

use elman_kernels::{Cpu, Element};
use serde_json::{Map, Value};

use super::{Loss, Task, Validation};
use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::config::Config;
use crate::data::Fingerprint;
use crate::data::table::sequences::Buckets;
use crate::error::Error;
use crate::nn::model::Model;
use crate::rng::{ChaCha8Rng, Purpose, generator};
use crate::train::report::Shape;

/// A network with what it needs to read and answer, and its loss on data: what a model file holds of a task.
pub trait Objective<E: Element>: Sized {
    /// The network's layers.
    type Layers;
    /// The encoded examples, those that are held out among them.
    type Data;

    /// The network.
    fn model(&self) -> &Model<E, Self::Layers>;
    /// The same, to be changed.
    fn model_mut(&mut self) -> &mut Model<E, Self::Layers>;
    /// The loss of a batch, forward and backward.
    fn learn(&self, data: &Self::Data, tape: &mut Tape<E>, batch: Batch<'_, E>) -> Result<Loss, Error>;
    /// The validation on what is held out; None once `continues`, asked again and again, says no.
    fn held_loss(
        &self,
        data: &Self::Data,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error>;
    /// As [`Task::sample`].
    fn sample(
        &self,
        _data: &Self::Data,
        _at: (&Config, u64),
        _cpu: &Cpu,
        _continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Error> {
        Ok(Some(String::new()))
    }
    /// As [`Task::metrics`].
    fn metrics(&self, _loss: f64) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    /// As [`Task::meta`].
    fn meta(&self, config: &Config) -> Map<String, Value>;
}

/// The examples of a step, and where their gradients go.
pub struct Batch<'a, E> {
    /// The run's settings.
    pub config: &'a Config,
    /// The step's number, from 1.
    pub step: u64,
    /// The examples to train on.
    pub places: &'a [usize],
    /// Overwritten with the gradients.
    pub grads: &'a mut Params<E>,
}

impl<E> Batch<'_, E> {
    /// The generator of the step's draws for a purpose.
    pub fn draws(&self, purpose: Purpose) -> ChaCha8Rng {
        generator(self.config.seed, purpose, self.step)
    }
}

/// A run of an objective on examples.
#[derive(Clone, Debug)]
pub struct Supervised<E: Element, O: Objective<E>> {
    fingerprint: Fingerprint,
    pub(super) trained: O,
    pub(super) data: O::Data,
    buckets: Buckets,
    shape: Shape,
}

impl<E: Element, O: Objective<E>> Supervised<E, O> {
    /// `lengths` are those of the examples to train on; `shape` has what does not follow from them.
    pub(super) fn of(
        config: &Config,
        fingerprint: Fingerprint,
        (trained, data): (O, O::Data),
        lengths: Vec<usize>,
        shape: Shape,
    ) -> Self {
        let buckets = Buckets::new(lengths, config.batch, config.seed);
        let shape = Shape { batch: buckets.batch(), steps_per_epoch: buckets.count(), ..shape };
        Supervised { fingerprint, trained, data, buckets, shape }
    }

    /// What is learned, with all that a prediction needs.
    pub fn trained(&self) -> &O {
        &self.trained
    }
}

impl<E: Element, O: Objective<E>> Task for Supervised<E, O> {
    type Element = E;

    fn params(&self) -> &Params<E> {
        self.trained.model().params()
    }

    fn params_mut(&mut self) -> &mut Params<E> {
        self.trained.model_mut().params_mut()
    }

    fn shape(&self) -> Shape {
        self.shape.clone()
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn step(&mut self, config: &Config, tape: &mut Tape<E>, step: u64, grads: &mut Params<E>) -> Result<Loss, Error> {
        let places = self.buckets.places(step - 1);
        self.trained.learn(&self.data, tape, Batch { config, step, places, grads })
    }

    fn validate(
        &mut self,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        self.trained.held_loss(&self.data, tape, continues)
    }

    fn sample(
        &self,
        config: &Config,
        cpu: &Cpu,
        step: u64,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Error> {
        self.trained.sample(&self.data, (config, step), cpu, continues)
    }

    fn metrics(&self, loss: f64) -> Vec<(&'static str, f64)> {
        self.trained.metrics(loss)
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        self.trained.meta(config)
    }
}
