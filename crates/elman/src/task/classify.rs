//! Classification as a task: labelled sequences, split and encoded; a classifier; its loss and its measures. Fewer than
//! two classes, and held-out examples of classes that are not in the training part, are errors.

use elman_kernels::Element;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Loss, Task};
use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::config::{ClassWeights, Classify as Settings, Config};
use crate::data::Fingerprint;
use crate::data::table::encoding::{Encoding, Features};
use crate::data::table::held_out::{HeldOut, distinct, in_both};
use crate::data::table::labelled::{Items, Labelled};
use crate::data::table::sequences::{Buckets, Padded, Sequences, read_by_length};
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::metrics::Confusion;
use crate::nn::model::NGrams;
use crate::nn::model::classifier::{Balance, Classifier, Layers};
use crate::rng::{Purpose, generator};
use crate::train::report::Shape;

/// Sequences in a batch outside training.
const READ_AT_ONCE: usize = 256;

/// A class for every sequence.
#[derive(Clone, Debug)]
pub struct Classify<E> {
    fingerprint: Fingerprint,
    trained: Trained<E>,
    train: Examples,
    held: Examples,
    balance: Balance<E>,
    /// Share of the tokens that are hidden at each step.
    token_dropout: f64,
    buckets: Buckets,
    notes: Vec<String>,
}

/// What a model file holds of it: all that a prediction needs.
#[derive(Clone, Debug)]
pub struct Trained<E> {
    /// How sequences become numbers.
    pub encoding: Encoding,
    /// The classes' names.
    pub classes: Vec<String>,
    /// The network.
    pub model: Classifier<E>,
    /// The n-grams of each class, where they have a share in the answer.
    pub ngrams: Option<NGrams>,
}

#[derive(Clone, Debug)]
struct Examples {
    sequences: Sequences,
    labels: Vec<u32>,
}

/// How well classes are found.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Mean nats of an example, or of a step where each has a class.
    pub loss: f64,
    /// True against predicted classes.
    pub confusion: Confusion,
}

impl<E: Element> Classify<E> {
    /// The task of `config` on `data`; a share of every class is held out where `validation` is None.
    ///
    /// Errors: fewer than two classes; a validation set with other classes or of another kind; an impossible
    /// configuration.
    pub fn new(config: &Config, data: Labelled, validation: Option<Labelled>) -> Result<Classify<E>, Error> {
        let settings = config.classify()?.clone();
        let name = data.fingerprint.name.clone();
        data.check()?;
        validation.iter().try_for_each(Labelled::check)?;
        if data.classes.len() < 2 {
            let problem = format!("every example is {}, expected at least 2 classes", data.classes.join(""));
            return Err(Error::Data { name, problem });
        }
        if settings.token_dropout > 0.0 && matches!(data.items, Items::Vectors { .. }) {
            let (got, expected) = (settings.token_dropout.to_string(), "0 for rows of numbers".to_string());
            return Err(Error::Setting { name: "token_dropout", got, expected });
        }
        if settings.ngrams > 0 && matches!(data.items, Items::Vectors { .. }) {
            let (got, expected) = (settings.ngrams.to_string(), "0 for rows of numbers".to_string());
            return Err(Error::Setting { name: "ngrams", got, expected });
        }
        let mut notes = Vec::new();
        let kept = match settings.keep_duplicates {
            true => (0..data.items.len()).collect(),
            false => distinct(&data.items, &data.labels),
        };
        let twice = data.items.len() - kept.len();
        if twice > 0 {
            notes.push(format!("examples left out that come twice with the same class: {twice}"));
        }
        let val_frac = if validation.is_some() { 0.0 } else { config.val_frac };
        let split = HeldOut::stratified(&data.labels, &kept, val_frac, config.seed);
        let validation = validation.map(|set| set.with_classes(&data.classes)).transpose()?;
        let (held_items, held_labels) = match &validation {
            Some(set) => (set.items.clone(), set.labels.clone()),
            None => (data.items.pick(&split.held), split.held.iter().map(|&at| data.labels[at]).collect()),
        };
        let all: Vec<usize> = (0..held_items.len()).collect();
        let both = in_both((&data.items, &split.train), (&held_items, &all));
        if both > 0 {
            notes.push(format!("held-out examples that are in the training part too: {both} of {}", held_items.len()));
        }
        let train_items = data.items.pick(&split.train);
        let labels: Vec<u32> = split.train.iter().map(|&at| data.labels[at]).collect();
        let sizes = class_sizes(&labels, data.classes.len());
        let alone: Vec<&str> = data.classes.iter().zip(&sizes).filter(|(_, n)| **n == 1).map(|(c, _)| &**c).collect();
        if !alone.is_empty() {
            notes.push(format!("classes with a single example to train on: {}", alone.join(", ")));
        }
        let encoding = Encoding::fit(config, &name, &train_items)?;
        let mut encode = |items: &Items, what: &str| -> Result<Sequences, Error> {
            let mut sequences = encoding.encode(&name, items)?;
            let cut = sequences.cut(config.seq_len);
            if cut > 0 {
                notes.push(format!("{what} cut after seq_len = {} steps: {cut}", config.seq_len));
            }
            Ok(sequences)
        };
        let train = Examples { sequences: encode(&train_items, "examples to train on")?, labels };
        let held = Examples { sequences: encode(&held_items, "held-out examples")?, labels: held_labels };
        let model = Classifier::new(config, encoding.input(), data.classes.len())?;
        let buckets = Buckets::new(train.sequences.lengths(), config.batch, config.seed);
        let counted = match &train.sequences {
            Sequences::Tokens(all) => {
                NGrams::fit(&settings, encoding.input().size(), data.classes.len(), all, &train.labels)
            }
            Sequences::Vectors { .. } => Ok(None),
        };
        let refuse = |expected| Error::Setting { name: "ngrams", got: settings.ngrams.to_string(), expected };
        let trained = Trained { encoding, classes: data.classes, model, ngrams: counted.map_err(refuse)? };
        let balance = balance(&settings, &sizes);
        Ok(Classify {
            fingerprint: data.fingerprint,
            trained,
            train,
            held,
            balance,
            token_dropout: settings.token_dropout,
            buckets,
            notes,
        })
    }

