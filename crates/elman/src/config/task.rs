//! Holds the settings of the tasks other than language models: where their data lies in its table, and what is done with
//! it. Refuses values out of range, by name. A setting of one task is unknown to another.

use serde::{Deserialize, Serialize};

use super::Config;
use crate::error::Error;

/// What a run learns, where it is no language model: the table `[task]` of a recipe, whose `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TaskSettings {
    /// A class for every sequence.
    Classify(Classify),
}

/// Where examples lie in a table.
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

/// What becomes of the outputs of all steps before the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The state after the last step; of a layer that reads backwards, after the first.
    Last,
    /// The output of the first step.
    First,
    /// The mean over the steps.
    Mean,
    /// The largest over the steps, of each unit.
    Max,
    /// A mean weighted by a learned query.
    Attention,
}

/// What an example counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// All the same.
    None,
    /// As much as the examples of every other class together: n / (classes * members of the class).
    Balanced,
    /// The square root of that: rare classes gain without drowning the rest.
    Root,
}

/// A class for every sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classify {
    /// Where the examples lie.
    pub source: Source,
    /// Whether the layers read backwards, too.
    pub bidirectional: bool,
    /// What becomes of the outputs of all steps.
    pub pooling: Pooling,
    /// What an example counts.
    pub class_weights: ClassWeights,
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
            keep_duplicates: false,
        }
    }
}

impl TaskSettings {
    /// The names of the tasks, language models left out.
    pub const KINDS: [&'static str; 1] = ["classify"];

    /// The task of that name with its defaults.
    pub fn of_kind(kind: &str) -> Option<TaskSettings> {
        match kind {
            "classify" => Some(TaskSettings::Classify(Classify::default())),
            _ => None,
        }
    }

    /// Its name.
    pub fn kind(&self) -> &'static str {
        match self {
            TaskSettings::Classify(_) => "classify",
        }
    }
}

impl Config {
    /// The defaults of a task: a language model's where it is None.
    pub fn of_task(task: Option<TaskSettings>) -> Config {
        let plain = Config::default();
        let task = match task {
            None => return plain,
            Some(task) => task,
        };
        let examples = Config {
            hidden_size: 128,
            num_layers: 1,
            embed: 64,
            unk: true,
            eos: false,
            seq_len: 1000,
            lr: 3e-3,
            epochs: Some(12),
            sample_every: Some(0),
            ..plain
        };
        let config = match &task {
            TaskSettings::Classify(_) => Config { output_dropout: 0.5, ..examples },
        };
        Config { task: Some(task), ..config }
    }

    /// The settings of classification. Errors: it is another task.
    pub fn classify(&self) -> Result<&Classify, Error> {
        match &self.task {
            Some(TaskSettings::Classify(classify)) => Ok(classify),
            _ => Err(self.another_task("classify")),
        }
    }

    fn another_task(&self, wanted: &str) -> Error {
        let kind = self.task.as_ref().map_or("lm", TaskSettings::kind);
        Error::Setting { name: "task", got: kind.to_string(), expected: wanted.to_string() }
    }
}
