//! Trains a language model: finds and reads its text, makes its trainer and run directory. Not here: other tasks (`tasks`).

use std::path::Path;
use std::process::ExitCode;

use elman::config::TokenizerKind;
use elman::data::can_stay_on_disk;
use elman::task::Language;
use elman::task::language::Unknown;
use elman::train::{Changes, Trainer};
use elman::{Config, Corpus, Cpu, Element, Error, RunDir};

use super::args::Args;
use super::session::{Job, Session, Words, path_word};
use crate::corpus;
use crate::progress::wait_for;
use crate::terminal::{grouped, percent};

/// The figures of a language model in the object that `--json` prints.
#[derive(serde::Serialize)]
struct Figures {
    /// Share of the training tokens that are unknown, 0 to 1, where the vocabulary has a token for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_train: Option<f64>,
    /// The same of the validation tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_val: Option<f64>,
}

/// The shares of unknown tokens, as they follow the size of the vocabulary.
fn of_unknown(unknown: Unknown) -> String {
    let validation = unknown.validation.map(|share| format!(", {} to validate", percent(share)));
    format!("; unknown: {} to train on{}", percent(unknown.train), validation.unwrap_or_default())
}

/// Trains a language model.
pub fn language_model<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let corpus = read(&job)?;
    let session = begin::<E>(job, corpus)?;
    let (plan, unit) = (session.trainer.plan(), session.trainer.vocab().unit(1));
    let (of_all, of_validation) = (plan.train_tokens + plan.val_tokens, grouped(plan.val_tokens as u64));
    let (read, split) = match (plan.val_tokens, &session.trainer.text().validation) {
        (_, Some(file)) => {
            (plan.train_tokens, format!("all to train on; {of_validation} of {} to validate", file.name))
        }
        (0, None) => (of_all, "all to train on".to_string()),
        (_, None) => (of_all, format!("the last {of_validation} to validate")),
    };
    let text = format!("{}: {} {unit}s, {split}", plan.text, grouped(read as u64));
    let unknown = session.trainer.unknown();
    let vocabulary =
        format!("{} different {unit}s{}", grouped(plan.vocab_size as u64), unknown.map_or(String::new(), of_unknown));
    let words = Words {
        example: format!("x {} {unit}", plan.seq_len),
        unit,
        facts: [("text", text), ("vocabulary", vocabulary)],
        usage: ("To generate text", format!("sample {}", path_word(&session.run))),
    };
    session.train(words, |session, driven| {
        driven.test_loss = if driven.outcome.stopped { None } else { session.trainer.test()?.map(|test| test.loss) };
        let figures = Figures {
            unknown_train: unknown.map(|share| share.train),
            unknown_val: unknown.and_then(|share| share.validation),
        };
        Ok((Vec::new(), figures))
    })
}

/// Reads the text, and the texts to validate and to test on. Cheap checks come first.
fn read(job: &Job<'_>) -> anyhow::Result<Corpus> {
    let Job { args, config, origin, .. } = job;
    let text = origin.as_ref().map(|(_, origin)| &origin.text);
    let validation = corpus::places(args.val_file.as_slice(), text.and_then(|text| text.validation.as_deref()));
    let test = corpus::places(args.test_file.as_slice(), text.and_then(|text| text.test.as_deref()));
    let (corpus, kind) = match origin {
        None => {
            refuse_existing_run(args)?; // before a long text is read
            (corpus::to_train_on(&args.text, config, args.on_disk)?, config.tokenizer)
        }
        Some((run, origin)) => {
            let on_disk = args.on_disk || (run.tokens().exists() && can_stay_on_disk(config));
            let corpus = match args.text.is_empty() {
                true => corpus::of_run(run, &origin.text, config, on_disk)?,
                false => corpus::to_train_on(&args.text, config, on_disk)?,
            };
            (corpus.with_tokens_in(run.tokens()), origin.config.tokenizer)
        }
    };
    let corpus = corpus::with_held_out(corpus, &validation, &test, (kind, config.encoding))?;
    Ok(if let Some(path) = &args.tokenizer_file { corpus.with_tokenizer(path)? } else { corpus })
}

/// Makes the trainer and the run directory, which is created last, except for a text on the disk, whose tokens it holds.
fn begin<E: Element>(job: Job<'_>, corpus: Corpus) -> anyhow::Result<Session<'_, Language<E>>> {
    let Job { args, config, origin, model } = job;
    let cpu = Cpu::new(args.threads)?;
    let new = |config: Config, corpus: &Corpus| match &model {
        Some(model) => Trainer::start_from(config, corpus, &cpu, model, args.extend_vocab.unwrap_or(true)),
        None => Trainer::new(config, corpus, &cpu),
    };
    let (trainer, run) = match origin {
        Some((run, _)) => {
            let changes = Changes { config: Some(config), force: args.force };
            let resume = || Trainer::resume_with(&run, &corpus, &cpu, changes);
            // A text on the disk shows what of it is read.
            (if corpus.is_on_disk() { resume()? } else { wait_for("reading the text", resume)? }, run)
        }
        None if !corpus.is_on_disk() => {
            let learns = config.tokenizer == TokenizerKind::Bpe && args.tokenizer_file.is_none();
            let what = if learns { "learning the parts of words" } else { "reading the text" };
            (wait_for(what, || new(config, &corpus))?, create_run(args)?)
        }
        None => {
            config.check()?;
            let run = create_run(args)?;
            let corpus = corpus.with_tokens_in(run.tokens());
            let trainer = new(config, &corpus);
            (trainer.inspect_err(|_| run.clone().discard())?, run)
        }
    };
    Ok(Session { args, cpu, trainer, run })
}

/// Errors: the run directory of `--out` exists.
pub fn refuse_existing_run(args: &Args) -> Result<(), Error> {
    let existing = args.out.as_ref().filter(|path| path.symlink_metadata().is_ok() && !RunDir::is_free(path));
    existing.map_or(Ok(()), |path| Err(Error::Exists { path: path.clone() }))
}

/// Creates the run directory: that of `--out`, or the next free one in `runs`.
pub fn create_run(args: &Args) -> Result<RunDir, Error> {
    match &args.out {
        Some(path) => RunDir::create(path),
        None => RunDir::next_free(Path::new("runs"), &corpus::run_name(&args.text)),
    }
}