    /// What is learned, with all that a prediction needs.
    pub fn trained(&self) -> &Trained<E> {
        &self.trained
    }

    /// How well the classes of what is held out are found; None once `continues` says no.
    pub fn measure(&self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<Figures>, Error> {
        self.trained.measure_sequences(tape, &self.held.sequences, &self.held.labels, continues)
    }
}

/// How many examples each class has.
fn class_sizes(labels: &[u32], classes: usize) -> Vec<usize> {
    let mut sizes = vec![0; classes];
    labels.iter().for_each(|&label| sizes[label as usize] += 1);
    sizes
}

/// What is done for rare classes, from the number of examples of each.
fn balance<E: Element>(settings: &Settings, sizes: &[usize]) -> Balance<E> {
    let (all, classes) = (sizes.iter().sum::<usize>() as f64, sizes.len() as f64);
    let balanced = |n: &usize| all / classes / (*n).max(1) as f64;
    let weights = match settings.class_weights {
        ClassWeights::None => None,
        ClassWeights::Balanced => Some(sizes.iter().map(balanced).collect()),
        ClassWeights::Root => Some(sizes.iter().map(|n| libm::sqrt(balanced(n))).collect()),
    };
    let tau = settings.logit_adjustment;
    let offset = |n: &usize| E::from_f64(tau * libm::log((*n).max(1) as f64 / all));
    Balance { weights, offsets: (tau > 0.0).then(|| sizes.iter().map(offset).collect()) }
}

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    classes: Vec<String>,
    #[serde(default)]
    features: Option<Features>,
    /// What [`NGrams::listed`] gave.
    #[serde(default)]
    ngrams: Option<Vec<Vec<Vec<u32>>>>,
}

/// The classes, the encoding and the n-grams that a model file of labelled sequences holds. Errors: fewer than two
/// classes; an encoding or n-grams at odds with the file.
pub(super) fn classes_of(stored: &Stored) -> Result<(Vec<String>, Encoding, Option<NGrams>), Error> {
    let Meta { classes, features, ngrams } = stored.task()?;
    if classes.len() < 2 {
        return Err(stored.refusal(format!("the model lists {} classes, expected at least 2", classes.len())));
    }
    let encoding = stored.encoding(features)?;
    let settings = stored.config().classify().ok().filter(|settings| settings.ngrams > 0);
    let ngrams = match (settings, ngrams, &encoding) {
        (None, None, _) => None,
        (Some(settings), Some(listed), Encoding::Tokens(vocab)) => {
            let counted = NGrams::from_listed(settings, vocab.len(), classes.len(), &listed);
            Some(counted.map_err(|problem| stored.refusal(problem))?)
        }
        (settings, listed, _) => {
            let of = |is: bool| if is { "n-grams" } else { "no n-grams" };
            if !matches!(encoding, Encoding::Tokens(_)) {
                return Err(
                    stored.refusal("the model has n-grams or settings for them, expected none for rows of numbers")
                );
            }
            let (want, has) = (of(settings.is_some()), of(listed.is_some()));
            return Err(stored.refusal(format!("the model holds {has}, where its settings and tokens ask for {want}")));
        }
    };
    Ok((classes, encoding, ngrams))
}

impl Figures {
    /// The figures of predictions: the probabilities of all classes, and the class there is.
    pub(super) fn of<'a>(classes: usize, predictions: impl Iterator<Item = (&'a [f64], u32)>) -> Figures {
        let (mut confusion, mut nats, mut count) = (Confusion::new(classes), 0.0, 0_usize);
        for (row, label) in predictions {
            nats -= libm::log(row[label as usize].max(f64::MIN_POSITIVE));
            confusion.add(label as usize, likeliest(row));
            count += 1;
        }
        Figures { loss: nats / count.max(1) as f64, confusion }
    }
}

