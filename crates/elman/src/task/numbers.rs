//! Regression and several labels at once: a network whose numbers are the parameters of distributions of the numbers to predict,
//! for each sequence or for each of its steps; its loss and its figures. Not here: how the data is read and split
//! (`data/table/measured.rs`).

use elman_kernels::Element;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::supervised::{Batch, Objective, Supervised};
use super::{Loss, Validation};
use crate::autodiff::tape::Tape;
use crate::config::{Config, Numbers, Output};
use crate::data::table::encoding::{Encoding, Features};
use crate::data::table::items::Items;
use crate::data::table::measured::{Measured, Split};
use crate::data::table::scale::Scaler;
use crate::data::table::sequences::{Padded, Sequences, pieces, read_by_length};
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::metrics::distribution::{Distribution, Scratch};
use crate::metrics::labels::{DEFAULT_THRESHOLD, LabelFigures, best_threshold, label_figures};
use crate::metrics::regression::RegressionErrors;
use crate::nn::losses::Likelihood;
use crate::nn::model::{Model, Predictor, predictor::Layers};
use crate::rng::Purpose;
use crate::train::report::Shape;

/// Sequences that are read side by side where nothing is learned.
const READ_AT_ONCE: usize = 128;

/// What a model file holds: all that a prediction needs.
#[derive(Clone, Debug)]
pub struct Trained<E> {
    /// How sequences become numbers.
    pub encoding: Encoding,
    /// The numbers to predict.
    pub targets: Targets,
    /// What the network's numbers are the parameters of.
    pub distribution: Distribution,
    /// The quantiles that are predicted beside a number, rising.
    pub levels: Vec<f64>,
    /// Of labels: the probability from which each counts as there.
    pub thresholds: Vec<f64>,
    /// The network.
    pub model: Predictor<E>,
    every_step: bool,
}

/// The numbers to predict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Their columns.
    pub columns: Vec<String>,
    /// What makes them alike; None of labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaler: Option<Scaler>,
}

impl Targets {
    /// Scaled by the known numbers of a training part; labels are not scaled.
    fn fit(numbers: &Numbers<'_>, train: &[Vec<f64>]) -> Targets {
        let (columns, width) = (numbers.labels.clone(), numbers.labels.len());
        if numbers.output == Output::Bernoulli {
            return Targets { columns, scaler: None };
        }
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        for d in 0..width {
            let column = train.iter().flat_map(move |row| row.iter().skip(d).step_by(width));
            let scaler = Scaler::fit(1, column.filter(|y| !y.is_nan()).map(std::slice::from_ref));
            mean.extend(scaler.mean);
            deviation.extend(scaler.deviation);
        }
        Targets { columns, scaler: Some(Scaler { mean, deviation }) }
    }

    fn scale(&self, d: usize, y: f64) -> f64 {
        self.scaler.as_ref().map_or(y, |scaler| scaler.scale(d, y))
    }

    fn unscale(&self, d: usize, y: f64) -> f64 {
        self.scaler.as_ref().map_or(y, |scaler| scaler.unscale(d, y))
    }
}

/// A run that learns numbers or labels.
pub type NumbersTask<E> = Supervised<E, Trained<E>>;

/// Encoded sequences and the numbers to predict, as they are in the data.
#[derive(Clone, Debug)]
pub struct Examples {
    sequences: Sequences,
    targets: Vec<Vec<f64>>,
}

/// Examples to train on and held-out ones.
#[derive(Clone, Debug)]
pub struct Data {
    train: Examples,
    held: Examples,
    loss: Likelihood,
}

/// How well numbers are predicted.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Mean loss of a number that is known, in the units of the scaled numbers, or nats of a distribution.
    pub loss: f64,
    /// Numbers that are known.
    pub count: usize,
    /// The errors, or the labels that were found.
    pub kind: FiguresKind,
}

/// Rows of numbers: of each column the true one, NaN where it is not known, and the predicted one.
pub type Compared = Vec<Vec<(f64, f64)>>;

