//! How a stopped run is resumed. Another text, and other settings than those of the run, are errors that name them,
//! unless the caller forces the change.

use elman_kernels::Cpu;
use serde_json::{Map, Value};

use super::Trainer;
use crate::{
    config::Config,
    data::Fingerprint,
    error::Error,
    files::run_dir::{Lock, RunDir},
    files::state_file::StateFile,
    task::Task,
};

/// Settings that change when something is written and what is done about a bad step, but not what a good one computes.
const FREE: [&str; 6] = ["keep", "on_nan", "print_every", "sample_every", "sample_length", "save_every"];

/// Settings that decide which tensors a state has, and their shapes.
const OF_TENSORS: [&str; 12] = [
    "cell",
    "dtype",
    "embed",
    "hidden_size",
    "hidden_sizes",
    "initial_state",
    "momentum",
    "num_layers",
    "optimizer",
    "task",
    "tied",
    "tokenizer",
];

/// Settings that decide what is held out for validation, and how it is read.
const OF_VALIDATION: [&str; 9] =
    ["clean", "cut_tail", "eos", "lowercase", "max_tokens", "task", "tokenizer", "val_frac", "words"];

/// What is to be different from the run that is resumed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The settings to continue with; None for those of the run.
    pub config: Option<Config>,
    /// Whether to continue although settings or text have changed; the run is then no longer the one that was started.
    pub force: bool,
}

/// A stopped run, locked and read: the caller makes its task from its settings and the same data, and can then continue
/// it.
pub struct Stopped {
    run: RunDir,
    lock: Lock,
    pub(crate) saved: StateFile,
    /// The settings to continue with.
    pub config: Config,
    /// Whether the data is the run's.
    pub has_same_data: bool,
    /// Whether the validation data is the run's.
    has_same_validation: bool,
    given_up: Vec<String>,
    /// Changed settings that decide which tensors there are, a clause each.
    pub(crate) of_tensors: Vec<String>,
    notes: Vec<String>,
}

impl Stopped {
    /// Takes the run for itself and compares data and settings with what it was started with.
    ///
    /// Errors: a state that cannot be read or does not fit itself; somebody who trains it; unless forced, other data or
    /// changes that are not free, each by name.
    pub fn open(run: &RunDir, data: &Fingerprint, changes: Changes) -> Result<Stopped, Error> {
        let lock = run.lock()?;
        let saved = StateFile::read(&run.state())?;
        let mut given_up = Vec::new();
        let has_same_data = match data.check(&saved.meta.text) {
            Err(error) if changes.force => {
                given_up.push(error.to_string());
                false
            }
            checked => checked.map(|()| true)?,
        };
        let mut config = changes.config.unwrap_or_else(|| saved.meta.config.clone());
        config.check()?;
        if config.epochs == saved.meta.config.epochs {
            config.steps = config.steps.or(saved.meta.config.steps);
        }
        let has_same_validation =
            data.validates_as(&saved.meta.text) && keeps_validation(&saved.meta.config, &config, &data.validation);
        let Differences { free: notes, bound, of_tensors } = differences(&saved.meta.config, &config, run);
        if !changes.force && !bound.is_empty() {
            return Err(Error::Changed { changes: bound });
        }
        given_up.extend(bound);
        let run = run.clone();
        Ok(Stopped { run, lock, saved, config, has_same_data, has_same_validation, given_up, of_tensors, notes })
    }

    /// The run, continued from its saved state. Its log and samples are cut back to the last save.
    ///
    /// The error of saved tensors that do not fit: it names the changed settings, where they are the reason.
    pub(crate) fn refusal(of_tensors: &[String], error: Error) -> Error {
        match of_tensors {
            [] => error,
            changes => Error::Impossible { changes: changes.to_vec(), problem: error.to_string() },
        }
    }

    /// Errors: tensors that the task does not have, or of another shape.
    pub fn resume<T: Task>(self, task: T, cpu: &Cpu) -> Result<Trainer<T>, Error> {
        let Stopped { run, lock, saved, config, has_same_validation, mut given_up, of_tensors, notes, .. } = self;
        let mut trainer = Trainer::of(config, task, cpu)?;
        let of_settings = |error| Stopped::refusal(&of_tensors, error);
        saved.restore(&mut trainer.task, &mut trainer.optimizer).map_err(of_settings)?;
        if let Err(error) = saved.restore_carry(&mut trainer.task) {
            // With other rows there is nothing that could be carried on; anything else is no choice of the caller's.
            let has_other_rows = trainer.config.batch != saved.meta.config.batch;
            match trainer.task.carry_mut().filter(|_| has_other_rows && !given_up.is_empty()) {
                Some(carry) => carry.clear(),
                None => return Err(of_settings(error)),
            }
            given_up.push("the carried state is reset".to_string());
        }
        trainer.progress = saved.meta.progress;
        if !has_same_validation && trainer.plan.val_tokens > 0 {
            given_up.push("the best loss and patience start anew".to_string());
            trainer.progress.forget_validations();
        }
        trainer.plan.steps_done = trainer.progress.step;
        let note = |words: String| format!("no longer the run that was started: {words}");
        trainer.plan.notes.extend(given_up.into_iter().map(note));
        trainer.plan.notes.extend(notes);
        trainer.lock = Some(lock);
        run.cut_back(trainer.progress.log_lines, trainer.progress.sample_bytes)?;
        let seconds = run.reports()?.last().map(|report| report.seconds);
        trainer.seconds_before = seconds.unwrap_or(trainer.progress.seconds);
        Ok(trainer)
    }
}

/// Whether settings hold out the same part of the same data; a separate set needs only be read in the same way.
fn keeps_validation(was: &Config, is: &Config, separate: &Option<Box<Fingerprint>>) -> bool {
    let (was_table, is_table) = (table(was), table(is));
    let decides = |key: &&str| separate.is_none() || !matches!(*key, "cut_tail" | "max_tokens" | "val_frac");
    // The examples of a task are held out by a draw, and cut.
    let draw = separate.is_some() || was.seed == is.seed;
    let examples = is.task.is_none() || (draw && was.seq_len == is.seq_len);
    examples && OF_VALIDATION.iter().copied().filter(decides).all(|key| was_table.get(key) == is_table.get(key))
}

fn table(config: &Config) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(table)) => table,
        _ => Map::new(),
    }
}

/// The settings that differ, a clause each.
#[derive(Default)]
struct Differences {
    /// Those that may.
    free: Vec<String>,
    /// Those that may not, unless they are forced.
    bound: Vec<String>,
    /// Those among them that decide which tensors there are.
    of_tensors: Vec<String>,
}

fn differences(was: &Config, is: &Config, run: &RunDir) -> Differences {
    let (was, is) = (table(was), table(is));
    let mut keys: Vec<&String> = was.keys().chain(is.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut differences = Differences::default();
    for key in keys.into_iter().filter(|key| was.get(*key) != is.get(*key)) {
        let shown =
            |table: &Map<String, Value>| table.get(key).map_or("not set".to_string(), |value| value.to_string());
        let (here, there) = (shown(&is), shown(&was));
        let words = format!("{key} is {here} here, but {} was started with {there}", run.path().display());
        if FREE.contains(&key.as_str()) {
            differences.free.push(words);
            continue;
        }
        if OF_TENSORS.contains(&key.as_str()) {
            differences.of_tensors.push(words.clone());
        }
        differences.bound.push(words);
    }
    differences
}
