//! What a run learns, as its trainer sees it: data, network and loss behind one trait, a file for each task. Batches
//! come from here, on request. Not here: the policy of a run (steps, saves and stops).

pub mod classify;
pub mod evaluate;
pub mod forecast;
pub mod generate;
pub mod labels;
pub mod language;
pub mod numbers;
pub mod pretrained;
pub mod signal;
pub mod supervised;
pub mod tag;
pub mod translate;

use elman_kernels::{Cpu, Element};
use serde_json::{Map, Value};

use crate::{
    autodiff::params::Params, autodiff::tape::Tape, config::Config, data::Fingerprint, error::Error, nn::state::State,
    train::report::Shape,
};

pub use classify::Classify;
pub use forecast::ForecastTask;
pub use generate::Generate;
pub use language::Language;
pub use numbers::NumbersTask;
pub use pretrained::Pretrained;
pub use signal::SignalTask;
pub use tag::Tag;
pub use translate::Translate;

/// A step's loss and what it is the mean of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Mean nats a prediction.
    pub mean: f64,
    /// Predictions in the mean.
    pub predictions: usize,
    /// Rows of the batch.
    pub rows: usize,
}

/// What a validation says.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Mean loss over what is kept from training.
    pub loss: f64,
    /// Entries of the task's metadata that follow from what is kept from training, such as thresholds.
    pub found: Map<String, Value>,
}

impl From<f64> for Validation {
    /// A loss alone.
    fn from(loss: f64) -> Validation {
        Validation { loss, found: Map::new() }
    }
}

/// What a run learns: its data, its network, its loss. Everything a step needs apart from parameters and carried state
/// is a function of settings, data and the step's number, so that a resume has nothing else to restore.
pub trait Task {
    /// The numbers it computes in.
    type Element: Element;

    /// The parameters that training changes.
    fn params(&self) -> &Params<Self::Element>;
    /// The same, to be changed.
    fn params_mut(&mut self) -> &mut Params<Self::Element>;
    /// What is carried from one step to the next, apart from the parameters; None where steps are independent.
    fn carry(&self) -> Option<&State<Self::Element>> {
        None
    }
    /// The same, to be changed.
    fn carry_mut(&mut self) -> Option<&mut State<Self::Element>> {
        None
    }
    /// The sizes of what it works on.
    fn shape(&self) -> Shape;
    /// The data it learns from, as a resume finds it again.
    fn fingerprint(&self) -> &Fingerprint;
    /// Batch number `step`, from 1, forward and backward. `grads` is overwritten; what is carried is advanced.
    fn step(
        &mut self,
        config: &Config,
        tape: &mut Tape<Self::Element>,
        step: u64,
        grads: &mut Params<Self::Element>,
    ) -> Result<Loss, Error>;
    /// The validation on what is kept from training; None once `continues`, asked again and again, says no. Never called
    /// where [`Shape::val_tokens`] is 0.
    fn validate(
        &mut self,
        tape: &mut Tape<Self::Element>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error>;
    /// What it writes after `step` to be looked at, if it writes; None once `continues` says no.
    fn sample(
        &self,
        _config: &Config,
        _cpu: &Cpu,
        _step: u64,
        _continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Error> {
        Ok(Some(String::new()))
    }
    /// Figures that follow from a mean loss, by the names that a log has; none where the loss says it all.
    fn metrics(&self, _loss: f64) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
    /// What a model file needs apart from weights, configuration and results: entries of its metadata.
    fn meta(&self, config: &Config) -> Map<String, Value>;
    /// The vocabulary, where the data would not give it again.
    fn state_vocab(&self) -> Option<Vec<String>> {
        None
    }
}
