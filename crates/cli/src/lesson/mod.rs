//! The verb `lesson`: runs experiments of five well-known tutorials with their settings and compares the results with the
//! printed figures. A lesson fails if one of its rows fails. Not here: the lessons; each has its own file, and those that train
//! take their settings from `recipes/`.

mod amontillado;
mod d2l;
mod gradcheck;
mod min_char_rnn;
mod runs;
mod setting;
mod shakespeare;
mod softmax;
mod table;
mod timemachine;
mod vanishing;
mod walkthrough;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use elman::Cpu;

use crate::failure::Refusal;
use crate::progress::Work;
use crate::terminal;
use setting::Setting;
use table::Report;

/// Run an experiment of a tutorial and compare its figures
#[derive(clap::Args)]
pub struct Args {
    /// Which lesson; without it, the list
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The folder with the texts: see `elman data`
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Train as long as the tutorial, in lessons that are shorter by default
    #[arg(long)]
    full: bool,
    /// The picture that vanishing-gradient draws
    #[arg(long, value_name = "FILE.svg", default_value = "vanishing-gradient.svg")]
    picture: PathBuf,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

type Run = fn(&Setting, &mut Report) -> anyhow::Result<()>;

/// Every lesson: name, what it is, how it runs.
const LESSONS: [(&str, &str, Run); 11] = [
    ("numpy-gradcheck", "the gradient check of a toy network, with honest verdicts", gradcheck::run),
    ("numpy-amontillado", "an LSTM of two layers learns The Cask of Amontillado", amontillado::run),
    ("scratch-timemachine", "an RNN from scratch learns The Time Machine, rows carried on", timemachine::run),
    ("autograd-shakespeare", "an RNN by automatic differentiation, chunk by chunk", shakespeare::autograd),
    ("min-char-rnn", "the same by hand-written back-propagation, without clipping", shakespeare::by_hand),
    ("min-char-rnn-original", "Karpathy's settings: Adagrad, state carried, one pass", min_char_rnn::run),
    ("d2l-words", "lines, words and characters of d2l's Time Machine", d2l::words),
    ("d2l-chars", "d2l's character models: RNN, GRU, LSTM to perplexity 1", d2l::chars),
    ("walkthrough", "three sentences, a vector a character, twenty seeds", walkthrough::run),
    ("softmax", "softmax and cross-entropy: stable, unstable, hot and cold", softmax::run),
    ("vanishing-gradient", "how gradients fade over time: RNN, LSTM and GRU, measured and drawn", vanishing::run),
];

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.name else {
        return list(args.json);
    };
    let Some(&(name, about, lesson)) = LESSONS.iter().find(|(known, ..)| known == name) else {
        let message = format!("no lesson is called {name}");
        return Err(Refusal::new(message).hint("'elman lesson' lists them").into());
    };
    let cpu = Cpu::new(args.threads)?;
    let setting = Setting { cpu, data: &args.data, full: args.full, picture: &args.picture, work: Work::new() };
    let mut report = Report::new(name, about);
    let started = Instant::now();
    lesson(&setting, &mut report)?;
    drop(setting);
    report.seconds = started.elapsed().as_secs_f64();
    if args.json {
        terminal::print_json(&report)?;
    } else {
        terminal::print(&report.text())?;
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let all: Vec<_> =
            LESSONS.iter().map(|(name, about, _)| serde_json::json!({ "name": name, "about": about })).collect();
        terminal::print_json(&serde_json::json!({ "lessons": all }))?;
    } else {
        let lines: Vec<String> = LESSONS.iter().map(|(name, about, _)| format!("{name:<24}{about}")).collect();
        terminal::print(&lines.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
