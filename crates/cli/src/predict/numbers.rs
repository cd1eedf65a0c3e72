//! Predicts numbers or labels: of texts as they arrive, of tables of numbers by group; an object a sequence, or one for each step.
//! Not here: the network (`elman::task::numbers`), the reading of texts and numbers (`input.rs`).

use std::io::Write;

use elman::autodiff::tape::Tape;
use elman::data::table::encoding::Encoding;
use elman::data::table::items::Items;
use elman::files::model_file::Stored;
use elman::task::numbers::Trained;
use elman::{Cpu, Element};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::Args;
use super::input;
use crate::control;
use crate::progress::Work;

/// Predicts the numbers or labels of every text or sequence of the input.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let (name, numbers) = (args.name(), config.numbers()?);
    let mut predict = |items: &Items| trained.predict(&mut tape, &name, items, config.seq_len);
    match &trained.encoding {
        Encoding::Vectors { columns, .. } => {
            let labels: Vec<&str> = numbers.labels.iter().map(String::as_str).collect();
            let is_whole = numbers.every_step && numbers.source.group.is_none();
            let (groups, items) = match is_whole {
                true => input::whole(args, numbers.source, columns)?,
                false => input::groups(args, numbers.source, (columns, &labels))?,
            };
            let work = Work::beside_output();
            work.at("group", 0, Some(groups.len() as u64));
            tell(&trained, "group", &groups, &predict(&items)?)
        }
        Encoding::Tokens(vocab) => input::each_text(args, numbers.source, vocab, |lines, items| {
            tell(&trained, "line", lines, &predict(items)?)
        }),
    }
}

/// Prints an object for each sequence, or for each of its steps: its line or group, the numbers by column, quantiles by level;
/// of labels those that are there, and the probability of each.
fn tell<E: Element>(trained: &Trained<E>, key: &str, names: &[impl Serialize], all: &[Vec<f64>]) -> anyhow::Result<()> {
    let mut out = control::stdout();
    for (name, rows) in names.iter().zip(all) {
        for (step, row) in rows.chunks_exact(trained.width()).enumerate() {
            let mut object = Map::new();
            object.insert(key.to_string(), json!(name));
            if trained.every_step() {
                object.insert("step".to_string(), json!(step + 1));
            }
            answer(trained, row, &mut object);
            out.json(&Value::Object(object).to_string())?;
        }
    }
    Ok(out.flush()?)
}

/// Puts the numbers of one answer into an object.
fn answer<E: Element>(trained: &Trained<E>, row: &[f64], object: &mut Map<String, Value>) {
    let columns = &trained.targets.columns;
    let by_column = |values: &mut dyn Iterator<Item = Value>| -> Map<String, Value> {
        columns.iter().cloned().zip(values).collect()
    };
    let each = row.chunks_exact(1 + trained.levels.len());
    if trained.targets.scaler.is_none() {
        let is_there = columns.iter().zip(row).zip(&trained.thresholds).filter(|((_, p), threshold)| p >= threshold);
        let there: Vec<&String> = is_there.map(|((name, _), _)| name).collect();
        object.insert("labels".to_string(), json!(there));
        object.insert("probabilities".to_string(), by_column(&mut row.iter().map(|p| json!(p))).into());
        return;
    }
    object.insert("prediction".to_string(), by_column(&mut each.clone().map(|numbers| json!(numbers[0]))).into());
    if !trained.levels.is_empty() {
        let of_levels = |numbers: &[f64]| -> Map<String, Value> {
            trained.levels.iter().zip(&numbers[1..]).map(|(level, x)| (level.to_string(), json!(x))).collect()
        };
        let quantiles = by_column(&mut each.map(|numbers| Value::Object(of_levels(numbers))));
        object.insert("quantiles".to_string(), quantiles.into());
    }
}
