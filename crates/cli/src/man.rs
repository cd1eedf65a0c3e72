//! The verb `man`: prints the manual page of the program or of one verb in roff. Not here: its words; they are the help's.

use std::process::ExitCode;

use clap::Command;

use crate::failure::Refusal;
use crate::terminal;

/// Print the manual page in roff, for `man -l -`
#[derive(clap::Args)]
pub struct Args {
    /// The verb to describe; without it, the whole program
    #[arg(value_name = "VERB")]
    verb: Option<String>,
}

/// Runs the verb.
pub fn run(args: &Args, mut command: Command) -> anyhow::Result<ExitCode> {
    command.build(); // so that a verb knows its full name
    let page = match &args.verb {
        None => command,
        Some(verb) => {
            let found = command.find_subcommand(verb).cloned();
            found.ok_or_else(|| {
                Refusal::new(format!("'{verb}' is not a verb of this program")).hint("'elman --help' lists the verbs")
            })?
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    terminal::print_exact(String::from_utf8(roff)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