/// What figures there are.
#[derive(Clone, Debug)]
pub enum FiguresKind {
    /// Of numbers.
    Numbers(RegressionErrors),
    /// Of labels.
    Labels {
        /// F1.
        figures: LabelFigures,
        /// Rows of labels.
        rows: usize,
        /// The thresholds of the figures.
        thresholds: Vec<f64>,
    },
}

impl<E: Element> NumbersTask<E> {
    /// The task of `config` on a data set, a part of which is held out where `validation` is None.
    ///
    /// Errors: data that does not fit itself or the settings; an impossible configuration.
    pub fn new(config: &Config, data: Measured, validation: Option<Measured>) -> Result<NumbersTask<E>, Error> {
        let (fingerprint, numbers) = (data.fingerprint.clone(), config.numbers()?);
        let Split { train, held, mut notes } = data.split(config, validation)?;
        let encoding = Encoding::fit(config, &fingerprint.name, &train.items)?;
        let targets = Targets::fit(&numbers, &train.targets);
        let distribution = numbers.distribution()?;
        let model = Predictor::new(config, (encoding.input(), distribution.width()))?;
        let thresholds = vec![DEFAULT_THRESHOLD; if targets.scaler.is_none() { targets.columns.len() } else { 0 }];
        let (levels, every_step) = (numbers.levels.to_vec(), numbers.every_step);
        let trained =
            Trained { encoding, targets, distribution: distribution.clone(), levels, thresholds, model, every_step };
        let train = trained.examples(config, (&fingerprint.name, "sequences to train on"), train, &mut notes)?;
        let held = trained.examples(config, (&fingerprint.name, "held-out sequences"), held, &mut notes)?;
        let lengths = train.sequences.lengths();
        let known = |examples: &Examples| examples.targets.iter().flatten().filter(|y| !y.is_nan()).count();
        let shape = Shape {
            train_tokens: known(&train),
            val_tokens: known(&held),
            vocab_size: trained.targets.columns.len(),
            seq_len: lengths.iter().max().copied().unwrap_or_default(),
            notes,
            ..Shape::default()
        };
        if shape.train_tokens == 0 {
            let problem = "no number to train on is known, expected at least 1".to_string();
            return Err(Error::Data { name: fingerprint.name, problem });
        }
        let data = Data { train, held, loss: Likelihood(distribution) };
        Ok(Supervised::of(config, fingerprint, (trained, data), lengths, shape))
    }

    /// How well the numbers of what is held out are predicted, labels at the thresholds that are best for it, and each row of true
    /// numbers beside the predicted ones; None once `continues` says no.
    pub fn measure(
        &self,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<(Figures, Compared)>, Error> {
        let (held, trained) = (&self.data.held, &self.trained);
        let answers = trained.answers(tape, &held.sequences, Some(&held.targets), continues)?;
        let each = 1 + trained.levels.len();
        let pair = |(truth, row): (&[f64], &[f64])| -> Vec<(f64, f64)> {
            truth.iter().zip(row.iter().step_by(each)).map(|(&y, &predicted)| (y, predicted)).collect()
        };
        let pairs = |answers: &Answers| trained.rows(held, answers).map(pair).collect();
        Ok(answers.map(|answers| (trained.figures(held, &answers, None), pairs(&answers))))
    }
}

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    targets: Targets,
    #[serde(default)]
    features: Option<Features>,
    #[serde(default)]
    thresholds: Option<Vec<f64>>,
}

/// Predictions of sequences, and the mean loss with the number of targets that count.
struct Answers {
    all: Vec<Vec<f64>>,
    loss: f64,
    counted: usize,
}

