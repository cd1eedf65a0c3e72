//! Predicts classes: of texts as they arrive, of tables of numbers by group. Not here: the network
//! (`elman::task::classify`), the reading of texts and numbers (`input.rs`).

use std::io::Write;

use elman::autodiff::tape::Tape;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Items;
use elman::files::model_file::Stored;
use elman::task::classify::{Trained, likeliest};
use elman::{Cpu, Element};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::args::Args;
use super::input;

use crate::control;
use crate::progress::Work;

/// Predicts the class of every text or sequence of the input.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let (name, source, classes) = (args.name(), &config.classify()?.source, &trained.classes);
    let mut predict = |items: &Items| trained.predict(&mut tape, &name, items, config.seq_len);
    match &trained.encoding {
        Encoding::Vectors { columns, .. } => {
            let (groups, items) = input::groups(args, source, (columns, &[&source.label]))?;
            let work = Work::beside_output();
            work.at("group", 0, Some(groups.len() as u64));
            tell(args, classes, "group", &groups, &predict(&items)?)
        }
        Encoding::Tokens(vocab) => {
            input::each_text(args, source, vocab, |lines, items| tell(args, classes, "line", lines, &predict(items)?))
        }
    }
}

/// Prints for each sequence its line or group, its class, and the probabilities of the likeliest classes.
fn tell(args: &Args, classes: &[String], key: &str, names: &[impl Serialize], all: &[Vec<f64>]) -> anyhow::Result<()> {
    let mut out = control::stdout();
    for (name, row) in names.iter().zip(all) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
        order.truncate(if args.top > 0 { args.top } else { row.len() });
        let each: Map<String, Value> = order.into_iter().map(|at| (classes[at].clone(), json!(row[at]))).collect();
        let best = likeliest(row);
        let object = json!({ key: name, "label": classes[best], "probability": row[best], "probabilities": each });
        out.json(&object.to_string())?;
    }
    Ok(out.flush()?)
}
