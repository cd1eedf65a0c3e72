//! Measures how well a language model predicts a text, as one stream, line by line or token by token. Not here: a default text;
//! the user names one.

use std::io::{self, Write};

use anyhow::Context;
use elman::autodiff::tape::Tape;
use elman::files::model_file::Stored;
use elman::task::evaluate::{
    Evaluation, Line, Predicted, evaluate_lines_watched, evaluate_tokens, evaluate_watched, evaluate_with_watched,
};
use elman::{Cpu, Element, Error, LanguageModel, Vocab};

use super::args::Args;
use crate::columns::{self, Layout, number, words};
use crate::progress::Work;
use crate::stream::Stream;
use crate::terminal::{self, counted, percent, row};
use crate::{control, corpus};

/// Bytes of tokens that are written at once.
const AT_ONCE: usize = 1 << 16;

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

/// Measures the model.
pub fn run<E: Element>(args: &Args, stored: Stored) -> anyhow::Result<()> {
    let file = stored.load::<E>()?;
    let corpus = corpus::read(&args.text, file.config.tokenizer, args.encoding.unwrap_or_default())?;
    let cpu = Cpu::new(None)?;
    let mut tape = Tape::new(&cpu);
    let (model, vocab, text) = (&file.model, &file.vocab, corpus.bytes());
    if args.per_token {
        return per_token(args.json, model, vocab, text, &cpu);
    }
    let work = Work::new();
    if args.per_line {
        let lines = evaluate_lines_watched(model, vocab, text, &mut tape, &mut |done, all| {
            work.at("line", done as u64, Some(all as u64))
        })?;
        drop(work);
        let told: Vec<String> = match args.json {
            true => lines.iter().map(serde_json::to_string).collect::<Result<_, _>>()?,
            false => line_table(&lines),
        };
        if !told.is_empty() {
            terminal::print(&told.join("\n"))?;
        }
        return Ok(());
    }
    let watch = &mut |done: usize, all: usize| work.at(unit(vocab), done as u64, Some(all as u64));
    let figures = evaluate_watched(model, vocab, text, &mut tape, watch)?;
    let narrow = match args.weights {
        None => None,
        Some(weights) => {
            let Evaluation { loss, .. } = evaluate_with_watched(model, vocab, text, weights.precision(), &cpu, watch)?;
            Some(Narrow { weights: weights.name(), loss, difference: loss - figures.loss })
        }
    };
    drop(work);
    if args.json {
        terminal::print_json(&Figures { full: &figures, narrow: narrow.as_ref() })?;
    } else {
        let mut lines = table(corpus.name(), unit(vocab), &figures);
        if let Some(Narrow { weights, loss, difference }) = &narrow {
            lines += &format!("\n{}", row(weights, &format!("{loss:.4} nats per {}, {difference:+.4}", unit(vocab))));
        }
        terminal::print(&lines)?;
    }
    Ok(())
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
) -> anyhow::Result<()> {
    let is_terminal = Stream::Out.size().is_some();
    let mut out = control::stdout();
    let columns = [number("position"), number("log-prob, nats").or("log-prob"), number("rank"), words("token")];
    let mut layout = Layout::new(&columns, 1, &[8, 9, 5, 12], Stream::Out.width());
    if let Some(head) = layout.head().filter(|_| !json) {
        out.lines(&head).context(terminal::NO_STDOUT)?;
    }
    let work = Work::beside_output();
    // A terminal shows each token as soon as it is scored; else they are written many at a time.
    let mut waiting = String::new();
    let scored = evaluate_tokens(model, vocab, text, cpu, &mut |predicted| {
        let token = vocab.token(predicted.id).unwrap_or_default();
        work.at("token", predicted.position as u64, None);
        let line = match json {
            true => serde_json::to_string(&Token { token, predicted }).map_err(io::Error::from),
            false => {
                let Predicted { position, log_prob, rank, .. } = predicted;
                let cells = [position.to_string(), format!("{log_prob:.4}"), rank.to_string(), format!("{token:?}")];
                Ok(layout.row(&cells))
            }
        };
        let done = line.and_then(|line| match (is_terminal, json) {
            (true, true) => out.json(&line),
            (true, false) => out.lines(&line),
            (false, _) => {
                waiting += &line;
                waiting.push('\n');
                if waiting.len() < AT_ONCE { Ok(()) } else { out.write_all(std::mem::take(&mut waiting).as_bytes()) }
            }
        });
        // Where nobody reads on, nothing more is scored.
        done.map_err(|source| Error::Io { action: "write", path: "standard output".into(), source })
    });
    drop(work);
    match scored {
        Err(Error::Io { source, .. }) => Err(source),
        scored => Ok(scored?),
    }
    .and_then(|()| out.write_all(waiting.as_bytes()))
    .and_then(|()| out.flush())
    .context(terminal::NO_STDOUT)
}

/// The name of a token.
fn unit(vocab: &Vocab) -> &'static str {
    vocab.unit(1)
}

fn line_table(lines: &[Line]) -> Vec<String> {
    let row = |line: &Line| vec![line.line.to_string(), format!("{:.4}", line.log_prob), line.tokens.to_string()];
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    let columns = [number("line"), number("log-prob, nats"), number("tokens")];
    columns::table(&columns, 1, &rows, Stream::Out.width(), 0)
}

/// The figures of a text, or of texts.
pub(super) fn table(name: &str, unit: &str, figures: &Evaluation) -> String {
    let mut lines = vec![
        row("text", &format!("{name}, {}", counted(figures.tokens as u64, unit))),
        row("loss", &format!("{:.4} nats per {unit}", figures.loss)),
        row("ppl", &format!("{:.4}", figures.ppl)),
        row(if unit == "character" { "bpc" } else { "bits" }, &format!("{:.4} bits per {unit}", figures.bpc)),
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
