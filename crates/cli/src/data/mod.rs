//! Holds the verb `data`.

mod catalogue;

use std::process::ExitCode;

pub use catalogue::{TEXTS, Text};

/// List and fetch texts to learn from
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb.
pub fn run(_: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{} texts", TEXTS.len())
}
