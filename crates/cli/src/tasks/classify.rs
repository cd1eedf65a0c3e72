//! Trains a classifier: prints the classes first, then accuracy, F1 and the confusion matrix. Not here: the network
//! (`elman::task::classify`).

use std::process::ExitCode;

use elman::data::table::labelled::{Items, Labelled};
use elman::task::classify::{Classify, Figures};
use elman::{Cpu, Element};
use serde::Serialize;

use super::job::{Job, announce, measured};
use crate::confusion;
use crate::terminal::{self, bold, fact, grouped, say};
use crate::train::{self, Summary};

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    summary: Summary,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    classes: &'a [String],
}

pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (args, (data, validation)) = (job.args, job.places()?);
    let source = job.config.classify()?.source.clone();
    let mut labelled = Labelled::read(&data, &source)?;
    let validation = validation.map(|path| Labelled::read(&path, &source)).transpose()?;
    labelled.fingerprint.validation = validation.as_ref().map(|set| Box::new(set.fingerprint.clone()));
    let (fingerprint, cpu) = (labelled.fingerprint.clone(), Cpu::new(args.threads)?);
    let what = match &labelled.items {
        Items::Texts(_) => "texts".to_string(),
        Items::Vectors { columns, .. } => format!("sequences of {}", columns.join(", ")),
    };
    let (mut trainer, run) =
        job.begin(&fingerprint, &cpu, |config| Classify::<E>::new(config, labelled, validation))?;
    let plan = trainer.plan().clone();
    if !args.quiet {
        let data = format!(
            "{}: {what}, {} to train on, {} held out",
            plan.text,
            grouped(plan.train_tokens as u64),
            grouped(plan.val_tokens as u64)
        );
        let classes = format!("{}: {}", plan.vocab_size, trainer.task().trained().classes.join(", "));
        announce(&trainer, &cpu, &run, "example", &[("data", data), ("classes", classes)]);
    }
    let driven = train::drive(args, &mut trainer, &run, "example")?;
    let classes = trainer.task().trained().classes.clone();
    let figures = measured(&mut trainer, &driven, |task, tape| task.measure(tape, &mut || true))?;
    if let Some(figures) = &figures {
        let picture = run.path().join("confusion.svg");
        let title =
            format!("{}: {:.1} % of {}", plan.text, 100.0 * figures.confusion.accuracy(), figures.confusion.total());
        confusion::draw(&figures.confusion, &classes, &title, &picture)?;
        if !args.quiet {
            say!("");
            say!("{}", confusion::lines(&figures.confusion, &classes));
            say!("");
            say!(
                "{}",
                fact(
                    "accuracy",
                    &format!("{:.2} % of {} held out", 100.0 * figures.confusion.accuracy(), figures.confusion.total())
                )
            );
            say!("{}", fact("macro F1", &format!("{:.4}", figures.confusion.macro_f1())));
            say!("{}", fact("picture", &picture.display().to_string()));
        }
    }
    driven.conclude(args, trainer.config(), &plan, &run, "example");
    if !args.quiet && !driven.outcome.stopped {
        let command = format!("{} predict {}", terminal::this_program(), train::path_word(&run));
        say!("\nTo use it, a text a line on standard input:\n\n    {}\n", bold(&command));
    }
    if args.json {
        let summary = driven.summary(&plan, &run);
        let of = |f: fn(&Figures) -> f64| figures.as_ref().map(f);
        let (accuracy, macro_f1) = (of(|f| f.confusion.accuracy()), of(|f| f.confusion.macro_f1()));
        terminal::print_json(&Json { summary, accuracy, macro_f1, classes: &classes })?;
    }
    Ok(driven.exit())
}
