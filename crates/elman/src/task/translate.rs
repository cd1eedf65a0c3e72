//! Translation as a task: pairs of texts, split and tokenised; a sequence-to-sequence network; its loss, and its output
//! against the references. A training part without pairs is an error.

use elman_kernels::{Cpu, Element};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::supervised::{Batch, Objective, Supervised};
use super::{Loss, Validation};
use crate::autodiff::tape::Tape;
use crate::config::Config;
use crate::data::table::parallel::{PairBatch, Pairs, Parallel, Parts, Sentence, Sentences, Vocabs};
use crate::data::table::sequences::{Padded, Sequences, read_by_length};
use crate::data::{UNKNOWN, Vocab};
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::infer::search::{Found, Search};
use crate::metrics::Bleu;
use crate::nn::model::Model;
use crate::nn::model::seq2seq::{Decoder, Layers, Pass, Seq2Seq};
use crate::rng::{Purpose, generator, uniform};
use crate::train::report::Shape;

/// Texts that are read side by side where nothing is learned.
const READ_AT_ONCE: usize = 128;
/// Sentences of a sample.
const SAMPLED: usize = 8;

/// A text for every text.
pub type Translate<E> = Supervised<E, Trained<E>>;

/// Pairs of texts to train on, and held-out ones.
#[derive(Clone, Debug)]
pub struct Data {
    train: Pairs,
    held: Pairs,
    parts: Parts,
}

/// What a model file holds of it: all that a translation needs.
#[derive(Clone, Debug)]
pub struct Trained<E> {
    /// How texts become tokens.
    pub vocabs: Vocabs,
    /// The network.
    pub model: Seq2Seq<E>,
}

/// What was written for a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Its logarithm of probability in nats.
    pub log_probability: f64,
    /// Whether it has ended, and was not cut.
    pub ended: bool,
}

/// What the decoder looked at while it wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The tokens that were read, as people see them; an unknown one as it stood.
    pub read: Vec<String>,
    /// The tokens that were written, the last of them `<eos>`.
    pub written: Vec<String>,
    /// For each token that was written the share of each that was read.
    pub weights: Vec<Vec<f64>>,
}

/// How good translations are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Against all that may be written.
    pub all: Bleu,
    /// Against the first of them.
    pub first: Bleu,
}

/// How good a translator is on data.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Mean nats a token that is written, its end among them, given the right ones before it.
    pub loss: f64,
    /// Perplexity, exp(loss).
    pub ppl: f64,
    /// Its translations against the references.
    pub figures: Figures,
    /// Pairs of texts.
    pub pairs: usize,
    /// Tokens that the loss is the mean of.
    pub tokens: usize,
    /// What was left out of the data, a sentence each.
    pub notes: Vec<String>,
}

impl<E: Element> Translate<E> {
    /// The task of `config` on `data`; a part is held out where `validation` is None.
    ///
    /// Errors: nothing to train on; an impossible configuration.
    pub fn new(config: &Config, data: Parallel, validation: Option<Parallel>) -> Result<Translate<E>, Error> {
        let settings = config.translate()?.clone();
        let name = data.fingerprint.name.clone();
        let of_validation = validation.as_ref().map(|set| &set.pairs[..]);
        let mut parts = Parts::with_validation(config, &settings, &data.pairs, of_validation);
        let mut notes = parts.notes(&settings);
        if validation.is_some() {
            let known: std::collections::HashSet<&str> = parts.train.iter().map(|s| s.from.as_str()).collect();
            let both = parts.validation.iter().filter(|s| known.contains(s.from.as_str())).count();
            if both > 0 {
                notes.push(format!("texts to validate on that are trained on, too: {both}"));
            }
        }
        if parts.train.is_empty() {
            let problem = "no pair is left to train on, expected at least 1".to_string();
            return Err(Error::Data { name, problem });
        }
        let vocabs = Vocabs::fit(config, &name, &parts.train)?;
        let (train, held) = (Pairs::new(&vocabs, &name, &parts.train)?, Pairs::new(&vocabs, &name, &parts.validation)?);
        let model = Seq2Seq::new(config, [vocabs.from.len(), vocabs.to.len()])?;
        parts.train = Vec::new();
        let (lengths, vocab_size) = (train.lengths(), vocabs.to.len());
        let val_tokens = held.predictions() * usize::from(held.count() > 0);
        let shape = Shape { train_tokens: train.predictions(), val_tokens, vocab_size, notes, ..Shape::default() };
        let (trained, of) = (Trained { vocabs, model }, Data { train, held, parts });
        Ok(Supervised::of(config, data.fingerprint, (trained, of), lengths, shape))
    }

