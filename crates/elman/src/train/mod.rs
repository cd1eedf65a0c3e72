//! The policy of a training run, readable top to bottom: batch, forward and backward, clip, step, evaluate, report,
//! sample, save. A bad step never changes the model. Not here: files (`files.rs`), bad steps (`guard.rs`), resumes
//! (`resume.rs`), and printing, which is the observer's.

mod files;
mod guard;
pub(crate) mod memory;
pub mod optim;
pub(crate) mod report;
mod resume;

use std::collections::BTreeMap;

use elman_kernels::{Cpu, Scalar};

use crate::{
    autodiff::params::Params,
    autodiff::tape::Tape,
    available_memory::needs,
    config::{Config, LossKind, OnNan, Place},
    error::Error,
    files::run_dir::{Lock, RunDir},
    files::state_file::{Pending, Progress},
    task::{Loss, Task},
    train::optim::{Optimizer, clip, learning_rate},
    train::report::Clock,
};

pub use report::{Control, Event, Outcome, Plan, Report, Shape};
pub use resume::{Changes, Stopped};

/// A run: what it learns, and how far it has come.
pub struct Trainer<T: Task> {
    config: Config,
    plan: Plan,
    cpu: Cpu,
    task: T,
    tape: Tape<T::Element>,
    grads: Params<T::Element>,
    optimizer: Optimizer<T::Element>,
    progress: Progress,
    /// Seconds of training before this session.
    seconds_before: f64,
    lock: Option<Lock>,
}

/// The result of a step.
enum Taken {
    Well { loss: f64, predictions: usize, lr: f64, norm: f64 },
    Badly { loss: f64, lr: f64, norm: f64, problem: String },
}

impl<T: Task> Trainer<T> {
    /// A new run of `task`, with nothing computed yet. `config` is what the task was made with, its open settings
    /// filled in.
    ///
    /// Errors: settings that wait for validations where there are none; more memory than there is.
    pub fn of(mut config: Config, task: T, cpu: &Cpu) -> Result<Trainer<T>, Error> {
        let Shape { train_tokens, val_tokens, vocab_size, batch, seq_len, steps_per_epoch, memory_bytes, mut notes } =
            task.shape();
        config.resolve(batch, steps_per_epoch, val_tokens > 0);
        needs_validation(&config, val_tokens)?;
        let steps = config.steps.unwrap_or_default();
        if config.warmup >= steps && config.warmup > 0 {
            let warmup = config.warmup;
            notes.push(format!(
                "warmup = {warmup} is not shorter than the run of {steps} steps: the rate rises to the end"
            ));
        }
        let plan = Plan {
            text: task.fingerprint().name.clone(),
            train_tokens,
            val_tokens,
            vocab_size,
            parameters: task.params().count(),
            batch,
            seq_len,
            steps: config.steps.unwrap_or_default(),
            steps_done: 0,
            steps_per_epoch,
            memory_bytes,
            notes,
        };
        let cpu = config.dtype.on(cpu)?;
        // Gradients and moments.
        let numbers = task.params().values().len().saturating_mul(1 + config.optimizer.moments().len());
        needs(numbers.saturating_mul(size_of::<T::Element>()))?;
        Ok(Trainer {
            tape: Tape::new(&cpu),
            grads: task.params().zeros_like(),
            optimizer: Optimizer::of(&config, task.params()),
            cpu,
            progress: Progress::default(),
            seconds_before: 0.0,
            lock: None,
            task,
            plan,
            config,
        })
    }

    /// What the run is going to do.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The resolved configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether there is nothing left to do: every step was taken, or patience ran out.
    pub fn is_over(&self) -> bool {
        !self.has_more_to_do()
    }

    /// What it learns, as far as it has come.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// The same with a tape, to measure it.
    pub fn task_and_tape(&mut self) -> (&mut T, &mut Tape<T::Element>) {
        (&mut self.task, &mut self.tape)
    }

