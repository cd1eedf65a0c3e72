//! Trains a classifier: prints the classes first, then accuracy, F1 and the confusion matrix. Not here: the network
//! (`elman::task::classify`).

use std::process::ExitCode;

use elman::Element;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Labelled;
use elman::task::classify::Classify;
use serde::Serialize;

use super::job::split;
use crate::confusion;
use crate::figures::Form;
use crate::figures::classes::{Classified, classified};
use crate::terminal::fact;
use crate::train::session::{Job, Words, path_word};

/// The figures in the object of `--json`.
#[derive(Serialize)]
struct Json {
    #[serde(flatten)]
    figures: Classified,
    classes: Vec<String>,
}

/// Trains a classifier.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let source = &job.config.classify()?.source;
    let (data, validation, fingerprint) =
        job.read(|path| Labelled::read(path, source, job.config.encoding), |set| &mut set.fingerprint)?;
    let session = job.begin(&fingerprint, |config| Classify::<E>::new(config, data, validation))?;
    let (plan, trained) = (session.trainer.plan().clone(), session.trainer.task().trained());
    let what = match &trained.encoding {
        Encoding::Tokens(_) => "texts, ".to_string(),
        Encoding::Vectors { columns, .. } => format!("sequences of {}, ", columns.join(", ")),
    };
    let classes = trained.classes.clone();
    let words = Words {
        example: "example".into(),
        unit: "example",
        facts: [split(&plan, &what, ""), ("classes", format!("{}: {}", plan.vocab_size, classes.join(", ")))],
        usage: ("To use it, a text a line on standard input", format!("predict {}", path_word(&session.run))),
    };
    session.train(words, |session, driven| {
        let (task, tape) = session.trainer.task_and_tape();
        let measured = if driven.is_measurable { task.measure(tape, &mut || true)? } else { None };
        let Some(measured) = measured else {
            return Ok((Vec::new(), Json { figures: Classified::default(), classes }));
        };
        let (confusion, total) = (&measured.confusion, measured.confusion.total());
        let picture = session.run.path().join("confusion.svg");
        let title = format!("{}: {:.1} % of {total}", plan.text, 100.0 * confusion.accuracy());
        confusion::draw(confusion, &classes, &title, &picture)?;
        let (mut lines, figures) = classified(confusion, &classes, &format!("{total} held out"), Form::of_training());
        lines.push(fact("picture", &picture.display().to_string()));
        Ok((lines, Json { figures, classes }))
    })
}