    /// The sentences that are held out for validation.
    pub fn validation(&self) -> &[Sentence] {
        &self.data.parts.validation
    }

    /// The sentences to measure the trained model on.
    pub fn test(&self) -> &[Sentence] {
        &self.data.parts.test
    }

    /// Pairs to train on, and those that are held out.
    pub fn pairs(&self) -> [usize; 2] {
        [self.data.train.count(), self.data.held.count()]
    }
}

/// The shares that each step looked at.
type Looks<E> = Vec<Vec<E>>;

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    from: Vec<String>,
    to: Vec<String>,
}

impl<E: Element> Trained<E> {
    /// The network in a model file, with its settings. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<(Config, Trained<E>), Error> {
        let config = stored.config().clone();
        config.translate().map_err(|error| stored.refusal(error))?;
        let Meta { from, to } = stored.task()?;
        let vocab = |tokens| Vocab::from_file(&config, Some(tokens), None, stored.path());
        let vocabs = Vocabs::of(vocab(from)?, vocab(to)?, &stored.path().display().to_string())?;
        let model = stored.model([vocabs.from.len(), vocabs.to.len()])?;
        Ok((config, Trained { vocabs, model }))
    }

    /// The batch with inputs that are the model's own guesses where chance says so: parallel scheduled sampling, one
    /// pass (Duckworth et al. 2019).
    fn mixed(
        &self,
        config: &Config,
        tape: &mut Tape<E>,
        step: u64,
        batch: &PairBatch<E>,
    ) -> Result<Option<Vec<u32>>, Error> {
        let forcing = config.translate()?.forcing;
        let done = step as f64 / config.steps.unwrap_or(step).max(1) as f64;
        let true_share = 1.0 - (1.0 - forcing) * done;
        if true_share >= 1.0 {
            return Ok(None);
        }
        let guesses = self.model.guesses(tape, batch)?;
        let (rows, mut rng) = (batch.from.rows, generator(config.seed, Purpose::Forcing, step));
        let mut inputs = batch.inputs.clone();
        for (input, &guess) in inputs.iter_mut().skip(rows).zip(&guesses) {
            if uniform(&mut rng) >= true_share {
                *input = guess;
            }
        }
        Ok(Some(inputs))
    }

    /// Writes a text for each text; `name` is what messages call them. One without words has the empty text.
    /// None once `continues` says no.
    pub fn translate(
        &self,
        tape: &mut Tape<E>,
        name: &str,
        texts: &[&str],
        search: Search,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<Written>>, Error> {
        let tokens: Result<Vec<_>, Error> = texts.iter().map(|text| self.vocabs.read(name, text)).collect();
        let sequences = Sequences::Tokens(tokens?);
        let lengths = sequences.lengths();
        let nothing = Written { text: String::new(), log_probability: 0.0, ended: true };
        let mut all = vec![nothing; texts.len()];
        let read = read_by_length(&lengths, READ_AT_ONCE, continues, |places| {
            // By rising length: those without words come first.
            let places = &places[places.partition_point(|&at| lengths[at] == 0)..];
            if places.is_empty() {
                return Ok(());
            }
            let found = self.search(tape, &sequences, places, search)?.0;
            for (&at, found) in places.iter().zip(found) {
                let Found { tokens, log_probability, ended } = found;
                Error::unless_finite(name, "a log-probability", log_probability)?;
                all[at] = Written { text: self.vocabs.text(&tokens)?, log_probability, ended };
            }
            Ok(())
        })?;
        Ok(read.map(|()| all))
    }

    /// The texts that are found, and, where a single one is written greedily, what each step looked at.
    fn search(
        &self,
        tape: &mut Tape<E>,
        sequences: &Sequences,
        places: &[usize],
        search: Search,
    ) -> Result<(Vec<Found>, Option<Looks<E>>), Error> {
        let batch = Padded::new(sequences, places, 0)?;
        let mut decoder = Decoder::new(&self.model, tape, &batch, self.vocabs.to.reserved())?;
        decoder.looks = (search.beam == 1 && places.len() == 1 && self.model.attends()).then(Vec::new);
        let found = search.run(&mut decoder, self.vocabs.bos, self.vocabs.eos)?;
        Ok((found, decoder.looks))
    }

    /// Writes a text greedily and tells what was looked at. Errors: a model without attention; a text without words.
    pub fn look(&self, tape: &mut Tape<E>, name: &str, text: &str, longest: usize) -> Result<(Written, Look), Error> {
        if !self.model.attends() {
            let (got, expected) = ("none".into(), "dot, general or additive: this model looks at nothing".into());
            return Err(Error::Setting { name: "attention", got, expected });
        }
        let tokens = self.vocabs.read(name, text)?;
        if tokens.is_empty() {
            return Err(Error::Data { name: name.into(), problem: "the text has no words, expected some".into() });
        }
        let show = |vocab: &Vocab, token: u32| vocab.token(token).unwrap_or(UNKNOWN).replace('\u{ffed}', "");
        let read = tokens.iter().map(|&token| show(&self.vocabs.from, token)).collect();
        let search = Search { beam: 1, length_penalty: 0.0, longest };
        let (found, looks) = self.search(tape, &Sequences::Tokens(vec![tokens]), &[0], search)?;
        let found = found.into_iter().next().unwrap_or(Found { tokens: vec![], log_probability: 0.0, ended: false });
        let mut written: Vec<String> = found.tokens.iter().map(|&token| show(&self.vocabs.to, token)).collect();
        written.extend(found.ended.then(|| show(&self.vocabs.to, self.vocabs.eos)));
        let weights = looks.unwrap_or_default().into_iter().take(written.len());
        let weights = weights.map(|row| row.into_iter().map(|w| w.to_f64()).collect()).collect();
        let text = self.vocabs.text(&found.tokens)?;
        let Found { log_probability, ended, .. } = found;
        Ok((Written { text, log_probability, ended }, Look { read, written, weights }))
    }

    /// How good it is on pairs of texts, all of them. None once `continues` says no.
    ///
    /// Errors: no pair is left; a loss that is not finite.
    pub fn evaluate(
        &self,
        tape: &mut Tape<E>,
        config: &Config,
        data: &Parallel,
        search: Search,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluated>, Error> {
        let (settings, name) = (config.translate()?, &data.fingerprint.name);
        let sentences = Sentences::new(config, settings, &data.pairs);
        if sentences.all.is_empty() {
            let problem = "no pair is left to measure, expected at least 1".to_string();
            return Err(Error::Data { name: name.clone(), problem });
        }
        let pairs = Pairs::new(&self.vocabs, name, &sentences.all)?;
        let Some(loss) = self.loss_of(tape, &pairs, continues)? else { return Ok(None) };
        Error::unless_finite(name, "the loss", loss)?;
        let Some((figures, _)) = self.measure(tape, &sentences.all, search, continues)? else { return Ok(None) };
        let (pairs, tokens, notes) = (pairs.count(), pairs.predictions(), sentences.notes(settings));
        Ok(Some(Evaluated { loss, ppl: libm::exp(loss), figures, pairs, tokens, notes }))
    }

    /// The mean loss of pairs in nats a token. None once `continues` says no.
    fn loss_of(
        &self,
        tape: &mut Tape<E>,
        pairs: &Pairs,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        let mut nats = 0.0;
        let read = read_by_length(&pairs.lengths(), READ_AT_ONCE, continues, |places| {
            nats += self.model.loss(tape, &pairs.batch(places, 0))?;
            Ok(())
        })?;
        Ok(read.map(|()| nats / pairs.predictions() as f64))
    }

    /// What it writes for sentences, and how good that is. None once `continues` says no.
    pub fn measure(
        &self,
        tape: &mut Tape<E>,
        sentences: &[Sentence],
        search: Search,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<(Figures, Vec<Written>)>, Error> {
        let texts: Vec<&str> = sentences.iter().map(|sentence| sentence.from.as_str()).collect();
        let Some(written) = self.translate(tape, "the held-out texts", &texts, search, continues)? else {
            return Ok(None);
        };
        let mut figures = Figures::default();
        for (sentence, written) in sentences.iter().zip(&written) {
            let references: Vec<&str> = sentence.to.iter().map(String::as_str).collect();
            figures.all.add(&written.text, &references);
            figures.first.add(&written.text, &references[..references.len().min(1)]);
        }
        Ok(Some((figures, written)))
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
        let pairs = data.train.batch(batch.places, 0);
        let inputs = self.mixed(batch.config, tape, batch.step, &pairs)?;
        let (dropout, smoothing) = (Some(batch.draws(Purpose::Dropout)), batch.config.translate()?.smoothing);
        let pass = Pass { dropout, smoothing, inputs: inputs.as_deref() };
        let mean = self.model.loss_and_grads(tape, &pairs, pass, batch.grads)?;
        Ok(Loss { mean, predictions: pairs.predictions(), rows: pairs.from.rows })
    }

    fn held_loss(
        &self,
        data: &Data,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        Ok(self.loss_of(tape, &data.held, continues)?.map(Validation::from))
    }

    /// Some held-out texts with what is written for them, and BLEU over all.
    fn sample(
        &self,
        data: &Data,
        _: (&Config, u64),
        cpu: &Cpu,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Error> {
        let sentences = &data.parts.validation;
        let search = Search { beam: 1, length_penalty: 0.0, longest: LONGEST };
        let measured = self.measure(&mut Tape::new(cpu), sentences, search, continues)?;
        let Some((Figures { all, first }, written)) = measured else { return Ok(None) };
        let mut text = String::new();
        for (sentence, written) in sentences.iter().zip(&written).take(SAMPLED) {
            text += &format!("{}\n    {}\n", sentence.from, written.text);
        }
        if !sentences.is_empty() {
            let (all, first) = (all.score(), first.score());
            text += &format!("validation BLEU, greedy: {all:.2} against all, {first:.2} against the first\n");
        }
        Ok(Some(text))
    }

    fn metrics(&self, loss: f64) -> Vec<(&'static str, f64)> {
        vec![("ppl", libm::exp(loss))]
    }

    fn meta(&self, _: &Config) -> Map<String, Value> {
        let Vocabs { from, to, .. } = &self.vocabs;
        Map::from_iter([("task".to_string(), json!({ "from": from.tokens(), "to": to.tokens() }))])
    }
}

/// Tokens after which a text without an end token is cut.
pub const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Corpus;
    use crate::config::{TaskSettings, Translate as Settings};

    #[test]
    fn what_is_fed_goes_from_the_truth_to_guesses_of_the_step_before() {
        let pairs: Vec<(String, String)> =
            (0..40).map(|at| (format!("a {}", at % 7), format!("x {} {}", at % 5, at % 7))).collect();
        let data = Parallel { pairs, fingerprint: Corpus::from_text("t", String::new()).fingerprint() };
        let task = Settings { forcing: 0.0, val_sentences: Some(1), ..Settings::default() };
        let base = Config::of_task(Some(TaskSettings::Translate(task)));
        let config = Config { hidden_size: 8, embed: 4, min_freq: 1, batch: 30, steps: Some(100), ..base };
        let task: Translate<f32> = Translate::new(&config, data, None).unwrap();
        let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
        let batch = task.data.train.batch(&(0..30).collect::<Vec<_>>(), 0);
        let rows = batch.from.rows;
        let mut at = |step| task.trained.mixed(&config, &mut tape, step, &batch).unwrap();
        assert_eq!(at(0), None, "teacher forcing before the first step");
        let last = at(100).unwrap();
        let guesses = task.trained.model.guesses(&mut Tape::new(&Cpu::new(Some(1)).unwrap()), &batch).unwrap();
        assert_eq!(last[..rows], batch.inputs[..rows], "<bos> is always true");
        assert_eq!(last[rows..], guesses[..last.len() - rows], "at the end the model hears itself alone");
        // Half way each is as likely; a guess of an untrained network is seldom true.
        let mixed = at(50).unwrap();
        let own = (rows..mixed.len()).filter(|&i| mixed[i] == guesses[i - rows] && mixed[i] != batch.inputs[i]).count();
        let wrong = (rows..mixed.len()).filter(|&i| guesses[i - rows] != batch.inputs[i]).count();
        assert!((0.3..0.7).contains(&(own as f64 / wrong as f64)), "{own} of {wrong}");
        assert_ne!(mixed, at(51).unwrap());
    }
}
