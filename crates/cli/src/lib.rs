//! The program `elman`: parses one verb, runs it, and returns its exit code. Not here: the work; each verb has its own file,
//! and the library computes. It is a library with a binary of one line because cargo builds a library beside the crates it
//! depends on, and a binary after them.
#![forbid(unsafe_code)]

mod arguments;
mod attention;
mod bench;
mod columns;
mod compare;
mod completions;
mod confusion;
mod control;
mod corpus;
mod curves;
mod cuts;
mod data;
mod eval;
mod failure;
mod figures;
mod flag_tasks;
mod forecast_picture;
mod forecast_rows;
mod gradcheck;
mod help;
mod info;
mod lesson;
mod man;
#[cfg(test)]
#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod picture;
mod predict;
mod progress;
mod sample;
mod settings;
mod signals;
mod stream;
mod task_flags;
mod tasks;
mod tensorboard;
mod terminal;
mod terminal_curve;
mod ticks;
mod train;
mod trained;
mod weights;
mod wrap;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Train, sample and check recurrent networks.
///
/// `elman train` trains a language model on any text; without a text it uses the bundled tales.
#[derive(Parser)]
#[command(
    name = "elman",
    version,
    term_width = stream::Stream::Out.width().unwrap_or(0), // 0: lines as they are written, for pipes
    arg_required_else_help = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Train(Box<train::Args>),
    Sample(sample::Args),
    Predict(predict::Args),
    Eval(eval::Args),
    Gradcheck(gradcheck::Args),
    Info(info::Args),
    Compare(compare::Args),
    Bench(bench::Args),
    Lesson(lesson::Args),
    Data(data::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the program with the arguments of this process.
pub fn run() -> ExitCode {
    let cli = match arguments::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let done = match cli.verb {
        Verb::Train(args) => train::run(&args),
        Verb::Sample(args) => sample::run(args),
        Verb::Predict(args) => predict::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Gradcheck(args) => gradcheck::run(args),
        Verb::Info(args) => info::run(args),
        Verb::Compare(args) => compare::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Lesson(args) => lesson::run(&args),
        Verb::Data(args) => data::run(&args),
        Verb::Completions(args) => completions::run(&args, &mut arguments::command::<Cli>()),
        Verb::Man(args) => man::run(&args, arguments::command::<Cli>()),
    };
    done.unwrap_or_else(|error| failure::report(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_help_has_flags_that_exist() {
        let command = arguments::command::<Cli>();
        let train = command.find_subcommand("train").unwrap();
        for field in help::MOST_USED {
            assert!(train.get_arguments().any(|arg| arg.get_id() == *field), "{field}");
        }
    }
}
