//! The task of a language model: a text cut into batches, the model that predicts its next token, the state that is
//! carried from one batch to the next. Not here: the policy of the run, which is the trainer's.

use elman_kernels::{Cpu, Element};
use serde_json::{Map, Value};

use super::{Loss, Task, Validation};
use crate::{
    autodiff::params::Params,
    autodiff::tape::Tape,
    available_memory,
    config::{Config, TokenizerKind},
    data::{Batch, Batches, Corpus, Fingerprint, Held, Split, Tokens, Vocab, escaped},
    error::Error,
    files::model_file,
    files::run_dir::RunDir,
    infer::{self, Ending, Settings, Start},
    nn::model::{Declared, LanguageModel, language_model::Layers},
    nn::shards::Shards,
    nn::state::State,
    rng::{Purpose, generator},
    task::evaluate::{Evaluation, evaluate_ids},
    train::memory,
    train::report::Shape,
    train::{Changes, Stopped, Trainer},
};

/// Steps of a sample between two checks whether the run must stop.
const SAMPLE_PIECE: usize = 64;

/// Shares of the tokens that are unknown, `<unk>`: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Unknown {
    /// Of those to train on.
    pub train: f64,
    /// Of those to validate on, if there are any.
    pub validation: Option<f64>,
}

impl Unknown {
    /// None where a vocabulary has no such token.
    fn of(vocab: &Vocab, train: &Tokens, validation: &Held) -> Result<Option<Unknown>, Error> {
        if !vocab.has_unknown() {
            return Ok(None);
        }
        let share =
            |ids: &Tokens| Ok::<f64, Error>(ids.count(|ids| vocab.count_unknown(ids))? as f64 / ids.len() as f64);
        let of_validation = (!validation.ids.is_empty()).then(|| share(&validation.ids)).transpose()?;
        Ok(Some(Unknown { train: share(train)?, validation: of_validation }))
    }
}

/// A text and the model that learns to write it.
pub struct Language<E> {
    text: Fingerprint,
    vocab: Vocab,
    /// Whether the vocabulary is not the text's own.
    vocab_is_given: bool,
    batches: Batches,
    batch: Batch,
    validation: Held,
    test: Held,
    unknown: Option<Unknown>,
    model: LanguageModel<E>,
    carry: State<E>,
    shards: Shards<E>,
    /// The state of a step that does not carry one, used again.
    fresh: State<E>,
    shape: Shape,
}

impl<E: Element> Language<E> {
    /// The task of `config`, whose open settings are filled in, on `corpus`. `known` is the vocabulary of a run that
    /// continues, where it is not to be made again; `check` sees its size before a model of that size is made.
    pub(super) fn new(
        config: &mut Config,
        corpus: &Corpus,
        known: Option<Vocab>,
        check: impl FnOnce(&Config, usize) -> Result<(), Error>,
    ) -> Result<Language<E>, Error> {
        let vocab_is_given = known.is_some();
        let Split { vocab, train: ids, validation, test, notes: of_split } = Split::new(config, corpus, known)?;
        let unknown = Unknown::of(&vocab, &ids, &validation)?;
        let batches = Batches::of(config, corpus.name(), ids, vocab.line_end())?;
        check(config, vocab.len())?;
        let mut notes = notes(config, &batches, vocab.unit(batches.tokens()));
        notes.extend(of_split);
        config.resolve(batches.batch(), batches.windows(), !validation.ids.is_empty());
        let (layers, declaration) = Layers::<E>::declare(config, vocab.len())?;
        let memory_bytes = memory::training_bytes(config, &layers.sizes(&declaration), validation.ids.len());
        available_memory::needs(memory_bytes)?;
        let model = LanguageModel::new(config, vocab.len())?;
        let shape = Shape {
            train_tokens: batches.tokens(),
            val_tokens: validation.ids.len(),
            vocab_size: vocab.len(),
            batch: config.batch,
            seq_len: config.seq_len,
            steps_per_epoch: batches.windows(),
            memory_bytes,
            notes,
        };
        let (carry, fresh) = (model.initial_state(config.batch), model.initial_state(config.batch));
        let (text, batch) = (corpus.fingerprint(), Batch::default());
        Ok(Language {
            text,
            vocab,
            vocab_is_given,
            batches,
            batch,
            validation,
            test,
            unknown,
            model,
            carry,
            shards: Shards::default(),
            fresh,
            shape,
        })
    }

