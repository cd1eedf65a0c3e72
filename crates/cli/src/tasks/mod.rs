//! What the tasks other than language models give to the verb `train`; each has its own file. Here is what they share: data
//! and run directory are found, the trainer is made. Not here: the training itself (`train`), which all tasks share.

mod classify;
mod forecast;
mod generate;
mod tag;
mod translate;

pub use translate::Scores;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use elman::autodiff::tape::Tape;
use elman::config::TaskSettings;
use elman::data::Fingerprint;
use elman::data::table::{Format, Table};
use elman::metrics::Confusion;
use elman::task::Task;
use elman::train::{Changes, Plan, Stopped, Trainer};
use elman::{Config, Corpus, Cpu, Element, Error, Origin, RunDir};

use crate::failure::Refusal;
use crate::terminal::{counted, fact, grouped};
use crate::train::{Args, Driven, Session, create_run, language_model, refuse_existing_run};
use crate::{confusion, corpus};

/// The settings of a training session.
pub struct Job<'a> {
    args: &'a Args,
    config: Config,
    /// The run that is resumed, and its original settings and text.
    origin: Option<(RunDir, Origin)>,
}

/// Trains the task of `config`.
pub fn train<E: Element>(args: &Args, config: Config, origin: Option<(RunDir, Origin)>) -> anyhow::Result<ExitCode> {
    let job = Job { args, config, origin };
    match &job.config.task {
        None => language_model::<E>(args, job.config, job.origin),
        Some(TaskSettings::Classify(_)) => classify::train::<E>(job),
        Some(TaskSettings::Forecast(_)) => forecast::train::<E>(job),
        Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)) => tag::train::<E>(job),
        Some(TaskSettings::Generate(_)) => generate::train::<E>(job),
        Some(TaskSettings::Translate(_)) => translate::train::<E>(job),
    }
}

impl<'a> Job<'a> {
    /// The paths of the training and validation data. Errors: no path or several; flags of language models.
    fn places(&self) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
        for (is_given, flag, why) in [
            (self.args.test_file.is_some(), "--test-file", "it measures language models"),
            (self.args.on_disk, "--on-disk", "it is for the texts of language models"),
        ] {
            if is_given {
                let message = format!("{flag} is given with --task, expected it without: {why}");
                return Err(Refusal::new(message).into());
            }
        }
        let known = |fingerprint: Option<&Fingerprint>| corpus::places(fingerprint).into_iter().next();
        let origin = self.origin.as_ref().map(|(_, origin)| &origin.text);
        let validation = || known(origin.and_then(|fingerprint| fingerprint.validation.as_deref()));
        let validation = self.args.val_file.clone().or_else(validation);
        match (&self.args.text[..], known(origin)) {
            ([path], _) => Ok((path.clone(), validation)),
            ([], Some(path)) => Ok((path, validation)),
            (several, _) => {
                let message = format!("the data is {}, expected one", counted(several.len() as u64, "file"));
                Err(Refusal::new(message).hint("elman train DATA --task TASK, DATA being a table or a folder").into())
            }
        }
    }

    /// The path of the data of a task without validation data, which holds out `part` instead. Errors: as `places`;
    /// validation data is given.
    fn place(&self, part: &str) -> anyhow::Result<PathBuf> {
        let (data, validation) = self.places()?;
        match (validation, &self.config.task) {
            (Some(_), Some(task)) => {
                let kind = task.kind();
                let message = format!("--val-file is given with --task {kind}, which holds out {part} (--val-frac)");
                Err(Refusal::new(message).into())
            }
            _ => Ok(data),
        }
    }

    /// Reads the data, and the validation data if there is any; `fingerprint` is the field of that name. Returns both with the
    /// fingerprint of both.
    fn read<D>(
        &self,
        read: impl Fn(&Path) -> Result<D, Error>,
        fingerprint: impl Fn(&mut D) -> &mut Fingerprint,
    ) -> anyhow::Result<(D, Option<D>, Fingerprint)> {
        let (data, validation) = self.places()?;
        let mut data = read(&data)?;
        let mut validation = validation.map(|path| read(&path)).transpose()?;
        let of_validation = validation.as_mut().map(|set| Box::new(fingerprint(set).clone()));
        fingerprint(&mut data).validation = of_validation;
        let fingerprint = fingerprint(&mut data).clone();
        Ok((data, validation, fingerprint))
    }

    /// Makes the task, its trainer and the run directory, which is created last.
    fn begin<T: Task>(
        self,
        fingerprint: &Fingerprint,
        make: impl FnOnce(&Config) -> Result<T, Error>,
    ) -> anyhow::Result<Session<'a, T>> {
        let Job { args, config, origin } = self;
        let cpu = Cpu::new(args.threads)?;
        if let Some((run, _)) = origin {
            let stopped = Stopped::open(&run, fingerprint, Changes { config: Some(config), force: args.force })?;
            let task = make(&stopped.config)?;
            return Ok(Session { args, trainer: stopped.resume(task, &cpu)?, cpu, run });
        }
        refuse_existing_run(args)?;
        let task = make(&config)?;
        let trainer = Trainer::of(config, task, &cpu)?;
        Ok(Session { args, cpu, trainer, run: create_run(args)? })
    }
}

/// The table at `path`, in CSV unless the file's ending says otherwise.
fn table(path: &Path, header: bool) -> Result<(Table, Fingerprint), Error> {
    let corpus = Corpus::read_raw(&[path.to_path_buf()])?;
    let format = Format::of_path(path).unwrap_or(Format::Csv);
    Ok((Table::from_bytes(corpus.name(), corpus.bytes(), format, header)?, corpus.fingerprint()))
}

/// The fact `data`: the name of the data, what it holds, and how it is split.
fn split(plan: &Plan, what: &str, unit: &str) -> (&'static str, String) {
    let (train, held) = (grouped(plan.train_tokens as u64), grouped(plan.val_tokens as u64));
    ("data", format!("{}: {what}{train}{unit} to train on, {held} held out", plan.text))
}

/// The figures of `measure`; None if training was stopped or nothing is held out.
fn measured<T: Task, F>(
    session: &mut Session<'_, T>,
    driven: &Driven,
    measure: impl FnOnce(&mut T, &mut Tape<T::Element>) -> Result<Option<F>, Error>,
) -> Result<Option<F>, Error> {
    if driven.outcome.stopped || session.trainer.plan().val_tokens == 0 {
        return Ok(None);
    }
    let (task, tape) = session.trainer.task_and_tape();
    measure(task, tape)
}

/// Lines with the figures of the classes and the accuracy; `held_out` says what it is the share of.
fn lines_of(confusion: &Confusion, classes: &[String], held_out: &str) -> Vec<String> {
    let accuracy = format!("{:.2} % of {held_out} held out", 100.0 * confusion.accuracy());
    vec![String::new(), confusion::lines(confusion, classes), String::new(), fact("accuracy", &accuracy)]
}
