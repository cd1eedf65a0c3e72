//! Measures a classifier on labelled data. Not here: the figures (`figures::classes`), the network (`elman::task::classify`).

use elman::autodiff::tape::Tape;
use elman::data::table::dataset::Part;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Labelled;
use elman::files::model_file::Stored;
use elman::task::classify::Trained;
use elman::{Cpu, Element};
use serde::Serialize;

use super::args::Args;
use super::measuring::{encodes, source_of, tell_notes, watched};
use crate::figures::Form;
use crate::figures::classes::{Classified, Each, classified};
use crate::terminal::{self, counted, row};

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    examples: u64,
    loss: f64,
    #[serde(flatten)]
    figures: Classified,
    #[serde(flatten)]
    each: Each<'a>,
}

/// Measures the classifier.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let (path, classes, encoding) = (args.data()?, &trained.classes, args.encoding.unwrap_or_default());
    let source = source_of(&config.classify()?.source, &trained.encoding);
    let data = args.read(Some(classes), &encodes(&trained.encoding), |reading| {
        Labelled::read_with(path, &source, encoding, reading)
    })?;
    let name = data.fingerprint.name.clone();
    let part = Part { what: "examples", ..data.held_out(classes)? };
    let mut tape = Tape::new(&Cpu::new(None)?);
    let (measured, notes) = watched(|continues| trained.evaluate(&mut tape, &config, (&name, part), continues))?;
    tell_notes(&notes);
    let (confusion, loss) = (&measured.confusion, measured.loss);
    let examples = counted(confusion.total(), "example");
    let (lines, figures) = classified(confusion, classes, &examples, Form::of_results());
    if args.json {
        let (examples, each) = (confusion.total(), Each::of(confusion, classes));
        return terminal::print_json(&Json { examples, loss, figures, each });
    }
    let what = match &trained.encoding {
        Encoding::Tokens(_) => String::new(),
        Encoding::Vectors { columns, .. } => format!(", sequences of {}", columns.join(", ")),
    };
    let head = [row("data", &format!("{name}: {examples}{what}")), row("loss", &format!("{loss:.4} nats per example"))];
    terminal::print(&[&head[..], &lines].concat().join("\n"))
}
