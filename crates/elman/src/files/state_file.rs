//! The state file of a run: all that a resume needs to continue as if the run had never stopped. A file whose contents
//! do not fit its own configuration is an error. The schedule, the generators and the position in the data are
//! functions of configuration and step, so only the step is saved. The weights are in the file too, so that one rename
//! decides what a crash leaves.

use std::path::Path;

use elman_kernels::Element;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    autodiff::params::Params,
    config::Config,
    data::Fingerprint,
    error::Error,
    files::disk::Disk,
    files::model_file::{check_config, named, set_params},
    files::regular::Links,
    files::run_dir::RunDir,
    files::tensor_file::{self, Tensor, TensorFile, Tensors},
    nn::state::State,
    task::Task,
    train::optim::{Optimizer, Patience},
};

/// The metadata key that makes a safetensors file a run's state.
pub(crate) const KEY: &str = "elman_state";
/// Version of its value. Another number is an error.
const FORMAT: u64 = 1;

/// The progress of a run: everything apart from weights, moments and carried state that changes from step to step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// Optimizer steps taken.
    pub step: u64,
    /// Nats since the last report.
    pub nats: f64,
    /// Tokens since the last report.
    pub tokens: u64,
    /// The last reported training loss.
    pub train_loss: f64,
    /// The last validation loss.
    pub val_loss: Option<f64>,
    /// What the last validation found that belongs to the model's metadata, such as thresholds.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub found: Map<String, Value>,
    /// The lowest validation loss.
    pub best_val_loss: Option<f64>,
    /// The step that had it.
    pub best_step: Option<u64>,
    /// Validations without improvement.
    pub patience: Patience,
    /// The moving mean of the losses.
    #[serde(default)]
    pub moving: Option<f64>,
    /// Lines of `log.jsonl`.
    pub log_lines: u64,
    /// Bytes of `samples.txt`.
    pub sample_bytes: u64,
    /// What is due after the last step and was left for the resume, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// How often the run went back to an earlier save; each time halved the learning rate.
    #[serde(default)]
    pub rollbacks: u64,
    /// Steps that changed nothing, because they were bad.
    #[serde(default)]
    pub skipped: u64,
    /// Those among them after the last one that did.
    #[serde(default)]
    pub skipped_in_a_row: u64,
    /// Whether the best loss and patience began anew since the last report, because the validation data is another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validation_changed: bool,
    /// What went bad since the last report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<String>,
    /// The moving average of the gradient norm.
    #[serde(default, rename = "usual")]
    pub norm_average: NormAverage,
    /// Seconds since the run began, pauses left out, in states of earlier versions: equal runs have equal states, and
    /// the clock is in the log.
    #[serde(default, skip_serializing)]
    pub seconds: f64,
}

/// The largest counter that is read: however many steps follow, no sum of counters overflows.
const MAX_COUNT: u64 = i64::MAX as u64;

impl Progress {
    /// Checks what was read from a file. Errors: a counter so large that counting on could overflow; more steps that
    /// changed nothing than steps; a norm or rate below 0.
    fn check(&self, path: &Path) -> Result<(), Error> {
        let Progress { step, skipped, patience, .. } = *self;
        let counts = [
            ("step", step),
            ("tokens", self.tokens),
            ("best_step", self.best_step.unwrap_or(0)),
            ("patience.since_best", patience.since_best),
            ("patience.since_halving", patience.since_halving),
            ("patience.halvings", patience.halvings),
            ("log_lines", self.log_lines),
            ("sample_bytes", self.sample_bytes),
            ("rollbacks", self.rollbacks),
            ("skipped", skipped),
            ("skipped_in_a_row", self.skipped_in_a_row),
            ("usual.steps", self.norm_average.steps),
        ];
        let floats = [
            ("pending.lr", self.pending.map_or(0.0, |pending| pending.lr)),
            ("pending.norm", self.pending.map_or(0.0, |pending| pending.norm)),
            ("usual.norm", self.norm_average.norm),
        ];
        if let Some((name, x)) = floats.into_iter().find(|&(_, x)| !(0.0..=f64::MAX).contains(&x)) {
            return Err(Error::file(path, format!("progress.{name} is {x}, expected a finite number, 0 or more")));
        }
        let refuse = |name: &str, got: u64, most: u64| {
            Err(Error::file(path, format!("progress.{name} is {got}, expected at most {most}")))
        };
        match counts.into_iter().find(|&(_, count)| count > MAX_COUNT) {
            Some((name, count)) => refuse(name, count, MAX_COUNT),
            None if skipped > step => refuse("skipped", skipped, step),
            None if self.skipped_in_a_row > skipped => refuse("skipped_in_a_row", self.skipped_in_a_row, skipped),
            None => Ok(()),
        }
    }

    /// Starts best loss and patience anew: later validation losses are of other data. Halvings of the rate stay.
    pub fn forget_validations(&mut self) {
        (self.val_loss, self.best_val_loss, self.best_step) = (None, None, None);
        self.patience = Patience { halvings: self.patience.halvings, ..Patience::default() };
        self.validation_changed = true;
    }
}

