//! The program `elman-checks`: its two commands and their exit codes. Exit codes: 0 nothing found, 1 something found,
//! 2 bad usage or an unreadable file. Not here: the checks themselves (`imports/`).

mod imports;

use std::{env, process::ExitCode};

const USAGE: &str = "\
usage: elman-checks imports [--modules] [--dot] [CRATE_DIR ...]

imports   prints which file of a crate imports which, and every cycle among them
  --modules   the same for the top-level modules of a crate
  --dot       the graph in the language of graphviz

Without CRATE_DIR: every crate under crates/. Exit code 1 where anything was found, 2 for bad usage.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let found = match arguments.split_first() {
        Some((command, rest)) if command == "imports" => imports::command(rest),
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
