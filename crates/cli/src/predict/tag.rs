//! Predicts a class for every step: JSON lines for sentences and sequences, restored text for text. Not here: the network
//! (`elman::task::tag`).

use std::io::{self, Write};
use std::process::ExitCode;

use elman::autodiff::tape::Tape;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::{Items, groups};
use elman::data::table::{Format, Table, json_object};
use elman::files::model_file::Stored;
use elman::task::classify::Trained;
use elman::{Cpu, Element, Error};
use serde_json::{Value, json};

use super::args::{Args, Written};

pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<ExitCode> {
    let (config, trained) = Trained::<E>::load_tagger(stored)?;
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let (name, source) = (args.name(), config.tagging()?.source.clone());
    let restores = config.task.as_ref().is_some_and(|task| task.kind() == "restore");
    let bytes = args.bytes()?;
    let mut out = io::stdout().lock();
    let format = match args.written() {
        Written::Tsv => Format::Tsv,
        Written::Jsonl => Format::JsonLines,
        Written::Csv | Written::Lines => Format::Csv,
    };
    if let Encoding::Vectors { columns, .. } = &trained.encoding {
        let table = Table::parse(&name, &bytes, format, source.header, &mut |error| args.on_bad(error))?;
        let items = groups(&table, &source, columns, &mut |error| args.on_bad(error))?;
        let all = trained.classes(&mut tape, &name, &items)?;
        let Items::Vectors { groups, .. } = &items else { return Ok(ExitCode::SUCCESS) };
        for (group, classes) in groups.iter().zip(&all) {
            writeln!(out, "{}", json!({ "group": group, "labels": named(&trained.classes, classes) }))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let texts = match args.written() {
        Written::Lines | Written::Jsonl => lines(args, &name, &source.text, &bytes)?,
        Written::Csv | Written::Tsv => {
            let table = Table::parse(&name, &bytes, format, source.header, &mut |error| args.on_bad(error))?;
            let column = table.column(&source.text)?;
            let mut texts = Vec::new();
            for row in 0..table.len() {
                match table.text(row, column) {
                    Ok(text) => texts.push((table.line(row), text.to_string())),
                    Err(error) => args.on_bad(error)?,
                }
            }
            texts
        }
    };
    for (line, text) in texts {
        let told = match restores {
            true => trained.restore(&mut tape, &name, &text, config.seq_len),
            false => {
                let tokens: Vec<&str> = text.split_whitespace().collect();
                let items = Items::Texts(vec![tokens.join(" ")]);
                trained.classes(&mut tape, &name, &items).map(|all| {
                    let labels = named(&trained.classes, &all[0]);
                    json!({ "line": line, "tokens": tokens, "labels": labels }).to_string()
                })
            }
        };
        match told {
            Ok(told) => writeln!(out, "{told}")?,
            Err(error) => {
                let refusal = Error::Row { name: name.clone(), line, column: None, problem: error.to_string() };
                args.on_bad(refusal)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named<'a>(names: &'a [String], classes: &[usize]) -> Vec<&'a str> {
    classes.iter().map(|&class| names[class].as_str()).collect()
}

/// The texts, one per line, plain or in a JSON object, with their line numbers. Blank lines are skipped.
fn lines(args: &Args, name: &str, column: &str, bytes: &[u8]) -> anyhow::Result<Vec<(u64, String)>> {
    let mut texts = Vec::new();
    for (at, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = at as u64 + 1;
        let refuse = |column: Option<&str>, problem: &str| {
            let (name, column) = (name.to_string(), column.map(str::to_string));
            Error::Row { name, line, column, problem: problem.to_string() }
        };
        let text = match args.written() {
            Written::Jsonl => json_object(name, line, bytes).and_then(|object| match object {
                None => Ok(None),
                Some(object) => match object.get(column) {
                    Some(Value::String(text)) => Ok(Some(text.clone())),
                    _ => Err(refuse(Some(column), "the object has no text under this key")),
                },
            }),
            _ => std::str::from_utf8(bytes)
                .map(|text| Some(text.trim().to_string()))
                .map_err(|_| refuse(None, "the line is not UTF-8")),
        };
        match text {
            Ok(text) => texts.extend(text.filter(|text| !text.trim().is_empty()).map(|text| (line, text))),
            Err(error) => args.on_bad(error)?,
        }
    }
    Ok(texts)
}
