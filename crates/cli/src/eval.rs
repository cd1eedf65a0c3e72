//! The verb `eval`: measures how well a model predicts a text, as one stream or line by line. Not here: a default text; the
//! user names one.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use elman::autodiff::tape::Tape;
use elman::config::Dtype;
use elman::data::Encoding;
use elman::files::model_file::Stored;
use elman::task::evaluate::{Evaluation, Line, Predicted, evaluate, evaluate_lines, evaluate_tokens, evaluate_with};
use elman::{Cpu, Element, LanguageModel, Vocab};

use crate::corpus;
use crate::progress::wait_for;
use crate::settings::encoding;
use crate::terminal::{self, counted, percent, row};
use crate::trained::Trained;
use crate::weights::Weights;

/// Measure a trained model on a text
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    trained: Trained,
    /// Files, folders of text files, or - for standard input
    #[arg(required = true)]
    text: Vec<PathBuf>,
    /// The encoding of the text, such as windows-1252, utf-16le or shift_jis [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    encoding: Option<Encoding>,
    /// Score each line by itself: its log-probability in nats and its tokens; with --json, an object a line
    #[arg(long)]
    per_line: bool,
    /// Print each predicted token with its log-probability in nats and its rank, 1 for the likeliest; with --json, an object a line
    #[arg(long, conflicts_with_all = ["per_line", "weights"])]
    per_token: bool,
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
    let stored = args.trained.read()?;
    match stored.config().dtype {
        Dtype::F32 | Dtype::Bf16 => eval::<f32>(&args, stored),
        Dtype::F64 => eval::<f64>(&args, stored),
    }
}

fn eval<E: Element>(args: &Args, stored: Stored) -> anyhow::Result<ExitCode> {
    let file = stored.load::<E>()?;
    let corpus = corpus::read(&args.text, file.config.tokenizer, args.encoding.unwrap_or_default())?;
    let cpu = Cpu::new(None)?;
    let mut tape = Tape::new(&cpu);
    let (model, vocab, text) = (&file.model, &file.vocab, corpus.bytes());
    if args.per_token {
        return per_token(args.json, model, vocab, text, &cpu);
    }
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

/// A predicted token, as `--json` prints it.
#[derive(serde::Serialize)]
struct Token<'a> {
    token: &'a str,
    #[serde(flatten)]
    predicted: Predicted,
}

/// Prints every predicted token as soon as it is scored.
fn per_token<E: Element>(
    json: bool,
    model: &LanguageModel<E>,
    vocab: &Vocab,
    text: &[u8],
    cpu: &Cpu,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written =
        if json { Ok(()) } else { writeln!(out, "{:>9}  {:>14}  {:>6}  token", "position", "log-prob, nats", "rank") };
    evaluate_tokens(model, vocab, text, cpu, &mut |predicted| {
        let token = vocab.token(predicted.id).unwrap_or_default();
        if written.is_ok() {
            written = match json {
                true => serde_json::to_string(&Token { token, predicted })
                    .map_err(io::Error::from)
                    .and_then(|line| writeln!(out, "{line}")),
                false => {
                    let Predicted { position, log_prob, rank, .. } = predicted;
                    writeln!(out, "{position:>9}  {log_prob:>14.4}  {rank:>6}  {token:?}")
                }
            };
        }
        Ok(())
    })?;
    written.and_then(|()| out.flush()).context(terminal::NO_STDOUT)?;
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
    if let Some(share) = figures.unknown.filter(|share| *share > 0.0) {
        lines.push(row("unknown", &format!("{} of the {unit}s", percent(share))));
    }
    lines.join("\n")
}
