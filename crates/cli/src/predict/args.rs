//! The arguments of the verb `predict`, and the format of its input. Not here: predictions; each task has its own file.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use elman::data::table::Format;

use crate::failure;

/// Use a trained classifier, tagger, forecaster or writer on new data
///
/// A classifier or tagger tells a JSON object for every text or sequence, one that restores tells the text; a forecaster tells
/// CSV of what comes after the last row; one that was trained to generate writes texts.
#[derive(clap::Args)]
pub struct Args {
    /// A run directory or a model file
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// A file, or - for standard input
    #[arg(default_value = "-")]
    pub(super) input: PathBuf,
    /// How the input is written [default: by the file's ending; else a text a line]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: Option<Written>,
    /// Leave out rows that cannot be read, with a warning each, instead of stopping at the first
    #[arg(long)]
    pub(super) skip_bad: bool,
    /// Classes whose probability is told, from the likeliest on; 0 tells all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) top: usize,
    /// Of a writer: what to write for, as label=Italian, or width=3,height=0.5
    #[arg(long, value_name = "NAME=VALUE[,..]", value_delimiter = ',')]
    pub(super) given: Vec<String>,
    /// Of a writer: texts to write
    #[arg(short = 'n', long = "num-samples", value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub(super) samples: usize,
    /// Of a writer: how bold the choice is; 0 takes the likeliest
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(super) temperature: f64,
    /// Of a writer: the seed of its draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Draw the first series and its forecast, or what was looked at for the first text that was translated, into this file
    #[arg(long, value_name = "FILE.svg")]
    pub(super) svg: Option<PathBuf>,
    /// Of a translator: hypotheses that are kept at each step; 1 is greedy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub(super) beam: usize,
    /// Of a translator: what length is worth, with --beam: log-probabilities are divided by ((5 + tokens) / 6)^ALPHA
    #[arg(long, value_name = "ALPHA", default_value_t = 1.0, value_parser = alpha)]
    pub(super) length_penalty: f64,
    /// Of a translator: measure it on the sentences that training kept for validation or test; INPUT is the run's data
    #[arg(long, value_name = "PART", value_parser = ["validation", "test"])]
    pub(super) part: Option<String>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) threads: Option<usize>,
}

fn alpha(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|alpha: &f64| (0.0..=10.0).contains(alpha)).ok_or_else(|| "expected 0 to 10".to_string())
}

/// How an input is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Written {
    /// A text a line.
    Lines,
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values with a header.
    Tsv,
}

impl Args {
    pub(super) fn is_stdin(&self) -> bool {
        self.input == Path::new("-")
    }

    /// What messages call the input.
    pub(super) fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_string() } else { self.input.display().to_string() }
    }

    /// How the input is written: as asked, else as its ending says, else lines.
    pub(super) fn written(&self) -> Written {
        let by_ending = match Format::of_path(&self.input) {
            Some(Format::Csv) => Written::Csv,
            Some(Format::Tsv) => Written::Tsv,
            Some(Format::JsonLines) => Written::Jsonl,
            None => Written::Lines,
        };
        self.format.unwrap_or(by_ending)
    }

    /// The whole input. Errors: it cannot be read.
    pub(super) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        if !self.is_stdin() {
            return std::fs::read(&self.input).with_context(|| format!("cannot read {}", self.name()));
        }
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        Ok(bytes)
    }

    /// What becomes of a row that cannot be read: a warning, or the end.
    pub(super) fn on_bad(&self, error: elman::Error) -> Result<(), elman::Error> {
        if !self.skip_bad {
            return Err(error);
        }
        failure::warn(&error);
        Ok(())
    }
}
