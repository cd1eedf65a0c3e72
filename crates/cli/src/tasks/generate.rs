//! Trains a network that writes texts for a class or a vector: prints the possible conditions first, then an example command.
//! Not here: the network (`elman::task::generate`).

use std::path::Path;
use std::process::ExitCode;

use elman::config::Source;
use elman::data::TextEncoding;
use elman::data::table::labelled::Labelled;
use elman::task::Generate;
use elman::task::generate::{GivenOf, Knows, Written};
use elman::{Element, Error};

use super::job::{split, table};
use crate::terminal::shell_word;
use crate::train::session::{Job, Words, path_word};

/// Texts and their conditions: classes, or the columns that `--features` names.
fn read(path: &Path, source: &Source, encoding: TextEncoding) -> Result<Written, Error> {
    if source.features.is_empty() {
        return Written::of(Labelled::read(path, source, encoding)?);
    }
    let (table, fingerprint) = table(path, source.header, encoding)?;
    let text = table.column(&source.text)?;
    let columns: Vec<usize> = source.features.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
    let (mut texts, mut rows) = (Vec::new(), Vec::new());
    for row in 0..table.len() {
        texts.push(table.text(row, text)?.to_string());
        rows.push(columns.iter().map(|&column| table.number(row, column)).collect::<Result<Vec<f64>, _>>()?);
    }
    Ok(Written { texts, given: GivenOf::Vectors { columns: source.features.clone(), rows }, fingerprint })
}

/// Trains a network that writes texts for a class or a vector.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (data, source) = (job.place("a share of each class")?, job.config.generate()?.source.clone());
    let written = read(&data, &source, job.config.encoding)?;
    let fingerprint = written.fingerprint.clone();
    let session = job.begin(&fingerprint, |config| Generate::<E>::new(config, written))?;
    let (plan, trained) = (session.trainer.plan(), session.trainer.task().trained());
    let (conditions, example) = match &trained.knows {
        Knows::Classes(names) => {
            let first = names.first().cloned().unwrap_or_default();
            (format!("{} classes: {}", names.len(), names.join(", ")), format!("{}={first}", source.label))
        }
        Knows::Columns(names, _) => (format!("numbers: {}", names.join(", ")), format!("{}=0", names.join("=0,"))),
    };
    let unit = trained.vocab.unit(1);
    let command = format!("predict {} --given {} -n 10", path_word(&session.run), shell_word(&example));
    let words = Words {
        example: "text".into(),
        unit,
        facts: [split(plan, "", &format!(" {unit}s")), ("given", conditions)],
        usage: ("To generate texts", command),
    };
    session.train(words, |_, _| Ok((Vec::new(), ())))
}
