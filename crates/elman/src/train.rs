//! Holds the policy of a training run, readable top to bottom: batch, forward and backward, clip, step, evaluate,
//! report, sample, save. Refuses to go on once loss or gradient is not finite; never prints: an observer is told.

use std::path::Path;

use elman_kernels::Cpu;

use crate::{
    checkpoint::{ModelFile, Results, save_model},
    config::{Config, LossKind, TokenizerKind},
    data::{Batch, Batches, Corpus, Held, Split, TextMark, Vocab},
    error::Error,
    evaluate::{Evaluation, evaluate_ids},
    layer::State,
    memory,
    model::LanguageModel,
    optim::{Optimizer, Place, clip, learning_rate},
    params::Params,
    report::Clock,
    rng::{Purpose, generator},
    run_dir::RunDir,
    sample::{Generator, Settings},
    tape::Tape,
    train_state::{self, Progress, StateFile},
};

pub use crate::report::{Control, Event, Outcome, Plan, Report};

/// A run: its model, its data, and how far it has come.
pub struct Trainer {
    config: Config,
    plan: Plan,
    cpu: Cpu,
    text: TextMark,
    vocab: Vocab,
    batches: Batches,
    validation: Held,
    test: Held,
    model: LanguageModel<f32>,
    tape: Tape<f32>,
    grads: Params<f32>,
    optimizer: Optimizer,
    carry: State<f32>,
    progress: Progress,
}

impl Trainer {
    /// A new run of `config` on `corpus`, with nothing computed yet.
    ///
    /// Errors: a setting out of range; a training split shorter than one window.
    pub fn new(config: Config, corpus: &Corpus, cpu: &Cpu) -> Result<Trainer, Error> {
        config.check()?;
        let data = Data::prepare(&config, corpus, None)?;
        Trainer::assemble(config, corpus.mark(), data, cpu)
    }

    /// A run as its directory has it: what follows equals, byte for byte, a run that never stopped. Its log and samples
    /// are cut back to the last save.
    ///
    /// Errors: a state that cannot be read or does not fit itself; another text than the run's.
    pub fn resume(run: &RunDir, corpus: &Corpus, cpu: &Cpu) -> Result<Trainer, Error> {
        let saved = StateFile::read(&run.state())?;
        let text = corpus.mark();
        text.check(&saved.meta.text)?;
        // Parts of words may come from a file, and take long to learn: the model has them.
        let known = match saved.meta.config.tokenizer {
            TokenizerKind::Bpe => Some(ModelFile::load(run.model())?.vocab),
            _ => None,
        };
        let data = Data::prepare(&saved.meta.config, corpus, known)?;
        saved.check(data.vocab.len())?;
        let mut trainer = Trainer::assemble(saved.meta.config.clone(), text, data, cpu)?;
        saved.restore(&mut trainer.model, &mut trainer.optimizer, &mut trainer.carry)?;
        trainer.progress = saved.meta.progress;
        trainer.plan.steps_done = trainer.progress.step;
        run.cut_back(trainer.progress.log_lines, trainer.progress.sample_bytes)?;
        Ok(trainer)
    }

