//! Translates texts as they arrive, measures the held-out parts of a run's data, and draws attention weights. Not here: the
//! network (`elman::task::translate`), the reading of texts (`input.rs`).

use std::io::Write;

use elman::autodiff::tape::Tape;
use elman::data::table::parallel::{Parallel, Parts};
use elman::files::model_file::Stored;
use elman::infer::search::Search;
use elman::task::translate::{LONGEST, Trained};
use elman::{Cpu, Element};
use serde_json::json;

use super::args::Args;
use super::input::{self, Texts};
use crate::failure::{self, Refusal};
use crate::progress::{Work, wait_for};
use crate::tasks::Scores;
use crate::{attention, control, terminal};

/// Texts of a batch. The result of a text does not depend on the others.
const AT_ONCE: usize = 128;

/// Translates the texts of the input, or measures a held-out part of the data.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let (name, settings) = (args.name(), config.translate()?);
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let search = Search { beam: args.beam, length_penalty: args.length_penalty, longest: LONGEST };
    if let Some(part) = &args.part {
        if args.is_stdin() {
            let message = format!("--part {part} is given without the run's data, expected it as INPUT");
            return Err(Refusal::new(message).into());
        }
        let data = Parallel::read(&args.input, &settings.source, args.encoding.unwrap_or_default())?;
        let parts = Parts::new(&config, settings, &data.pairs);
        let sentences = if part == "test" { parts.test } else { parts.validation };
        let measured = wait_for("translating", || trained.measure(&mut tape, &sentences, search, &mut || true))?;
        let (figures, _) = measured.expect("the callback never stops it");
        return terminal::print_json(&Scores::of(&figures));
    }
    let is_empty = |text: &str| text.trim().is_empty();
    let mut picture = args.svg.as_ref();
    let texts = Texts { column: &settings.source.from, header: None, is_empty };
    let check = |_: &str| Ok(());
    let (work, mut done) = (Work::beside_output(), 0);
    texts.answer(args, AT_ONCE, check, |waiting| {
        done += waiting.len() as u64;
        work.at("row", done, None);
        let texts: Vec<&str> = waiting.iter().map(|(_, text)| text.trim()).collect();
        if let (Some(first), Some(path)) = (texts.first(), picture) {
            let (_, look) = trained.look(&mut tape, &name, first, LONGEST)?;
            attention::draw(&look, path)?;
            picture = None;
        }
        let written = trained.translate(&mut tape, &name, &texts, search, &mut || true)?;
        let mut out = control::stdout();
        for ((line, _), written) in waiting.iter().zip(written.unwrap_or_default()) {
            if !written.ended {
                let problem = format!("the text is cut after {LONGEST} tokens");
                failure::warn(&input::refusal(args, *line, None, &problem));
            }
            let object = json!({ "line": line, "text": written.text, "log_probability": written.log_probability });
            out.json(&object.to_string())?;
        }
        Ok(out.flush()?)
    })
}
