//! Trains a tagger, or a network that restores capitals and punctuation: prints the classes first, then F1. Not here: the
//! network (`elman::task::tag`).

use std::path::Path;
use std::process::ExitCode;

use elman::data::table::tagged::Tagged;
use elman::data::text::restore;
use elman::task::Tag;
use elman::task::tag::{RestoreFigures, restored};
use elman::{Corpus, Element};
use serde::Serialize;

use super::job::{lines_of, split};
use crate::terminal::{fact, grouped};
use crate::train::session::{Job, Words, path_word};

/// The figures in the object of `--json`.
#[derive(Serialize, Default)]
struct Json {
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    /// Over all classes except the most frequent.
    micro_f1: Option<f64>,
    #[serde(flatten)]
    restored: Option<RestoreFigures>,
    /// The figures of a baseline: every word in its most frequent form in training.
    majority: Option<RestoreFigures>,
}

/// Trains a tagger, or a network that restores capitals and punctuation.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let source = &job.config.tagging()?.source;
    let restores = job.config.task.as_ref().is_some_and(|task| task.kind() == "restore");
    let read = |path: &Path| match restores {
        false => Tagged::read(path, source, job.config.encoding),
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
        let Some(figures) = measured else { return Ok((Vec::new(), Json::default())) };
        let confusion = &figures.confusion;
        let commonest = (0..classes.len()).max_by_key(|&class| confusion.class(class).examples);
        let (macro_f1, micro_f1) = (confusion.macro_f1(), confusion.micro_f1(|class| Some(class) != commonest));
        let majority = task.by_words().map(|confusion| restored(confusion, &classes));
        let restored = restores.then(|| restored(confusion, &classes));
        let mut lines = lines_of(confusion, &classes, &format!("{} steps", grouped(confusion.total())));
        lines.extend(match restored.zip(majority) {
            Some((f, majority)) => {
                let both = |f1, most| format!("F1 {f1:.4}; every word as it mostly stood {most:.4}, none put back 0");
                let capitals = both(f.capitals_f1, majority.capitals_f1);
                [fact("capitals", &capitals), fact("marks", &both(f.punctuation_f1, majority.punctuation_f1))]
            }
            None => {
                let micro = format!("{micro_f1:.4}, the commonest class left out");
                [fact("macro F1", &format!("{macro_f1:.4}")), fact("micro F1", &micro)]
            }
        });
        let [accuracy, macro_f1, micro_f1] = [confusion.accuracy(), macro_f1, micro_f1].map(Some);
        Ok((lines, Json { accuracy, macro_f1, micro_f1, restored, majority }))
    })
}