    fn assemble(mut config: Config, text: TextMark, data: Data, cpu: &Cpu) -> Result<Trainer, Error> {
        config.resolve(data.batches.batch(), data.batches.windows(), !data.validation.ids.is_empty());
        needs_validation(&config, &data.validation)?;
        let model = LanguageModel::new(&config, data.vocab.len())?;
        memory::check(&config, data.vocab.len(), model.params().count())?;
        let plan = Plan {
            text: text.name.clone(),
            train_tokens: data.batches.tokens(),
            val_tokens: data.validation.ids.len(),
            vocab_size: data.vocab.len(),
            parameters: model.params().count(),
            batch: config.batch,
            seq_len: config.seq_len,
            steps: config.steps.unwrap_or_default(),
            steps_done: 0,
            steps_per_epoch: data.batches.windows(),
            notes: data.notes,
        };
        Ok(Trainer {
            tape: Tape::new(cpu),
            grads: model.params().zeros_like(),
            optimizer: Optimizer::of(&config, model.params()),
            carry: model.zero_state(config.batch),
            cpu: cpu.clone(),
            text,
            vocab: data.vocab,
            batches: data.batches,
            validation: data.validation,
            test: data.test,
            progress: Progress::default(),
            model,
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

    /// The model as trained so far.
    pub fn model(&self) -> &LanguageModel<f32> {
        &self.model
    }

    /// The text it trains on, with those it validates and tests on.
    pub fn text(&self) -> &TextMark {
        &self.text
    }

    /// The vocabulary of the text.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// Trains to the last step, or until the observer says stop; then the step in progress is finished and saved.
    /// Without a run directory nothing is written.
    ///
    /// Errors: loss or gradient not finite (the last save stays as it is); a file that cannot be written.
    pub fn run(
        &mut self,
        run: Option<&RunDir>,
        observer: &mut dyn FnMut(Event<'_>) -> Control,
    ) -> Result<Outcome, Error> {
        let mut clock = Clock::start(self.progress.seconds);
        let mut batch = Batch::default();
        let mut stop = false;
        let mut stops = |event: Event<'_>| observer(event) == Control::Stop;
        if let Some(run) = run {
            run.write_config(&self.config)?;
        }
        while self.progress.step < self.plan.steps && !self.is_out_of_patience() && !stop {
            let step = self.progress.step + 1;
            let lr = learning_rate(&self.config, &self.place(step));
            let mut last = step == self.plan.steps;
            let due = |every: Option<u64>, last| every.is_some_and(|n| n > 0 && (last || step.is_multiple_of(n)));

            // Batch, and the state it begins from.
            self.batches.fill(step - 1, &mut batch);
            let predictions = batch.predictions();
            let mut fresh = None;
            let state = match self.batches.carries_state() {
                true => &mut self.carry,
                false => fresh.insert(self.model.zero_state(batch.rows)),
            };
            if (step - 1).is_multiple_of(self.plan.steps_per_epoch) {
                state.reset();
            }

            // Forward and backward.
            let dropout = Some(generator(self.config.seed, Purpose::Dropout, step));
            let (tape, grads) = (&mut self.tape, &mut self.grads);
            let loss = self.model.loss_and_grads(tape, &batch.inputs, &batch.targets, state, dropout, grads)?;
            reduce(grads);
            if self.config.loss == LossKind::Sum {
                // The mean over all predictions, times their number in a row.
                let steps = (predictions as f64 / batch.rows as f64) as f32;
                grads.values_mut().iter_mut().for_each(|g| *g *= steps);
            }

            // Clip, step.
            let norm = grads.norm(&self.cpu);
            if !(loss.is_finite() && norm.is_finite()) {
                return Err(Error::Diverged { step, loss, norm, lr });
            }
            let scale = clip(&self.cpu, &self.config, norm, grads);
            self.optimizer.update(&self.cpu, lr, scale, self.model.params_mut(), grads)?;
            self.progress.step = step;
            self.progress.nats += loss * predictions as f64;
            self.progress.tokens += predictions as u64;
            self.progress.moving = Some(moving(self.progress.moving, loss, self.config.moving));
            clock.trained(predictions);
            stop |= stops(Event::Step { step, loss, tokens_per_sec: clock.speed() });

            // Evaluate.
            let evaluates = due(self.config.eval_every, last) && !self.validation.ids.is_empty();
            let val_loss = if evaluates { Some(self.validate()?) } else { None };
            let best = improves(val_loss, self.progress.best_val_loss);
            if best {
                (self.progress.best_val_loss, self.progress.best_step) = (val_loss, Some(step));
            }
            if evaluates {
                self.progress.patience.validated(best, self.config.plateau_patience());
                last |= self.is_out_of_patience();
            }

            // Report.
            let print = self.config.print_every.is_some_and(|n| n > 0 && step.is_multiple_of(n));
            if step == 1 || print || evaluates || last {
                let report = self.report(val_loss, lr, norm, &mut clock);
                if let Some(run) = run {
                    run.append_report(&report)?;
                    self.progress.log_lines += 1;
                }
                stop |= stops(Event::Report(&report));
            }
            if let (Some(run), true) = (run, best) {
                self.save_model(&run.best())?;
            }

            // Sample.
            if due(self.config.sample_every, last) {
                let text = self.sample()?;
                if let Some(run) = run {
                    self.progress.sample_bytes += run.append_sample(step, &text)?;
                }
                stop |= stops(Event::Sample { step, text: &text });
            }

            // Save.
            self.progress.seconds = clock.seconds();
            if let (Some(run), true) = (run, last || stop || due(self.config.save_every, last)) {
                self.save(run)?;
                stop |= stops(Event::Saved { step, path: &run.model() });
            }
            clock.training_goes_on();
        }
        Ok(self.outcome(&clock))
    }

    fn place(&self, step: u64) -> Place {
        let Plan { steps, steps_per_epoch, .. } = self.plan;
        Place { step, steps, steps_per_epoch, halvings: self.progress.patience.halvings }
    }

    fn is_out_of_patience(&self) -> bool {
        self.progress.patience.is_over(self.config.patience)
    }

    /// The model as trained so far, on the corpus's test text: what [`crate::evaluate::evaluate`] gives for it. None
    /// where there is no such text.
    pub fn test(&mut self) -> Result<Option<Evaluation>, Error> {
        let Held { ids, bytes } = &self.test;
        if ids.is_empty() { Ok(None) } else { evaluate_ids(&self.model, ids, *bytes, &mut self.tape).map(Some) }
    }

    /// Loss over the whole validation split as one stream from the zero state.
    fn validate(&mut self) -> Result<f64, Error> {
        let Held { ids, bytes } = &self.validation;
        let loss = evaluate_ids(&self.model, ids, *bytes, &mut self.tape)?.loss;
        self.progress.val_loss = Some(loss);
        Ok(loss)
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
            bpc: progress.train_loss / std::f64::consts::LN_2,
            ppl: libm::exp(progress.train_loss),
            lr,
            grad_norm,
            tokens_per_sec: clock.speed_since_last_report(),
            seconds: clock.seconds(),
        }
    }

    fn sample(&self) -> Result<String, Error> {
        let rng = generator(self.config.seed, Purpose::Sample, self.progress.step);
        let text = Generator::new(&self.model, &self.vocab, "", Settings::default(), rng, &self.cpu)?;
        Ok(text.take(self.config.sample_length).collect())
    }

    /// Model first, state last: the state is what a resume believes.
    fn save(&self, run: &RunDir) -> Result<(), Error> {
        self.save_model(&run.model())?;
        let (config, progress, text) = (&self.config, &self.progress, &self.text);
        train_state::save(&run.state(), config, progress, text, &self.model, &self.optimizer, &self.carry)
    }

    fn save_model(&self, path: &Path) -> Result<(), Error> {
        let results = Results {
            step: self.progress.step,
            epoch: self.progress.step as f64 / self.plan.steps_per_epoch as f64,
            train_loss: self.progress.train_loss,
            val_loss: self.progress.val_loss,
            best_val_loss: self.progress.best_val_loss,
            best_step: self.progress.best_step,
        };
        save_model(path, &self.config, &self.vocab, &results, &self.model)
    }

    fn outcome(&self, clock: &Clock) -> Outcome {
        Outcome {
            steps: self.progress.step,
            train_loss: self.progress.train_loss,
            val_loss: self.progress.val_loss,
            best_val_loss: self.progress.best_val_loss,
            best_step: self.progress.best_step,
            seconds: self.progress.seconds,
            tokens_per_sec: clock.speed(),
            parameters: self.plan.parameters,
            out_of_patience: self.is_out_of_patience(),
            stopped: self.progress.step < self.plan.steps && !self.is_out_of_patience(),
        }
    }
}

/// Refuses settings that wait for validations where there are none.
fn needs_validation(config: &Config, validation: &Held) -> Result<(), Error> {
    if config.eval_every != Some(0) && !validation.ids.is_empty() {
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

/// The moving mean of the losses: the first, then `keep` of what it was and the rest of the new one.
fn moving(mean: Option<f64>, loss: f64, keep: f64) -> f64 {
    mean.map_or(loss, |mean| keep * mean + (1.0 - keep) * loss)
}

/// Whether a validation loss is the best so far. One that is no finite number never is.
fn improves(loss: Option<f64>, best: Option<f64>) -> bool {
    loss.is_some_and(|loss| loss.is_finite() && best.is_none_or(|best| loss < best))
}

/// The one point that gradients pass between backward and clipping: the sum over shards, of which there is one.
fn reduce(_grads: &mut Params<f32>) {}

/// A text made ready: vocabulary, rows, what is held out.
struct Data {
    vocab: Vocab,
    batches: Batches,
    validation: Held,
    test: Held,
    notes: Vec<String>,
}

impl Data {
    fn prepare(config: &Config, corpus: &Corpus, known: Option<Vocab>) -> Result<Data, Error> {
        let Split { vocab, train: ids, validation, test, notes: of_split } = Split::new(config, corpus, known)?;
        let batches = Batches::new(config, corpus.name(), ids, vocab.line_end())?;
        let mut notes = Vec::new();
        if batches.cut_lines() > 0 {
            let (lines, seq_len) = (batches.cut_lines(), config.seq_len);
            notes.push(format!("lines longer than seq_len = {seq_len} predictions are cut there: {lines}"));
        }
        if batches.batch() < config.batch {
            notes.push(format!(
                "batch is {} instead of {}: {} training {} give no more rows of seq_len = {}",
                batches.batch(),
                config.batch,
                batches.tokens(),
                vocab.unit(batches.tokens()),
                config.seq_len
            ));
        }
        notes.extend(of_split);
        Ok(Data { vocab, batches, validation, test, notes })
    }
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
