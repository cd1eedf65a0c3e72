//! What classification and tagging share: a predictor with its encoding and the names of its classes, its loss on
//! labelled sequences and its figures. A class for each sequence, or for each of its steps, is the network's choice. Not
//! here: how the data is split (`data/table/dataset.rs`).

use elman_kernels::Element;
use elman_kernels::softmax::IGNORED;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::supervised::{Batch, Objective, Supervised};
use super::{Loss, Validation};
use crate::autodiff::tape::Tape;
use crate::config::{ClassWeights, Classify as Settings, Config};
use crate::data::table::dataset::{Dataset, Part, Split};
use crate::data::table::encoding::{Encoding, Features};
use crate::data::table::labelled::Items;
use crate::data::table::sequences::{Padded, Sequences, read_by_length};
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::metrics::Confusion;
use crate::metrics::spans::{Spans, are_spans};
use crate::nn::crf::Rules;
use crate::nn::losses::CrossEntropy;
use crate::nn::model::{Model, NGrams, Predictor, predictor::Layers};
use crate::rng::Purpose;
use crate::train::report::Shape;

/// Sequences that are read side by side where nothing is learned.
const READ_AT_ONCE: usize = 128;

/// What a model file holds: all that a prediction needs.
#[derive(Clone, Debug)]
pub struct Trained<E> {
    /// How sequences become numbers.
    pub encoding: Encoding,
    /// The classes' names.
    pub classes: Vec<String>,
    /// The network.
    pub model: Predictor<E>,
    /// The n-grams of each class, where they have a share in the answer.
    pub ngrams: Option<NGrams>,
    /// Of tags that are a chain: which may follow which, where the training part keeps the rules of spans.
    pub rules: Option<Rules>,
}

/// A run that learns classes: one for each sequence, or one for each step.
pub type Labels<E> = Supervised<E, Trained<E>>;

/// Encoded sequences and their classes.
#[derive(Clone, Debug)]
pub(super) struct Examples {
    sequences: Sequences,
    labels: Vec<Vec<u32>>,
}

impl Examples {
    /// Encodes sequences and cuts what is longer than `seq_len`, which is noted.
    fn encode(
        config: &Config,
        (encoding, name): (&Encoding, &str),
        Part { items, mut labels, what }: Part,
        notes: &mut Vec<String>,
    ) -> Result<Examples, Error> {
        let mut sequences = encoding.encode(name, &items)?;
        let has_each_step = config.classify().is_err();
        let differs = |at: &usize| has_each_step && sequences.steps(*at) != labels[*at].len();
        if let Some(at) = (0..labels.len()).find(differs) {
            let (steps, tags) = (sequences.steps(at), labels[at].len());
            let problem = format!("sequence {} has {steps} tokens and {tags} tags, expected as many", at + 1);
            return Err(Error::Data { name: name.to_string(), problem });
        }
        let cut = sequences.cut(config.seq_len);
        if cut > 0 {
            notes.push(format!("{what} cut after seq_len = {} steps: {cut}", config.seq_len));
        }
        labels.iter_mut().for_each(|labels| labels.truncate(config.seq_len));
        Ok(Examples { sequences, labels })
    }

    /// Predictions of a pass over all of them.
    fn predictions(&self) -> usize {
        self.labels.iter().map(Vec::len).sum()
    }

    /// The targets of a batch, time-major: [`IGNORED`] where a sequence has ended.
    fn targets(&self, places: &[usize]) -> Vec<u32> {
        let steps = places.iter().map(|&at| self.labels[at].len()).max().unwrap_or(0).max(1);
        let label = |t: usize, at: usize| self.labels[at].get(t).copied().unwrap_or(IGNORED);
        (0..steps).flat_map(|t| places.iter().map(move |&at| label(t, at))).collect()
    }
}

