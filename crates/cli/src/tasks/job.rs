//! What training shares among the tasks other than language models: finding and reading the data, making the trainer, words for
//! several tasks. Not here: what belongs to one task, and what language models share, too (`train`).

use std::path::{Path, PathBuf};

use anyhow::ensure;
use elman::config::TaskSettings;
use elman::data::Fingerprint;
use elman::task::Task;
use elman::train::{Changes, Plan, Stopped, Trainer};
use elman::{Config, Cpu, Error};

use crate::corpus;
use crate::failure::Refusal;
use crate::terminal::{counted, fact, grouped, say};
use crate::train::session::{Job, Session};
use crate::train::work::{create_run, refuse_existing_run};

impl<'a> Job<'a> {
    /// The paths of the training data, and that of the validation data. Errors: flags of language models.
    pub fn paths(&self) -> anyhow::Result<(Vec<PathBuf>, Option<PathBuf>)> {
        let refusal = |flag, why| Refusal::new(format!("{flag} is given with --task, expected it without: {why}"));
        ensure!(self.args.test_file.is_none(), refusal("--test-file", "it measures language models"));
        ensure!(!self.args.on_disk, refusal("--on-disk", "it is for the texts of language models"));
        let of_tokens = self.args.vocab.is_some() || self.args.extend_vocab.is_some();
        ensure!(!of_tokens, refusal("--vocab or --extend-vocab", "only a language model gets tokens with its weights"));
        let data = self.origin.as_ref().map(|(_, origin)| &origin.text);
        let validation = data.and_then(|data| data.validation.as_deref());
        let validation = corpus::places(self.args.val_file.as_slice(), validation).into_iter().next();
        Ok((corpus::places(&self.args.text, data), validation))
    }

    /// The path of the training data, and that of the validation data. Errors: as `paths`; no path or several.
    fn places(&self) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
        let (paths, validation) = self.paths()?;
        match &paths[..] {
            [data] => Ok((data.clone(), validation)),
            several => {
                let message = format!("the data is {}, expected one", counted(several.len() as u64, "file"));
                Err(Refusal::new(message).hint("elman train DATA --task TASK, DATA being a table or a folder").into())
            }
        }
    }

    /// The path of the data of a task that always holds out `part` of it. Errors: as `places`; validation data is given.
    pub fn place(&self, part: &str) -> anyhow::Result<PathBuf> {
        let (data, validation) = self.places()?;
        let kind = self.config.task.as_ref().map_or("lm", TaskSettings::kind);
        let message = format!("--val-file is given with --task {kind}, which holds out {part} (--val-frac)");
        ensure!(validation.is_none(), Refusal::new(message));
        Ok(data)
    }

    /// Reads the data, and the validation data if there is any; `fingerprint` is the field of that name. Returns both with the
    /// fingerprint of both.
    pub fn read<D>(
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
    pub fn begin<T: Task>(
        self,
        fingerprint: &Fingerprint,
        make: impl FnOnce(&Config) -> Result<T, Error>,
    ) -> anyhow::Result<Session<'a, T>> {
        let Job { args, config, origin, model } = self;
        let cpu = Cpu::new(args.threads)?;
        if let Some((run, _)) = origin {
            let stopped = Stopped::open(&run, fingerprint, Changes { config: Some(config), force: args.force })?;
            let task = make(&stopped.config)?;
            return Ok(Session { args, trainer: stopped.resume(task, &cpu)?, cpu, run });
        }
        refuse_existing_run(args)?;
        let mut task = make(&config)?;
        if let Some(model) = model {
            model.start(&config, &mut task)?;
            if !args.quiet {
                say!("{}", fact("note", &format!("the weights start from {}", model.path().display())));
            }
        }
        let trainer = Trainer::of(config, task, &cpu)?;
        Ok(Session { args, cpu, trainer, run: create_run(args)? })
    }
}

/// The fact `data`: the name of the data, what it holds, and how it is split.
pub fn split(plan: &Plan, what: &str, unit: &str) -> (&'static str, String) {
    let (train, held) = (grouped(plan.train_tokens as u64), grouped(plan.val_tokens as u64));
    ("data", format!("{}: {what}{train}{unit} to train on, {held} held out", plan.text))
}