    /// Adds what is to be known before training.
    pub(super) fn note(&mut self, note: String) {
        self.shape.notes.push(note);
    }
}

/// What became of the settings on this text.
fn notes(config: &Config, batches: &Batches, unit: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if batches.cut_lines() > 0 {
        let (lines, seq_len) = (batches.cut_lines(), config.seq_len);
        notes.push(format!("lines longer than seq_len = {seq_len} predictions are cut there: {lines}"));
    }
    if batches.batch() < config.batch {
        notes.push(format!(
            "batch is {} instead of {}: {} training {unit} give no more rows of seq_len = {}",
            batches.batch(),
            config.batch,
            batches.tokens(),
            config.seq_len
        ));
    }
    notes
}

impl<E: Element> Task for Language<E> {
    type Element = E;

    fn params(&self) -> &Params<E> {
        self.model.params()
    }

    fn params_mut(&mut self) -> &mut Params<E> {
        self.model.params_mut()
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
        &self.text
    }

    fn step(&mut self, config: &Config, tape: &mut Tape<E>, step: u64, grads: &mut Params<E>) -> Result<Loss, Error> {
        self.batches.fill(step - 1, &mut self.batch)?;
        let batch = &self.batch;
        let state = match self.batches.carries_state() {
            true => &mut self.carry,
            false => self.model.restart(&mut self.fresh, batch.rows),
        };
        if (step - 1).is_multiple_of(self.shape.steps_per_epoch) {
            self.model.reset(state);
        }
        let dropout = Some(generator(config.seed, Purpose::Dropout, step));
        let mean =
            self.model.loss_and_grads(tape, &mut self.shards, &batch.inputs, &batch.targets, state, dropout, grads)?;
        Ok(Loss { mean, predictions: batch.predictions(), rows: batch.rows })
    }

