//! A network that was trained on signals, with all that its use needs, and a stream of samples through it. Not here: training.

use elman_kernels::{Cpu, Element};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::autodiff::tape::Tape;
use crate::config::Config;
use crate::data::signal::Pairs;
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::nn::model::SignalModel;
use crate::nn::state::State;

/// A knob, and the range in which it stood in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The least of training.
    pub low: f64,
    /// The largest of training.
    pub high: f64,
}

impl Knob {
    /// A place of the knob as the network reads it: 0 at the least of training, 1 at the largest.
    pub fn scaled(&self, x: f64) -> f64 {
        let range = self.high - self.low;
        (x - self.low) / if range > 0.0 { range } else { 1.0 }
    }

    /// The knobs of recordings.
    pub(super) fn of(names: &[String], pairs: &Pairs) -> Vec<Knob> {
        let knob = |(at, name): (usize, &String)| {
            let all = pairs.pairs.iter().map(|pair| pair.knobs[at]);
            let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
            Knob { name: name.clone(), low, high }
        };
        names.iter().enumerate().map(knob).collect()
    }
}

/// What a model file holds: all that a prediction needs.
#[derive(Clone, Debug)]
pub struct TrainedSignal<E> {
    /// The network.
    pub model: SignalModel<E>,
    /// Samples a second.
    pub rate: u32,
    /// The knobs, in the order of the inputs after the sample.
    pub knobs: Vec<Knob>,
}

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    rate: u32,
    knobs: Vec<Knob>,
}

impl<E: Element> TrainedSignal<E> {
    /// What was trained on signals in a model file, with its settings. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<(Config, TrainedSignal<E>), Error> {
        let config = stored.config().clone();
        let settings = config.signal().map_err(|error| stored.refusal(error))?;
        let Meta { rate, knobs } = stored.task()?;
        if !knobs.iter().map(|knob| &knob.name).eq(&settings.knobs) {
            return Err(stored.refusal("task.knobs are not those of its settings"));
        }
        if let Some(knob) = knobs.iter().find(|knob| !(knob.low <= knob.high && (knob.high - knob.low).is_finite())) {
            return Err(stored.refusal(format!("task.knobs: {} has no fair range", knob.name)));
        }
        if rate == 0 {
            return Err(stored.refusal("task.rate is 0, expected at least 1"));
        }
        let model = stored.model(knobs.len())?;
        Ok((config, TrainedSignal { model, rate, knobs }))
    }

    pub(super) fn meta(&self) -> Value {
        json!({ "rate": self.rate, "knobs": self.knobs })
    }
}

/// A waveform that goes through a network, block by block: any blocks give the same samples.
#[derive(Debug)]
pub struct Stream<'a, E> {
    trained: &'a TrainedSignal<E>,
    tape: Tape<E>,
    state: State<E>,
    knobs: Vec<E>,
    steps: Vec<E>,
}

impl<'a, E: Element> Stream<'a, E> {
    /// Samples of a block that the memory of a computer is used well with.
    pub const BLOCK: usize = 4096;

    /// A stream that has not begun. Errors: another number of knobs; a knob that is not finite.
    pub fn new(trained: &'a TrainedSignal<E>, cpu: &Cpu, knobs: &[f64]) -> Result<Stream<'a, E>, Error> {
        if knobs.len() != trained.knobs.len() {
            let (got, expected) = (knobs.len().to_string(), trained.knobs.len().to_string());
            return Err(Error::Setting { name: "knobs", got, expected });
        }
        if let Some(knob) = knobs.iter().find(|knob| !knob.is_finite()) {
            return Err(Error::Setting { name: "knob", got: knob.to_string(), expected: "a finite number".into() });
        }
        let knobs = knobs.iter().zip(&trained.knobs).map(|(&x, knob)| E::from_f64(knob.scaled(x))).collect();
        let state = trained.model.initial_state(1);
        Ok(Stream { trained, tape: Tape::new(cpu), state, knobs, steps: Vec::new() })
    }

    /// The samples that follow, as many as `input` has, in `output`, which is cleared first. Errors: a sample that is not finite.
    pub fn process(&mut self, input: &[f32], output: &mut Vec<f32>) -> Result<(), Error> {
        output.clear();
        for block in input.chunks(Stream::<E>::BLOCK) {
            self.steps.clear();
            for &sample in block {
                self.steps.push(E::from_f64(f64::from(sample)));
                self.steps.extend_from_slice(&self.knobs);
            }
            self.tape.start(false);
            let y = self.trained.model.advance(&mut self.tape, &self.steps, &mut self.state, None)?;
            let samples = self.tape.value(y).iter().step_by(y.stride());
            output.extend(samples.map(|y| y.to_f64() as f32));
        }
        output.iter().try_for_each(|&y| Error::unless_finite("the signal", "a sample", f64::from(y)))
    }
}
