//! The choices of how a text becomes tokens and tokens become batches that go beyond one number. Not here: which of them
//! exclude each other (`check_text.rs`).

use serde::{Deserialize, Serialize};

/// What is done to a text first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clean {
    /// Nothing.
    None,
    /// Small letters of every script with their marks, one space for each run of anything else, line ends included.
    UnicodeLetters,
    /// d2l's: small ASCII letters, one space for each run of anything else, none at the ends of lines; the lines follow
    /// each other with nothing between. Its name was `letters`, which files and recipes still have.
    #[serde(rename = "d2l", alias = "letters")]
    D2l,
}

impl Clean {
    /// As a recipe and a flag have it.
    pub fn name(self) -> &'static str {
        match self {
            Clean::None => "none",
            Clean::UnicodeLetters => "unicode-letters",
            Clean::D2l => "d2l",
        }
    }
}

/// What a vocabulary of words is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Words {
    /// Words and punctuation as separate tokens; punctuation knows whether it touches its neighbours.
    Marks,
    /// The same, and a word ends after an apostrophe within it: j' ai.
    Elisions,
    /// Whatever stands between white space.
    Spaces,
}

/// A token that is no word, reserved before all words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reserved {
    /// `<pad>`.
    Pad,
    /// `<bos>`.
    Bos,
}

/// What the gradient is that of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// The mean over all predictions of a batch.
    Mean,
    /// The sum over the steps of a window, its mean over the rows.
    Sum,
}

/// What a pass over the text is where windows are drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RandomEpoch {
    /// As many predictions as the text has.
    Predictions,
    /// As many windows as the text has tokens.
    Starts,
}
