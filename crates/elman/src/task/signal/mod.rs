//! Signals as a task: a network learns what a device makes of a waveform, by segments of its recordings that are read side by
//! side, a window after another. Not here: files and alignment (`data/signal`), the network (`nn/model/signal.rs`).

mod trained;

use std::ops::Range;

use elman_kernels::{Cpu, Element};
use rand_chacha::rand_core::Rng;
use serde_json::{Map, Value};

use super::{Loss, Task, Validation};
use crate::autodiff::nodes::LEAST_ENERGY;
use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::config::{Config, Signal, SignalLoss};
use crate::data::Fingerprint;
use crate::data::signal::{Pairs, Span, Spans};
use crate::error::Error;
use crate::metrics::signal::{SignalErrors, SignalFigures};
use crate::nn::model::SignalModel;
use crate::nn::state::State;
use crate::rng::{Purpose, generator};
use crate::train::report::Shape;

pub use trained::{Knob, Stream, TrainedSignal};

/// Rows that a part is validated in at most.
const VALIDATED_AT_ONCE: usize = 32;
/// Windows of such a row at least.
const LEAST_WINDOWS: usize = 4;

/// A waveform for a waveform.
#[derive(Clone, Debug)]
pub struct SignalTask<E> {
    fingerprint: Fingerprint,
    trained: TrainedSignal<E>,
    pairs: Pairs,
    spans: Spans,
    settings: Signal,
    seq_len: usize,
    /// Where segments may begin, of all parts to train on up to each, by the number of the last.
    starts: Vec<u64>,
    /// The state after the last window of the segments that are read.
    carry: State<E>,
    shape: Shape,
    /// Inputs `[T*B, inputs]` and targets of a window, used again.
    steps: Vec<E>,
    targets: Vec<f64>,
}

/// How well the held-out parts are predicted.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// The part to validate on.
    pub validation: Option<SignalFigures>,
    /// The part to test on.
    pub test: Option<SignalFigures>,
}

impl<E: Element> SignalTask<E> {
    /// The task of `config` on recordings, the end of each held out.
    ///
    /// Errors: no part to train on is as long as a segment; an impossible configuration.
    pub fn new(config: &Config, pairs: Pairs) -> Result<SignalTask<E>, Error> {
        let (settings, fingerprint) = (config.signal()?.clone(), pairs.fingerprint.clone());
        let spans = pairs.spans(config.val_frac, settings.test_frac);
        let segment = settings.windows * config.seq_len;
        let mut starts: Vec<u64> = Vec::with_capacity(spans.train.len());
        for span in &spans.train {
            let places = (span.len() + 1).saturating_sub(segment) as u64;
            starts.push(starts.last().copied().unwrap_or(0) + places);
        }
        if starts.last().is_none_or(|&all| all == 0) {
            let longest = spans.train.iter().map(Span::len).max().unwrap_or(0);
            let problem = format!(
                "the longest part to train on has {longest} samples, expected {segment}: windows = {} of seq_len = {}",
                settings.windows, config.seq_len
            );
            return Err(Error::Data { name: fingerprint.name, problem });
        }
        let samples = |spans: &[Span]| spans.iter().map(Span::len).sum::<usize>();
        let train_tokens = samples(&spans.train);
        let batch = config.batch.min(train_tokens / segment).max(1);
        let model = SignalModel::new(config, settings.knobs.len())?;
        let trained = TrainedSignal { model, rate: pairs.rate, knobs: Knob::of(&settings.knobs, &pairs) };
        let shape = Shape {
            train_tokens,
            val_tokens: samples(&spans.validation),
            vocab_size: 1,
            seq_len: config.seq_len,
            batch,
            steps_per_epoch: (train_tokens.div_ceil(config.seq_len * batch) as u64).max(1),
            notes: notes(&pairs),
            ..Shape::default()
        };
        let carry = trained.model.initial_state(batch);
        let (steps, targets) = (Vec::new(), Vec::new());
        let seq_len = config.seq_len;
        Ok(SignalTask { fingerprint, trained, pairs, spans, settings, seq_len, starts, carry, shape, steps, targets })
    }

    /// What is learned, with all that a prediction needs.
    pub fn trained(&self) -> &TrainedSignal<E> {
        &self.trained
    }

