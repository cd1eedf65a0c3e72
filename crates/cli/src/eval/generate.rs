//! Measures how well a writer predicts texts, given their classes or numbers. Not here: the network (`elman::task::generate`),
//! what it writes (`predict`).

use elman::autodiff::tape::Tape;
use elman::data::table::encoding::Encoding;
use elman::files::model_file::Stored;
use elman::task::evaluate::Evaluation;
use elman::task::generate::{Evaluated, Knows, TrainedWriter, Written};
use elman::{Cpu, Element};
use serde::Serialize;

use super::args::Args;
use super::language::table;
use super::measuring::{encodes, tell_notes, watched};
use crate::terminal::{self, counted};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    texts: usize,
    #[serde(flatten)]
    figures: Evaluation,
}

/// Measures the writer.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = TrainedWriter::<E>::load(stored)?;
    let (path, source, encoding) = (args.data()?, &config.generate()?.source, args.encoding.unwrap_or_default());
    let classes = match &trained.knows {
        Knows::Classes(names) => Some(&names[..]),
        Knows::Columns(..) => None,
    };
    let tokens = Encoding::Tokens(trained.vocab.clone());
    let data = args.read(classes, &encodes(&tokens), |reading| Written::read(path, source, encoding, reading))?;
    let name = data.fingerprint.name.clone();
    let mut tape = Tape::new(&Cpu::new(None)?);
    let measured = watched(|continues| trained.evaluate(&mut tape, &config, data, continues))?;
    let Evaluated { texts, figures, notes } = measured;
    tell_notes(&notes);
    if args.json {
        return terminal::print_json(&Json { texts, figures });
    }
    let name = format!("{name}, {}", counted(texts as u64, "text"));
    terminal::print(&table(&name, trained.vocab.unit(1), &figures))
}
