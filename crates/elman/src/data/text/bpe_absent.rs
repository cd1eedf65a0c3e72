//! Stands in for the subword tokenizer in a build without it: making one is an error.

use std::path::Path;

use crate::error::Error;

/// There is no value of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bpe {}

fn not_built() -> Error {
    Error::Setting {
        name: "tokenizer",
        got: "bpe".into(),
        expected: "char, byte or word: this program was built without the feature bpe (cargo install --path crates/cli --locked --features bpe)"
            .into(),
    }
}

impl Bpe {
    pub fn train(_: &str, _: usize) -> Result<Bpe, Error> {
        Err(not_built())
    }
    pub fn from_json(_: &str, _: &Path) -> Result<Bpe, Error> {
        Err(not_built())
    }
    pub fn json(&self) -> &str {
        match *self {}
    }
    pub fn shown(&self) -> Vec<String> {
        match *self {}
    }
    pub fn bytes(&self, _: u32) -> &[u8] {
        match *self {}
    }
    pub fn encode(&self, _: &str, _: &str) -> Result<Vec<u32>, Error> {
        match *self {}
    }
}
