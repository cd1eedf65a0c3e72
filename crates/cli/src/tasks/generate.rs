//! Trains a network that writes texts for a class or a vector: prints the possible conditions first, then an example command.
//! Not here: the network (`elman::task::generate`).

use std::process::ExitCode;

use elman::Element;
use elman::data::table::reading::Reading;
use elman::task::Generate;
use elman::task::generate::{Knows, Written};

use super::job::split;
use crate::terminal::shell_word;
use crate::train::session::{Job, Words, path_word};

/// Trains a network that writes texts for a class or a vector.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (data, source) = (job.place("a share of each class")?, job.config.generate()?.source.clone());
    let written = Written::read(&data, &source, job.config.encoding, &mut Reading::default())?;
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
