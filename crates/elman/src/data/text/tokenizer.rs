//! The entry of a vocabulary in a model file's metadata. Not here: the vocabulary (`vocab.rs`) and the file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::vocab::Vocab;
use crate::config::{Config, TokenizerKind};

/// The entry `tokenizer`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokenizer {
    pub kind: TokenizerKind,
    /// The `tokenizer.json` of subwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bpe: Option<String>,
    /// Absent for bytes and subwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocab: Option<Vec<String>>,
}

/// The metadata of a vocabulary: the entry `tokenizer`.
pub(crate) fn meta(config: &Config, vocab: &Vocab) -> Map<String, Value> {
    let tokenizer = Tokenizer { bpe: vocab.bpe_json(), kind: config.tokenizer, vocab: vocab.list() };
    let tokenizer = serde_json::to_value(tokenizer).expect("strings make JSON");
    Map::from_iter([("tokenizer".to_string(), tokenizer)])
}
