//! Predicts a class for every step: JSON lines for sentences and sequences, restored text for text. Not here: the network
//! (`elman::task::tag`), the reading of texts and numbers (`input.rs`).

use std::collections::HashMap;
use std::io::{Read, Write};

use anyhow::Context;
use elman::autodiff::tape::Tape;
use elman::config::Source;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Items;
use elman::data::table::tagged::token_column;
use elman::data::table::{Format, conll};
use elman::files::model_file::Stored;
use elman::task::classify::Trained;
use elman::{Cpu, Element};
use serde_json::json;

use super::args::Args;
use super::input::{self, Texts};

use crate::control;
use crate::failure::Refusal;
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
    if let Some(is_universal) = args.conll().filter(|_| !restores) {
        return sentences(args, (&trained, &mut tape), source, is_universal);
    }
    if args.column {
        let message = "--column is given with an input of texts, expected sentences with a token a line";
        return Err(Refusal::new(message).hint("--format conll reads any file so").into());
    }
    let is_json = args.format() == Some(Format::JsonLines);
    let (work, mut done) = (Work::beside_output(), 0);
    let texts = Texts { column: &source.text, header: Some(source.header), is_empty: |_| false, keeps_blank: restores };
    texts.each(args, |arrived| {
        let Some((line, text)) = arrived else { return Ok(out.flush()?) };
        done += 1;
        work.at("row", done, None);
        let text = match text {
            Ok(text) if is_json && text.trim().is_empty() => return Ok(()),
            Ok(text) if text.is_empty() => return Ok(writeln!(out)?),
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

/// Tags the sentences of a file with a token a line: an object a sentence, or the lines with one more column.
fn sentences<E: Element>(
    args: &Args,
    (trained, tape): (&Trained<E>, &mut Tape<E>),
    source: &Source,
    is_universal: bool,
) -> anyhow::Result<()> {
    let (name, mut text) = (args.name(), String::new());
    args.open()?.read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    let (mut out, work) = (control::stdout(), Work::beside_output());
    let mut of_line: HashMap<u64, String> = HashMap::new();
    for (done, sentence) in
        conll::sentences(&name, (&text, is_universal), (token_column(source), None))?.into_iter().enumerate()
    {
        work.at("sentence", done as u64, None);
        let sentence = match sentence {
            Ok(sentence) => sentence,
            Err(error) => {
                args.on_bad(error)?;
                continue;
            }
        };
        let told = trained.classes(tape, &name, &Items::Texts(vec![sentence.tokens.join(" ")]));
        let classes = match told {
            Ok(mut all) => all.swap_remove(0),
            Err(error) => {
                args.on_bad(input::refusal(args, sentence.line, None, &error.to_string()))?;
                continue;
            }
        };
        let labels: Vec<&String> = classes.iter().map(|&class| &trained.classes[class]).collect();
        if args.column {
            of_line.extend(sentence.lines.iter().copied().zip(labels.into_iter().cloned()));
        } else {
            let tokens: Vec<String> = sentence.tokens.iter().map(|token| conll::shown(token)).collect();
            out.json(&json!({ "line": sentence.line, "tokens": tokens, "labels": labels }).to_string())?;
        }
    }
    if args.column {
        let tab = if text.contains('\t') { '\t' } else { ' ' };
        for (line, at) in text.lines().zip(1_u64..) {
            match of_line.get(&at) {
                Some(tag) => writeln!(out, "{}{tab}{tag}", line.trim_end())?,
                // What is no token keeps its place; a row of a token range has no tag.
                None if !(line.trim().is_empty() || is_universal && line.starts_with('#')) => {
                    writeln!(out, "{}{tab}_", line.trim_end())?
                }
                None => writeln!(out, "{line}")?,
            }
        }
    }
    Ok(out.flush()?)
}