impl<E: Element> Trained<E> {
    /// What predicts numbers or labels in a model file, with its settings. Errors: a model of another task; one at odds with
    /// itself.
    pub fn load(stored: &Stored) -> Result<(Config, Trained<E>), Error> {
        let config = stored.config().clone();
        let numbers = config.numbers().map_err(|error| stored.refusal(error))?;
        let Meta { targets, features, thresholds } = stored.task()?;
        if targets.columns != numbers.labels {
            let (got, expected) = (targets.columns.join(", "), numbers.labels.join(", "));
            return Err(stored.refusal(format!("task.targets are {got}, expected {expected} as in its settings")));
        }
        let (width, has_labels) = (targets.columns.len(), numbers.output == Output::Bernoulli);
        if targets.scaler.as_ref().map_or(!has_labels, |scaler| has_labels || !scaler.fits(width)) {
            return Err(stored.refusal(format!("task.targets has no fair scaler for its {width} columns")));
        }
        let of_labels = if has_labels { width } else { 0 };
        let thresholds = thresholds.unwrap_or(vec![DEFAULT_THRESHOLD; of_labels]);
        if thresholds.len() != of_labels || !thresholds.iter().all(|t| (0.0..=1.0).contains(t)) {
            return Err(stored.refusal(format!("task.thresholds are {thresholds:?}, expected {of_labels} from 0 to 1")));
        }
        let (encoding, distribution) = (stored.encoding(features)?, numbers.distribution()?);
        let model = stored.model((encoding.input(), distribution.width()))?;
        let (levels, every_step) = (numbers.levels.to_vec(), numbers.every_step);
        let trained = Trained { encoding, targets, distribution, levels, thresholds, model, every_step };
        Ok((config, trained))
    }

    /// Whether each step has numbers of its own.
    pub fn every_step(&self) -> bool {
        self.every_step
    }

    /// Numbers of a prediction: for each column the number itself, then its quantiles.
    pub fn width(&self) -> usize {
        self.targets.columns.len() * (1 + self.levels.len())
    }

    /// Encodes a part of some data. Of one answer each, sequences longer than `seq_len` are cut, which is noted; with an answer
    /// at every step they become pieces, each of which is read from the initial state.
    fn examples(
        &self,
        config: &Config,
        (name, what): (&str, &str),
        part: Measured,
        notes: &mut Vec<String>,
    ) -> Result<Examples, Error> {
        let (mut sequences, mut targets) = (self.encoding.encode(name, &part.items)?, part.targets);
        let most = config.seq_len;
        if self.every_step {
            let before = sequences.count();
            sequences = sequences.pieces(most);
            targets = pieces(targets, most * self.targets.columns.len());
            if sequences.count() > before {
                notes.push(format!("{what} read in pieces of seq_len = {most} steps: {}", sequences.count()));
            }
        } else {
            let cut = sequences.cut(most);
            if cut > 0 {
                notes.push(format!("{what} cut after seq_len = {most} steps: {cut}"));
            }
        }
        Ok(Examples { sequences, targets })
    }

    /// The numbers of each sequence, or of each of its steps, row after row of [`Trained::width`]: of a column its mean or, where
    /// that is not learned, its median or point, then its quantiles; of a label its probability. Of one answer each, what is
    /// longer than `most` steps is cut; else it is read in pieces of as many. Errors: sequences that its encoding rejects; an
    /// answer that is not finite.
    pub fn predict(&self, tape: &mut Tape<E>, name: &str, items: &Items, most: usize) -> Result<Vec<Vec<f64>>, Error> {
        let mut sequences = self.encoding.encode(name, items)?;
        let lengths = sequences.lengths();
        if self.every_step {
            sequences = sequences.pieces(most);
        } else {
            sequences.cut(most);
        }
        let answers = self.answers(tape, &sequences, None, &mut || true)?;
        let mut all = answers.map(|answers| answers.all).unwrap_or_default();
        all.iter().flatten().try_for_each(|&y| Error::unless_finite(name, "a prediction", y))?;
        if self.every_step {
            let mut read = all.into_iter();
            let joined = |&length: &usize| read.by_ref().take(length.div_ceil(most.max(1)).max(1)).flatten().collect();
            all = lengths.iter().map(joined).collect();
        }
        Ok(all)
    }