    /// Loss over the whole validation split as one stream from the initial state.
    fn validate(
        &mut self,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Validation>, Error> {
        Ok(evaluate_ids(&self.model, &self.vocab, &self.validation, tape, continues)?
            .map(|figures| figures.loss.into()))
    }

    fn sample(
        &self,
        config: &Config,
        cpu: &Cpu,
        step: u64,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<String>, Error> {
        let rng = generator(config.seed, Purpose::Sample, step);
        let starts = [(Start::Prompt(b""), rng)];
        let mut text = infer::Batch::new(&self.model, &self.vocab, starts, Settings::default(), cpu)?;
        let (mut ending, mut written) = (Ending::new::<&str>(config.sample_length, &[])?, Vec::new());
        for step in 0.. {
            if step % SAMPLE_PIECE == 0 && !continues() {
                return Ok(None);
            }
            while let Some(token) = text.take(0) {
                ending.push(&token, &mut written);
            }
            if ending.is_over() {
                break;
            }
            text.advance();
        }
        Ok(Some(match self.vocab.kind() {
            TokenizerKind::Char | TokenizerKind::Word => String::from_utf8_lossy(&written).into_owned(),
            TokenizerKind::Byte | TokenizerKind::Bpe => escaped(&written),
        }))
    }

    fn metrics(&self, loss: f64) -> Vec<(&'static str, f64)> {
        vec![("bpc", loss / std::f64::consts::LN_2), ("ppl", libm::exp(loss))]
    }

    fn meta(&self, config: &Config) -> Map<String, Value> {
        crate::data::text::tokenizer::meta(config, &self.vocab)
    }

    fn state_vocab(&self) -> Option<Vec<String>> {
        self.vocab_is_given.then(|| self.vocab.list()).flatten()
    }
}

impl<E: Element> Trainer<Language<E>> {
    /// A new run of `config` on `corpus`, with nothing computed yet.
    ///
    /// Errors: a setting out of range; a `dtype` other than `E`; a training split shorter than one window; more memory
    /// than there is.
    pub fn new(mut config: Config, corpus: &Corpus, cpu: &Cpu) -> Result<Self, Error> {
        config.check()?;
        config.dtype.check::<E>()?;
        let task = Language::new(&mut config, corpus, None, |_, _| Ok(()))?;
        Trainer::of(config, task, cpu)
    }

    /// A run as its directory has it: what follows equals, byte for byte, a run that never stopped. Its log and samples
    /// are cut back to the last save.
    ///
    /// Errors: a state that cannot be read or does not fit itself; another text than the run's; somebody who trains it.
    pub fn resume(run: &RunDir, corpus: &Corpus, cpu: &Cpu) -> Result<Self, Error> {
        Trainer::resume_with(run, corpus, cpu, Changes::default())
    }

    /// As [`Trainer::resume`], with other settings. [`Changes::force`] continues with another text, too, which the
    /// model reads by the vocabulary it has; what is given up is among the plan's notes.
    ///
    /// Errors: changes that are not free, each by name, unless they are forced; forced ones that the saved tensors do
    /// not fit.
    pub fn resume_with(run: &RunDir, corpus: &Corpus, cpu: &Cpu, changes: Changes) -> Result<Self, Error> {
        let mut stopped = Stopped::open(run, &corpus.fingerprint(), changes)?;
        let (saved, of_tensors) = (&stopped.saved, stopped.of_tensors.clone());
        let of_settings = |error| Stopped::refusal(&of_tensors, error);
        stopped.config.dtype.check::<E>()?;
        // Another text may order its characters in another way, and the weights know those of the first.
        // Subwords may come from a file, and take long to learn: the model has them.
        let known = match (saved.meta.vocab.clone(), saved.meta.config.tokenizer) {
            (Some(list), _) => Some(Vocab::from_file(&saved.meta.config, Some(list), None, &run.state())?),
            (None, tokenizer) if stopped.has_same_data && tokenizer != TokenizerKind::Bpe => None,
            (None, _) => Some(model_file::ModelFile::<E>::load(run.model())?.vocab),
        };
        let fits = |config: &Config, vocab_size| {
            let (_, declaration) = Layers::<E>::declare(config, vocab_size)?;
            let checked = model_file::check_tensors::<E>(&saved.tensors()?, "param.", &declaration);
            checked.map_err(of_settings)
        };
        let task = Language::new(&mut stopped.config, corpus, known, fits)?;
        stopped.resume(task, cpu)
    }

    /// The model as trained so far.
    pub fn model(&self) -> &LanguageModel<E> {
        &self.task().model
    }

    /// The text it trains on, with those it validates and tests on.
    pub fn text(&self) -> &Fingerprint {
        &self.task().text
    }

    /// The vocabulary of the text.
    pub fn vocab(&self) -> &Vocab {
        &self.task().vocab
    }

    /// Shares of its tokens that are unknown. None where the vocabulary has no token for unknown ones.
    pub fn unknown(&self) -> Option<Unknown> {
        self.task().unknown
    }

    /// The model as trained so far, on the corpus's test text: what [`crate::task::evaluate::evaluate`] gives for it.
    /// None where there is no such text.
    pub fn test(&mut self) -> Result<Option<Evaluation>, Error> {
        let (task, tape) = self.task_and_tape();
        if task.test.ids.is_empty() {
            return Ok(None);
        }
        evaluate_ids(&task.model, &task.vocab, &task.test, tape, &mut || true)
    }
}
