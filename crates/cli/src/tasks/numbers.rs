//! Trains a network that predicts numbers, or labels that are there or not: prints the data first, then errors or F1. Not here:
//! the network (`elman::task::numbers`).

use std::process::ExitCode;

use elman::Element;
use elman::data::table::encoding::Encoding;
use elman::data::table::measured::Measured;
use elman::task::NumbersTask;
use elman::task::numbers::FiguresKind;

use super::job::split;
use crate::figures::Form;
use crate::figures::numbers::{Json, draw, figures};
use crate::terminal::{counted, fact};
use crate::train::session::{Job, Words, path_word};

/// Trains a network that predicts numbers or labels.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let numbers = job.config.numbers()?;
    let (data, validation, fingerprint) =
        job.read(|path| Measured::read(path, &numbers, job.config.encoding), |set| &mut set.fingerprint)?;
    let (every_step, output) = (numbers.every_step, numbers.output);
    let session = job.begin(&fingerprint, |config| NumbersTask::<E>::new(config, data, validation))?;
    let (plan, trained) = (session.trainer.plan().clone(), session.trainer.task().trained());
    let what = match &trained.encoding {
        Encoding::Tokens(_) => "texts, ".to_string(),
        Encoding::Vectors { columns, .. } => format!("sequences of {}, ", columns.join(", ")),
    };
    let (names, has_labels) = (trained.targets.columns.clone(), trained.targets.scaler.is_none());
    let of_each = if every_step { "every step" } else { "each sequence" };
    let unit = if has_labels { "label" } else { "number" };
    let usage = match &trained.encoding {
        Encoding::Tokens(_) => "To use it, a text a line on standard input",
        Encoding::Vectors { .. } => "To use it, with a table of sequences as in training",
    };
    let words = Words {
        example: "example".into(),
        unit: if output.has_quantiles() { "value" } else { unit },
        facts: [
            split(&plan, &what, &format!(" {unit}s")),
            ("predicted", format!("{} for {of_each}: {}", counted(names.len() as u64, unit), names.join(", "))),
        ],
        usage: (usage, format!("predict {}", path_word(&session.run))),
    };
    session.train(words, |session, driven| {
        let (task, tape) = session.trainer.task_and_tape();
        let measured = if driven.is_measurable { task.measure(tape, &mut || true)? } else { None };
        let Some((measured, pairs)) = measured else { return Ok((Vec::new(), Json::default())) };
        let held = format!("{} held out", counted(measured.count as u64, unit));
        let (mut lines, json) = figures(&measured, &names, &held, Form::of_training());
        if let FiguresKind::Numbers(errors) = &measured.kind {
            let picture = session.run.path().join("predictions.svg");
            let rmse = errors.all().map_or(0.0, |all| all.rmse);
            let title = format!("{}: {held}, RMSE {}", plan.text, crate::figures::numbers::significant(rmse));
            draw(&names, &pairs, &title, &picture)?;
            lines.push(fact("picture", &picture.display().to_string()));
        }
        Ok((lines, json))
    })
}
