//! Forecasting as a task: windows of series, a forecaster and its loss, forecasts, and the backtest against simple
//! methods. Not here: what a network reads of a series (`data/series`), the network (`nn/model/forecaster.rs`).

mod backtest;
mod forecasts;
mod held_out;
mod interval;
mod paths;
mod trained;

use elman_kernels::Element;
use rand_chacha::rand_core::Rng;
use serde_json::{Map, Value, json};

use super::{Loss, Task, Validation};
use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::config::Config;
use crate::data::Fingerprint;
use crate::data::series::fitted::check_values;
use crate::data::series::{Origin, SeriesSet, Timeline};
use crate::error::Error;
use crate::metrics::baselines::Baseline;
use crate::nn::model::Forecaster;
use crate::rng::{Purpose, generator};
use crate::train::report::Shape;

pub use backtest::{Backtest, Method, Watch};
pub use forecasts::Forecasts;
pub use held_out::HeldOut;
pub use trained::{Asked, TrainedForecast};

/// Origins that a validation takes at most, evenly chosen.
const MOST_VALIDATED: usize = 512;

/// What comes next in time series.
#[derive(Clone, Debug)]
pub struct ForecastTask<E> {
    fingerprint: Fingerprint,
    trained: TrainedForecast<E>,
    set: SeriesSet,
    held_out: HeldOut,
    /// The windows of all series up to each, by the number of the last.
    windows: Vec<u64>,
    /// Known rows of the longest series.
    longest: usize,
    shape: Shape,
}

impl<E: Element> ForecastTask<E> {
    /// The task of `config` on series, the end of each held out.
    ///
    /// Errors: no series has two rows to train on; values that have no logarithm or are no counts, where such are
    /// wanted; an impossible configuration.
    pub fn new(config: &Config, set: SeriesSet, fingerprint: Fingerprint) -> Result<ForecastTask<E>, Error> {
        let settings = config.forecast()?.clone();
        check_values(&settings, &set)?;
        let held_out = HeldOut::new(&settings, config.val_frac, &set)?;
        let mut windows = Vec::with_capacity(set.series.len());
        for &cut in &held_out.cuts {
            windows.push(windows.last().copied().unwrap_or(0) + cut.saturating_sub(1) as u64);
        }
        let total = windows.last().copied().unwrap_or(0);
        let longest = set.series.iter().map(|series| series.known).max().unwrap_or(0);
        if total == 0 {
            let problem =
                format!("the longest series has {longest} rows, expected 2 to train on beside those held out");
            return Err(Error::Data { name: set.name, problem });
        }
        let timeline = Timeline::new(&settings, config.seq_len, &set, &held_out.cuts)?;
        let model = Forecaster::new(config, timeline.widths())?;
        let train_tokens: usize = held_out.cuts.iter().sum();
        let known: usize = set.series.iter().map(|series| series.known).sum();
        let batch = config.batch.min(total.try_into().unwrap_or(usize::MAX)).max(1);
        let in_step = (batch as u64).saturating_mul(settings.train_origins().min(config.seq_len).max(1) as u64);
        let shape = Shape {
            train_tokens,
            val_tokens: if held_out.origins.is_empty() { 0 } else { known - train_tokens },
            vocab_size: set.roles.values.len(),
            seq_len: config.seq_len,
            batch,
            steps_per_epoch: total.div_ceil(in_step).max(1),
            notes: notes(&set, &held_out),
            ..Shape::default()
        };
        let trained = TrainedForecast { timeline, seed: config.seed, model };
        Ok(ForecastTask { fingerprint, trained, set, held_out, windows, longest, shape })
    }

    /// The series.
    pub fn series(&self) -> &SeriesSet {
        &self.set
    }

    /// What is learned, with all that a forecast needs.
    pub fn trained(&self) -> &TrainedForecast<E> {
        &self.trained
    }

