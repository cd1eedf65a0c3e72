//! Predicts a class for every step: JSON lines for sentences and sequences, restored text for text. Not here: the network
//! (`elman::task::tag`), the reading of texts and numbers (`input.rs`).

use std::io::Write;

use elman::autodiff::tape::Tape;
use elman::data::table::Format;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Items;
use elman::files::model_file::Stored;
use elman::task::classify::Trained;
use elman::{Cpu, Element};
use serde_json::json;

use super::args::Args;
use super::input::{self, Texts};

use crate::control;
use crate::progress::Work;

/// Predicts the class of every step of the input, or restores its texts.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load_tagger(stored)?;
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let (name, source) = (args.name(), &config.tagging()?.source);
    let restores = config.task.as_ref().is_some_and(|task| task.kind() == "restore");
    let labels = |classes: &[usize]| classes.iter().map(|&class| trained.classes[class].clone()).collect::<Vec<_>>();
    let mut out = control::stdout();
    if let Encoding::Vectors { columns, .. } = &trained.encoding {
        let (groups, items) = input::groups(args, source, (columns, &[&source.label]))?;
        for (group, classes) in groups.iter().zip(&trained.classes(&mut tape, &name, &items)?) {
            out.json(&json!({ "group": group, "labels": labels(classes) }).to_string())?;
        }
        return Ok(());
    }
    let is_json = args.format() == Some(Format::JsonLines);
    let (work, mut done) = (Work::beside_output(), 0);
    let texts = Texts { column: &source.text, header: Some(source.header), is_empty: |_| false };
    texts.each(args, |arrived| {
        let Some((line, text)) = arrived else { return Ok(out.flush()?) };
        done += 1;
        work.at("row", done, None);
        let text = match text {
            Ok(text) if is_json && text.trim().is_empty() => return Ok(()),
            Ok(text) => text,
            Err(error) => return Ok(args.on_bad(error)?),
        };
        let told = if restores {
            trained.restore(&mut tape, &name, &text, config.seq_len)
        } else {
            let tokens: Vec<&str> = text.split_whitespace().collect();
            let all = trained.classes(&mut tape, &name, &Items::Texts(vec![tokens.join(" ")]));
            all.map(|all| json!({ "line": line, "tokens": tokens, "labels": labels(&all[0]) }).to_string())
        };
        match told {
            Ok(told) if restores => writeln!(out, "{told}")?,
            Ok(told) => out.json(&told)?,
            Err(error) => args.on_bad(input::refusal(args, line, None, &error.to_string()))?,
        }
        Ok(())
    })
}
