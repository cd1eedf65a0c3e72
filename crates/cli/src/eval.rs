//! The verb `eval`: measures how well a model predicts a text, as one stream or line by line. Not here: a default text; the
//! user names one.

use std::path::PathBuf;
use std::process::ExitCode;

use elman::autodiff::tape::Tape;
use elman::config::Dtype;
use elman::files::model_file::Stored;
use elman::task::evaluate::{Evaluation, Line, evaluate, evaluate_lines, evaluate_with};
use elman::{Cpu, Element, Vocab};

use crate::corpus;
use crate::progress::wait_for;
use crate::stored;
use crate::terminal::{self, counted, percent, row};
use crate::weights::Weights;

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
    /// Measure also with narrower weights, and print the difference
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "per_line")]
    weights: Option<Weights>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// The loss of the same text with narrower weights.
#[derive(serde::Serialize)]
struct Narrow {
    weights: &'static str,
    loss: f64,
    /// Loss with these weights minus that with the full ones, nats per token.
    difference: f64,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Figures<'a> {
    #[serde(flatten)]
    full: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    narrow: Option<&'a Narrow>,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stored = stored::read(&args.run)?;
    match stored.config().dtype {
        Dtype::F32 | Dtype::Bf16 => eval::<f32>(&args, stored),
        Dtype::F64 => eval::<f64>(&args, stored),
    }
}

fn eval<E: Element>(args: &Args, stored: Stored) -> anyhow::Result<ExitCode> {
    let file = stored.load::<E>()?;
    let corpus = corpus::read(&args.text, file.config.tokenizer)?;
    let cpu = Cpu::new(None)?;
    let mut tape = Tape::new(&cpu);
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
    let narrow = match args.weights {
        None => None,
        Some(weights) => {
            let read = || evaluate_with(model, vocab, text, weights.precision(), &cpu);
            let Evaluation { loss, .. } = wait_for("reading the text again", read)?;
            Some(Narrow { weights: weights.name(), loss, difference: loss - figures.loss })
        }
    };
    if args.json {
        terminal::print_json(&Figures { full: &figures, narrow: narrow.as_ref() })?;
    } else {
        let mut lines = table(corpus.name(), unit(vocab), &figures);
        if let Some(Narrow { weights, loss, difference }) = &narrow {
            lines += &format!("\n{}", row(weights, &format!("{loss:.4} nats per {}, {difference:+.4}", unit(vocab))));
        }
        terminal::print(&lines)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of a token.
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
    // If every character is one byte, the two figures are equal to rounding.
    if let Some(bits) = figures.bits_per_byte.filter(|bits| (bits / figures.bpc - 1.0).abs() > 1e-9) {
        lines.push(row("bpb", &format!("{bits:.4} bits per byte")));
    }
    if let Some(share) = figures.unknown {
        lines.push(row("unknown", &format!("{} of the {unit}s", percent(share))));
    }
    lines.join("\n")
}
