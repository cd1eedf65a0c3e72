//! Measures a network that predicts numbers or labels. Not here: the figures (`figures::numbers`), the network
//! (`elman::task::numbers`).

use elman::autodiff::tape::Tape;
use elman::config::{Numbers, Source};
use elman::data::table::measured::Measured;
use elman::files::model_file::Stored;
use elman::task::numbers::Trained;
use elman::{Cpu, Element};
use serde::Serialize;

use super::args::Args;
use super::measuring::{encodes, source_of, tell_notes, watched};
use crate::figures::Form;
use crate::figures::numbers::{self, figures};
use crate::terminal::{self, counted, row};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    sequences: usize,
    loss: f64,
    #[serde(flatten)]
    figures: numbers::Json,
}

/// Measures the network.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let numbers = config.numbers()?;
    let source: Source = source_of(numbers.source, &trained.encoding);
    let numbers = Numbers { source: &source, ..numbers };
    let (path, encoding) = (args.data()?, args.encoding.unwrap_or_default());
    let data =
        args.read(None, &encodes(&trained.encoding), |reading| Measured::read_with(path, &numbers, encoding, reading))?;
    let (name, sequences) = (data.fingerprint.name.clone(), data.items.len());
    let mut tape = Tape::new(&Cpu::new(None)?);
    let (measured, notes) = watched(|continues| trained.evaluate(&mut tape, &config, data, continues))?;
    tell_notes(&notes);
    let unit = if trained.targets.scaler.is_none() { "label" } else { "number" };
    let of = counted(measured.count as u64, unit);
    let (lines, figures) = figures(&measured, &trained.targets.columns, &of, Form::of_results());
    if args.json {
        return terminal::print_json(&Json { sequences, loss: measured.loss, figures });
    }
    let what = format!("{}, {of}", counted(sequences as u64, "sequence"));
    let loss = match (trained.targets.scaler.is_none(), trained.distribution.output().has_quantiles()) {
        (true, _) => format!("{:.4} nats per label", measured.loss),
        (false, true) => format!("{:.4} per scaled number", measured.loss),
        (false, false) => format!("{:.4} ({}) per scaled number", measured.loss, trained.distribution.output().name()),
    };
    let head = [row("data", &format!("{name}: {what}")), row("loss", &loss)];
    terminal::print(&[&head[..], &lines].concat().join("\n"))
}
