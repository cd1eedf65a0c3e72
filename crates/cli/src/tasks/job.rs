//! What training shares among the tasks other than language models: finding the data, making the trainer, printing the
//! settings, measuring the result. Not here: what belongs to one task.

use std::path::{Path, PathBuf};

use elman::autodiff::tape::Tape;
use elman::config::{Classify, TaskSettings, Translate};
use elman::data::Fingerprint;
use elman::task::Task;
use elman::train::{Changes, Stopped, Trainer};
use elman::{Config, Cpu, Error, Origin, RunDir};

use crate::corpus;
use crate::failure::Refusal;
use crate::terminal::{counted, fact, grouped, say};
use crate::train::{Args, Driven, shape};

/// A training job.
pub struct Job<'a> {
    pub args: &'a Args,
    pub config: Config,
    /// The run that is resumed, and its original settings and text.
    pub origin: Option<(RunDir, Origin)>,
}

impl Job<'_> {
    /// The paths of the training and validation data. Errors: no path or several; flags of language models.
    pub fn places(&self) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
        if self.args.test_file.is_some() {
            let message = "--test-file is given with --task, expected it without: it measures language models";
            return Err(Refusal::new(message).into());
        }
        if self.args.on_disk {
            let message = "--on-disk is given with --task, expected it without: it is for the texts of language models";
            return Err(Refusal::new(message).into());
        }
        let (given, validation) = (&self.args.text, self.args.val_file.clone());
        let known = |fingerprint: Option<&Fingerprint>| corpus::places(fingerprint).into_iter().next();
        let origin = self.origin.as_ref().map(|(_, origin)| &origin.text);
        let validation = validation.or_else(|| known(origin.and_then(|fingerprint| fingerprint.validation.as_deref())));
        match (&given[..], known(origin)) {
            ([path], _) => Ok((path.clone(), validation)),
            ([], Some(path)) => Ok((path, validation)),
            (several, _) => {
                let message = format!("the data is {}, expected one", counted(several.len() as u64, "file"));
                Err(Refusal::new(message).hint("elman train DATA --task TASK, DATA being a table or a folder").into())
            }
        }
    }

    /// The trainer and its run directory, which is created last.
    pub fn begin<T: Task>(
        self,
        fingerprint: &Fingerprint,
        cpu: &Cpu,
        make: impl FnOnce(&Config) -> Result<T, Error>,
    ) -> anyhow::Result<(Trainer<T>, RunDir)> {
        let Job { args, config, origin } = self;
        if let Some((run, _)) = origin {
            let stopped = Stopped::open(&run, fingerprint, Changes { config: Some(config), force: args.force })?;
            let task = make(&stopped.config)?;
            return Ok((stopped.resume(task, cpu)?, run));
        }
        if let Some(path) = args.out.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
            return Err(Error::Exists { path: path.clone() }.into());
        }
        let task = make(&config)?;
        let trainer = Trainer::of(config, task, cpu)?;
        let run = match &args.out {
            Some(path) => RunDir::create(path)?,
            None => RunDir::next_free(Path::new("runs"), &corpus::run_name(&args.text))?,
        };
        Ok((trainer, run))
    }
}

/// The figures of `measure` after training; None if training was stopped or nothing is held out.
pub fn measured<T: Task, F>(
    trainer: &mut Trainer<T>,
    driven: &Driven,
    measure: impl FnOnce(&mut T, &mut Tape<T::Element>) -> Result<Option<F>, Error>,
) -> Result<Option<F>, Error> {
    if driven.outcome.stopped || trainer.plan().val_tokens == 0 {
        return Ok(None);
    }
    let (task, tape) = trainer.task_and_tape();
    measure(task, tape)
}

/// Prints the settings of the run, the task's own `facts` first.
pub fn announce<T: Task>(trainer: &Trainer<T>, cpu: &Cpu, run: &RunDir, unit: &str, facts: &[(&str, String)]) {
    let (plan, config) = (trainer.plan(), trainer.config());
    facts.iter().for_each(|(name, words)| say!("{}", fact(name, words)));
    let direction = match &config.task {
        Some(TaskSettings::Classify(Classify { bidirectional: true, .. })) => "bidirectional",
        Some(TaskSettings::Tag(tag) | TaskSettings::Restore(tag)) if tag.bidirectional => "bidirectional",
        Some(TaskSettings::Translate(Translate { bidirectional: true, .. })) => "bidirectional encoder",
        _ => "forward",
    };
    say!(
        "{}",
        fact("model", &format!("{}, {direction}: {} parameters", shape(config), grouped(plan.parameters as u64)))
    );
    let threads = counted(cpu.threads() as u64, "thread");
    say!("{}", fact("device", &format!("cpu, backend {}, {threads}", cpu.backend_name())));
    let steps = format!(
        "{} of {} {unit}s, {} an epoch; {:?}, rate {} ({})",
        counted(plan.steps, "step"),
        plan.batch,
        grouped(plan.steps_per_epoch),
        config.optimizer,
        config.lr,
        format!("{:?}", config.schedule()).to_lowercase()
    );
    say!("{}", fact("training", &steps));
    let from = if plan.steps_done > 0 { format!(", resumed after step {}", plan.steps_done) } else { String::new() };
    say!("{}", fact("run", &format!("{}{from}", run.path().display())));
    plan.notes.iter().for_each(|note| say!("{}", fact("note", note)));
    say!("");
}
