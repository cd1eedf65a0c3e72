//! Tagging as a task: sequences with a class for every step, a tagger, its loss and its measures; and restoring, which
//! tags characters with what was removed from them. Fewer than two classes are an error.

use elman_kernels::Element;
use serde_json::{Map, Value, json};

use super::classify::{classes_of, likeliest};
use super::{Loss, Task};
use crate::autodiff::params::Params;
use crate::autodiff::tape::Tape;
use crate::config::Config;
use crate::data::Fingerprint;
use crate::data::table::encoding::Encoding;
use crate::data::table::held_out::HeldOut;
use crate::data::table::labelled::Items;
use crate::data::table::sequences::{Buckets, Padded, Sequences, read_by_length};
use crate::data::table::tagged::Tagged;
use crate::data::text::restore;
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::metrics::Confusion;
use crate::nn::model::tagger::{Layers, Tagger, targets};
use crate::rng::{Purpose, generator};
use crate::train::report::Shape;

pub use super::classify::Figures;

/// Sequences that are read side by side where nothing is learned.
const READ_AT_ONCE: usize = 64;
/// Characters on either side of a piece that is restored, so that every one has a surrounding.
const MARGIN: usize = 40;

/// A class for every step of a sequence.
#[derive(Clone, Debug)]
pub struct Tag<E> {
    fingerprint: Fingerprint,
    trained: TrainedTagger<E>,
    train: Examples,
    held: Examples,
    buckets: Buckets,
    notes: Vec<String>,
    /// Of a text to be restored: the counts of classes if every held-out word stands as it mostly stood in training.
    by_words: Option<Confusion>,
}

/// What a model file holds of it: all that a prediction needs.
#[derive(Clone, Debug)]
pub struct TrainedTagger<E> {
    /// How sequences become numbers.
    pub encoding: Encoding,
    /// The classes' names.
    pub classes: Vec<String>,
    /// The network.
    pub model: Tagger<E>,
}

#[derive(Clone, Debug)]
struct Examples {
    sequences: Sequences,
    labels: Vec<Vec<u32>>,
}

impl Examples {
    fn steps(&self) -> usize {
        self.labels.iter().map(Vec::len).sum()
    }
}

impl<E: Element> Tag<E> {
    /// The task of `config` on `data`. Where `validation` is None a share of the sequences is held out: of sentences
    /// some that are drawn, of a text that is to be restored its end.
    ///
    /// Errors: fewer than two classes; a validation set with other classes or of another kind; an impossible
    /// configuration.
    pub fn new(config: &Config, data: Tagged, validation: Option<Tagged>) -> Result<Tag<E>, Error> {
        let name = data.fingerprint.name.clone();
        data.check()?;
        validation.iter().try_for_each(Tagged::check)?;
        if data.classes.len() < 2 {
            let problem = format!("every step is {}, expected at least 2 classes", data.classes.join(""));
            return Err(Error::Data { name, problem });
        }
        let (fingerprint, classes) = (data.fingerprint.clone(), data.classes.clone());
        let all: Vec<usize> = (0..data.items.len()).collect();
        let restores = config.task.as_ref().is_some_and(|task| task.kind() == "restore");
        let (train, held) = match validation {
            Some(set) => (data, set.with_classes(&classes)?),
            None if restores => {
                let (train, held) = all.split_at(((1.0 - config.val_frac) * all.len() as f64) as usize);
                (data.pick(train), data.pick(held))
            }
            None => {
                let split = HeldOut::stratified(&vec![0; all.len()], &all, config.val_frac, config.seed);
                (data.pick(&split.train), data.pick(&split.held))
            }
        };
        let by_words = restores.then(|| by_words(&train, &held));
        let encoding = Encoding::fit(config, &name, &train.items)?;
        let mut notes = Vec::new();
        let mut encode = |tagged: Tagged, what: &str| -> Result<Examples, Error> {
            let (mut sequences, mut labels) = (encoding.encode(&name, &tagged.items)?, tagged.labels);
            for (at, labels) in labels.iter().enumerate() {
                if sequences.steps(at) != labels.len() {
                    let (steps, tags) = (sequences.steps(at), labels.len());
                    let problem = format!("sequence {} has {steps} tokens and {tags} tags, expected as many", at + 1);
                    return Err(Error::Data { name: name.clone(), problem });
                }
            }
            let cut = sequences.cut(config.seq_len);
            if cut > 0 {
                notes.push(format!("{what} cut after seq_len = {} steps: {cut}", config.seq_len));
            }
            labels.iter_mut().for_each(|labels| labels.truncate(config.seq_len));
            Ok(Examples { sequences, labels })
        };
        let train = encode(train, "sequences to train on")?;
        let held = encode(held, "held-out sequences")?;
        let model = Tagger::new(config, encoding.input(), classes.len())?;
        let buckets = Buckets::new(train.sequences.lengths(), config.batch, config.seed);
        let trained = TrainedTagger { encoding, classes, model };
        Ok(Tag { fingerprint, trained, train, held, buckets, notes, by_words })
    }

