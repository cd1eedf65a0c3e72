//! Measures a translator on pairs of texts: its loss, and its translations against the references. Not here: the figures of
//! translations (`figures::translation`), the network (`elman::task::translate`).

use elman::autodiff::tape::Tape;
use elman::data::table::parallel::Parallel;
use elman::files::model_file::Stored;
use elman::task::translate::{Evaluated, Trained};
use elman::{Cpu, Element};
use serde::Serialize;

use super::args::Args;
use super::measuring::{tell_notes, watched};
use crate::figures::translation::Scores;
use crate::terminal::{self, counted, row};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    pairs: usize,
    tokens: usize,
    loss: f64,
    ppl: f64,
    #[serde(flatten)]
    scores: Scores,
}

/// Measures the translator.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let (path, source, encoding) = (args.data()?, &config.translate()?.source, args.encoding.unwrap_or_default());
    let accepts = |_: &str| Ok(());
    let data = args.read(None, &accepts, |reading| Parallel::read_with(path, source, encoding, reading))?;
    let mut tape = Tape::new(&Cpu::new(None)?);
    let measured = watched(|continues| trained.evaluate(&mut tape, &config, &data, args.search(), continues))?;
    let Evaluated { loss, ppl, figures, pairs, tokens, notes } = measured;
    tell_notes(&notes);
    let (scores, name) = (Scores::of(&figures), &data.fingerprint.name);
    if args.json {
        return terminal::print_json(&Json { pairs, tokens, loss, ppl, scores });
    }
    let of = |n: usize, what| counted(n as u64, what);
    let lines = [
        row("data", &format!("{name}: {}, {}", of(pairs, "pair"), of(tokens, "word"))),
        row("loss", &format!("{loss:.4} nats per word")),
        row("ppl", &format!("{ppl:.4}")),
        row("scores", &scores.words()),
    ];
    terminal::print(&lines.join("\n"))
}
