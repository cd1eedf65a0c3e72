//! Trains a tagger, or a network that restores capitals and punctuation: prints the classes first, then F1. Not here: the
//! network (`elman::task::tag`).

use std::path::Path;
use std::process::ExitCode;

use elman::data::table::tagged;
use elman::data::text::restore;
use elman::task::Tag;
use elman::task::tag::{RestoreFigures, restored};
use elman::{Corpus, Element};
use serde::Serialize;

use super::job::split;
use crate::figures::Form;
use crate::figures::classes::{Tagged, put_back, tagged as of_tags};
use crate::terminal::grouped;
use crate::train::session::{Job, Words, path_word};

/// The figures in the object of `--json`.
#[derive(Serialize, Default)]
struct Json {
    #[serde(flatten)]
    figures: Tagged,
    /// The figures of a baseline: every word in its most frequent form in training.
    majority: Option<RestoreFigures>,
}

/// Trains a tagger, or a network that restores capitals and punctuation.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let source = &job.config.tagging()?.source;
    let restores = job.config.task.as_ref().is_some_and(|task| task.kind() == "restore");
    let read = |path: &Path| match restores {
        false => tagged::Tagged::read(path, source, job.config.encoding),
        true => {
            let corpus = Corpus::read_as(&[path.to_path_buf()], job.config.encoding)?;
            restore::pieces(corpus.utf8()?, job.config.seq_len, corpus.fingerprint())
        }
    };
    let (data, validation, fingerprint) = job.read(read, |set| &mut set.fingerprint)?;
    let session = job.begin(&fingerprint, |config| Tag::<E>::new(config, data, validation))?;
    let (plan, classes) = (session.trainer.plan(), session.trainer.task().trained().classes.clone());
    let (unit, purpose) = match restores {
        false => (" steps", "To use it, a sentence a line on standard input"),
        true => (" characters", "To use it, a text a line on standard input"),
    };
    let words = Words {
        example: "sequence".into(),
        unit: "example",
        facts: [split(plan, "", unit), ("classes", format!("{}: {}", plan.vocab_size, classes.join(" ")))],
        usage: (purpose, format!("predict {}", path_word(&session.run))),
    };
    session.train(words, |session, driven| {
        let (task, tape) = session.trainer.task_and_tape();
        let measured = if driven.is_measurable { task.measure(tape, &mut || true)? } else { None };
        let Some(measured) = measured else { return Ok((Vec::new(), Json::default())) };
        let (confusion, form) = (&measured.confusion, Form::of_training());
        let all = format!("{} steps held out", grouped(confusion.total()));
        let majority = task.by_words().map(|confusion| restored(confusion, &classes));
        let (lines, figures) = match restores {
            true => put_back(confusion, &classes, (&all, majority), form),
            false => of_tags(&measured, &classes, &all, form),
        };
        Ok((lines, Json { figures, majority }))
    })
}