    /// The recordings.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Their parts.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// How well the held-out parts are predicted where each recording is read from its beginning, as `predict` does; None once
    /// `continues` says no. `take` is given the samples of the test parts: input, truth and prediction.
    pub fn measure(
        &self,
        cpu: &Cpu,
        continues: &mut dyn FnMut() -> bool,
        take: &mut dyn FnMut(f32, f32, f32),
    ) -> Result<Option<Figures>, Error> {
        let [mut validation, mut test] = [SignalErrors::new(self.settings.pre_emphasis); 2];
        for (number, pair) in self.pairs.pairs.iter().enumerate() {
            let of = |spans: &[Span]| -> Range<usize> {
                let span = spans.partition_point(|span| span.pair < number);
                spans.get(span).filter(|span| span.pair == number).map_or(0..0, |span| span.start..span.end)
            };
            let (to_validate, to_test) = (of(&self.spans.validation), of(&self.spans.test));
            let mut stream = Stream::new(&self.trained, cpu, &pair.knobs)?;
            let [mut of_validation, mut of_test] = [SignalErrors::new(self.settings.pre_emphasis); 2];
            let (mut at, mut out) = (0, Vec::new());
            for block in pair.input.chunks(Stream::<E>::BLOCK) {
                if !continues() {
                    return Ok(None);
                }
                stream.process(block, &mut out)?;
                for (&x, &y) in block.iter().zip(&out) {
                    let truth = pair.target[at];
                    if to_validate.contains(&at) {
                        of_validation.add(f64::from(y), f64::from(truth));
                    }
                    if to_test.contains(&at) {
                        of_test.add(f64::from(y), f64::from(truth));
                        take(x, truth, y);
                    }
                    at += 1;
                }
            }
            validation.join(&of_validation);
            test.join(&of_test);
        }
        Ok(Some(Figures { validation: validation.figures(), test: test.figures() }))
    }

    /// Where the segments of a batch begin: drawn evenly, with replacement.
    fn places(&self, config: &Config, number: u64) -> Vec<(usize, usize)> {
        let mut rng = generator(config.seed, Purpose::Batches, number);
        let total = self.starts.last().copied().unwrap_or(1);
        let place = |_| {
            let at = rng.next_u64() % total;
            let span = self.starts.partition_point(|&end| end <= at);
            let before = if span == 0 { 0 } else { self.starts[span - 1] };
            let Span { pair, start, .. } = self.spans.train[span];
            (pair, start + (at - before) as usize)
        };
        (0..self.shape.batch).map(place).collect()
    }

    /// Makes the inputs and targets of the `steps` samples that begin `offset` after each place; silence where a recording has not
    /// begun or has ended.
    fn window(&mut self, places: &[(usize, usize)], offset: i64, steps: usize) {
        self.steps.clear();
        self.targets.clear();
        for t in 0..steps as i64 {
            for &(pair, start) in places {
                let (at, pair) = (start as i64 + offset + t, &self.pairs.pairs[pair]);
                let sample = |samples: &[f32]| {
                    usize::try_from(at).ok().and_then(|at| samples.get(at)).copied().map_or(0.0, f64::from)
                };
                self.steps.push(E::from_f64(sample(&pair.input)));
                let knobs = pair.knobs.iter().zip(&self.trained.knobs);
                self.steps.extend(knobs.map(|(&x, knob)| E::from_f64(knob.scaled(x))));
                self.targets.push(sample(&pair.target));
            }
        }
    }

