//! Holds the verb `eval`: how well a model predicts a text, read as one stream.
//! Refuses to invent a text: unlike `train` it has no default.

use std::path::PathBuf;
use std::process::ExitCode;

use elman::evaluate::{Evaluation, evaluate};
use elman::tape::Tape;
use elman::{Cpu, ModelFile};

use crate::corpus;
use crate::progress::wait_for;
use crate::terminal::{self, counted, row};

/// Measure a trained model on a text
#[derive(clap::Args)]
pub struct Args {
    /// A run directory or a model file
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Files, folders of text files, or - for standard input
    #[arg(required = true)]
    text: Vec<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = ModelFile::load(&args.run)?;
    let corpus = corpus::read(&args.text)?;
    let mut tape = Tape::new(&Cpu::new(None)?);
    let figures = wait_for("reading the text", || evaluate(&file.model, &file.vocab, corpus.text(), &mut tape))?;
    if args.json {
        terminal::print_json(&figures)?;
    } else {
        terminal::print(&table(corpus.name(), &figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(name: &str, figures: &Evaluation) -> String {
    let mut lines = vec![
        row("text", &format!("{name}, {}", counted(figures.tokens as u64, "character"))),
        row("loss", &format!("{:.4} nats per character", figures.loss)),
        row("ppl", &format!("{:.4}", figures.ppl)),
        row("bpc", &format!("{:.4} bits per character", figures.bpc)),
    ];
    // Where every character is a byte the two are one figure, but for the last bits.
    if (figures.bits_per_byte / figures.bpc - 1.0).abs() > 1e-9 {
        lines.push(row("bpb", &format!("{:.4} bits per byte", figures.bits_per_byte)));
    }
    lines.join("\n")
}