/// Examples to train on and held-out ones, and how their loss is taken.
#[derive(Clone, Debug)]
pub struct Data<E> {
    train: Examples,
    held: Examples,
    loss: CrossEntropy<E>,
    /// Share of the tokens that are hidden at each step.
    token_dropout: f64,
    /// As [`Split::by_words`].
    pub(super) by_words: Option<Confusion>,
}

/// How well classes are found.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Mean nats of an example, or of a step where each has a class.
    pub loss: f64,
    /// True against predicted classes.
    pub confusion: Confusion,
    /// Of tags that are parts of spans, the spans.
    pub spans: Option<Spans>,
}

impl<E: Element> Labels<E> {
    /// The task of `config` on a data set, a part of which is held out where `validation` is None.
    ///
    /// Errors: fewer than two classes; a validation set with other classes or of another kind; an impossible
    /// configuration.
    pub fn new<D: Dataset>(config: &Config, data: D, validation: Option<D>) -> Result<Labels<E>, Error> {
        let (split, settings) = (data.split(config, validation)?, config.classify().ok());
        split.check(settings.is_some())?;
        let Split { fingerprint, classes, train, held, mut notes, by_words } = split;
        let name = &fingerprint.name;
        if let (Some(settings), Items::Vectors { .. }) = (settings, &train.items) {
            let of_texts = [("token_dropout", settings.token_dropout), ("ngrams", settings.ngrams as f64)];
            if let Some((name, given)) = of_texts.into_iter().find(|(_, given)| *given > 0.0) {
                let (got, expected) = (given.to_string(), "0 for rows of numbers".to_string());
                return Err(Error::Setting { name, got, expected });
            }
        }
        let encoding = Encoding::fit(config, name, &train.items)?;
        let rules = of_spans(config, &classes, &train.labels);
        if rules.is_none() && config.tagging().is_ok_and(|settings| settings.crf) && are_spans(&classes) {
            notes.push("tags to train on that break the rules of spans: predictions may break them, too".to_string());
        }
        let train = Examples::encode(config, (&encoding, name), train, &mut notes)?;
        let held = Examples::encode(config, (&encoding, name), held, &mut notes)?;
        let model = Predictor::new(config, (encoding.input(), classes.len()))?;
        let labels = train.labels.concat();
        let ngrams = match (settings, &train.sequences) {
            (Some(settings), Sequences::Tokens(all)) => {
                let counted = NGrams::fit(settings, encoding.input().size(), classes.len(), all, &labels);
                let refuse = |expected| Error::Setting { name: "ngrams", got: settings.ngrams.to_string(), expected };
                counted.map_err(refuse)?
            }
            _ => None,
        };
        let lengths = train.sequences.lengths();
        let shape = Shape {
            train_tokens: train.predictions(),
            val_tokens: held.predictions(),
            vocab_size: classes.len(),
            seq_len: lengths.iter().max().copied().unwrap_or_default(),
            notes,
            ..Shape::default()
        };
        let loss = settings.map_or_else(CrossEntropy::default, |settings| balanced(settings, &labels, classes.len()));
        let token_dropout = settings.map_or(0.0, |settings| settings.token_dropout);
        let trained = Trained { encoding, classes, model, ngrams, rules };
        let data = Data { train, held, loss, token_dropout, by_words };
        Ok(Supervised::of(config, fingerprint, (trained, data), lengths, shape))
    }

    /// How well the classes of what is held out are found; None once `continues` says no.
    pub fn measure(&self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<Figures>, Error> {
        self.trained.measure(tape, &self.data.held, continues)
    }
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
    /// Of a chain: whether tags keep the rules of spans.
    #[serde(default)]
    keeps_rules: bool,
}

impl<E: Element> Trained<E> {
    /// The classifier in a model file, with its settings. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<(Config, Trained<E>), Error> {
        stored.config().classify().map_err(|error| stored.refusal(error))?;
        Trained::of(stored)
    }

    /// The tagger, or the network that restores, in a model file. Errors: as [`Trained::load`].
    pub fn load_tagger(stored: &Stored) -> Result<(Config, Trained<E>), Error> {
        stored.config().tagging().map_err(|error| stored.refusal(error))?;
        Trained::of(stored)
    }

