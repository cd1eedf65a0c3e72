//! How a task's sequences become numbers: texts by a vocabulary, rows of numbers by a scaler. Both are fitted on the
//! training part and saved in the model file. Sequences of the other kind, or other columns than those it was fitted
//! on, are errors.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::data::table::labelled::Items;
use crate::data::table::scale::Scaler;
use crate::data::table::sequences::Sequences;
use crate::data::text::tokenizer;
use crate::data::text::vocab::Vocab;
use crate::error::Error;
use crate::nn::model::Input;

/// How sequences become numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoding {
    /// Texts become tokens.
    Tokens(Vocab),
    /// Rows of numbers are scaled.
    Vectors {
        /// Their columns.
        columns: Vec<String>,
        /// What makes them alike.
        scaler: Scaler,
    },
}

/// The entry of features in a model file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Features {
    pub columns: Vec<String>,
    pub scaler: Scaler,
}

impl Encoding {
    /// The encoding of a training part; `name` is what messages call it. Errors: as the vocabulary's.
    pub fn fit(config: &Config, name: &str, items: &Items) -> Result<Encoding, Error> {
        Ok(match items {
            Items::Texts(texts) => Encoding::Tokens(Vocab::of_texts(config, name, texts)?),
            Items::Vectors { columns, sequences, .. } => {
                let width = columns.len();
                let rows = sequences.iter().flat_map(|sequence| sequence.chunks_exact(width));
                Encoding::Vectors { columns: columns.clone(), scaler: Scaler::fit(width, rows) }
            }
        })
    }

    /// Its entries of a model file's metadata, in addition to `task`: `tokenizer`, or `features` within `task`.
    pub(crate) fn meta(&self, config: &Config, mut task: Value) -> Map<String, Value> {
        let mut meta = Map::new();
        match self {
            Encoding::Tokens(vocab) => meta.extend(tokenizer::meta(config, vocab)),
            Encoding::Vectors { columns, scaler } => {
                task["features"] = json!(Features { columns: columns.clone(), scaler: scaler.clone() });
            }
        }
        meta.insert("task".to_string(), task);
        meta
    }

    /// What a network reads at each step.
    pub fn input(&self) -> Input {
        match self {
            Encoding::Tokens(vocab) => Input::Tokens(vocab.len()),
            Encoding::Vectors { columns, .. } => Input::Vectors(columns.len()),
        }
    }

    /// Sequences as numbers. Errors: sequences of the other kind; other columns; a text that the vocabulary rejects.
    pub fn encode(&self, name: &str, items: &Items) -> Result<Sequences, Error> {
        match (self, items) {
            (Encoding::Tokens(vocab), Items::Texts(texts)) => {
                let ids: Result<_, Error> = texts.iter().map(|text| vocab.encode(name, text)).collect();
                Ok(Sequences::Tokens(ids?))
            }
            (Encoding::Vectors { columns, scaler }, Items::Vectors { columns: given, sequences, .. }) => {
                if columns != given {
                    let problem = format!("its features are {}, expected {}", given.join(", "), columns.join(", "));
                    return Err(Error::Data { name: name.to_string(), problem });
                }
                let width = columns.len();
                let scaled = |sequence: &Vec<f64>| {
                    let numbers = sequence.iter().enumerate();
                    numbers.map(|(at, &x)| scaler.scale(at % width, x)).collect()
                };
                Ok(Sequences::Vectors { width, rows: sequences.iter().map(scaled).collect() })
            }
            (Encoding::Tokens(_), _) => Err(another_kind(name, "rows of numbers", "texts")),
            (Encoding::Vectors { .. }, _) => Err(another_kind(name, "texts", "rows of numbers, by a group column")),
        }
    }
}

fn another_kind(name: &str, got: &str, expected: &str) -> Error {
    Error::Data { name: name.to_string(), problem: format!("the sequences are {got}, expected {expected}") }
}