    /// Of a text to be restored: the counts of classes if every held-out word stands as it mostly stood in training.
    pub fn by_words(&self) -> Option<&Confusion> {
        self.by_words.as_ref()
    }

    /// What is learned, with all that a prediction needs.
    pub fn trained(&self) -> &TrainedTagger<E> {
        &self.trained
    }

    /// How well the classes of what is held out are found; None once `continues` says no.
    pub fn measure(&self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<Figures>, Error> {
        let Some(all) = self.trained.probabilities(tape, &self.held.sequences, continues)? else { return Ok(None) };
        let classes = self.trained.classes.len();
        let pairs = all.iter().zip(&self.held.labels);
        let steps = pairs.flat_map(|(rows, labels)| rows.chunks_exact(classes).zip(labels.iter().copied()));
        Ok(Some(Figures::of(classes, steps)))
    }
}

/// The counts of classes in `held` if every word stands as it mostly stood in `train`.
fn by_words(train: &Tagged, held: &Tagged) -> Confusion {
    let whole = |tagged: &Tagged| -> (Vec<char>, Vec<u32>) {
        let texts = match &tagged.items {
            Items::Texts(texts) => texts.iter().flat_map(|text| text.chars()).collect(),
            Items::Vectors { .. } => Vec::new(),
        };
        (texts, tagged.labels.concat())
    };
    let ((known, classes), (text, truth)) = (whole(train), whole(held));
    let nothing = train.classes.iter().position(|class| class == restore::NOTHING).unwrap_or_default();
    let mut confusion = Confusion::new(train.classes.len());
    let guesses = restore::by_words((&known, &classes), &text, nothing as u32);
    truth.iter().zip(guesses).for_each(|(&truth, guess)| confusion.add(truth as usize, guess as usize));
    confusion
}

impl<E: Element> TrainedTagger<E> {
    /// The tagger in a model file, with its settings. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<(Config, TrainedTagger<E>), Error> {
        let config = stored.config().clone();
        config.tagging().map_err(|error| stored.refusal(error))?;
        let (classes, encoding, _) = classes_of(stored)?;
        let (layers, declaration) = Layers::declare(&config, encoding.input(), classes.len())?;
        let model = Tagger::of(layers, stored.params(declaration)?);
        Ok((config, TrainedTagger { encoding, classes, model }))
    }

    /// The class of every step of each sequence. Errors: sequences that its encoding rejects.
    pub fn predict(&self, tape: &mut Tape<E>, name: &str, items: &Items) -> Result<Vec<Vec<usize>>, Error> {
        let sequences = self.encoding.encode(name, items)?;
        let all = self.probabilities(tape, &sequences, &mut || true)?.unwrap_or_default();
        let of = |rows: Vec<f64>| rows.chunks_exact(self.classes.len()).map(likeliest).collect();
        Ok(all.into_iter().map(of).collect())
    }

