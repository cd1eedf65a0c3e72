//! The flags of the tasks other than language models: `--task`, the columns of the data, and the settings of each task. A flag
//! without its task is an error that names the flag. Not here: flags that all tasks share (`settings.rs`).

use anyhow::Context;
use clap::ArgAction;
use clap::builder::PossibleValuesParser;
use elman::config::{Output, Pooling, TaskSettings};
use serde::Serialize;
use toml::{Table, Value};

use crate::failure::Refusal;
use crate::flag_tasks::{self, LM};

/// Flags from the command line; `None` if not given.
#[derive(clap::Args, Serialize, Default)]
pub struct TaskFlags {
    /// Task: lm, a language model; classify, a class for every text or sequence of numbers; forecast, the next values of time
    /// series; tag, a class for every token; restore, capitals and punctuation; generate, texts for a class or for numbers;
    /// translate, a text for every text; regress, numbers for a sequence or for each of its steps; multilabel, labels that are there
    /// or not; signal, a waveform for a waveform
    #[arg(long, value_parser = kinds(), help_heading = "Task")]
    #[serde(skip)]
    task: Option<String>,
    #[command(flatten)]
    #[serde(skip)]
    source: SourceFlags,
    /// Whether the layers read the sequence in both directions [default: true; with --every-step: false]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    bidirectional: Option<bool>,
    /// tag: a linear chain over the tags (CRF): a tag depends on its neighbours, and spans are well formed
    #[arg(long, help_heading = "Task")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    crf: bool,
    /// regress, multilabel: the columns to predict: numbers, or labels of 0 and 1; an empty cell is not known [default: --label]
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    labels: Option<Vec<String>>,
    /// regress, multilabel: each step has numbers or labels of its own; without --group all rows are one sequence
    #[arg(long, help_heading = "Task")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    every_step: bool,
    /// regress, multilabel, with --every-step: predict what stands so many steps later [default: 0]
    #[arg(long, value_name = "N", help_heading = "Task")]
    ahead: Option<u32>,
    /// classify, regress, multilabel: how the outputs of all steps are pooled [default: last]
    #[arg(long, value_parser = names(Pooling::ALL, Pooling::name), help_heading = "Task")]
    pooling: Option<String>,
    /// classify: weights of the examples: equal, balanced between the classes, or the square root of that [default: none]
    #[arg(long, value_parser = ["none", "balanced", "root"], help_heading = "Task")]
    class_weights: Option<String>,
    /// classify: logit adjustment by TAU times the log of the class frequencies, so that rare classes are predicted more often
    /// [default: 0]
    #[arg(long, value_name = "TAU", help_heading = "Task")]
    logit_adjustment: Option<f64>,
    /// classify: share of the tokens replaced by <unk> at each step of training [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Task")]
    token_dropout: Option<f64>,
    /// Ensemble size: networks whose probabilities, numbers or quantiles are averaged [default: 1]
    #[arg(long, value_name = "N", help_heading = "Task")]
    members: Option<usize>,
    /// classify: length of the n-grams counted for each class and combined with the network; 0 counts none [default: 0]
    #[arg(long, value_name = "N", help_heading = "Task")]
    ngrams: Option<usize>,
    /// classify, with --ngrams: weight of the n-grams in the geometric mean of both; for short texts [default: 0.3]
    #[arg(long, value_name = "SHARE", help_heading = "Task")]
    ngram_share: Option<f64>,
    /// classify: keep repeated examples of the same class
    #[arg(long, help_heading = "Task")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_duplicates: bool,
    /// generate: where the condition is used: in the state before the first step, at every step, or both [default: state]
    #[arg(long, value_parser = ["state", "steps", "both"], help_heading = "Task")]
    condition: Option<String>,
    /// forecast: the time column [default: the first]
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    time: Option<String>,
    /// forecast: the value columns [default: all columns without another role]
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    values: Option<Vec<String>>,
    /// forecast: columns whose future values are known
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    covariates: Option<Vec<String>>,
    /// forecast: columns that are known in the past only
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    past_covariates: Option<Vec<String>>,
    /// forecast: columns that do not change within a series
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    statics: Option<Vec<String>>,
    /// forecast: covariates and static columns of numbers that are categories; columns with other cells are anyway
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    categories: Option<Vec<String>>,
    /// forecast: the time between two rows, such as hour, 15min, "business day", "week sunday", "month end" [default: found in
    /// each series]
    #[arg(long, value_name = "FREQ", help_heading = "Task")]
    freq: Option<String>,
    /// forecast: the time zone of the times, such as Europe/Berlin [default: none]
    #[arg(long, value_name = "ZONE", help_heading = "Task")]
    zone: Option<String>,
    /// forecast: what stands for a missing value: mask, the value before it without a loss; ffill, the value before it;
    /// interpolate; zero [default: mask]
    #[arg(long, value_parser = ["mask", "ffill", "interpolate", "zero"], help_heading = "Task")]
    missing: Option<String>,
    /// forecast: steps ahead [default: 12]
    #[arg(long, value_name = "N", help_heading = "Task")]
    horizon: Option<u32>,
    /// forecast: steps of a season [default: 1, no season]
    #[arg(long, value_name = "N", help_heading = "Task")]
    season: Option<u32>,
    /// forecast: steps before each forecast step whose values are inputs, such as 24,168 [default: the season]
    #[arg(long, value_name = "N[,N..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    season_lags: Option<Vec<u32>>,
    /// forecast: transforms of the values: logarithm, Box-Cox power, seasonal difference, difference
    #[arg(long, value_delimiter = ',', action = ArgAction::Set, value_parser = ["log", "boxcox", "seasonal", "diff"], help_heading = "Task")]
    transform: Option<Vec<String>>,
    /// forecast: the exponent of --transform boxcox [default: 0.5]
    #[arg(long, value_name = "X", help_heading = "Task")]
    box_cox: Option<f64>,
    /// forecast: what the values of a series are divided by: meanabs, mean, standard, robust (the last three subtract a mean or
    /// median first), global (one mean and deviation for all series), none [default: meanabs; with diff standard]
    #[arg(long, value_parser = ["meanabs", "mean", "standard", "robust", "global", "none"], help_heading = "Task")]
    scale: Option<String>,
    /// forecast: whether the position within year, week, day and hour is an input [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    calendar: Option<bool>,
    /// forecast: the predicted distribution of each value [default: gaussian]
    #[arg(long, value_parser = names(Output::ALL, Output::name), help_heading = "Task")]
    output: Option<String>,
    /// With --output quantile: the probabilities that are learned [default: 0.1,0.25,0.5,0.75,0.9]; regress, with another
    /// distribution: the quantiles that are predicted [default: 0.1,0.5,0.9]
    #[arg(long, value_name = "P[,P..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    quantiles: Option<Vec<f64>>,
    /// forecast: whether forecasts below 0 become 0 [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    non_negative: Option<bool>,
    /// forecast: all steps at once, or one by one along sampled paths [default: direct]
    #[arg(long, value_parser = ["direct", "recursive"], help_heading = "Task")]
    strategy: Option<String>,
    /// forecast: recurrent layers, or a window of the last --lags values [default: recurrent]
    #[arg(long, value_parser = ["recurrent", "window"], help_heading = "Task")]
    memory: Option<String>,
    /// forecast: past values in an input [default: 1; with a window the season, at least 12]
    #[arg(long, value_name = "N", help_heading = "Task")]
    lags: Option<u32>,
    /// forecast, direct: units of the layer that combines the state with what is known of a future step [default: 16]
    #[arg(long, value_name = "H", help_heading = "Task")]
    decoder: Option<u32>,
    /// forecast: steps at the end of each window that forecast in training [default: so many that about 256 values are forecast]
    #[arg(long, value_name = "N", help_heading = "Task")]
    train_origins: Option<u32>,
    /// forecast: probability of the intervals [default: 0.8]
    #[arg(long, value_name = "P", help_heading = "Task")]
    level: Option<f64>,
    /// forecast: number of sampled paths [default: 200]
    #[arg(long, value_name = "N", help_heading = "Task")]
    paths: Option<u32>,
    /// forecast: origins of the backtest at the end of each series, the last one a horizon before it [default: all in the last
    /// --val-frac]
    #[arg(long, value_name = "N", help_heading = "Task")]
    origins: Option<u32>,
    /// forecast: steps between two origins [default: 1]
    #[arg(long, value_name = "N", help_heading = "Task")]
    stride: Option<u32>,
    /// forecast: the time at which the backtest begins
    #[arg(long, value_name = "TIME", help_heading = "Task")]
    test_from: Option<String>,
    /// forecast: number of earlier origins that calibrate an interval: it is widened if too few of the values since then lie
    /// within their intervals; 0 does not change intervals [default: 0]
    #[arg(long, value_name = "N", help_heading = "Task")]
    recent: Option<u32>,
    /// signal: columns of the table of recordings that say where the knobs of the device stood
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    knobs: Option<Vec<String>>,
    /// signal: add the input to the output, so that the network learns the difference [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    skip: Option<bool>,
    /// signal: the error-to-signal ratio, or the mean squared error [default: esr]
    #[arg(long, value_parser = ["esr", "squared"], help_heading = "Task")]
    signal_loss: Option<String>,
    /// signal: A of the pre-emphasis filter 1 - A z^-1 in the loss esr [default: 0.85]
    #[arg(long, value_name = "A", help_heading = "Task")]
    pre_emphasis: Option<f64>,
    /// signal: weight of the squared mean error in the loss esr [default: 1]
    #[arg(long, value_name = "X", help_heading = "Task")]
    dc: Option<f64>,
    /// signal: samples read without gradient before a segment [default: 1024]
    #[arg(long, value_name = "N", help_heading = "Task")]
    settle: Option<u32>,
    /// signal: windows of --seq-len samples in a segment, one after another [default: 10]
    #[arg(long, value_name = "N", help_heading = "Task")]
    windows: Option<u32>,
    /// signal: share of each recording, at its end, to test the trained model on [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "Task")]
    test_frac: Option<f64>,
    /// signal: whether an output that is late or early by 16 samples or more is moved [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    align: Option<bool>,
    /// translate: most words and punctuation marks of a source text; 0 means no limit [default: 50]
    #[arg(long, value_name = "N", help_heading = "Task")]
    max_from: Option<usize>,
    /// translate: the same for a target text [default: 50]
    #[arg(long, value_name = "N", help_heading = "Task")]
    max_to: Option<usize>,
    /// translate: different texts to read that are kept for validation [default: --val-frac of them]
    #[arg(long, value_name = "N", help_heading = "Task")]
    val_sentences: Option<usize>,
    /// translate: the same, to measure the trained model on at the end [default: 0]
    #[arg(long, value_name = "N", help_heading = "Task")]
    test_sentences: Option<usize>,
    /// translate: units of the encoder in each direction [default: --hidden, shared among the directions]
    #[arg(long, value_name = "H", help_heading = "Task")]
    encoder_hidden: Option<usize>,
    /// translate: attention score of the decoder [default: dot]
    #[arg(long, value_parser = ["none", "dot", "general", "additive"], help_heading = "Task")]
    attention: Option<String>,
    /// translate: feed the attention output into the next step; slower [default: false]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    input_feeding: Option<bool>,
    /// translate: teacher forcing: probability of the true token as input at the end of training, falling from 1 [default: 1]
    #[arg(long, value_name = "SHARE", help_heading = "Task")]
    forcing: Option<f64>,
    /// translate: label smoothing: share of the target's probability spread over all tokens [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Task")]
    smoothing: Option<f64>,
}

