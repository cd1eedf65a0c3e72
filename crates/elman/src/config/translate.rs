//! Holds the settings of translation: where pairs of texts lie, how they are split, what the network is made of.
//! Refuses values out of range, by name.

use serde::{Deserialize, Serialize};

use super::{Config, Reserved, TaskSettings, TokenizerKind, Words};
use crate::error::Error;

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

    /// The defaults of a run, over those of all tasks.
    pub(super) fn defaults(examples: Config) -> Config {
        Config {
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
        }
    }
}

impl Config {
    /// The settings of translation. Errors: it is another task.
    pub fn translate(&self) -> Result<&Translate, Error> {
        match &self.task {
            Some(TaskSettings::Translate(translate)) => Ok(translate),
            _ => Err(self.another_task("translate")),
        }
    }
}