impl<E: Element> Trained<E> {
    /// The classifier in a model file, with its settings. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<(Config, Trained<E>), Error> {
        let config = stored.config().clone();
        config.classify().map_err(|error| stored.refusal(error))?;
        let (classes, encoding, ngrams) = classes_of(stored)?;
        let (layers, declaration) = Layers::declare(&config, encoding.input(), classes.len())?;
        let model = Classifier::of(layers, stored.params(declaration)?);
        Ok((config, Trained { encoding, classes, model, ngrams }))
    }

    /// The probability of each class for each sequence. Errors: sequences that its encoding rejects.
    pub fn predict(&self, tape: &mut Tape<E>, name: &str, items: &Items, most: usize) -> Result<Vec<Vec<f64>>, Error> {
        let mut sequences = self.encoding.encode(name, items)?;
        sequences.cut(most);
        self.probabilities(tape, &sequences, &mut || true).map(Option::unwrap_or_default)
    }

    /// How well it finds the classes of labelled sequences. Errors: as [`Trained::predict`].
    pub fn measure(&self, tape: &mut Tape<E>, data: &Labelled, most: usize) -> Result<Figures, Error> {
        let mut sequences = self.encoding.encode(&data.fingerprint.name, &data.items)?;
        sequences.cut(most);
        let figures = self.measure_sequences(tape, &sequences, &data.labels, &mut || true)?;
        Ok(figures.expect("it continues to the end"))
    }

    fn measure_sequences(
        &self,
        tape: &mut Tape<E>,
        sequences: &Sequences,
        labels: &[u32],
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Figures>, Error> {
        let Some(all) = self.probabilities(tape, sequences, continues)? else { return Ok(None) };
        let predictions = all.iter().map(Vec::as_slice).zip(labels.iter().copied());
        Ok(Some(Figures::of(self.classes.len(), predictions)))
    }

    fn probabilities(
        &self,
        tape: &mut Tape<E>,
        sequences: &Sequences,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<Vec<f64>>>, Error> {
        let mut all = vec![Vec::new(); sequences.count()];
        let read = read_by_length(&sequences.lengths(), READ_AT_ONCE, continues, |places| {
            let rows = self.model.probabilities(tape, &Padded::new(sequences, places, 0)?)?;
            for (&at, row) in places.iter().zip(rows.chunks_exact(self.classes.len())) {
                all[at] = match (&self.ngrams, sequences) {
                    (Some(ngrams), Sequences::Tokens(tokens)) => ngrams.with(row, &tokens[at]),
                    _ => row.to_vec(),
                };
            }
            Ok(())
        })?;
        Ok(read.map(|()| all))
    }
}

/// The first of the largest.
pub fn likeliest(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

impl<E: Element> Task for Classify<E> {
    type Element = E;

    fn params(&self) -> &Params<E> {
        self.trained.model.params()
    }

    fn params_mut(&mut self) -> &mut Params<E> {
        self.trained.model.params_mut()
    }

    fn shape(&self) -> Shape {
        let lengths = self.train.sequences.lengths();
        Shape {
            train_tokens: self.train.labels.len(),
            val_tokens: self.held.labels.len(),
            vocab_size: self.trained.classes.len(),
            batch: self.buckets.batch(),
            seq_len: lengths.iter().max().copied().unwrap_or_default(),
            steps_per_epoch: self.buckets.count(),
            memory_bytes: 0,
            notes: self.notes.clone(),
        }
    }

    fn step(&mut self, config: &Config, tape: &mut Tape<E>, step: u64, grads: &mut Params<E>) -> Result<Loss, Error> {
        let places = self.buckets.places(step - 1);
        let mut batch = Padded::new(&self.train.sequences, places, 0)?;
        if self.token_dropout > 0.0 {
            batch.hide(self.token_dropout, &mut generator(config.seed, Purpose::Hidden, step));
        }
        let targets: Vec<u32> = places.iter().map(|&at| self.train.labels[at]).collect();
        let dropout = Some(generator(config.seed, Purpose::Dropout, step));
        let mean = self.trained.model.loss_and_grads(tape, &batch, &targets, &self.balance, dropout, grads)?;
        Ok(Loss { mean, predictions: batch.rows, rows: batch.rows })
    }

    fn validate(&mut self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<f64>, Error> {
        Ok(self.measure(tape, continues)?.map(|figures| figures.loss))
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        let mut task = json!({ "classes": self.trained.classes });
        if let Some(ngrams) = &self.trained.ngrams {
            task["ngrams"] = json!(ngrams.listed());
        }
        self.trained.encoding.meta(config, task)
    }
}
