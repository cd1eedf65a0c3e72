//! How the verb `train` runs the tasks other than language models; each has its own file. Not here: language models (`train`).

mod classify;
mod forecast;
mod generate;
mod job;
mod tag;
mod translate;

pub use translate::Scores;

use std::process::ExitCode;

use elman::config::{Dtype, TaskSettings};
use elman::{Config, Origin, RunDir};

use crate::failure::Refusal;
use crate::train::Args;
use job::Job;

/// Trains the task of `config`.
pub fn train(args: &Args, config: Config, origin: Option<(RunDir, Origin)>) -> anyhow::Result<ExitCode> {
    let job = Job { args, config, origin };
    match (&job.config.task, job.config.dtype) {
        (Some(TaskSettings::Classify(_)), Dtype::F32 | Dtype::Bf16) => classify::train::<f32>(job),
        (Some(TaskSettings::Classify(_)), Dtype::F64) => classify::train::<f64>(job),
        (Some(TaskSettings::Forecast(_)), Dtype::F32 | Dtype::Bf16) => forecast::train::<f32>(job),
        (Some(TaskSettings::Forecast(_)), Dtype::F64) => forecast::train::<f64>(job),
        (Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)), Dtype::F32 | Dtype::Bf16) => tag::train::<f32>(job),
        (Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)), Dtype::F64) => tag::train::<f64>(job),
        (Some(TaskSettings::Generate(_)), Dtype::F32 | Dtype::Bf16) => generate::train::<f32>(job),
        (Some(TaskSettings::Generate(_)), Dtype::F64) => generate::train::<f64>(job),
        (Some(TaskSettings::Translate(_)), Dtype::F32 | Dtype::Bf16) => translate::train::<f32>(job),
        (Some(TaskSettings::Translate(_)), Dtype::F64) => translate::train::<f64>(job),
        (None, _) => Err(Refusal::new("the settings name no task").into()),
    }
}
