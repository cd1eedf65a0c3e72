//! Trains a translator: prints the number of pairs first, then BLEU of the held-out sentences. Not here: the network
//! (`elman::task::translate`).

use std::process::ExitCode;

use elman::data::table::parallel::{Parallel, Sentence};
use elman::infer::search::Search;
use elman::task::translate::{LONGEST, Translate};
use elman::{Element, Error};
use serde::Serialize;

use crate::figures::translation::Scores;
use crate::terminal::{fact, grouped};
use crate::train::session::{Job, Words, path_word};

/// The figures in the object of `--json`.
#[derive(Serialize)]
struct Json {
    validation: Option<Scores>,
    test: Option<Scores>,
}

/// Trains a translator.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let source = &job.config.translate()?.source;
    let (data, validation, fingerprint) =
        job.read(|path| Parallel::read(path, source, job.config.encoding), |set| &mut set.fingerprint)?;
    let session = job.begin(&fingerprint, |config| Translate::<E>::new(config, data, validation))?;
    let (task, vocabs) = (session.trainer.task(), &session.trainer.task().trained().vocabs);
    let [train, held] = task.pairs().map(|count| grouped(count as u64));
    let [from, to] = [&vocabs.from, &vocabs.to].map(|vocab| grouped(vocab.len() as u64));
    let [of, test] = [task.validation(), task.test()].map(|sentences| grouped(sentences.len() as u64));
    let split = format!("{train} pairs to train on, {held} held out of {of} sentences, {test} sentences to test");
    let data = format!("{}: {split}", session.trainer.plan().text);
    let words = Words {
        example: "pair".into(),
        unit: "word",
        facts: [("data", data), ("vocabulary", format!("{from} to read, {to} to write"))],
        usage: ("To use it, a text a line on standard input", format!("predict {} --beam 5", path_word(&session.run))),
    };
    session.train(words, |session, driven| {
        let (task, tape) = session.trainer.task_and_tape();
        let search = Search { beam: 1, length_penalty: 0.0, longest: LONGEST };
        let mut measure = |sentences: &[Sentence]| -> Result<Option<Scores>, Error> {
            if driven.outcome.stopped || sentences.is_empty() {
                return Ok(None);
            }
            let measured = task.trained().measure(tape, sentences, search, &mut || true)?;
            Ok(measured.map(|(figures, _)| Scores::of(&figures)))
        };
        let (validation, test) = (measure(task.validation())?, measure(task.test())?);
        let of = |name, scores: &Option<Scores>| scores.as_ref().map(|scores| fact(name, &scores.words()));
        let lines = [Some(String::new()), of("validation", &validation), of("test", &test)];
        Ok((lines.into_iter().flatten().collect(), Json { validation, test }))
    })
}
