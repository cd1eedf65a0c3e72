//! A data set as tasks take it: sequences with their classes, split into a part to train on and a held-out one. Not here:
//! how they are read (`labelled.rs`, `tagged.rs`), and how they become numbers (`encoding.rs`).

use crate::config::{Config, TaskSettings};
use crate::data::table::held_out::{HeldOut, distinct, in_both};
use crate::data::table::items::Items;
use crate::data::table::labelled::Labelled;
use crate::data::table::tagged::Tagged;
use crate::data::text::corpus::Fingerprint;
use crate::data::text::restore;
use crate::error::Error;
use crate::metrics::Confusion;

/// Sequences and their classes, by place among the names: one for each sequence, or one for each of its steps.
#[derive(Clone, Debug)]
pub struct Part {
    /// The sequences.
    pub items: Items,
    /// The classes.
    pub labels: Vec<Vec<u32>>,
    /// What messages call the sequences.
    pub what: &'static str,
}

impl Part {
    /// Errors: sequences that do not fit themselves; lists of labels that are not as many as sequences; a label beyond
    /// the classes; with `one_each`, a sequence without one label.
    pub(crate) fn check(&self, name: &str, classes: usize, one_each: bool) -> Result<(), Error> {
        let Part { items, labels, what } = self;
        let refuse = |problem: String| Err(Error::Data { name: name.to_string(), problem });
        items.check(name)?;
        if labels.len() != items.len() {
            return refuse(format!("{what} have {} lists of labels, expected {}", labels.len(), items.len()));
        }
        if let Some(at) = labels.iter().position(|labels| one_each && labels.len() != 1) {
            return refuse(format!("sequence {at} of {what} has {} labels, expected 1", labels[at].len()));
        }
        if let Some(label) = labels.iter().flatten().find(|&&label| label as usize >= classes) {
            return refuse(format!("a label of {what} is {label}, expected a class below {classes}"));
        }
        Ok(())
    }
}

/// The parts of a data set.
#[derive(Clone, Debug)]
pub struct Split {
    /// How the data is known again.
    pub fingerprint: Fingerprint,
    /// The classes' names.
    pub classes: Vec<String>,
    /// To train on.
    pub train: Part,
    /// Kept from training.
    pub held: Part,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
    /// Of a text to be restored: the counts of classes if every held-out word stands as it mostly stood in training.
    pub by_words: Option<Confusion>,
}

impl Split {
    /// Errors: fewer than two classes; sequences that do not fit themselves; lists of labels that are not as many as
    /// sequences; a label beyond the classes; with `one_each`, a sequence without one label.
    pub(crate) fn check(&self, one_each: bool) -> Result<(), Error> {
        let name = &self.fingerprint.name;
        needs_two(name, "label", &self.classes)?;
        [&self.train, &self.held].into_iter().try_for_each(|part| part.check(name, self.classes.len(), one_each))
    }
}

/// A data set that can be split.
pub trait Dataset: Sized {
    /// The parts that `config` asks for; all of `self` is to train on where `validation` is given.
    ///
    /// Errors: settings of another task; data that does not fit itself; fewer than two classes; a validation set with
    /// other classes.
    fn split(self, config: &Config, validation: Option<Self>) -> Result<Split, Error>;
}

/// Errors: fewer than two classes; `each` is what has a class.
fn needs_two(name: &str, each: &str, classes: &[String]) -> Result<(), Error> {
    if classes.len() >= 2 {
        return Ok(());
    }
    let problem = format!("every {each} is {}, expected at least 2 classes", classes.join(""));
    Err(Error::Data { name: name.to_string(), problem })
}

/// Classes that are numbers at most; more are hardly meant as classes.
const MOST_NUMBERS: usize = 20;

/// A note where classes look like numbers to predict.
fn of_numbers(classes: &[String]) -> Option<String> {
    let number = |class: &String| class.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    let numbers: Vec<f64> = classes.iter().map(number).collect::<Option<_>>()?;
    let is_meant = classes.len() > MOST_NUMBERS || numbers.iter().any(|x| x.fract() != 0.0);
    let count = classes.len();
    is_meant.then(|| format!("the classes are {count} numbers: --task regress predicts numbers"))
}

/// What messages call the sequences of a part that is held out.
const HELD: [&str; 2] = ["held-out examples", "held-out sequences"];