    /// Forecasts from the origins that are held out, beside those of simple methods; None once `continues` says no, or
    /// where nothing is held out. The model is not trained again on the future.
    pub fn backtest(&self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<Backtest>, Error> {
        let baselines = default_baselines(self.trained.timeline.settings.season);
        let mut watch = Watch { continues, progress: &mut |_, _| (), forecast: &mut |_, _| Ok(()) };
        self.trained.evaluate(tape, (&self.set, &self.held_out), &baselines, &mut watch)
    }

    /// The places that a step trains on: windows are drawn evenly, with replacement.
    fn places(&self, config: &Config, step: u64) -> Vec<Origin> {
        let mut rng = generator(config.seed, Purpose::Batches, step);
        let total = self.windows.last().copied().unwrap_or(1);
        let place = |_| {
            let at = rng.next_u64() % total;
            let series = self.windows.partition_point(|&end| end <= at);
            let before = if series == 0 { 0 } else { self.windows[series - 1] };
            Origin { series, t: (at - before) as usize + 1 }
        };
        (0..self.shape.batch).map(place).collect()
    }
}

/// The simple methods that every backtest has.
pub fn default_baselines(season: usize) -> Vec<Baseline> {
    use Baseline::{Drift, Naive, Naive2, SeasonalNaive, Theta};
    match season {
        0 | 1 => vec![Naive, Drift, Naive2, Theta],
        _ => vec![Naive, SeasonalNaive, Drift, Naive2, Theta],
    }
}

/// What a user is told of the data.
fn notes(set: &SeriesSet, held_out: &HeldOut) -> Vec<String> {
    let mut notes = Vec::new();
    if set.gaps > 0 {
        notes.push(format!("rows that are missing in the table, read as missing values: {}", set.gaps));
    }
    if set.missing > 0 {
        notes.push(format!("missing values: {}", set.missing));
    }
    let short = held_out.too_short(set);
    if short > 0 {
        notes.push(format!("series too short to hold out a horizon, trained on but not in the backtest: {short}"));
    }
    notes
}

impl<E: Element> Task for ForecastTask<E> {
    type Element = E;

    fn params(&self) -> &Params<E> {
        self.trained.model.params()
    }

    fn params_mut(&mut self) -> &mut Params<E> {
        self.trained.model.params_mut()
    }

    fn shape(&self) -> Shape {
        self.shape.clone()
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn step(&mut self, config: &Config, tape: &mut Tape<E>, step: u64, grads: &mut Params<E>) -> Result<Loss, Error> {
        let places = self.places(config, step);
        let forecasting = self.trained.timeline.settings.train_origins();
        let cuts = &self.held_out.cuts;
        let shape = (forecasting, self.longest);
        let batch = self.trained.timeline.training_batch(&self.set, &places, shape, |series| cuts[series])?;
        let dropout = generator(config.seed, Purpose::Dropout, step);
        let (_, of) = self.trained.model.loss_and_grads(tape, &batch, dropout, grads)?;
        Ok(Loss { mean: of.sum / of.counted.max(1) as f64, predictions: of.counted, rows: batch.rows })
    }

    /// The mean loss of held-out values, each horizon from its own origin.
    fn validate(
        &mut self,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        let (mut sum, mut count) = (0.0, 0);
        let every = self.held_out.origins.len().div_ceil(MOST_VALIDATED).max(1);
        let chosen: Vec<Origin> = self.held_out.origins.iter().step_by(every).copied().collect();
        for places in chosen.chunks(trained::AT_ONCE) {
            if !continues() {
                return Ok(None);
            }
            let known = |series: usize| self.set.series[series].known;
            let batch = self.trained.timeline.training_batch(&self.set, places, (1, self.longest), known)?;
            let (of_batch, counted) = self.trained.model.loss(tape, &batch)?;
            sum += of_batch;
            count += counted;
        }
        Ok(Some(Validation::from(sum / count.max(1) as f64)))
    }

    fn meta(&self, _: &Config) -> Map<String, Value> {
        Map::from_iter([("task".to_string(), json!({ "series": self.trained.timeline.fitted }))])
    }
}