    /// How well the numbers of a part of some data are predicted, and what was changed in it, a sentence each. `name` is what
    /// messages call the data. Labels are measured at the model's thresholds. None once `continues` says no.
    ///
    /// Errors: no number that is known; sequences or numbers that do not fit each other or the model; an output that is not
    /// finite.
    pub fn evaluate(
        &self,
        tape: &mut Tape<E>,
        config: &Config,
        part: Measured,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<(Figures, Vec<String>)>, Error> {
        part.check(&config.numbers()?)?;
        let (name, mut notes) = (part.fingerprint.name.clone(), Vec::new());
        let examples = self.examples(config, (&name, "sequences"), part, &mut notes)?;
        let measured = self.measure(tape, &examples, Some(&self.thresholds), continues)?;
        let Some(figures) = measured else { return Ok(None) };
        Error::unless_finite(&name, "the loss", figures.loss)?;
        if figures.count == 0 {
            let problem = "no number to predict is known, expected at least 1".to_string();
            return Err(Error::Data { name, problem });
        }
        Ok(Some((figures, notes)))
    }

    fn measure(
        &self,
        tape: &mut Tape<E>,
        examples: &Examples,
        thresholds: Option<&[f64]>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Figures>, Error> {
        let answers = self.answers(tape, &examples.sequences, Some(&examples.targets), continues)?;
        Ok(answers.map(|answers| self.figures(examples, &answers, thresholds)))
    }

    /// The rows of true numbers, each with its answer.
    fn rows<'a>(
        &self,
        examples: &'a Examples,
        answers: &'a Answers,
    ) -> impl Iterator<Item = (&'a [f64], &'a [f64])> + Clone + use<'a, E> {
        let (columns, width) = (self.targets.columns.len(), self.width());
        let pairs = examples.targets.iter().zip(&answers.all);
        pairs.flat_map(move |(truth, answer)| truth.chunks_exact(columns).zip(answer.chunks_exact(width)))
    }

    /// The figures of answers; `thresholds` are those of labels, None takes the best.
    fn figures(&self, examples: &Examples, answers: &Answers, thresholds: Option<&[f64]>) -> Figures {
        let (columns, rows) = (self.targets.columns.len(), || self.rows(examples, answers));
        let kind = if self.distribution.output() == Output::Bernoulli {
            let best = || (0..columns).map(|d| best_threshold(rows().map(|(y, p)| (y[d], p[d])).collect())).collect();
            let thresholds = thresholds.map_or_else(best, <[f64]>::to_vec);
            let rows_known = rows().filter(|(truth, _)| truth.iter().any(|y| !y.is_nan())).count();
            FiguresKind::Labels { figures: label_figures(rows(), &thresholds), rows: rows_known, thresholds }
        } else {
            let (each, mut errors) = (1 + self.levels.len(), RegressionErrors::new(columns, self.levels.len() > 1));
            for (truth, answer) in rows() {
                for (d, (&y, answer)) in truth.iter().zip(answer.chunks_exact(each)).enumerate() {
                    errors.add(d, y, answer[0], &answer[1..]);
                }
            }
            FiguresKind::Numbers(errors)
        };
        Figures { loss: answers.loss, count: answers.counted, kind }
    }

