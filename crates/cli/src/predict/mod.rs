//! The verb `predict`: applies a trained model to new data; each task has its own file. Not here: language models (`sample`,
//! `eval`).

mod args;
mod classify;
mod forecast;
mod generate;
mod input;
mod numbers;
mod signal;
mod tag;
mod translate;

use std::process::ExitCode;

use elman::Element;
use elman::config::{Dtype, TaskSettings};
use elman::files::model_file::Stored;

use crate::failure::Refusal;

pub use args::Args;

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stored = args.trained.read()?;
    match stored.config().dtype {
        Dtype::F32 | Dtype::Bf16 => predict::<f32>(args, &stored)?,
        Dtype::F64 => predict::<f64>(args, &stored)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn predict<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    if let Some(task) = &stored.config().task {
        args.refuse_others(task.kind())?;
    }
    match &stored.config().task {
        Some(TaskSettings::Classify(_)) => classify::run::<E>(args, stored),
        Some(TaskSettings::Forecast(_)) => forecast::run::<E>(args, stored),
        Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)) => tag::run::<E>(args, stored),
        Some(TaskSettings::Regress(_) | TaskSettings::MultiLabel(_)) => numbers::run::<E>(args, stored),
        Some(TaskSettings::Signal(_)) => signal::run::<E>(args, stored),
        Some(TaskSettings::Generate(_)) => generate::run::<E>(args, stored),
        Some(TaskSettings::Translate(_)) => translate::run::<E>(args, stored),
        None => {
            let message = format!("{} is a language model, expected one that predicts", args.trained.run.display());
            let hint = "'elman sample RUN' generates text, 'elman eval RUN TEXT' measures the model";
            Err(Refusal::new(message).hint(hint).into())
        }
    }
}
