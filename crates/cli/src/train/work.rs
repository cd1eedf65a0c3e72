//! Prepares the training of a language model: settings, text and run directory. Not here: other tasks (`tasks`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use elman::data::{Fingerprint, can_stay_on_disk};
use elman::task::Language;
use elman::train::{Changes, Trainer};
use elman::{Config, Corpus, Cpu, Element, Error, Origin, RunDir};

use super::Words;
use super::args::Args;
use super::session::{Session, path_word};
use crate::corpus;
use crate::progress::wait_for;
use crate::terminal::grouped;

/// Settings and text of a training session; cheap checks come first.
struct Work {
    /// The settings; of a resumed run, those it continues with.
    config: Config,
    corpus: Corpus,
    /// The run that is resumed.
    resumed: Option<RunDir>,
}

impl Work {
    fn prepare(args: &Args, config: Config, origin: Option<(RunDir, Origin)>) -> anyhow::Result<Work> {
        if let Some((run, origin)) = origin {
            let (kind, fingerprint) = (origin.config.tokenizer, origin.text);
            let on_disk = args.on_disk || (run.tokens().exists() && can_stay_on_disk(&config));
            let corpus = match args.text.is_empty() {
                true => corpus::of_run(&run, &fingerprint, &config, on_disk)?,
                false => corpus::to_train_on(&args.text, &config, on_disk)?,
            };
            let corpus = corpus.with_tokens_in(run.tokens());
            let place = |given: &Option<PathBuf>, fingerprint: &Option<Box<Fingerprint>>| match given {
                Some(path) => vec![path.clone()],
                None => corpus::places(fingerprint.as_deref()),
            };
            let (validation, test) =
                (place(&args.val_file, &fingerprint.validation), place(&args.test_file, &fingerprint.test));
            let corpus = corpus::with_held_out(corpus, &validation, &test, kind)?;
            return Ok(Work { config, corpus, resumed: Some(run) });
        }
        refuse_existing_run(args)?; // before a long text is read
        let kind = config.tokenizer;
        let (validation, test) = (args.val_file.as_slice(), args.test_file.as_slice());
        let corpus =
            corpus::with_held_out(corpus::to_train_on(&args.text, &config, args.on_disk)?, validation, test, kind)?;
        let corpus = match &args.tokenizer_file {
            Some(path) => corpus.with_tokenizer(path)?,
            None => corpus,
        };
        Ok(Work { config, corpus, resumed: None })
    }

    /// The trainer and its run directory. The directory is created last, except for a text on the disk, whose tokens it holds.
    fn begin<E: Element>(self, args: &Args, cpu: &Cpu) -> anyhow::Result<(Trainer<Language<E>>, RunDir)> {
        let Work { config, corpus, resumed } = self;
        if let Some(run) = resumed {
            let changes = Changes { config: Some(config), force: args.force };
            return Ok((wait_for("reading the text", || Trainer::resume_with(&run, &corpus, cpu, changes))?, run));
        }
        if !corpus.is_on_disk() {
            return Ok((Trainer::new(config, &corpus, cpu)?, create_run(args)?));
        }
        config.check()?;
        let run = create_run(args)?;
        let corpus = corpus.with_tokens_in(run.tokens());
        match wait_for("reading the text", || Trainer::new(config, &corpus, cpu)) {
            Ok(trainer) => Ok((trainer, run)),
            Err(error) => {
                run.discard();
                Err(error.into())
            }
        }
    }
}

/// Errors: the run directory of `--out` exists.
pub fn refuse_existing_run(args: &Args) -> Result<(), Error> {
    match &args.out {
        Some(path) if path.symlink_metadata().is_ok() => Err(Error::Exists { path: path.clone() }),
        _ => Ok(()),
    }
}

/// Creates the run directory: that of `--out`, or the next free one in `runs`.
pub fn create_run(args: &Args) -> Result<RunDir, Error> {
    match &args.out {
        Some(path) => RunDir::create(path),
        None => RunDir::next_free(Path::new("runs"), &corpus::run_name(&args.text)),
    }
}

/// Trains a language model.
pub fn language_model<E: Element>(
    args: &Args,
    config: Config,
    origin: Option<(RunDir, Origin)>,
) -> anyhow::Result<ExitCode> {
    let work = Work::prepare(args, config, origin)?;
    let cpu = Cpu::new(args.threads)?;
    let (trainer, run) = work.begin::<E>(args, &cpu)?;
    let (plan, unit) = (trainer.plan(), trainer.vocab().unit(1));
    let (of_all, of_validation) = (plan.train_tokens + plan.val_tokens, grouped(plan.val_tokens as u64));
    let (read, split) = match (plan.val_tokens, &trainer.text().validation) {
        (_, Some(file)) => {
            (plan.train_tokens, format!("all to train on; {of_validation} of {} to validate", file.name))
        }
        (0, None) => (of_all, "all to train on".to_string()),
        (_, None) => (of_all, format!("the last {of_validation} to validate")),
    };
    let words = Words {
        example: format!("x {} {unit}", plan.seq_len),
        unit,
        facts: [
            ("text", format!("{}: {} {unit}s, {split}", plan.text, grouped(read as u64))),
            ("vocabulary", format!("{} different {unit}s", grouped(plan.vocab_size as u64))),
        ],
        usage: ("To generate text", format!("sample {}", path_word(&run))),
    };
    Session { args, cpu, trainer, run }.train(words, |session, driven| {
        if !driven.outcome.stopped {
            driven.test_loss = session.trainer.test()?.map(|figures| figures.loss);
        }
        Ok((Vec::new(), ()))
    })
}
