//! Reads the command line: `_` counts as `-` in flag names, the help shows defaults, and a usage error is one line. Not here:
//! values; only names of flags are rewritten.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches};

use crate::failure;
use crate::help::{Asked, asked, with_help};
use crate::terminal::{NO_STDOUT, say};

/// The definition of the command line, with the defaults of all tasks in the help.
pub fn command<Cli: CommandFactory>() -> Command {
    with_help(Cli::command(), &Asked::All)
}

/// Parses the command line. Errors: the exit code, after help, version or a usage error is printed.
pub fn parse<Cli: CommandFactory + FromArgMatches>(args: impl Iterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let plain = Cli::command();
    let args = dashes(args, &free_text_flags(&plain));
    with_help(plain, &asked(&args))
        .try_get_matches_from(args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| explain(&error))
}

/// The flags whose value may start with a hyphen (a prompt may).
fn free_text_flags(command: &Command) -> Vec<String> {
    command
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter(|arg| arg.is_allow_hyphen_values_set())
        .flat_map(|arg| {
            arg.get_long_and_visible_aliases().into_iter().flatten().chain(arg.get_all_aliases().into_iter().flatten())
        })
        .map(|name| format!("--{name}"))
        .collect()
}

/// Rewrites `--rnn_size=a_b` as `--rnn-size=a_b`. Values, arguments after `--` and the values of `free_text` flags do not change.
fn dashes(args: impl Iterator<Item = OsString>, free_text: &[String]) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let (mut is_value, mut is_over) = (false, false);
    for arg in args {
        let flag = arg.to_str().filter(|text| text.starts_with("--") && !is_value && !is_over).map(|text| {
            match text.split_once('=') {
                Some((name, value)) => format!("{}={value}", name.replace('_', "-")),
                None => text.replace('_', "-"),
            }
        });
        is_over |= flag.as_deref() == Some("--");
        is_value = flag.as_ref().is_some_and(|flag| free_text.contains(flag));
        out.push(flag.map_or(arg, OsString::from));
    }
    out
}

/// Prints clap's help or version unchanged, or a usage error as one line with one hint.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is no failure (`elman --help | head -1`); a full disk is one.
            let printed = error.print().and_then(|()| io::stdout().flush()).context(NO_STDOUT);
            return printed.map_or_else(|error| failure::report(&error), |()| ExitCode::SUCCESS);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        _ => {}
    }
    let text = error.render().to_string();
    let complaint: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    say!("{}", complaint.join(" "));
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand].into_iter().find_map(|kind| {
        match error.get(kind) {
            Some(ContextValue::String(one)) => Some(one.clone()),
            Some(ContextValue::Strings(some)) => some.first().cloned(),
            _ => None,
        }
    });
    match suggested {
        Some(name) => say!("hint: did you mean '{name}'?"),
        None => say!("hint: 'elman --help' lists the verbs, 'elman VERB --help' the flags of one"),
    }
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(args: &[&str]) -> Vec<String> {
        let free_text = ["--prompt".to_string()];
        dashes(args.iter().map(OsString::from), &free_text).into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn flag_names_take_underscores_or_hyphens() {
        assert_eq!(
            rewritten(&["elman", "train", "a_b", "--rnn_size", "64", "--out=x_y"]),
            ["elman", "train", "a_b", "--rnn-size", "64", "--out=x_y"]
        );
    }

    #[test]
    fn values_stay_as_typed() {
        assert_eq!(
            rewritten(&["--prompt", "--a_b", "--top_k", "--", "--c_d"]),
            ["--prompt", "--a_b", "--top-k", "--", "--c_d"]
        );
    }
}
