//! What a run writes and in which order: log, model, state. The state comes last, as the commit point of a save: it is
//! what a resume reads. Nothing is announced before it is on the disk, and numbers that are not finite are not written.

use std::path::Path;

use serde_json::Value;

use super::{Event, Trainer};
use crate::{
    config::OnNan,
    error::Error,
    files::model_file::{Results, Stored, save_model},
    files::run_dir::RunDir,
    files::state_file::{Parts, Progress, StateFile},
    task::Task,
};

/// Bytes of a save apart from its numbers: headers, vocabulary, log.
const SMALL_THINGS: u64 = 1 << 20;

impl<T: Task> Trainer<T> {
    /// Takes the run for itself and makes its files agree with where it is: a new one has a state from the start, so
    /// that nothing is lost before the first save; a resumed one has the model that belongs to its state, whatever the
    /// crash left, and no models of steps that are to come again.
    pub(super) fn begin(&mut self, run: Option<&RunDir>) -> Result<(), Error> {
        let Some(run) = run else {
            let expected = "stop or skip without a run directory to go back to";
            return match self.config.on_nan {
                OnNan::Rollback => {
                    Err(Error::Setting { name: "on_nan", got: "rollback".into(), expected: expected.into() })
                }
                _ => Ok(()),
            };
        };
        if self.lock.as_ref().is_none_or(|lock| lock.run != *run) {
            self.lock = None;
            self.lock = Some(run.lock()?);
        }
        if self.lock.as_ref().is_some_and(|lock| lock.is_in_order) {
            return Ok(());
        }
        run.write_config(&self.config)?;
        run.check_space(self.save_bytes())?;
        let step = self.progress.step;
        if step == 0 {
            self.save_state(run)?;
        } else {
            run.prune(step, self.kept())?;
            self.save_model(run, &run.model())?;
        }
        if self.config.on_nan == OnNan::Rollback {
            let is_usable = |state: StateFile| state.meta.progress.step <= step && state.meta.config == self.config;
            // One of before a change of the validation data has its best loss and patience.
            let is_other = step == 0 || self.progress.validation_changed;
            if is_other || !StateFile::read(&run.rollback()).is_ok_and(is_usable) {
                self.save_rollback(Some(run))?;
            }
        }
        self.lock.iter_mut().for_each(|lock| lock.is_in_order = true);
        Ok(())
    }

    /// How many models stay under the names of their steps: none where the latest is alone.
    fn kept(&self) -> u64 {
        if self.config.keep > 1 { self.config.keep } else { 0 }
    }

    /// Saves and tells the observer; whether it says stop.
    pub(super) fn save_and_tell(
        &self,
        run: Option<&RunDir>,
        stops: &mut dyn FnMut(Event<'_>) -> bool,
    ) -> Result<bool, Error> {
        let Some(run) = run else { return Ok(false) };
        let step = self.progress.step;
        run.check_space(self.save_bytes())?;
        if self.config.keep > 1 {
            self.save_model(run, &run.model_of(step))?;
        }
        self.save_model(run, &run.model())?;
        self.save_state(run)?;
        run.prune(step, self.kept())?;
        Ok(stops(Event::Saved { step, path: &run.model() }))
    }

    /// The save to which the next rollback returns. It is written before the state that counts on it, and only where a
    /// save is due anyway: a run that is stopped in between rolls back as far as one that is not.
    pub(super) fn save_rollback(&self, run: Option<&RunDir>) -> Result<(), Error> {
        match run {
            Some(run) if self.config.on_nan == OnNan::Rollback => self.parts().save(run.disk(), &run.rollback()),
            _ => Ok(()),
        }
    }

    /// The commit point. The log goes first: the state counts its lines.
    pub(super) fn save_state(&self, run: &RunDir) -> Result<(), Error> {
        run.flush_log()?;
        self.parts().save(run.disk(), &run.state())
    }

    /// Takes the weights of the run's best model by validation loss, where the task uses it ([`crate::Config::uses_best`]) and it is
    /// not the last one: for figures after the last step. Whether it did. Errors: the file cannot be read or is another's.
    pub fn use_best(&mut self, run: &RunDir) -> Result<bool, Error> {
        let Progress { step, best_step, .. } = self.progress;
        if best_step.is_none_or(|best| best == step) || !self.config.uses_best() {
            return Ok(false);
        }
        Stored::read(run.best())?.fill(self.task.params_mut())?;
        Ok(true)
    }

    fn parts(&self) -> Parts<'_, T> {
        let Trainer { config, progress, task, optimizer, .. } = self;
        Parts { config, progress, task, optimizer }
    }

    /// Bytes that a save takes while the files it replaces are still there.
    fn save_bytes(&self) -> u64 {
        let models = 1 + u64::from(self.config.keep > 1);
        let states = 1 + u64::from(self.config.on_nan == OnNan::Rollback);
        let numbers = self.task.params().count() as u64 * (models + states * (1 + self.optimizer.moments.len() as u64));
        numbers * size_of::<T::Element>() as u64 + SMALL_THINGS
    }

    pub(super) fn save_model(&self, run: &RunDir, path: &Path) -> Result<(), Error> {
        let results = Results {
            step: self.progress.step,
            epoch: self.progress.step as f64 / self.plan.steps_per_epoch as f64,
            train_loss: self.progress.train_loss,
            val_loss: self.progress.val_loss,
            best_val_loss: self.progress.best_val_loss,
            best_step: self.progress.best_step,
        };
        let mut meta = self.task.meta(&self.config);
        if let Some(Value::Object(task)) = meta.get_mut("task") {
            task.extend(self.progress.found.clone());
        }
        save_model(run.disk(), path, &self.config, &results, meta, self.task.params())
    }
}
