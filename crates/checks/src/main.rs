//! The program `elman-checks`: its two commands and their exit codes. Exit codes: 0 nothing found, 1 something found,
//! 2 bad usage or an unreadable file. Not here: the checks themselves (`imports/`, `words/`).
#![forbid(unsafe_code)]

mod imports;
mod words;

use std::{env, process::ExitCode};

const USAGE: &str = "\
usage: elman-checks imports [--modules] [--dot] [CRATE_DIR ...]
       elman-checks words [--count] [PATH ...]

imports   prints which file of a crate imports which, and every cycle among them
  --modules   the same for the top-level modules of a crate
  --dot       the graph in the language of graphviz
  without CRATE_DIR: every crate under crates/
words     prints every word that the style guide replaces, and what to write instead
  --count     only how many there are of each word in each crate
  without PATH: the current directory

Exit code 1 where anything was found, 2 for bad usage.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let found = match arguments.split_first() {
        Some((command, rest)) if command == "imports" => imports::command(rest),
        Some((command, rest)) if command == "words" => words::command(rest),
        _ => Err(USAGE.to_string()),
    };
    match found {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(1),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
