//! The settings of the tasks other than language models: where their data is in its table, and how it is used. A
//! setting of one task is unknown to another. Not here: checks (`check_task.rs`) and defaults of a run (`of_task.rs`).

use serde::{Deserialize, Serialize};

use super::translate::Translate;
use crate::metrics::distribution::Output;
use crate::nn::heads::Pooling;

/// What a run learns, where it is no language model: the table `[task]` of a recipe, whose `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TaskSettings {
    /// A class for every sequence.
    Classify(Classify),
    /// What comes next in a time series.
    Forecast(Forecast),
    /// A class for every step of a sequence.
    Tag(Tag),
    /// Capitals and punctuation for text that has none.
    Restore(Tag),
    /// Texts for a class or a vector.
    Generate(Generate),
    /// A text for every text.
    Translate(Translate),
}

/// Where a condition enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// In the state before the first step.
    State,
    /// Beside the token at every step.
    Steps,
    /// Both.
    Both,
}

/// Texts for a class or a vector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Generate {
    /// Where the texts are, and their classes, or the columns of their vectors.
    pub source: Source,
    /// Where the condition enters.
    pub condition: Condition,
}

impl Default for Generate {
    fn default() -> Generate {
        Generate { source: Source::default(), condition: Condition::State }
    }
}

/// A class for every step of a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tag {
    /// Where tokens and tags are; a text that is to be restored has none.
    pub source: Source,
    /// Whether the layers read backwards, too.
    pub bidirectional: bool,
}

impl Default for Tag {
    fn default() -> Tag {
        Tag { source: Source::default(), bidirectional: true }
    }
}

/// Where examples are in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The column of texts.
    pub text: String,
    /// The column of classes.
    pub label: String,
    /// The column that says which sequence a row of numbers belongs to; None where a row is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The columns of numbers; none takes all that are nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Whether the first row names the columns; without, they are `1`, `2`, ...
    pub header: bool,
}

impl Default for Source {
    fn default() -> Source {
        Source { text: "text".into(), label: "label".into(), group: None, features: Vec::new(), header: true }
    }
}

/// What an example counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// All the same.
    None,
    /// As much as the examples of every other class together: n / (classes * examples of the class).
    Balanced,
    /// The square root of that: rare classes gain without drowning the rest.
    Root,
}

impl ClassWeights {
    /// The power of a class's share by which its examples' weight divides.
    pub(crate) fn power(self) -> f64 {
        match self {
            ClassWeights::None => 0.0,
            ClassWeights::Root => 0.5,
            ClassWeights::Balanced => 1.0,
        }
    }
}

/// A class for every sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classify {
    /// Where the examples are.
    pub source: Source,
    /// Whether the layers read backwards, too.
    pub bidirectional: bool,
    /// What becomes of the outputs of all steps.
    pub pooling: Pooling,
    /// What an example counts.
    pub class_weights: ClassWeights,
    /// While it learns, this multiple of the log of a class's share of the examples is added to its logit: 0 is
    /// the plain loss, 1 leaves the shares out of what is learned (Menon et al. 2021, section 5.2).
    pub logit_adjustment: f64,
    /// Share of the tokens that are hidden as `<unk>` at each step of training.
    pub token_dropout: f64,
    /// Networks of an ensemble, each with its own initial values and dropout; the answer is the mean of their
    /// probabilities (Lakshminarayanan et al. 2017).
    #[serde(rename = "members")]
    pub ensemble_size: usize,
    /// Tokens of the n-grams that are counted for each class, whose answer the networks' is joined with; 0 counts none.
    pub ngrams: usize,
    /// Their exponent in the answer, a weighted geometric mean; the networks' is 1 less that. For short texts: the
    /// longer a text, the more certain the n-grams are.
    pub ngram_share: f64,
    /// Whether examples that come twice with the same class stay.
    pub keep_duplicates: bool,
}

impl Default for Classify {
    fn default() -> Classify {
        Classify {
            source: Source::default(),
            bidirectional: true,
            pooling: Pooling::Last,
            class_weights: ClassWeights::None,
            logit_adjustment: 0.0,
            token_dropout: 0.0,
            ensemble_size: 1,
            ngrams: 0,
            ngram_share: 0.3,
            keep_duplicates: false,
        }
    }
}