/// A step that was taken, and whose evaluation, report and sample are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    /// Its learning rate.
    pub lr: f64,
    /// Its gradient norm.
    pub norm: f64,
}

/// A running mean of the gradient norms of the steps that were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NormAverage {
    /// Steps in the mean.
    pub steps: u64,
    /// The mean.
    pub norm: f64,
}

/// The value of the metadata key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meta {
    pub config: Config,
    format: u64,
    pub progress: Progress,
    pub text: Fingerprint,
    /// The vocabulary, where it is not the text's own: the run was forced to continue with another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocab: Option<Vec<String>>,
}

/// What a run was started with, as its state knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The resolved configuration.
    pub config: Config,
    /// The text: a resume can find it again by [`Fingerprint::sources`].
    pub text: Fingerprint,
}

/// What a run was started with. Errors: its state cannot be read, or is none.
pub fn origin_of(run: &RunDir) -> Result<Origin, Error> {
    let Meta { config, text, .. } = StateFile::read(&run.state())?.meta;
    Ok(Origin { config, text })
}

/// Everything a state is made of.
pub(crate) struct Parts<'a, T: Task> {
    pub config: &'a Config,
    pub progress: &'a Progress,
    pub task: &'a T,
    pub optimizer: &'a Optimizer<T::Element>,
}

impl<T: Task> Parts<'_, T> {
    /// Writes the state, whole or not at all.
    pub fn save(&self, disk: &Disk, path: &Path) -> Result<(), Error> {
        let (config, progress, text) = (self.config.clone(), self.progress.clone(), self.task.fingerprint().clone());
        let meta = Meta { config, format: FORMAT, progress, text, vocab: self.task.state_vocab() };
        let mut tensors = named("param.", self.task.params());
        for (name, moment) in &self.optimizer.moments {
            tensors.extend(named(&format!("{name}."), moment));
        }
        let carried = self.task.carry().map(State::tensors).into_iter().flatten();
        tensors.extend(carried.map(|(n, s, v)| Tensor::new(format!("carry.{n}"), s.to_vec(), move || v.clone())));
        tensor_file::write(disk, path, KEY, &meta, tensors)
    }
}

/// A state file that was read and understood.
pub(crate) struct StateFile {
    path: std::path::PathBuf,
    file: TensorFile,
    pub meta: Meta,
}

impl StateFile {
    /// Reads a state file. Errors: as for a model file.
    pub fn read(path: &Path) -> Result<StateFile, Error> {
        let file = TensorFile::read(path, Links::Refuse)?;
        let meta: Meta = file.parse()?.meta(KEY, "a run's state", FORMAT, |_| false)?;
        check_config(&meta.config, path)?;
        meta.progress.check(path)?;
        Ok(StateFile { path: path.to_path_buf(), file, meta })
    }

    /// Its tensors, to be checked before a model of the configured size is made.
    pub fn tensors(&self) -> Result<Tensors<'_>, Error> {
        self.file.parse()
    }

    /// Sets weights and moments. Errors: one that is missing or of another shape; a tensor too many.
    pub fn restore<T: Task>(&self, task: &mut T, optimizer: &mut Optimizer<T::Element>) -> Result<(), Error> {
        let tensors = self.file.parse()?;
        set_params(&tensors, "param.", task.params_mut())?;
        for (name, moment) in &mut optimizer.moments {
            set_params(&tensors, &format!("{name}."), moment)?;
            if self.meta.config.optimizer.squares().contains(name)
                && let Some((tensor, x)) = first_negative(moment)
            {
                let problem = format!("{name}.{tensor} holds {x}, expected 0 or more: it is a mean or sum of squares");
                return Err(Error::file(&self.path, problem));
            }
        }
        optimizer.step = self.meta.progress.step - self.meta.progress.skipped; // checked when it was read
        let carried = task.carry().map_or(0, |carry| carry.tensors().len());
        let expected = (1 + optimizer.moments.len()) * task.params().names().count() + carried;
        if tensors.len() != expected {
            let problem = format!("{} tensors, expected {expected}", tensors.len());
            return Err(Error::file(&self.path, problem));
        }
        Ok(())
    }

    /// Sets what is carried from step to step. Errors: as for the weights.
    pub fn restore_carry<T: Task>(&self, task: &mut T) -> Result<(), Error> {
        let Some(carry) = task.carry_mut() else { return Ok(()) };
        let tensors = self.file.parse()?;
        carry.clear(); // its padding, too, may hold what a bad step left
        for (name, shape, _) in carry.tensors() {
            let values = tensors.values(&format!("carry.{name}"), "[batch, hidden_size]", &shape)?;
            carry.set(&name, &values)?;
        }
        Ok(())
    }
}

/// The first number below 0, and the parameter that it belongs to.
fn first_negative<E: Element>(params: &Params<E>) -> Option<(String, E)> {
    params.names().find_map(|name| {
        let x = params.get(name)?.into_iter().find(|x| x.to_f64() < 0.0)?;
        Some((name.to_string(), x))
    })
}