/// The columns of the data.
#[derive(clap::Args, Serialize, Default)]
struct SourceFlags {
    /// The column of texts [default: text]
    #[arg(long = "text", id = "text_column", value_name = "COLUMN", help_heading = "Task")]
    text: Option<String>,
    /// The column of classes [default: label]
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    label: Option<String>,
    /// The column that says which sequence, or series, a row of numbers belongs to
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    group: Option<String>,
    /// The columns of numbers [default: all columns without another role]
    #[arg(long, value_name = "COLUMN[,COLUMN..]", value_delimiter = ',', action = ArgAction::Set, help_heading = "Task")]
    features: Option<Vec<String>>,
    /// A row is a whole sequence: forecast, the name of a series, then its values; other tasks, numbers and the label
    #[arg(long, help_heading = "Task")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wide: bool,
    /// translate: the column of source texts [default: 1]
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    from: Option<String>,
    /// translate: the column of target texts [default: 2]
    #[arg(long, value_name = "COLUMN", help_heading = "Task")]
    to: Option<String>,
    /// Whether the first row names the columns; if not, they are 1, 2, ... [default: true; translate: false]
    #[arg(long, value_name = "BOOL", help_heading = "Task")]
    header: Option<bool>,
}

/// The names of all choices.
pub fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> PossibleValuesParser {
    all.iter().map(|&choice| name(choice)).collect::<Vec<_>>().into()
}

