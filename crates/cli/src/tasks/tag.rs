//! Trains a tagger, or a network that restores capitals and punctuation: prints the classes first, then F1. Not here: the
//! network (`elman::task::tag`).

use std::process::ExitCode;

use elman::data::table::tagged::Tagged;
use elman::data::text::restore;
use elman::task::Tag;
use elman::task::tag::{Figures, RestoreFigures, restored};
use elman::{Corpus, Cpu, Element};
use serde::Serialize;

use super::job::{Job, announce, measured};
use crate::confusion;
use crate::terminal::{self, bold, fact, grouped, say};
use crate::train::{self, Summary};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    #[serde(flatten)]
    summary: Summary,
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    /// Over all classes except the most frequent.
    micro_f1: Option<f64>,
    #[serde(flatten)]
    restored: Option<RestoreFigures>,
    /// The figures of a baseline: every word in its most frequent form in training.
    majority: Option<RestoreFigures>,
}

pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (args, (data, validation)) = (job.args, job.places()?);
    let source = job.config.tagging()?.source.clone();
    let restores = job.config.task.as_ref().is_some_and(|task| task.kind() == "restore");
    let length = job.config.seq_len;
    let read = |path: &std::path::Path| match restores {
        false => Tagged::read(path, &source),
        true => {
            let corpus = Corpus::read(&[path.to_path_buf()])?;
            restore::pieces(corpus.utf8()?, length, corpus.fingerprint())
        }
    };
    let mut tagged = read(&data)?;
    let validation = validation.map(|path| read(&path)).transpose()?;
    tagged.fingerprint.validation = validation.as_ref().map(|set| Box::new(set.fingerprint.clone()));
    let (fingerprint, cpu) = (tagged.fingerprint.clone(), Cpu::new(args.threads)?);
    let (mut trainer, run) = job.begin(&fingerprint, &cpu, |config| Tag::<E>::new(config, tagged, validation))?;
    let plan = trainer.plan().clone();
    let unit = if restores { "character" } else { "step" };
    if !args.quiet {
        let (steps, held) = (grouped(plan.train_tokens as u64), grouped(plan.val_tokens as u64));
        let data = format!("{}: {steps} {unit}s to train on, {held} held out", plan.text);
        let classes = format!("{}: {}", plan.vocab_size, trainer.task().trained().classes.join(" "));
        announce(&trainer, &cpu, &run, "sequence", &[("data", data), ("classes", classes)]);
    }
    let driven = train::drive(args, &mut trainer, &run, "example")?;
    let classes = trainer.task().trained().classes.clone();
    let figures = measured(&mut trainer, &driven, |task, tape| task.measure(tape, &mut || true))?;
    let micro = figures.as_ref().map(|figures| {
        let commonest = (0..classes.len()).max_by_key(|&class| figures.confusion.class(class).examples);
        figures.confusion.micro_f1(|class| Some(class) != commonest)
    });
    let of_restored = figures.as_ref().filter(|_| restores).map(|figures| restored(&figures.confusion, &classes));
    let majority = trainer.task().by_words().map(|confusion| restored(confusion, &classes));
    if let (Some(figures), false) = (&figures, args.quiet) {
        let confusion = &figures.confusion;
        say!("");
        say!("{}", confusion::lines(confusion, &classes));
        say!("");
        say!(
            "{}",
            fact(
                "accuracy",
                &format!("{:.2} % of {} steps held out", 100.0 * confusion.accuracy(), grouped(confusion.total()))
            )
        );
        match of_restored.zip(majority) {
            Some((f, majority)) => {
                let both =
                    |f1, majority| format!("F1 {f1:.4}; every word as it mostly stood {majority:.4}, none put back 0");
                say!("{}", fact("capitals", &both(f.capitals_f1, majority.capitals_f1)));
                say!("{}", fact("marks", &both(f.punctuation_f1, majority.punctuation_f1)));
            }
            None => {
                say!("{}", fact("macro F1", &format!("{:.4}", confusion.macro_f1())));
                say!(
                    "{}",
                    fact("micro F1", &format!("{:.4}, the commonest class left out", micro.unwrap_or_default()))
                );
            }
        }
    }
    driven.conclude(args, trainer.config(), &plan, &run, "example");
    if !args.quiet && !driven.outcome.stopped {
        let command = format!("{} predict {}", terminal::this_program(), train::path_word(&run));
        let what = if restores { "a text" } else { "a sentence" };
        say!("\nTo use it, {what} a line on standard input:\n\n    {}\n", bold(&command));
    }
    if args.json {
        let of = |f: fn(&Figures) -> f64| figures.as_ref().map(f);
        terminal::print_json(&Json {
            summary: driven.summary(&plan, &run),
            accuracy: of(|f| f.confusion.accuracy()),
            macro_f1: of(|f| f.confusion.macro_f1()),
            micro_f1: micro,
            restored: of_restored,
            majority: majority.filter(|_| figures.is_some()),
        })?;
    }
    Ok(driven.exit())
}
