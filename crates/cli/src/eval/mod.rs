//! The verb `eval`: measures a trained model on data that it has not seen; each task has its own file. Not here: the figures of
//! held-out data, which training prints, too (`figures`).

mod args;
mod classify;
mod forecast;
mod forecast_args;
mod generate;
mod language;
mod measuring;
mod numbers;
mod signal;
mod tag;
mod translate;

use std::process::ExitCode;

use elman::Element;
use elman::config::{Dtype, TaskSettings};
use elman::files::model_file::Stored;

use crate::flag_tasks::LM;

pub use args::Args;
pub use signal::refuse_rate;

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
        Some(TaskSettings::Regress(_) | TaskSettings::MultiLabel(_)) => numbers::run::<E>(args, &stored),
        Some(TaskSettings::Signal(_)) => signal::run::<E>(args, &stored),
        Some(TaskSettings::Generate(_)) => generate::run::<E>(args, &stored),
        Some(TaskSettings::Translate(_)) => translate::run::<E>(args, &stored),
    }
}
