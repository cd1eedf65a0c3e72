//! The arguments of the verb `eval`: which model, which data, and which flags belong to which task. Not here: figures; each
//! task has its own file.

use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use elman::data::TextEncoding;
use elman::data::table::reading::Reading;
use elman::task::translate::LONGEST;
use elman::{Error, infer::search::Search};

use super::forecast_args::ForecastArgs;
use crate::failure::{self, Refusal};
use crate::flag_tasks::{LM, refuse_flags};
use crate::settings::encoding;
use crate::terminal::counted;
use crate::trained::Trained;
use crate::weights::Weights;

/// Measure a trained model on data that it has not seen
///
/// A language model is measured on a text. A model of another task is measured on labelled data in the format of its training
/// data, with the figures that training prints of what it holds out: a table, JSON lines or a folder of classes, in the columns
/// of the run's settings; for a model trained with --task restore, a text with capitals and punctuation.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) trained: Trained,
    /// Files, folders of text files, or - for standard input; for a task other than language models one file or folder
    #[arg(required = true)]
    pub(super) text: Vec<PathBuf>,
    /// The encoding of the text, such as windows-1252, utf-16le or shift_jis [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub(super) encoding: Option<TextEncoding>,
    /// classify, tag, generate, translate: skip rows that cannot be read, with a warning for each, instead of stopping at the
    /// first. A class that the model does not know is always an error
    #[arg(long)]
    pub(super) skip_bad: bool,
    /// translate: hypotheses kept at each step; 1 is greedy
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub(super) beam: usize,
    /// lm: score each line by itself: its log-probability in nats and its tokens; with --json, an object a line
    #[arg(long)]
    pub(super) per_line: bool,
    /// lm: print each predicted token with its log-probability in nats and its rank, 1 for the likeliest; with --json, an object
    /// a line
    #[arg(long, conflicts_with_all = ["per_line", "weights"])]
    pub(super) per_token: bool,
    /// lm: measure also with narrower weights, and print the difference
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "per_line")]
    pub(super) weights: Option<Weights>,
    #[command(flatten)]
    pub(super) forecast: ForecastArgs,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    /// Errors: a flag is given for which models of the task have no use.
    pub(super) fn refuse_others(&self, task: &str) -> Result<(), Refusal> {
        refuse_flags(
            task,
            &[
                (self.per_line, "--per-line", &[LM]),
                (self.per_token, "--per-token", &[LM]),
                (self.weights.is_some(), "--weights", &[LM]),
                (self.skip_bad, "--skip-bad", &["classify", "tag", "generate", "translate"]),
                (self.beam != 1, "--beam", &["translate"]),
                (self.forecast.given().is_some(), self.forecast.given().unwrap_or_default(), &["forecast"]),
            ],
        )
    }

    /// The file or folder of a task other than language models. Errors: several; standard input.
    pub(super) fn data(&self) -> Result<&Path, Refusal> {
        match &self.text[..] {
            [data] if data == Path::new("-") => {
                Err(Refusal::new("- (standard input) is given with a model of a task, expected a file or a folder"))
            }
            [data] => Ok(data),
            several => {
                let files = counted(several.len() as u64, "file");
                Err(Refusal::new(format!("the data is {files}, expected one file or folder")))
            }
        }
    }

    /// Handles a row that cannot be read: a warning with `--skip-bad`, else the error.
    fn on_bad(&self, error: Error) -> Result<(), Error> {
        if !self.skip_bad {
            return Err(error);
        }
        failure::warn(&error);
        Ok(())
    }

    /// Reads data by `read`, which accepts only these classes, and the texts that `check` accepts.
    pub(super) fn read<D>(
        &self,
        classes: Option<&[String]>,
        check: &dyn Fn(&str) -> Result<(), Error>,
        read: impl FnOnce(&mut Reading<'_>) -> Result<D, Error>,
    ) -> Result<D, Error> {
        let on_bad = &mut |error| self.on_bad(error);
        read(&mut Reading { classes, check: Some(check), on_bad: Some(on_bad) })
    }

    /// How translations are searched for.
    pub(super) fn search(&self) -> Search {
        Search { beam: self.beam, length_penalty: if self.beam > 1 { 1.0 } else { 0.0 }, longest: LONGEST }
    }
}
