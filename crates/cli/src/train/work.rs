//! Prepares the training of a language model: settings, text and run directory. Not here: other tasks (`tasks`).

use std::path::{Path, PathBuf};

use elman::data::{Fingerprint, can_stay_on_disk};
use elman::task::Language;
use elman::train::{Changes, Trainer};
use elman::{Config, Corpus, Cpu, Element, Error, Origin, RunDir};

use super::args::Args;
use crate::corpus;
use crate::progress::wait_for;

/// Settings and text of a training session; cheap checks come first.
pub struct Work {
    /// The settings; of a resumed run, those it continues with.
    pub config: Config,
    corpus: Corpus,
    /// The run that is resumed.
    resumed: Option<RunDir>,
}

impl Work {
    pub fn prepare(args: &Args, config: Config, origin: Option<(RunDir, Origin)>) -> anyhow::Result<Work> {
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
        if let Some(path) = args.out.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
            return Err(Error::Exists { path: path.clone() }.into()); // before a long text is read
        }
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
    pub fn begin<E: Element>(self, args: &Args, cpu: &Cpu) -> anyhow::Result<(Trainer<Language<E>>, RunDir)> {
        let Work { config, corpus, resumed } = self;
        if let Some(run) = resumed {
            let changes = Changes { config: Some(config), force: args.force };
            return Ok((wait_for("reading the text", || Trainer::resume_with(&run, &corpus, cpu, changes))?, run));
        }
        let make_run = || match &args.out {
            Some(path) => RunDir::create(path),
            None => RunDir::next_free(Path::new("runs"), &corpus::run_name(&args.text)),
        };
        if !corpus.is_on_disk() {
            return Ok((Trainer::new(config, &corpus, cpu)?, make_run()?));
        }
        config.check()?;
        let run = make_run()?;
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
