//! Translates texts as they arrive, measures the held-out parts of a run's data, and draws attention weights. Not here: the
//! network (`elman::task::translate`), the reading of texts (`input.rs`).

use std::io::Write;

use elman::autodiff::tape::Tape;
use elman::data::Fingerprint;
use elman::data::table::parallel::{Parallel, Parts, Sentence, Sentences};
use elman::files::model_file::Stored;
use elman::infer::search::Search;
use elman::task::translate::{LONGEST, Trained};
use elman::{Config, Cpu, Element, RunDir, origin_of};
use serde_json::json;

use super::args::Args;
use super::input::{self, Texts};
use crate::failure::{self, Refusal};
use crate::figures::translation::Scores;
use crate::progress::{Work, wait_for};
use crate::{attention, control, terminal};

/// Texts of a batch. The result of a text does not depend on the others.
const AT_ONCE: usize = 128;

/// The sentences that the run held out for `part`. They are found only in the data that it was trained on, which is known by its
/// fingerprint; a separate validation set is a part as a whole.
///
/// Errors: a model without its run; other data than the run's; a part without sentences.
fn held_out(args: &Args, config: &Config, part: &str) -> anyhow::Result<Vec<Sentence>> {
    let (settings, run) = (config.translate()?, args.trained.run.display());
    let hint = format!("'elman eval {run} FILE' measures the model on any data");
    let refuse = |message: String| Err(Refusal::new(message).hint(hint.clone()).into());
    if args.is_stdin() {
        return refuse(format!("--part {part} is given without the run's data, expected it as INPUT"));
    }
    if !args.trained.run.is_dir() {
        return refuse(format!(
            "--part {part} is given with {run}, a model file, expected the run directory, which knows its data"
        ));
    }
    let known = origin_of(&RunDir::open(&args.trained.run)?)?.text;
    let data = Parallel::read(&args.input, &settings.source, args.encoding.unwrap_or(config.encoding))?;
    let is = |known: &Fingerprint| known.sha256 == data.fingerprint.sha256;
    let sentences = match (part, &known.validation) {
        ("validation", Some(set)) if is(set) => Sentences::new(config, settings, &data.pairs).all,
        ("validation", Some(set)) => {
            let got = if is(&known) { "the run's training data" } else { "other data" };
            let (name, set) = (args.name(), &set.name);
            return refuse(format!(
                "{name} is {got}, expected {set}, the run's --val-file, which is its validation part"
            ));
        }
        _ if !is(&known) => {
            let (name, known) = (args.name(), &known.name);
            return refuse(format!("{name} is not the data that {run} was trained on, expected that data, {known}"));
        }
        ("test", _) => Parts::new(config, settings, &data.pairs).test,
        _ => Parts::new(config, settings, &data.pairs).validation,
    };
    match sentences.is_empty() {
        true => refuse(format!("{run} holds out no sentences for {part}, expected at least 1")),
        false => Ok(sentences),
    }
}

/// Translates the texts of the input, or measures a held-out part of the data.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let (name, settings) = (args.name(), config.translate()?);
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let search = Search { beam: args.beam, length_penalty: args.length_penalty, longest: LONGEST };
    if let Some(part) = &args.part {
        let sentences = held_out(args, &config, part)?;
        let measured = wait_for("translating", || trained.measure(&mut tape, &sentences, search, &mut || true))?;
        let (figures, _) = measured.expect("the callback never stops it");
        return terminal::print_json(&Scores::of(&figures));
    }
    let is_empty = |text: &str| text.trim().is_empty();
    let mut picture = args.svg.as_ref();
    let texts = Texts { column: &settings.source.from, header: None, is_empty, keeps_blank: false };
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