    /// A text with capitals and marks put back. It is read in pieces of `length` characters that overlap.
    pub fn restore(&self, tape: &mut Tape<E>, name: &str, text: &str, length: usize) -> Result<String, Error> {
        let (bare, _) = restore::taken(text);
        let inner = length.saturating_sub(2 * MARGIN).max(1);
        let starts: Vec<usize> = (0..bare.len()).step_by(inner).collect();
        let piece = |&start: &usize| {
            let (from, to) = (start.saturating_sub(MARGIN), (start + inner + MARGIN).min(bare.len()));
            bare[from..to].iter().collect()
        };
        let all = self.predict(tape, name, &Items::Texts(starts.iter().map(piece).collect()))?;
        let mut classes = Vec::with_capacity(bare.len());
        for (&start, piece) in starts.iter().zip(&all) {
            let skipped = start - start.saturating_sub(MARGIN);
            classes.extend(piece[skipped..].iter().take(inner.min(bare.len() - start)).copied());
        }
        Ok(restore::put_back(&bare, classes.into_iter().map(|class| self.classes[class].as_str())))
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
            places.iter().zip(rows).for_each(|(&at, row)| all[at] = row);
            Ok(())
        })?;
        Ok(read.map(|()| all))
    }
}

/// F1 of capitals and of punctuation, each at its exact place.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct RestoreFigures {
    /// F1 of capital letters.
    pub capitals_f1: f64,
    /// F1 of marks.
    pub punctuation_f1: f64,
}

/// The figures of restoring, from the counts of classes.
pub fn restored(confusion: &Confusion, classes: &[String]) -> RestoreFigures {
    let parts: Vec<(bool, Option<char>)> = classes.iter().map(|class| restore::parts(class)).collect();
    // Found, predicted, there.
    let (mut capitals, mut marks) = ([0_u64; 3], [0_u64; 3]);
    for (truth, &(capital, sign)) in parts.iter().enumerate() {
        for (guess, &(guessed_capital, guessed_sign)) in parts.iter().enumerate() {
            let count = confusion.count(truth, guess);
            let each = [
                (&mut capitals, [capital && guessed_capital, guessed_capital, capital]),
                (&mut marks, [sign.is_some() && sign == guessed_sign, guessed_sign.is_some(), sign.is_some()]),
            ];
            for (sums, holds) in each {
                sums.iter_mut().zip(holds).for_each(|(sum, holds)| *sum += if holds { count } else { 0 });
            }
        }
    }
    let f1 = |[found, predicted, there]: [u64; 3]| 2.0 * found as f64 / (predicted + there).max(1) as f64;
    RestoreFigures { capitals_f1: f1(capitals), punctuation_f1: f1(marks) }
}

impl<E: Element> Task for Tag<E> {
    type Element = E;

    fn params(&self) -> &Params<E> {
        self.trained.model.params()
    }

    fn params_mut(&mut self) -> &mut Params<E> {
        self.trained.model.params_mut()
    }

    fn shape(&self) -> Shape {
        let steps = self.train.steps();
        Shape {
            train_tokens: steps,
            val_tokens: self.held.steps(),
            vocab_size: self.trained.classes.len(),
            batch: self.buckets.batch(),
            seq_len: steps.div_ceil(self.train.labels.len().max(1)),
            steps_per_epoch: self.buckets.count(),
            memory_bytes: 0,
            notes: self.notes.clone(),
        }
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn step(&mut self, config: &Config, tape: &mut Tape<E>, step: u64, grads: &mut Params<E>) -> Result<Loss, Error> {
        let places = self.buckets.places(step - 1);
        let batch = Padded::new(&self.train.sequences, places, 0)?;
        let labels: Vec<&[u32]> = places.iter().map(|&at| self.train.labels[at].as_slice()).collect();
        let dropout = Some(generator(config.seed, Purpose::Dropout, step));
        let targets = targets(&batch, &labels);
        let mean = self.trained.model.loss_and_grads(tape, &batch, &targets, dropout, grads)?;
        Ok(Loss { mean, predictions: batch.lengths.iter().sum(), rows: batch.rows })
    }

    fn validate(&mut self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<f64>, Error> {
        Ok(self.measure(tape, continues)?.map(|figures| figures.loss))
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        self.trained.encoding.meta(config, json!({ "classes": self.trained.classes }))
    }
}
