//! Holds the verb `man`: the manual page of the program or of one verb, in roff, on stdout.
//! Refuses to say anything that the help does not say: both are made of the same words.

use std::process::ExitCode;

use clap::Command;

use crate::failure::Refusal;
use crate::terminal;

/// Print the manual page, to be read by `man -l -`
#[derive(clap::Args)]
pub struct Args {
    /// The verb whose page it is; without it, the program's
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
                Refusal::new(format!("'{verb}' is no verb of this program")).hint("'elman --help' lists the verbs")
            })?
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    terminal::print(String::from_utf8(roff)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
