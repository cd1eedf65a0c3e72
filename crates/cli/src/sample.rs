//! Holds the verb `sample`: text goes to stdout as it is written, and nothing else does.
//! Refuses to fail because the reader has gone: `| head` ends it quietly.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IsTerminal, Write};
use std::iter;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use elman::{Cpu, ModelFile, Settings};

use crate::terminal::{NO_STDOUT, dim, say};

/// Let a trained model write
#[derive(clap::Args)]
pub struct Args {
    /// A run directory or a model file
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Characters to write after the prompt
    #[arg(long, short = 'n', value_name = "N", default_value_t = 500)]
    length: usize,
    /// Below 1 plays safe, above 1 takes risks; 0 always takes the likeliest character
    #[arg(long, value_name = "X", default_value_t = Settings::default().temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Choose among the N likeliest characters; 0 means all
    #[arg(long, value_name = "N", default_value_t = Settings::default().top_k)]
    top_k: usize,
    /// Choose among the likeliest characters that together have this probability; 1 means all
    #[arg(long, value_name = "P", default_value_t = Settings::default().top_p, allow_negative_numbers = true)]
    top_p: f64,
    /// Text to go on from; it is printed first
    #[arg(long, visible_aliases = ["prime", "primetext", "prefix", "start-text"], value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    prompt: String,
    /// Seed: the same seed writes the same text [default: a new one each time, told on stderr]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = Settings { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p };
    settings.check()?;
    let file = ModelFile::load(&args.run)?;
    let cpu = Cpu::new(None)?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let text = file.generate(&args.prompt, settings, seed, &cpu)?;
    if args.seed.is_none() && settings.temperature > 0.0 {
        say!("{}", dim(&format!("seed {seed}")));
    }
    write_text(&args.prompt, text.take(args.length)).context(NO_STDOUT)?;
    Ok(ExitCode::SUCCESS)
}

/// Prompt and text, each character as soon as it is there.
fn write_text<'a>(prompt: &'a str, text: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for piece in iter::once(prompt).chain(text) {
        write!(out, "{piece}")?;
        out.flush()?;
    }
    if out.is_terminal() {
        writeln!(out)?; // so that the shell's prompt has a line to itself; a file holds the text alone
    }
    Ok(())
}

/// A number drawn by the system, short enough to type again.
fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> 40
}
