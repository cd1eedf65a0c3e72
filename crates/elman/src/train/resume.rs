//! Holds how a stopped run is taken up again. Refuses another text and other settings than the run was started with, by
//! name, unless it is told what to give up.

use elman_kernels::{Cpu, Element};
use serde_json::{Map, Value};

use super::{Data, Trainer};
use crate::{
    checkpoint::ModelFile,
    config::{Config, TokenizerKind},
    data::{Corpus, Vocab},
    error::Error,
    run_dir::RunDir,
    train_state::StateFile,
};

/// Settings that change when something is written and what is done about a bad step, but not what a good one computes.
const FREE: [&str; 6] = ["keep", "on_nan", "print_every", "sample_every", "sample_length", "save_every"];

/// What is to be different from the run that is resumed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The settings to go on with; None for those of the run.
    pub config: Option<Config>,
    /// Whether to go on although settings or text are others, as a run that is no longer the one that was started.
    pub force: bool,
}

impl<E: Element> Trainer<E> {
    /// A run as its directory has it: what follows equals, byte for byte, a run that never stopped. Its log and samples
    /// are cut back to the last save.
    ///
    /// Errors: a state that cannot be read or does not fit itself; another text than the run's; somebody who trains it.
    pub fn resume(run: &RunDir, corpus: &Corpus, cpu: &Cpu) -> Result<Trainer<E>, Error> {
        Trainer::resume_with(run, corpus, cpu, Changes::default())
    }

    /// As [`Trainer::resume`], with other settings. [`Changes::force`] goes on with another text, too, which the model reads
    /// by the vocabulary it has; what is given up is among the plan's notes.
    ///
    /// Errors: changes that are not free, each by name, unless they are forced; forced ones that the saved tensors do
    /// not fit.
    pub fn resume_with(run: &RunDir, corpus: &Corpus, cpu: &Cpu, changes: Changes) -> Result<Trainer<E>, Error> {
        let lock = run.lock()?;
        let saved = StateFile::read(&run.state())?;
        let text = corpus.mark();
        let mut given_up = Vec::new();
        let same_text = match text.check(&saved.meta.text) {
            Err(error) if changes.force => {
                given_up.push(error.to_string());
                false
            }
            checked => checked.map(|()| true)?,
        };
        let mut config = changes.config.unwrap_or_else(|| saved.meta.config.clone());
        config.check()?;
        config.dtype.check::<E>()?;
        if config.epochs == saved.meta.config.epochs {
            config.steps = config.steps.or(saved.meta.config.steps);
        }
        let (free, bound) = differences(&saved.meta.config, &config, run);
        if !changes.force && !bound.is_empty() {
            return Err(Error::Changed { changes: bound });
        }
        given_up.extend(bound.iter().cloned());

        // Another text may order its characters in another way, and the weights know those of the first.
        // Parts of words may come from a file, and take long to learn: the model has them.
        let known = match (saved.meta.vocab.clone(), saved.meta.config.tokenizer) {
            (Some(list), _) => Some(Vocab::from_file(&saved.meta.config, Some(list), None, &run.state())?),
            (None, tokenizer) if same_text && tokenizer != TokenizerKind::Bpe => None,
            (None, _) => Some(ModelFile::<E>::load(run.model())?.vocab),
        };
        let vocab_is_given = known.is_some();
        let data = Data::prepare(&config, corpus, known)?;
        StateFile::check::<E>(&saved, &config, data.vocab.len())?;
        let mut trainer = Trainer::assemble(config, text, data, cpu)?;
        let carries = saved.restore(&mut trainer.model, &mut trainer.optimizer, &mut trainer.carry);
        if let Err(error) = carries {
            // With other rows there is nothing that could be carried on; anything else is no choice of the caller's.
            if given_up.is_empty() || trainer.config.batch == saved.meta.config.batch {
                return Err(error);
            }
            trainer.model.reset(&mut trainer.carry);
            given_up.push("the carried state begins anew".to_string());
        }
        trainer.progress = saved.meta.progress;
        trainer.plan.steps_done = trainer.progress.step;
        let note = |words: String| format!("no longer the run that was started: {words}");
        trainer.plan.notes.extend(given_up.into_iter().map(note));
        trainer.plan.notes.extend(free);
        trainer.vocab_is_given = vocab_is_given;
        trainer.lock = Some(lock);
        run.cut_back(trainer.progress.log_lines, trainer.progress.sample_bytes)?;
        let seconds = run.reports()?.last().map(|report| report.seconds);
        trainer.seconds_before = seconds.unwrap_or(trainer.progress.seconds);
        Ok(trainer)
    }
}

/// The settings that differ, a clause each: those that are free to, and those that are not.
fn differences(was: &Config, is: &Config, run: &RunDir) -> (Vec<String>, Vec<String>) {
    let table = |config: &Config| match serde_json::to_value(config) {
        Ok(Value::Object(table)) => table,
        _ => Map::new(),
    };
    let (was, is) = (table(was), table(is));
    let mut keys: Vec<&String> = was.keys().chain(is.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let (mut free, mut bound) = (Vec::new(), Vec::new());
    for key in keys.into_iter().filter(|key| was.get(*key) != is.get(*key)) {
        let shown =
            |table: &Map<String, Value>| table.get(key).map_or("not set".to_string(), |value| value.to_string());
        let (here, there) = (shown(&is), shown(&was));
        let words = format!("{key} is {here} here, but {} was started with {there}", run.path().display());
        if FREE.contains(&key.as_str()) { free.push(words) } else { bound.push(words) }
    }
    (free, bound)
}