fn kinds() -> Vec<&'static str> {
    std::iter::once(LM).chain(TaskSettings::KINDS.iter().copied()).collect()
}

impl TaskFlags {
    /// Puts the settings of a resumed run's task into `given`, with those of the recipe and the flags over them. Errors: a flag of
    /// another task.
    pub fn put_over(&self, saved: Option<&TaskSettings>, given: &mut Table) -> anyhow::Result<()> {
        let mut table = match saved {
            Some(task) => Table::try_from(task).context("the settings do not fit a table")?,
            None => Table::new(),
        };
        if let Some(Value::Table(recipe)) = given.remove("task") {
            merge(&mut table, recipe);
        }
        if !table.is_empty() {
            given.insert("task".to_string(), Value::Table(table));
        }
        self.put(given).map(drop)
    }

    /// Returns the task of the flag, else of the recipe, and puts its settings into `given`: the flags override the recipe,
    /// which overrides the defaults. None for a language model.
    pub fn put(&self, given: &mut Table) -> anyhow::Result<Option<TaskSettings>> {
        let recipe = match given.remove("task") {
            Some(Value::Table(table)) => table,
            _ => Table::new(),
        };
        let of_recipe = recipe.get("kind").and_then(Value::as_str).map(str::to_string);
        let mut flags = Table::try_from(self).context("the flags do not fit a table")?;
        let source = Table::try_from(&self.source).context("the flags do not fit a table")?;
        let kind = self.task.clone().or(of_recipe.clone()).unwrap_or_else(|| LM.to_string());
        let of_source = source.keys().map(|key| if key == "text" { "text_column" } else { key });
        flag_tasks::refuse_others(&kind, flags.keys().map(String::as_str).chain(of_source))?;
        if kind == LM {
            return Ok(None);
        }
        let defaults = TaskSettings::of_kind(&kind);
        let defaults =
            defaults.ok_or_else(|| Refusal::new(format!("task.kind is {kind}, expected one of {:?}", kinds())))?;
        let mut table = Table::try_from(&defaults).context("the settings do not fit a table")?;
        if of_recipe.as_ref() == Some(&kind) {
            merge(&mut table, recipe);
        }
        // A forecast's settings have no table `source`: the columns are direct keys.
        match kind.as_str() {
            "forecast" => flags.extend(source),
            _ if source.is_empty() => {}
            _ => drop(flags.insert("source".to_string(), Value::Table(source))),
        }
        merge(&mut table, flags);
        let settings: TaskSettings = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| Refusal::new(format!("--task {kind}: {}", error.message().trim())))?;
        given.insert("task".to_string(), Value::Table(table));
        Ok(Some(settings))
    }
}

/// Puts `over` into `table`, merging nested tables.
fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
