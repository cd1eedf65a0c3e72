//! The settings of translation: where pairs of texts are, how they are split, and the network. Not here: checks
//! (`check_task.rs`).

use serde::{Deserialize, Serialize};

/// Where pairs of texts are in a table.
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
    /// Where the pairs are.
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
    /// How likely a decoder's input is the true token at the end of training, instead of the model's own: it falls from
    /// 1 step by step. 1 is teacher forcing throughout.
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