    fn of(stored: &Stored) -> Result<(Config, Trained<E>), Error> {
        let Meta { classes, features, ngrams, keeps_rules } = stored.task()?;
        if classes.len() < 2 {
            return Err(stored.refusal(format!("the model lists {} classes, expected at least 2", classes.len())));
        }
        let encoding = stored.encoding(features)?;
        let ngrams = ngrams_of(stored, &encoding, classes.len(), ngrams)?;
        let model = stored.model((encoding.input(), classes.len()))?;
        let is_chain = stored.config().tagging().is_ok_and(|settings| settings.crf);
        if keeps_rules && !is_chain {
            return Err(stored.refusal("task.keeps_rules is true, expected it with crf = true"));
        }
        let rules = keeps_rules.then(|| Rules::of(&classes));
        Ok((stored.config().clone(), Trained { encoding, classes, model, ngrams, rules }))
    }

    /// The probability of each class for each sequence, or for each of its steps, row after row. What is longer than
    /// `most` steps is cut. Errors: sequences that its encoding rejects.
    pub fn predict(&self, tape: &mut Tape<E>, name: &str, items: &Items, most: usize) -> Result<Vec<Vec<f64>>, Error> {
        let mut sequences = self.encoding.encode(name, items)?;
        sequences.cut(most);
        let all = self.answers(tape, &sequences, &mut || true)?.unwrap_or_default();
        let all: Vec<Vec<f64>> = all.into_iter().map(|answer| answer.rows).collect();
        all.iter().flatten().try_for_each(|&p| Error::unless_finite(name, "a probability", p))?;
        Ok(all)
    }

    /// The likeliest classes: one for each sequence, or for each of its steps. Errors: as [`Trained::predict`].
    pub fn classes(&self, tape: &mut Tape<E>, name: &str, items: &Items) -> Result<Vec<Vec<usize>>, Error> {
        let mut told = Vec::with_capacity(items.len());
        let sequences = self.encoding.encode(name, items)?;
        let answers = self.answers(tape, &sequences, &mut || true)?.unwrap_or_default();
        for Answer { rows, best, .. } in answers {
            rows.iter().try_for_each(|&p| Error::unless_finite(name, "a probability", p))?;
            told.push(best);
        }
        Ok(told)
    }

