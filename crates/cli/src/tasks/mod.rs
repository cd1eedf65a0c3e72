//! How the verb `train` trains each task; each has its own file, but for language models (`train/work.rs`). Not here: the path
//! that all tasks share (`train.rs`).

mod classify;
mod forecast;
mod generate;
mod job;
mod numbers;
mod signal;
mod tag;
mod translate;

pub use forecast::table as series_table;

use std::process::ExitCode;

use elman::Element;
use elman::config::TaskSettings;

use crate::train::session::Job;
use crate::train::work::language_model;

/// Trains the task of the settings.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    match &job.config.task {
        None => language_model::<E>(job),
        Some(TaskSettings::Classify(_)) => classify::train::<E>(job),
        Some(TaskSettings::Forecast(_)) => forecast::train::<E>(job),
        Some(TaskSettings::Tag(_) | TaskSettings::Restore(_)) => tag::train::<E>(job),
        Some(TaskSettings::Regress(_) | TaskSettings::MultiLabel(_)) => numbers::train::<E>(job),
        Some(TaskSettings::Signal(_)) => signal::train::<E>(job),
        Some(TaskSettings::Generate(_)) => generate::train::<E>(job),
        Some(TaskSettings::Translate(_)) => translate::train::<E>(job),
    }
}