    /// The state after the samples before each place, read from the initial one; None once `continues` says no.
    fn settled(
        &mut self,
        tape: &mut Tape<E>,
        places: &[(usize, usize)],
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<State<E>>, Error> {
        let mut state = self.trained.model.initial_state(places.len());
        let settle = self.settings.settle;
        for first in (0..settle).step_by(self.seq_len) {
            if !continues() {
                return Ok(None);
            }
            let steps = self.seq_len.min(settle - first);
            self.window(places, first as i64 - settle as i64, steps);
            tape.start(false);
            self.trained.model.advance(tape, &self.steps, &mut state, None)?;
        }
        Ok(Some(state))
    }
}

/// What a user is told of the recordings.
fn notes(pairs: &Pairs) -> Vec<String> {
    let mut notes = Vec::new();
    for pair in &pairs.pairs {
        let Some(shift) = pair.shift.filter(|shift| shift.late != 0) else { continue };
        let how = if shift.late > 0 { "late" } else { "early" };
        let done = match shift.removed {
            0 => "left as it is".to_string(),
            removed if removed > 0 => format!("its first {removed} are left out"),
            removed => format!("the first {} of the input are left out", -removed),
        };
        let samples = shift.late.unsigned_abs();
        notes.push(format!("{} is {samples} samples {how}: {done}", pair.name));
    }
    let inverted = pairs.pairs.iter().filter(|pair| pair.shift.is_some_and(|shift| shift.correlation < 0.0)).count();
    if inverted > 0 {
        notes.push(format!("outputs that are upside down: {inverted}"));
    }
    notes
}

impl<E: Element> Task for SignalTask<E> {
    type Element = E;

    fn params(&self) -> &Params<E> {
        self.trained.model.params()
    }

    fn params_mut(&mut self) -> &mut Params<E> {
        self.trained.model.params_mut()
    }

    fn carry(&self) -> Option<&State<E>> {
        Some(&self.carry)
    }

    fn carry_mut(&mut self) -> Option<&mut State<E>> {
        Some(&mut self.carry)
    }

    fn shape(&self) -> Shape {
        self.shape.clone()
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn step(&mut self, config: &Config, tape: &mut Tape<E>, step: u64, grads: &mut Params<E>) -> Result<Loss, Error> {
        let windows = self.settings.windows as u64;
        let (number, window) = ((step - 1) / windows, ((step - 1) % windows) as i64);
        let places = self.places(config, number);
        if window == 0
            && let Some(state) = self.settled(tape, &places, &mut || true)?
        {
            self.carry = state;
        }
        self.window(&places, window * self.seq_len as i64, self.seq_len);
        let dropout = generator(config.seed, Purpose::Dropout, step);
        let (batch, rows) = ((&self.steps[..], &self.targets[..]), places.len());
        let mean = self.trained.model.loss_and_grads(tape, batch, &mut self.carry, dropout, grads)?;
        Ok(Loss { mean, predictions: self.targets.len(), rows })
    }

    /// The loss of the parts to validate on, in rows that are read side by side, each after the samples before it.
    fn validate(
        &mut self,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        let mut sums = SignalErrors::new(self.settings.pre_emphasis);
        let (mut squared_means, mut rows_read) = (0.0, 0);
        for span in self.spans.validation.clone() {
            let rows = (span.len() / (LEAST_WINDOWS * self.seq_len)).clamp(1, VALIDATED_AT_ONCE);
            let steps = span.len() / rows;
            let places: Vec<(usize, usize)> = (0..rows).map(|row| (span.pair, span.start + row * steps)).collect();
            let Some(mut state) = self.settled(tape, &places, continues)? else { return Ok(None) };
            let mut errors = vec![SignalErrors::new(self.settings.pre_emphasis); rows];
            for first in (0..steps).step_by(self.seq_len) {
                if !continues() {
                    return Ok(None);
                }
                self.window(&places, first as i64, self.seq_len.min(steps - first));
                tape.start(false);
                let y = self.trained.model.advance(tape, &self.steps, &mut state, None)?;
                let outputs = tape.value(y).iter().step_by(y.stride());
                for (at, (y, &truth)) in outputs.zip(&self.targets).enumerate() {
                    errors[at % rows].add(y.to_f64(), truth);
                }
            }
            for of_row in &errors {
                sums.join(of_row);
                let mean = of_row.figures().map_or(0.0, |figures| figures.mean_error);
                squared_means += mean * mean;
                rows_read += 1;
            }
        }
        let (error, energy) = sums.squares();
        let loss = match self.settings.signal_loss {
            SignalLoss::Squared => error,
            // As in training, silence has a finite loss.
            SignalLoss::Esr => {
                let mean = squared_means / f64::from(rows_read.max(1)) / energy.max(LEAST_ENERGY);
                sums.filtered_ratio(LEAST_ENERGY) + self.settings.dc * mean
            }
        };
        Ok(Some(Validation::from(loss)))
    }

    fn meta(&self, _: &Config) -> Map<String, Value> {
        Map::from_iter([("task".to_string(), self.trained.meta())])
    }
}
