//! Measures a tagger on tagged data, or a network that restores on a text. Not here: the figures (`figures::classes`), the
//! network (`elman::task::tag`).

use std::path::Path;

use elman::autodiff::tape::Tape;
use elman::data::table::dataset::Part;
use elman::data::table::tagged;
use elman::data::text::restore;
use elman::files::model_file::Stored;
use elman::task::classify::Trained;
use elman::{Config, Corpus, Cpu, Element, Error};
use serde::Serialize;

use super::args::Args;
use super::measuring::{encodes, source_of, tell_notes, watched};
use crate::figures::Form;
use crate::figures::classes::{self, Each, Tagged, put_back};
use crate::terminal::{self, grouped, row};

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    sequences: usize,
    steps: u64,
    loss: f64,
    #[serde(flatten)]
    figures: Tagged,
    #[serde(flatten)]
    each: Each<'a>,
}

/// Measures the tagger, or the network that restores.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load_tagger(stored)?;
    let restores = config.task.as_ref().is_some_and(|task| task.kind() == "restore");
    let (path, classes) = (args.data()?, &trained.classes);
    let data = match restores {
        true => text(args, &config, classes, path)?,
        false => {
            let source = source_of(&config.tagging()?.source, &trained.encoding);
            args.read(Some(classes), &encodes(&trained.encoding), |reading| {
                tagged::Tagged::read_with(path, &source, args.encoding.unwrap_or_default(), reading)
            })?
        }
    };
    let (name, sequences) = (data.fingerprint.name.clone(), data.items.len());
    let part = Part { what: "sequences", ..data.held_out(classes)? };
    let mut tape = Tape::new(&Cpu::new(None)?);
    let (measured, notes) = watched(|continues| trained.evaluate(&mut tape, &config, (&name, part), continues))?;
    tell_notes(&notes);
    let (confusion, loss, form) = (&measured.confusion, measured.loss, Form::of_results());
    let (unit, steps) = (if restores { "character" } else { "step" }, confusion.total());
    let all = format!("{} {unit}s", grouped(steps));
    let (lines, figures) = match restores {
        true => put_back(confusion, classes, (&all, None), form),
        false => classes::tagged(&measured, classes, &all, form),
    };
    if args.json {
        return terminal::print_json(&Json { sequences, steps, loss, figures, each: Each::of(confusion, classes) });
    }
    let what = if restores { all } else { format!("{} sequences, {all}", grouped(sequences as u64)) };
    let head = [row("data", &format!("{name}: {what}")), row("loss", &format!("{loss:.4} nats per {unit}"))];
    terminal::print(&[&head[..], &lines].concat().join("\n"))
}

/// A text in the pieces of training. Errors: it cannot be read; a capital or mark where the training text has none such.
fn text(args: &Args, config: &Config, classes: &[String], path: &Path) -> Result<tagged::Tagged, Error> {
    let corpus = Corpus::read_as(&[path.to_path_buf()], args.encoding.unwrap_or_default())?;
    restore::pieces_of(corpus.utf8()?, config.seq_len, corpus.fingerprint(), classes)
}
