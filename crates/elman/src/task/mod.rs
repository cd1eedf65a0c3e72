//! Holds what the loop of `train.rs` knows of a run: its network, its data, its loss; a file for each task. Refuses policy:
//! clipping, steps, saves and reports are the loop's.

pub mod classify;

use elman_kernels::{Cpu, Element};
use serde_json::{Map, Value};

use crate::data::TextMark;
use crate::error::Error;
use crate::layer::State;
use crate::params::Params;
use crate::tape::Tape;

pub use classify::Classify;

/// What a run learns: its data, its network, its loss.
pub trait Task {
    /// The numbers it is computed in.
    type Element: Element;
    /// All that is learned.
    fn params(&self) -> &Params<Self::Element>;
    /// All that is learned.
    fn params_mut(&mut self) -> &mut Params<Self::Element>;
    /// What is carried from step to step; None where every step stands alone.
    fn carry(&self) -> Option<&State<Self::Element>> {
        None
    }
    /// What is carried from step to step.
    fn carry_mut(&mut self) -> Option<&mut State<Self::Element>> {
        None
    }
    /// What the run is made of, in figures.
    fn shape(&self) -> Shape;
    /// Batch number `step` - 1, forward and backward; `grads` is overwritten.
    fn step(
        &mut self,
        tape: &mut Tape<Self::Element>,
        step: u64,
        grads: &mut Params<Self::Element>,
    ) -> Result<Step, Error>;
    /// Whether there is anything to validate on.
    fn validates(&self) -> bool;
    /// The mean loss of what is held out; None once `goes_on` says no.
    fn validate(
        &mut self,
        tape: &mut Tape<Self::Element>,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error>;
    /// What it writes while it learns; None once `goes_on` says no.
    fn sample(&self, _cpu: &Cpu, _step: u64, _goes_on: &mut dyn FnMut() -> bool) -> Result<Option<String>, Error> {
        Ok(Some(String::new()))
    }
    /// How its data is known again.
    fn mark(&self) -> &TextMark;
    /// Its keys of the model file's metadata, beside configuration, format and results.
    fn meta(&self) -> Map<String, Value>;
}

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Name of the data.
    pub name: String,
    /// Units to train on.
    pub train: usize,
    /// Units to validate on.
    pub validation: usize,
    /// What one is called.
    pub unit: &'static str,
    /// Tokens, or numbers, that a step of a sequence may be.
    pub inputs: usize,
    /// Sequences of a batch.
    pub batch: usize,
    /// Batches of an epoch.
    pub steps_per_epoch: u64,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Mean loss of the predictions.
    pub loss: f64,
    /// How many there were.
    pub predictions: usize,
    /// Rows of the batch.
    pub rows: usize,
}
