//! Trains a network that writes texts for a class or a vector: prints the possible conditions first, then an example command.
//! Not here: the network (`elman::task::generate`).

use std::process::ExitCode;

use elman::config::Generate as Settings;
use elman::data::table::labelled::Labelled;
use elman::data::table::{Format, Table};
use elman::task::Generate;
use elman::task::generate::{GivenOf, Knows, Written};
use elman::{Corpus, Cpu, Element};

use super::job::{Job, announce};
use crate::failure::Refusal;
use crate::terminal::{self, bold, grouped, say, shell_word};
use crate::train;

/// Texts and their conditions: classes, or the columns that `--features` names.
fn read(path: &std::path::Path, settings: &Settings) -> anyhow::Result<Written> {
    let source = &settings.source;
    if source.features.is_empty() {
        return Ok(Written::of(Labelled::read(path, source)?)?);
    }
    let corpus = Corpus::read_raw(&[path.to_path_buf()])?;
    let format = Format::of_path(path).unwrap_or(Format::Csv);
    let table = Table::from_bytes(corpus.name(), corpus.bytes(), format, source.header)?;
    let text = table.column(&source.text)?;
    let columns: Vec<usize> = source.features.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
    let (mut texts, mut rows) = (Vec::new(), Vec::new());
    for row in 0..table.len() {
        texts.push(table.text(row, text)?.to_string());
        rows.push(columns.iter().map(|&column| table.number(row, column)).collect::<Result<Vec<f64>, _>>()?);
    }
    let given = GivenOf::Vectors { columns: source.features.clone(), rows };
    Ok(Written { texts, given, fingerprint: corpus.fingerprint() })
}

pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (args, (data, validation)) = (job.args, job.places()?);
    if validation.is_some() {
        let message = "--val-file is given with --task generate, which holds out a share of each class (--val-frac)";
        return Err(Refusal::new(message).into());
    }
    let settings = job.config.generate()?.clone();
    let written = read(&data, &settings)?;
    let (fingerprint, cpu) = (written.fingerprint.clone(), Cpu::new(args.threads)?);
    let (mut trainer, run) = job.begin(&fingerprint, &cpu, |config| Generate::<E>::new(config, written))?;
    let plan = trainer.plan().clone();
    let unit = trainer.task().trained().vocab.unit(1);
    let given = match &trainer.task().trained().knows {
        Knows::Classes(names) => format!("{}={}", settings.source.label, names.first().cloned().unwrap_or_default()),
        Knows::Columns(names, _) => names.iter().map(|name| format!("{name}=0")).collect::<Vec<_>>().join(","),
    };
    if !args.quiet {
        let (steps, held) = (grouped(plan.train_tokens as u64), grouped(plan.val_tokens as u64));
        let data = format!("{}: {steps} {unit}s to train on, {held} held out", plan.text);
        let for_what = match &trainer.task().trained().knows {
            Knows::Classes(names) => format!("{} classes: {}", names.len(), names.join(", ")),
            Knows::Columns(names, _) => format!("numbers: {}", names.join(", ")),
        };
        announce(&trainer, &cpu, &run, "text", &[("data", data), ("given", for_what)]);
    }
    let driven = train::drive(args, &mut trainer, &run, unit)?;
    driven.conclude(args, trainer.config(), &plan, &run, unit);
    if !args.quiet && !driven.outcome.stopped {
        let program = terminal::this_program();
        let command = format!("{program} predict {} --given {} -n 10", train::path_word(&run), shell_word(&given));
        say!("\nTo generate texts:\n\n    {}\n", bold(&command));
    }
    if args.json {
        terminal::print_json(&driven.summary(&plan, &run))?;
    }
    Ok(driven.exit())
}