    /// Trains to the last step, or until the observer says stop; then the step in progress is finished and saved, and
    /// an evaluation or a sample that is due, or under way, is left to the resume. Without a run directory nothing is
    /// written.
    ///
    /// Errors: a bad step that [`Config::on_nan`] does not get over (the last save stays as it is); a file that cannot
    /// be written; a run directory that somebody else trains into.
    pub fn run(
        &mut self,
        run: Option<&RunDir>,
        observer: &mut dyn FnMut(Event<'_>) -> Control,
    ) -> Result<Outcome, Error> {
        let mut clock = Clock::start(self.seconds_before);
        let mut stop = false;
        let mut stops = |event: Event<'_>| observer(event) == Control::Stop;
        self.begin(run)?;
        while self.has_more_to_do() && !stop {
            // Step. One that was taken before a stop has only what follows it still to come.
            let resumed = self.progress.pending.take();
            let step = self.progress.step + u64::from(resumed.is_none());
            let taken = match resumed {
                Some(Pending { lr, norm }) => Taken::Well { loss: f64::NAN, predictions: 0, lr, norm },
                None => self.step(step)?,
            };
            let (lr, norm) = match taken {
                Taken::Well { loss, predictions, lr, norm } => {
                    if resumed.is_none() {
                        clock.trained(predictions);
                        stop |= stops(Event::Step { step, loss, tokens_per_sec: clock.speed() });
                    }
                    (lr, norm)
                }
                Taken::Badly { loss, lr, norm, problem } => {
                    let words = self.get_over(run, Error::Diverged { step, loss, norm, lr, problem })?;
                    let continues_after = self.progress.step;
                    stop |= stops(Event::Bad { step, words: &words, continues_after });
                    if continues_after < step {
                        continue;
                    }
                    (lr, norm)
                }
            };
            let mut last = step == self.plan.steps;
            let due = |every: Option<u64>, last| every.is_some_and(|n| n > 0 && (last || step.is_multiple_of(n)));
            let evaluates = due(self.config.eval_every, last) && self.plan.val_tokens > 0;
            let saves = due(self.config.save_every, last);
            if (evaluates || saves || last || stop)
                && let Some(problem) = self.first_bad()
            {
                let loss = self.progress.nats / self.progress.tokens as f64;
                let words = self.get_over(run, Error::Diverged { step, loss, norm, lr, problem })?;
                stop |= stops(Event::Bad { step, words: &words, continues_after: self.progress.step });
                continue;
            }

            // Evaluate. What takes long is not begun, or not ended, once the run must stop.
            let put_off = Some(Pending { lr, norm });
            let validation = match evaluates {
                true => self.task.validate(&mut self.tape, &mut || {
                    stop |= stops(Event::Working { step });
                    !stop
                })?,
                false => None,
            };
            let val_loss = validation.as_ref().map(|validation| validation.loss);
            if evaluates && val_loss.is_none() {
                self.progress.pending = put_off;
                self.save_and_tell(run, &mut stops)?;
                break;
            }
            // A sample comes after the report, but is written first: with it the report is put off.
            let sample = match due(self.config.sample_every, last || self.runs_out_of_patience(val_loss)) {
                true => self.task.sample(&self.config, &self.cpu, step, &mut || {
                    stop |= stops(Event::Working { step });
                    !stop
                })?,
                false => Some(String::new()),
            };
            let Some(sample) = sample else {
                self.progress.pending = put_off;
                self.save_and_tell(run, &mut stops)?;
                break;
            };
            let best = improves(val_loss, self.progress.best_val_loss);
            if let Some(validation) = validation {
                (self.progress.val_loss, self.progress.found) = (val_loss, validation.found);
                if best {
                    (self.progress.best_val_loss, self.progress.best_step) = (val_loss, Some(step));
                }
                self.progress.patience.validated(best, self.config.plateau_patience());
                last |= self.is_out_of_patience();
            }

            // Report.
            let print = self.config.print_every.is_some_and(|n| n > 0 && step.is_multiple_of(n));
            if (step == 1 || print || evaluates || last) && self.progress.tokens > 0 {
                let report = self.report(val_loss, lr, norm, &mut clock);
                if let Some(run) = run {
                    run.append_report(&report)?;
                    self.progress.log_lines += 1;
                }
                stop |= stops(Event::Report(&report));
            }
            if let (Some(run), true) = (run, best) {
                self.save_model(run, &run.best())?;
            }
            if due(self.config.sample_every, last) {
                if let Some(run) = run {
                    self.progress.sample_bytes += run.append_sample(step, &sample)?;
                }
                stop |= stops(Event::Sample { step, text: &sample });
            }

            // Save.
            if last || stop || saves {
                if saves {
                    self.save_rollback(run)?;
                }
                stop |= self.save_and_tell(run, &mut stops)?;
            }
            clock.training_continues();
        }
        self.seconds_before = clock.seconds();
        Ok(self.outcome(&clock))
    }

    /// Batch, forward and backward, clip, step.
    fn step(&mut self, step: u64) -> Result<Taken, Error> {
        let halved = libm::pow(0.5, self.progress.rollbacks as f64);
        let lr = learning_rate(&self.config, &self.place(step)) * halved;
        let skips = self.config.on_nan == OnNan::Skip;
        let before = self.task.carry().filter(|_| skips).cloned();

        let grads = &mut self.grads;
        let Loss { mean: loss, predictions, rows } = self.task.step(&self.config, &mut self.tape, step, grads)?;
        if self.config.loss == LossKind::Sum {
            // The mean over all predictions, times their number in a row.
            let steps = T::Element::from_f64(predictions as f64 / rows as f64);
            grads.values_mut().iter_mut().for_each(|g| *g = *g * steps);
        }

        let norm = grads.norm(&self.cpu);
        if let Some(problem) = self.problem(loss, norm) {
            if let (Some(carry), Some(before)) = (self.task.carry_mut(), before) {
                *carry = before;
            }
            return Ok(Taken::Badly { loss, lr, norm, problem });
        }
        self.progress.norm_average.add(norm);
        let scale = clip(&self.cpu, &self.config, norm, &mut self.grads);
        self.optimizer.update(&self.cpu, lr, scale, self.task.params_mut(), &self.grads)?;
        self.progress.step = step;
        self.progress.skipped_in_a_row = 0;
        self.progress.nats += loss * predictions as f64;
        self.progress.tokens += predictions as u64;
        self.progress.moving = Some(moving(self.progress.moving, loss, self.config.moving));
        Ok(Taken::Well { loss, predictions, lr, norm })
    }

    /// Whether there are steps to take, or something that is due after the last one.
    fn has_more_to_do(&self) -> bool {
        let pending = self.progress.pending.is_some();
        pending || (self.progress.step < self.plan.steps && !self.is_out_of_patience())
    }

    fn place(&self, step: u64) -> Place {
        let Plan { steps, steps_per_epoch, .. } = self.plan;
        Place { step, steps, steps_per_epoch, halvings: self.progress.patience.halvings }
    }

    fn is_out_of_patience(&self) -> bool {
        self.progress.patience.is_over(self.config.patience)
    }

    /// Whether a validation loss is the one that ends its patience.
    fn runs_out_of_patience(&self, val_loss: Option<f64>) -> bool {
        let mut patience = self.progress.patience;
        patience.validated(improves(val_loss, self.progress.best_val_loss), self.config.plateau_patience());
        val_loss.is_some() && patience.is_over(self.config.patience)
    }

    /// Closes the sums since the last report.
    fn report(&mut self, val_loss: Option<f64>, lr: f64, grad_norm: f64, clock: &mut Clock) -> Report {
        let progress = &mut self.progress;
        progress.train_loss = progress.nats / progress.tokens as f64;
        (progress.nats, progress.tokens) = (0.0, 0);
        Report {
            step: progress.step,
            epoch: progress.step as f64 / self.plan.steps_per_epoch as f64,
            train_loss: progress.train_loss,
            val_loss,
            moving_loss: progress.moving.filter(|_| self.config.moving > 0.0),
            metrics: metrics(&self.task, progress.train_loss),
            lr,
            grad_norm,
            tokens_per_sec: clock.speed_since_last_report(),
            seconds: clock.seconds(),
            validation_changed: std::mem::take(&mut progress.validation_changed),
            bad: progress.bad.take(),
        }
    }

    fn outcome(&self, clock: &Clock) -> Outcome {
        Outcome {
            steps: self.progress.step,
            train_loss: self.progress.train_loss,
            val_loss: self.progress.val_loss,
            best_val_loss: self.progress.best_val_loss,
            best_step: self.progress.best_step,
            seconds: clock.seconds(),
            tokens_per_sec: clock.speed(),
            parameters: self.plan.parameters,
            out_of_patience: self.is_out_of_patience(),
            stopped: self.has_more_to_do(),
        }
    }
}

/// Errors: settings that depend on validations where there are none.
fn needs_validation(config: &Config, val_tokens: usize) -> Result<(), Error> {
    if config.eval_every != Some(0) && val_tokens > 0 {
        return Ok(());
    }
    let expected = "a validation split and eval_every above 0 with it".to_string();
    if config.plateau_patience() > 0 {
        return Err(Error::Setting { name: "schedule", got: "plateau".into(), expected });
    }
    if config.patience > 0 {
        return Err(Error::Setting { name: "patience", got: config.patience.to_string(), expected });
    }
    Ok(())
}

/// What the task makes of a loss, by name.
fn metrics(task: &impl Task, loss: f64) -> BTreeMap<String, f64> {
    task.metrics(loss).into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// The moving mean of the losses: the first, then `keep` of what it was and the rest of the new one.
fn moving(mean: Option<f64>, loss: f64, keep: f64) -> f64 {
    mean.map_or(loss, |mean| keep * mean + (1.0 - keep) * loss)
}

/// Whether a validation loss is the best so far. One that is no finite number never is.
fn improves(loss: Option<f64>, best: Option<f64>) -> bool {
    loss.is_some_and(|loss| loss.is_finite() && best.is_none_or(|best| loss < best))
}

#[cfg(test)]
mod tests {
    use super::improves;

    #[test]
    fn only_a_lower_finite_loss_is_the_best_so_far() {
        assert!(improves(Some(1.0), None) && improves(Some(1.0), Some(1.5)));
        assert!(!improves(Some(1.5), Some(1.5)) && !improves(None, None) && !improves(None, Some(2.0)));
        assert!(!improves(Some(f64::NAN), None) && !improves(Some(f64::INFINITY), None));
    }
}