/// What is done to a series' values before anything else, in this order where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// The natural logarithm, of values above 0.
    Log,
    /// The difference to the value a season before.
    Seasonal,
    /// The difference to the last value that is known.
    Diff,
}

/// How a forecast reaches beyond the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The net gives all steps of the horizon at once.
    Direct,
    /// The net gives one step, which is drawn and fed back to it, step by step; many paths make a distribution.
    Recursive,
}

/// What carries the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// Recurrent layers.
    Recurrent,
    /// The last `lags` values and nothing else, before layers without recurrence.
    Window,
}

/// What comes next in a time series. The input at t is (`y[t-1]`, `x[t]`), and predicts `y[t]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forecast {
    /// The time column; None takes the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The value columns; none takes all that are nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The column that says which series a row belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Columns that are known beforehand: x.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub covariates: Vec<String>,
    /// Whether the first row names the columns.
    pub header: bool,
    /// Steps that are forecast.
    pub horizon: usize,
    /// Steps of a season; 1 where there is none.
    pub season: usize,
    /// What is done to the values first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transform: Vec<Transform>,
    /// Whether the place within year, week and day is an input, as far as the times tell.
    pub calendar: bool,
    /// What the net's numbers are the parameters of.
    pub output: Output,
    /// How it reaches beyond the next step.
    pub strategy: Strategy,
    /// What carries the past.
    pub memory: Memory,
    /// Values of the past in an input. None: 1, and a season or 12 for a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lags: Option<usize>,
    /// Probability of the intervals.
    pub level: f64,
    /// Paths that are drawn where the strategy is recursive.
    pub paths: usize,
    /// Origins before a forecast's own from which the model forecasts, too, to be compared with the values that are
    /// known by then and were not trained on: where fewer of them lie within their intervals than `level` says, the
    /// interval is widened until as many would. 0 leaves the model's intervals unchanged.
    pub recent: usize,
}

impl Default for Forecast {
    fn default() -> Forecast {
        Forecast {
            time: None,
            values: Vec::new(),
            group: None,
            covariates: Vec::new(),
            header: true,
            horizon: 12,
            season: 1,
            transform: Vec::new(),
            calendar: true,
            output: Output::Gaussian,
            strategy: Strategy::Direct,
            memory: Memory::Recurrent,
            lags: None,
            level: 0.8,
            paths: 200,
            recent: 0,
        }
    }
}

impl Forecast {
    /// Values of the past in an input.
    pub fn lags(&self) -> usize {
        self.lags.unwrap_or(match self.memory {
            Memory::Recurrent => 1,
            Memory::Window => self.season.max(12),
        })
    }

    /// Whether values are transformed so.
    pub fn has(&self, transform: Transform) -> bool {
        self.transform.contains(&transform)
    }

    /// Steps that the net gives at once.
    pub fn steps_at_once(&self) -> usize {
        if self.strategy == Strategy::Direct { self.horizon } else { 1 }
    }
}

impl TaskSettings {
    /// The names of the tasks, language models left out.
    pub const KINDS: [&'static str; 6] = ["classify", "forecast", "generate", "restore", "tag", "translate"];

    /// The task of that name with its defaults.
    pub fn of_kind(kind: &str) -> Option<TaskSettings> {
        match kind {
            "classify" => Some(TaskSettings::Classify(Classify::default())),
            "forecast" => Some(TaskSettings::Forecast(Forecast::default())),
            "generate" => Some(TaskSettings::Generate(Generate::default())),
            "tag" => Some(TaskSettings::Tag(Tag::default())),
            "restore" => Some(TaskSettings::Restore(Tag::default())),
            "translate" => Some(TaskSettings::Translate(Translate::default())),
            _ => None,
        }
    }

    /// Its name.
    pub fn kind(&self) -> &'static str {
        match self {
            TaskSettings::Classify(_) => "classify",
            TaskSettings::Forecast(_) => "forecast",
            TaskSettings::Generate(_) => "generate",
            TaskSettings::Tag(_) => "tag",
            TaskSettings::Restore(_) => "restore",
            TaskSettings::Translate(_) => "translate",
        }
    }
}