    /// The answers for sequences, and the loss at their targets where those are given.
    fn answers(
        &self,
        tape: &mut Tape<E>,
        sequences: &Sequences,
        targets: Option<&[Vec<f64>]>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Answers>, Error> {
        let (columns, parameters) = (self.targets.columns.len(), self.distribution.width());
        let (mut raw, mut slopes, mut scratch) = (vec![0.0; parameters], vec![0.0; parameters], Scratch::default());
        let (mut scaled, units) = (vec![f64::NAN; columns], vec![1.0; columns]);
        let (mut all, mut sum, mut counted) = (vec![Vec::new(); sequences.count()], 0.0, 0);
        let read = read_by_length(&sequences.lengths(), READ_AT_ONCE, continues, |places| {
            let batch = Padded::new(sequences, places, 0)?;
            let rows = self.model.averages(tape, &batch, self.width(), |outputs, b, t, answer| {
                raw.iter_mut().zip(outputs).for_each(|(raw, x)| *raw = x.to_f64());
                if let Some(targets) = targets {
                    let truth = targets[places[b]].iter().skip(t * columns);
                    let truth = scaled.iter_mut().zip(truth).enumerate();
                    truth.for_each(|(d, (scaled, &y))| *scaled = self.targets.scale(d, y));
                    let (loss, of) = self.distribution.loss(&raw, &scaled, &units, &mut slopes, &mut scratch);
                    sum += loss;
                    counted += of;
                }
                self.answer(&raw, answer);
            })?;
            places.iter().zip(rows).for_each(|(&at, row)| all[at] = row);
            Ok(())
        })?;
        Ok(read.map(|()| {
            let networks = self.model.ensemble_size();
            Answers { all, loss: sum / counted.max(1) as f64, counted: counted / networks }
        }))
    }

    /// The numbers that a row of parameters stands for.
    fn answer(&self, raw: &[f64], answer: &mut [f64]) {
        let distribution = &self.distribution;
        for (d, answer) in answer.chunks_exact_mut(1 + self.levels.len()).enumerate() {
            let point = distribution.mean(raw, d, 1.0).unwrap_or_else(|| distribution.quantile(raw, d, 0.5, 1.0));
            answer[0] = self.targets.unscale(d, point);
            for (to, &level) in answer[1..].iter_mut().zip(&self.levels) {
                *to = self.targets.unscale(d, distribution.quantile(raw, d, level, 1.0));
            }
        }
    }

    /// The scaled targets of a batch, time-major, with their units: NaN where a sequence has ended.
    fn batch_targets(&self, examples: &Examples, places: &[usize]) -> Vec<(f64, f64)> {
        let columns = self.targets.columns.len();
        let steps = places.iter().map(|&at| examples.targets[at].len() / columns).max().unwrap_or(0).max(1);
        let target = |t: usize, at: usize, d: usize| {
            let y = examples.targets[at].get(t * columns + d).copied().unwrap_or(f64::NAN);
            (self.targets.scale(d, y), 1.0)
        };
        let row = |t: usize| places.iter().flat_map(move |&at| (0..columns).map(move |d| (t, at, d)));
        (0..steps).flat_map(row).map(|(t, at, d)| target(t, at, d)).collect()
    }
}

impl<E: Element> Objective<E> for Trained<E> {
    type Layers = Layers<E>;
    type Data = Data;

    fn model(&self) -> &Model<E, Layers<E>> {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model<E, Layers<E>> {
        &mut self.model
    }

    fn learn(&self, data: &Data, tape: &mut Tape<E>, batch: Batch<'_, E>) -> Result<Loss, Error> {
        let read = Padded::new(&data.train.sequences, batch.places, 0)?;
        let targets = self.batch_targets(&data.train, batch.places);
        let dropout = Some(batch.draws(Purpose::Dropout));
        let (mean, of) = self.model.loss_and_grads(tape, &read, &data.loss, &targets, dropout, batch.grads)?;
        Ok(Loss { mean, predictions: of.counted, rows: read.rows })
    }

    fn held_loss(
        &self,
        data: &Data,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        let Some(figures) = self.measure(tape, &data.held, None, continues)? else { return Ok(None) };
        let found = match figures.kind {
            FiguresKind::Labels { thresholds, .. } => Map::from_iter([("thresholds".to_string(), json!(thresholds))]),
            FiguresKind::Numbers(_) => Map::new(),
        };
        Ok(Some(Validation { loss: figures.loss, found }))
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        self.encoding.meta(config, json!({ "targets": self.targets }))
    }
}
