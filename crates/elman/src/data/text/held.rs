//! The tokens that are kept from training, to validate or to test on. Not here: where they are cut off (`split.rs`).

use super::{corpus::Corpus, tokens::Tokens, vocab::Vocab};
use crate::error::Error;

/// Tokens kept from training, and the bytes of their predicted part.
#[derive(Default)]
pub(crate) struct Held {
    pub ids: Tokens,
    pub bytes: usize,
}

impl Held {
    /// The tokens of a file. Errors: fewer than 2.
    pub fn of_file(vocab: &Vocab, corpus: Option<&Corpus>) -> Result<Held, Error> {
        let Some(corpus) = corpus else {
            return Ok(Held::default());
        };
        let (name, text) = (corpus.name(), corpus.bytes());
        let ids = Tokens::Memory(vocab.encode_bytes(name, text)?);
        let held = Held { ids, bytes: vocab.predicted_bytes(text) };
        if held.ids.len() < 2 {
            let (name, got, unit) = (corpus.name().into(), held.ids.len(), vocab.unit(held.ids.len()).into());
            return Err(Error::ShortText { name, got, unit, expected: "2".into() });
        }
        Ok(held)
    }
}