impl Labelled {
    /// All of it as what is held out from training with `classes`. Errors: a class that is not among them, by name.
    pub fn held_out(self, classes: &[String]) -> Result<Part, Error> {
        let Labelled { items, labels, .. } = self.with_classes(classes)?;
        Ok(Part { items, labels: labels.into_iter().map(|label| vec![label]).collect(), what: HELD[0] })
    }
}

impl Tagged {
    /// As [`Labelled::held_out`].
    pub fn held_out(self, classes: &[String]) -> Result<Part, Error> {
        let Tagged { items, labels, .. } = self.with_classes(classes)?;
        Ok(Part { items, labels, what: HELD[1] })
    }
}

impl Dataset for Labelled {
    /// A share of every class is held out, after examples that come twice.
    fn split(self, config: &Config, validation: Option<Labelled>) -> Result<Split, Error> {
        let settings = config.classify()?;
        self.check()?;
        validation.iter().try_for_each(Labelled::check)?;
        needs_two(&self.fingerprint.name, "example", &self.classes)?;
        let mut notes = Vec::new();
        let kept = match settings.keep_duplicates {
            true => (0..self.items.len()).collect(),
            false => distinct(&self.items, &self.labels),
        };
        let twice = self.items.len() - kept.len();
        if twice > 0 {
            notes.push(format!("examples left out that come twice with the same class: {twice}"));
        }
        let picked = |places: &[usize], what| {
            let labels = places.iter().map(|&at| vec![self.labels[at]]).collect();
            Part { items: self.items.pick(places), labels, what }
        };
        let val_frac = if validation.is_some() { 0.0 } else { config.val_frac };
        let split = HeldOut::stratified(&self.labels, &kept, val_frac, config.seed);
        let held = match validation {
            Some(set) => set.held_out(&self.classes)?,
            None => picked(&split.held, HELD[0]),
        };
        let all: Vec<usize> = (0..held.items.len()).collect();
        let both = in_both((&self.items, &split.train), (&held.items, &all));
        if both > 0 {
            notes.push(format!("held-out examples that are in the training part too: {both} of {}", all.len()));
        }
        let train = picked(&split.train, "examples to train on");
        let mut sizes = vec![0_usize; self.classes.len()];
        train.labels.iter().flatten().for_each(|&label| sizes[label as usize] += 1);
        let alone: Vec<&str> = self.classes.iter().zip(&sizes).filter(|(_, n)| **n == 1).map(|(c, _)| &**c).collect();
        if !alone.is_empty() {
            notes.push(format!("classes with a single example to train on: {}", alone.join(", ")));
        }
        notes.extend(of_numbers(&self.classes));
        Ok(Split { fingerprint: self.fingerprint, classes: self.classes, train, held, notes, by_words: None })
    }
}

impl Dataset for Tagged {
    /// Of sentences some that are drawn are held out; of a text that is to be restored its end.
    fn split(self, config: &Config, validation: Option<Tagged>) -> Result<Split, Error> {
        config.tagging()?;
        self.check()?;
        validation.iter().try_for_each(Tagged::check)?;
        needs_two(&self.fingerprint.name, "step", &self.classes)?;
        let (fingerprint, classes) = (self.fingerprint.clone(), self.classes.clone());
        let all: Vec<usize> = (0..self.items.len()).collect();
        let restores = matches!(config.task, Some(TaskSettings::Restore(_)));
        let (train, held) = match validation {
            Some(set) => (self, set.with_classes(&classes)?),
            None if restores => {
                let (train, held) = all.split_at(((1.0 - config.val_frac) * all.len() as f64) as usize);
                (self.pick(train), self.pick(held))
            }
            None => {
                let split = HeldOut::stratified(&vec![0; all.len()], &all, config.val_frac, config.seed);
                (self.pick(&split.train), self.pick(&split.held))
            }
        };
        let (places, mut notes) = (|set: &Tagged| (0..set.items.len()).collect::<Vec<usize>>(), Vec::new());
        let both = if restores { 0 } else { in_both((&train.items, &places(&train)), (&held.items, &places(&held))) };
        if both > 0 {
            notes.push(format!("held-out sequences that are in the training part too: {both} of {}", held.items.len()));
        }
        let by_words = restores.then(|| by_words(&train, &held));
        let part = |set: Tagged, what| Part { items: set.items, labels: set.labels, what };
        let (train, held) = (part(train, "sequences to train on"), part(held, HELD[1]));
        Ok(Split { fingerprint, classes, train, held, notes, by_words })
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