    /// How well the classes of examples are found; None once `continues` says no.
    fn measure(
        &self,
        tape: &mut Tape<E>,
        examples: &Examples,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Figures>, Error> {
        let all = self.answers(tape, &examples.sequences, continues)?;
        all.map(|all| self.figures(&all, examples)).transpose()
    }

    /// How well the classes of a part of some data are found, and what was changed in it, a sentence each. `name` is
    /// what messages call the data; what is longer than in training is cut. None once `continues` says no.
    ///
    /// Errors: no sequences; sequences or labels that do not fit each other or the model; an output that is not finite.
    pub fn evaluate(
        &self,
        tape: &mut Tape<E>,
        config: &Config,
        (name, part): (&str, Part),
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<(Figures, Vec<String>)>, Error> {
        part.check(name, self.classes.len(), config.classify().is_ok())?;
        let mut notes = Vec::new();
        let examples = Examples::encode(config, (&self.encoding, name), part, &mut notes)?;
        if examples.predictions() == 0 {
            let problem = "there are no sequences, expected at least 1".to_string();
            return Err(Error::Data { name: name.to_string(), problem });
        }
        let Some(all) = self.answers(tape, &examples.sequences, continues)? else { return Ok(None) };
        let rows = all.iter().flat_map(|answer| &answer.rows);
        rows.into_iter().try_for_each(|&p| Error::unless_finite(name, "a probability", p))?;
        Ok(Some((self.figures(&all, &examples)?, notes)))
    }

    /// The figures of the answers for examples.
    fn figures(&self, all: &[Answer], examples: &Examples) -> Result<Figures, Error> {
        let (classes, chain) = (self.classes.len(), self.model.chain()?);
        let (mut confusion, mut nats) = (Confusion::new(classes), 0.0);
        for (Answer { rows, best, emissions, log_sum }, labels) in all.iter().zip(&examples.labels) {
            let truth: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
            match &chain {
                Some(chain) => nats -= chain.score(emissions, &truth) - log_sum,
                None => {
                    let own = rows.chunks_exact(classes).zip(&truth);
                    own.for_each(|(row, &label)| nats -= libm::log(row[label].max(f64::MIN_POSITIVE)));
                }
            }
            truth.iter().zip(best).for_each(|(&label, &best)| confusion.add(label, best));
        }
        let spans = self.spans(all, examples);
        Ok(Figures { loss: nats / confusion.total().max(1) as f64, confusion, spans })
    }

    /// The spans of examples whose tags are parts of spans.
    fn spans(&self, all: &[Answer], examples: &Examples) -> Option<Spans> {
        if !are_spans(&self.classes) || examples.labels.iter().all(|labels| labels.len() <= 1) {
            return None;
        }
        let (name, mut spans) = (|class: usize| self.classes[class].as_str(), Spans::default());
        for (answer, labels) in all.iter().zip(&examples.labels) {
            let truth: Vec<&str> = labels.iter().map(|&label| name(label as usize)).collect();
            let predicted: Vec<&str> = answer.best.iter().map(|&class| name(class)).collect();
            spans.add(&truth, &predicted);
        }
        Some(spans)
    }

    /// The answers for sequences; None once `continues` says no.
    fn answers(
        &self,
        tape: &mut Tape<E>,
        sequences: &Sequences,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<Answer>>, Error> {
        let (mut all, chain) = (vec![Answer::default(); sequences.count()], self.model.chain()?);
        let read = read_by_length(&sequences.lengths(), READ_AT_ONCE, continues, |places| {
            let batch = Padded::new(sequences, places, 0)?;
            if let Some(chain) = &chain {
                for (&at, emissions) in places.iter().zip(self.model.emissions(tape, &batch)?) {
                    let best = chain.best(&emissions, self.rules.as_ref());
                    let summed = chain.summed(&emissions);
                    all[at] = Answer { rows: summed.marginals, best, emissions, log_sum: summed.log_sum };
                }
                return Ok(());
            }
            let rows = self.model.probabilities(tape, &batch)?;
            for (&at, row) in places.iter().zip(rows) {
                let rows = match (&self.ngrams, sequences) {
                    (Some(ngrams), Sequences::Tokens(tokens)) => ngrams.with(&row, &tokens[at]),
                    _ => row,
                };
                let best = rows.chunks_exact(self.classes.len()).map(likeliest).collect();
                all[at] = Answer { rows, best, ..Answer::default() };
            }
            Ok(())
        })?;
        Ok(read.map(|()| all))
    }
}

/// The answer for a sequence.
#[derive(Clone, Default)]
struct Answer {
    /// The probability of each class for the sequence, or for each of its steps, row after row.
    rows: Vec<f64>,
    /// The class told for the sequence, or for each of its steps.
    best: Vec<usize>,
    /// Of a chain, the scores of each tag at each step, and ln of the sum over all sequences of tags.
    emissions: Vec<f64>,
    log_sum: f64,
}

/// The rules of spans, where the tags of a chain are such and the training part keeps them.
fn of_spans(config: &Config, classes: &[String], train: &[Vec<u32>]) -> Option<Rules> {
    let is_chain = config.tagging().is_ok_and(|settings| settings.crf);
    let rules = (is_chain && are_spans(classes)).then(|| Rules::of(classes))?;
    let keeps = |labels: &Vec<u32>| rules.allow(&labels.iter().map(|&label| label as usize).collect::<Vec<_>>());
    train.iter().all(keeps).then_some(rules)
}

/// The n-grams that a model file holds. Errors: they are at odds with its settings or its encoding.
fn ngrams_of(
    stored: &Stored,
    encoding: &Encoding,
    classes: usize,
    listed: Option<Vec<Vec<Vec<u32>>>>,
) -> Result<Option<NGrams>, Error> {
    let settings = stored.config().classify().ok().filter(|settings| settings.ngrams > 0);
    match (settings, listed, encoding) {
        (None, None, _) => Ok(None),
        (Some(settings), Some(listed), Encoding::Tokens(vocab)) => {
            let counted = NGrams::from_listed(settings, vocab.len(), classes, &listed);
            counted.map(Some).map_err(|problem| stored.refusal(problem))
        }
        (_, _, Encoding::Vectors { .. }) => {
            Err(stored.refusal("the model has n-grams or settings for them, expected none for rows of numbers"))
        }
        (settings, listed, _) => {
            let of = |is: bool| if is { "n-grams" } else { "no n-grams" };
            let (want, has) = (of(settings.is_some()), of(listed.is_some()));
            Err(stored.refusal(format!("the model holds {has}, where its settings and tokens ask for {want}")))
        }
    }
}

impl<E: Element> Objective<E> for Trained<E> {
    type Layers = Layers<E>;
    type Data = Data<E>;

    fn model(&self) -> &Model<E, Layers<E>> {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model<E, Layers<E>> {
        &mut self.model
    }

    fn learn(&self, data: &Data<E>, tape: &mut Tape<E>, batch: Batch<'_, E>) -> Result<Loss, Error> {
        let mut read = Padded::new(&data.train.sequences, batch.places, 0)?;
        if data.token_dropout > 0.0 {
            read.hide(data.token_dropout, &mut batch.draws(Purpose::Hidden));
        }
        let dropout = Some(batch.draws(Purpose::Dropout));
        if batch.config.tagging().is_ok_and(|settings| settings.crf) {
            let tags = |&at: &usize| data.train.labels[at].iter().map(|&label| label as usize).collect();
            let tags: Vec<Vec<usize>> = batch.places.iter().map(tags).collect();
            let (mean, predictions) = self.model.chain_loss_and_grads(tape, &read, &tags, dropout, batch.grads)?;
            return Ok(Loss { mean, predictions, rows: read.rows });
        }
        let targets = data.train.targets(batch.places);
        let (mean, of) = self.model.loss_and_grads(tape, &read, &data.loss, &targets, dropout, batch.grads)?;
        Ok(Loss { mean, predictions: of.counted, rows: read.rows })
    }

    fn held_loss(
        &self,
        data: &Data<E>,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        Ok(self.measure(tape, &data.held, continues)?.map(|figures| figures.loss.into()))
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        let mut task = json!({ "classes": self.classes });
        if let Some(ngrams) = &self.ngrams {
            task["ngrams"] = json!(ngrams.listed());
        }
        if self.rules.is_some() {
            task["keeps_rules"] = json!(true);
        }
        self.encoding.meta(config, task)
    }
}

/// The first of the largest.
pub fn likeliest(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

/// The loss that does what the settings say for rare classes, for examples with these classes.
fn balanced<E: Element>(settings: &Settings, labels: &[u32], classes: usize) -> CrossEntropy<E> {
    let mut sizes = vec![0_usize; classes];
    labels.iter().for_each(|&label| sizes[label as usize] += 1);
    let (all, classes) = (labels.len() as f64, classes as f64);
    let balanced = |n: &usize| all / classes / (*n).max(1) as f64;
    let weights = match settings.class_weights {
        ClassWeights::None => None,
        ClassWeights::Balanced => Some(sizes.iter().map(balanced).collect()),
        ClassWeights::Root => Some(sizes.iter().map(|n| libm::sqrt(balanced(n))).collect()),
    };
    let tau = settings.logit_adjustment;
    let offset = |n: &usize| E::from_f64(tau * libm::log((*n).max(1) as f64 / all));
    CrossEntropy { weights, offsets: (tau > 0.0).then(|| sizes.iter().map(offset).collect()) }
}
