//! The verb `eval`: measures a trained model on data that it has not seen; each task has its own file. Not here: the figures of
//! held-out data, which training prints, too (`figures`).

mod args;
mod classify;
mod forecast;
mod generate;
mod language;
mod tag;
mod translate;

use std::process::ExitCode;

use elman::config::{Dtype, Source, TaskSettings};
use elman::data::table::encoding::Encoding;
use elman::files::model_file::Stored;
use elman::{Element, Error};

use crate::flag_tasks::LM;
use crate::progress::Work;
use crate::terminal::say;

pub use args::Args;

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stored = args.trained.read()?;
    match stored.config().dtype {
        Dtype::F32 | Dtype::Bf16 => eval::<f32>(args, stored)?,
        Dtype::F64 => eval::<f64>(args, stored)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn eval<E: Element>(args: &Args, stored: Stored) -> anyhow::Result<()> {
    args.refuse_others(stored.config().task.as_ref().map_or(LM, TaskSettings::kind))?;
    match &stored.config().task {
        None => language::run::<E>(args, stored),
        Some(TaskSettings::Classify(_)) => classify::run::<E>(args, &stored),
        Some(TaskSettings::Forecast(_)) => forecast::run::<E>(args, &stored),
        Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)) => tag::run::<E>(args, &stored),
        Some(TaskSettings::Generate(_)) => generate::run::<E>(args, &stored),
        Some(TaskSettings::Translate(_)) => translate::run::<E>(args, &stored),
    }
}

/// Measures by `measure`, and shows the number of its batches meanwhile.
fn watched<F>(measure: impl FnOnce(&mut dyn FnMut() -> bool) -> Result<Option<F>, Error>) -> Result<F, Error> {
    let (work, mut done) = (Work::new(), 0);
    let measured = measure(&mut || {
        work.at("batch", done, None);
        done += 1;
        true
    })?;
    Ok(measured.expect("the callback never stops it"))
}

/// Where data has what a model reads: its own columns, not all that are nothing else.
fn source_of(source: &Source, encoding: &Encoding) -> Source {
    match encoding {
        Encoding::Tokens(_) => source.clone(),
        Encoding::Vectors { columns, .. } => Source { features: columns.clone(), ..source.clone() },
    }
}

/// Checks that a text can be read.
fn encodes(encoding: &Encoding) -> impl Fn(&str) -> Result<(), Error> {
    move |text| match encoding {
        Encoding::Tokens(vocab) => vocab.encode("the text", text).map(drop),
        Encoding::Vectors { .. } => Ok(()),
    }
}

/// Prints what was changed in the data.
fn tell_notes(notes: &[String]) {
    notes.iter().for_each(|note| say!("note: {note}"));
}
