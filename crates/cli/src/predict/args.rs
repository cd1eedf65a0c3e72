//! The arguments of the verb `predict`, and the format of its input. Not here: predictions; each task has its own file.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use elman::data::TextEncoding;
use elman::data::table::{Format, conll};

use crate::failure::{self, Refusal};
use crate::flag_tasks::refuse_flags;
use crate::settings::encoding;
use crate::terminal::{dim, say};
use crate::trained::Trained;

/// Bytes of the input that are read at once.
const AT_ONCE: usize = 1 << 16;

/// Use a trained classifier, tagger, forecaster or writer on new data
///
/// A classifier or tagger prints a JSON object for every text or sequence; a model trained with --task restore prints the text;
/// a forecaster prints the values after the last row as CSV; a model trained with --task generate writes texts.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) trained: Trained,
    /// A file, or - for standard input
    #[arg(default_value = "-")]
    pub(super) input: PathBuf,
    /// Format of the input [default: by the file's ending; else one text per line]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<Written>,
    /// The encoding of the input, such as windows-1252, utf-16le or shift_jis [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub(super) encoding: Option<TextEncoding>,
    /// Skip rows that cannot be read, with a warning for each, instead of stopping at the first
    #[arg(long)]
    pub(super) skip_bad: bool,
    /// Number of classes whose probability is printed, the likeliest first; 0 prints all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) top: usize,
    /// generate: the condition, such as label=Italian, or width=3,height=0.5
    #[arg(long, value_name = "NAME=VALUE[,..]", value_delimiter = ',')]
    pub(super) given: Vec<String>,
    /// generate: number of texts
    #[arg(short = 'n', long = "num-samples", value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub(super) samples: usize,
    /// generate: divides the logits; 0 takes the likeliest token
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(super) temperature: f64,
    /// generate: seed of the random draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// forecast: steps ahead, at most those of training if it was direct [default: those of training]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub(super) horizon: Option<usize>,
    /// forecast: probabilities of the quantiles that are printed, such as 0.05,0.95 [default: the interval of training]
    #[arg(long, value_name = "P[,P..]", value_delimiter = ',', value_parser = probability)]
    pub(super) quantiles: Option<Vec<f64>>,
    /// forecast: a table with the rows that follow those of INPUT: the covariates of the future
    #[arg(long, value_name = "FILE")]
    pub(super) future: Option<PathBuf>,
    /// Draw the forecasts of the first series, or the attention weights of the first translation, into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(super) svg: Option<PathBuf>,
    /// signal: the WAV file to write
    #[arg(long, value_name = "FILE.wav")]
    pub(super) out: Option<PathBuf>,
    /// signal: where a knob stands, such as tone=0.5; once for each
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) knob: Vec<String>,
    /// tag, of sentences with a token a line: print the lines with the tag as one more column
    #[arg(long)]
    pub(super) column: bool,
    /// translate: hypotheses kept at each step; 1 is greedy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub(super) beam: usize,
    /// translate, with --beam: log-probabilities are divided by ((5 + tokens) / 6)^ALPHA
    #[arg(long, value_name = "ALPHA", default_value_t = 1.0, value_parser = alpha)]
    pub(super) length_penalty: f64,
    /// translate: measure the model on the sentences held out for validation or test; INPUT is the data the run was trained on,
    /// or for validation its --val-file. 'elman eval' measures on any data
    #[arg(long, value_name = "PART", value_parser = ["validation", "test"])]
    pub(super) part: Option<String>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) threads: Option<usize>,
}

fn probability(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p: &f64| *p > 0.0 && *p < 1.0).ok_or_else(|| "expected above 0 and below 1".to_string())
}

fn alpha(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|alpha: &f64| (0.0..=10.0).contains(alpha)).ok_or_else(|| "expected 0 to 10".to_string())
}

/// The format of an input.
#[derive(Clone, Copy, ValueEnum)]
pub enum Written {
    /// One text per line.
    Lines,
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
    /// tag: a token a line, a blank line after each sentence.
    Conll,
    /// tag: the same with the columns and comments of CoNLL-U.
    Conllu,
}

impl Args {
    /// Errors: a flag is given for which models of the task have no use.
    pub(super) fn refuse_others(&self, task: &str) -> Result<(), Refusal> {
        let flags: [(bool, &str, &[&str]); 15] = [
            (self.column, "--column", &["tag"]),
            (self.out.is_some(), "--out", &["signal"]),
            (!self.knob.is_empty(), "--knob", &["signal"]),
            (self.top > 0, "--top", &["classify"]),
            (!self.given.is_empty(), "--given", &["generate"]),
            (self.samples != 1, "-n", &["generate"]),
            (self.temperature != 1.0, "--temperature", &["generate"]),
            (self.seed != 1, "--seed", &["generate"]),
            (self.svg.is_some(), "--svg", &["forecast", "translate"]),
            (self.horizon.is_some(), "--horizon", &["forecast"]),
            (self.quantiles.is_some(), "--quantiles", &["forecast"]),
            (self.future.is_some(), "--future", &["forecast"]),
            (self.beam != 1, "--beam", &["translate"]),
            (self.length_penalty != 1.0, "--length-penalty", &["translate"]),
            (self.part.is_some(), "--part", &["translate"]),
        ];
        refuse_flags(task, &flags)
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.input == Path::new("-")
    }

    /// The name of the input in messages.
    pub(super) fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_string() } else { self.input.display().to_string() }
    }

    /// The format of the flag, else of the file's ending; None if the input is plain lines.
    pub(super) fn format(&self) -> Option<Format> {
        match self.format {
            None => Format::of_path(&self.input),
            Some(Written::Lines | Written::Conll | Written::Conllu) => None,
            Some(Written::Jsonl) => Some(Format::JsonLines),
            Some(Written::Csv) => Some(Format::Csv),
            Some(Written::Tsv) => Some(Format::Tsv),
        }
    }

    /// Whether the input is sentences with a token a line, and whether in CoNLL-U.
    pub(super) fn conll(&self) -> Option<bool> {
        match self.format {
            Some(Written::Conll) => Some(false),
            Some(Written::Conllu) => Some(true),
            None if conll::is_conll(&self.input) => Some(conll::is_universal(&self.name())),
            _ => None,
        }
    }

    /// The input. Errors: it cannot be opened.
    pub(super) fn open(&self) -> anyhow::Result<BufReader<Box<dyn Read>>> {
        let from: Box<dyn Read> = match self.is_stdin() {
            true => {
                if io::stdin().is_terminal() {
                    say!("{}", dim("reading lines from the terminal; Ctrl-D ends"));
                }
                Box::new(io::stdin().lock())
            }
            false => Box::new(File::open(&self.input).with_context(|| format!("cannot read {}", self.name()))?),
        };
        let encoding = self.encoding.unwrap_or_default();
        let from = if encoding.is_utf8() { from } else { Box::new(encoding.stream(self.name(), from)) };
        Ok(BufReader::with_capacity(AT_ONCE, from))
    }

    /// Handles a row that cannot be read: a warning with `--skip-bad`, else the error.
    pub(super) fn on_bad(&self, error: elman::Error) -> Result<(), elman::Error> {
        if !self.skip_bad {
            return Err(error);
        }
        failure::warn(&error);
        Ok(())
    }
}
