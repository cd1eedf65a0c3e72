//! Holds the settings of the tasks other than language models: where their data lies in its table, and what is done with
//! it. Refuses values out of range, by name. A setting of one task is unknown to another.

use serde::{Deserialize, Serialize};

use super::{Config, Reserved, TokenizerKind, Words};
use crate::error::Error;

/// What a run learns, where it is no language model: the table `[task]` of a recipe, whose `kind` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TaskSettings {
    /// A class for every sequence.
    Classify(Classify),
    /// A text for every text.
    Translate(Translate),
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

/// Where pairs of texts lie in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sides {
    /// The column that is read.
    pub from: String,
    /// The column that is written.
    pub to: String,
    /// Whether the first row names the columns; without, they are `1`, `2`, ...
    pub header: bool,
}

impl Default for Sides {
    fn default() -> Sides {
        Sides { from: "1".into(), to: "2".into(), header: false }
    }
}

/// How the decoder looks at what was read. Scores of a decoder's h against a step's e of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// Not at all: the encoder's last state is all it knows.
    None,
    /// h e, which asks for equal widths.
    Dot,
    /// h W e.
    General,
    /// v tanh(W h + U e).
    Additive,
}

/// A text for every text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Translate {
    /// Where the pairs lie.
    pub source: Sides,
    /// Words and marks that a text that is read may have; pairs with more are left out. 0 lets all in.
    pub max_from: usize,
    /// The same of a text that is written.
    pub max_to: usize,
    /// Different texts to read that are kept for validation, with all that may be written for them. None: `val_frac` of
    /// them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_sentences: Option<usize>,
    /// The same, to measure the trained model on.
    pub test_sentences: usize,
    /// Whether the encoder reads backwards, too.
    pub bidirectional: bool,
    /// Units of the encoder, in each direction. None: as many as make both directions as wide as the decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_hidden: Option<usize>,
    /// How the decoder looks at what was read.
    pub attention: Attention,
    /// Whether what was attended to is fed into the next step (Luong, Pham, Manning 2015, section 3.3).
    pub input_feeding: bool,
    /// How likely a decoder's input is the true token at the end of training, instead of the model's own: it falls from 1
    /// step by step. 1 is teacher forcing throughout.
    pub forcing: f64,
    /// Share of the target's probability that is spread over all tokens (Szegedy et al. 2016).
    pub smoothing: f64,
}

impl Default for Translate {
    fn default() -> Translate {
        Translate {
            source: Sides::default(),
            max_from: 50,
            max_to: 50,
            val_sentences: None,
            test_sentences: 0,
            bidirectional: true,
            encoder_hidden: None,
            attention: Attention::Dot,
            input_feeding: false,
            forcing: 1.0,
            smoothing: 0.0,
        }
    }
}

impl Translate {
    /// Checks what `Config::check` cannot know. Errors: the first setting that is out of range, by its name.
    pub fn check(&self, config: &Config) -> Result<(), Error> {
        let refuse = |name, got: String, expected: &str| Err(Error::Setting { name, got, expected: expected.into() });
        if config.tokenizer != TokenizerKind::Word {
            let got = format!("{:?}", config.tokenizer).to_lowercase();
            return refuse("tokenizer", got, "word, the only one translation knows");
        }
        if !(0.0..=1.0).contains(&self.forcing) {
            return refuse("forcing", self.forcing.to_string(), "0 to 1");
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return refuse("smoothing", self.smoothing.to_string(), "at least 0 and below 1");
        }
        if self.attention == Attention::None && self.input_feeding {
            return refuse("input_feeding", "true".into(), "false without attention: there is nothing to feed");
        }
        if self.encoder_hidden == Some(0) {
            return refuse("encoder_hidden", "0".into(), "at least 1");
        }
        let (ways, units) = (if self.bidirectional { 2 } else { 1 }, self.encoder_hidden(config));
        if self.attention == Attention::Dot && ways * units != config.hidden_size {
            let expected = format!("{} with attention = dot: {ways} x {units} units of the encoder", ways * units);
            return refuse("hidden_size", config.hidden_size.to_string(), &expected);
        }
        if config.tied && config.embed == 0 {
            return refuse("embed", "0".into(), "at least 1 with tied: the width of the weight they share");
        }
        Ok(())
    }

    /// Units of the encoder in each direction.
    pub fn encoder_hidden(&self, config: &Config) -> usize {
        let ways = if self.bidirectional { 2 } else { 1 };
        self.encoder_hidden.unwrap_or((config.hidden_size / ways).max(1))
    }
}

impl TaskSettings {
    /// The names of the tasks, language models left out.
    pub const KINDS: [&'static str; 2] = ["classify", "translate"];

    /// The task of that name with its defaults.
    pub fn of_kind(kind: &str) -> Option<TaskSettings> {
        match kind {
            "classify" => Some(TaskSettings::Classify(Classify::default())),
            "translate" => Some(TaskSettings::Translate(Translate::default())),
            _ => None,
        }
    }

    /// Its name.
    pub fn kind(&self) -> &'static str {
        match self {
            TaskSettings::Classify(_) => "classify",
            TaskSettings::Translate(_) => "translate",
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
            TaskSettings::Translate(_) => Config {
                hidden_size: 512,
                embed: 256,
                tied: true,
                dropout: 0.2,
                output_dropout: 0.2,
                tokenizer: TokenizerKind::Word,
                words: Words::Elisions,
                unk: false,
                eos: true,
                reserve: vec![Reserved::Bos],
                min_freq: 2,
                batch: 128,
                lr: 2e-3,
                sample_every: None,
                ..examples
            },
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

    /// The settings of translation. Errors: it is another task.
    pub fn translate(&self) -> Result<&Translate, Error> {
        match &self.task {
            Some(TaskSettings::Translate(translate)) => Ok(translate),
            _ => Err(self.another_task("translate")),
        }
    }

    fn another_task(&self, wanted: &str) -> Error {
        let kind = self.task.as_ref().map_or("lm", TaskSettings::kind);
        Error::Setting { name: "task", got: kind.to_string(), expected: wanted.to_string() }
    }
}
