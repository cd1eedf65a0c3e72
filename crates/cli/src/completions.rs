//! The verb `completions`: prints a completion script for a shell. Not here: installing it.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use crate::terminal;

/// Print a shell's completions for this program
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Runs the verb.
pub fn run(args: &Args, command: &mut Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "elman", &mut script);
    terminal::print_exact(String::from_utf8(script)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
