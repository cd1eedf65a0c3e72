//! Holds the verb `eval`: how well a model predicts a text, read as one stream or line by line.
//! Refuses to invent a text: unlike `train` it has no default.

use std::path::PathBuf;
use std::process::ExitCode;

use elman::evaluate::{Evaluation, Line, evaluate, evaluate_lines};
use elman::tape::Tape;
use elman::{Cpu, ModelFile, Vocab};

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
    /// Score each line by itself: its log-probability in nats and its tokens; with --json, an object a line
    #[arg(long)]
    per_line: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = ModelFile::load(&args.run)?;
    let corpus = corpus::read(&args.text, file.config.tokenizer)?;
    let mut tape = Tape::new(&Cpu::new(None)?);
    let (model, vocab, text) = (&file.model, &file.vocab, corpus.bytes());
    if args.per_line {
        let lines = wait_for("reading the text", || evaluate_lines(model, vocab, text, &mut tape))?;
        let told: Vec<String> = match args.json {
            true => lines.iter().map(serde_json::to_string).collect::<Result<_, _>>()?,
            false => line_table(&lines),
        };
        if !told.is_empty() {
            terminal::print(&told.join("\n"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let figures = wait_for("reading the text", || evaluate(model, vocab, text, &mut tape))?;
    if args.json {
        terminal::print_json(&figures)?;
    } else {
        terminal::print(&table(corpus.name(), unit(vocab), &figures))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a token is called.
fn unit(vocab: &Vocab) -> &'static str {
    vocab.unit(1)
}

fn line_table(lines: &[Line]) -> Vec<String> {
    let head = format!("{:>8}  {:>14}  {:>8}", "line", "log-prob, nats", "tokens");
    let rows = lines.iter().map(|line| format!("{:>8}  {:>14.4}  {:>8}", line.line, line.log_prob, line.tokens));
    std::iter::once(head).chain(rows).collect()
}

fn table(name: &str, unit: &str, figures: &Evaluation) -> String {
    let mut lines = vec![
        row("text", &format!("{name}, {}", counted(figures.tokens as u64, unit))),
        row("loss", &format!("{:.4} nats per {unit}", figures.loss)),
        row("ppl", &format!("{:.4}", figures.ppl)),
        row("bpc", &format!("{:.4} bits per {unit}", figures.bpc)),
    ];
    // Where every character is a byte the two are one figure, but for the last bits.
    if (figures.bits_per_byte / figures.bpc - 1.0).abs() > 1e-9 {
        lines.push(row("bpb", &format!("{:.4} bits per byte", figures.bits_per_byte)));
    }
    lines.join("\n")
}
