//! Holds how a corpus becomes tokens to train on, to validate on and to test on, and the vocabulary of all three.
//! Refuses held-out files without a prediction in them. A validation file takes the place of the corpus's tail.

use super::{Corpus, Vocab};
use crate::{
    config::{Config, TokenizerKind},
    error::Error,
};

/// Tokens kept from training, and the bytes of their predicted part.
#[derive(Default)]
pub(crate) struct Held {
    pub ids: Vec<u32>,
    pub bytes: usize,
}

impl Held {
    fn new(vocab: &Vocab, name: &str, text: &[u8]) -> Result<Held, Error> {
        Ok(Held { ids: vocab.encode_bytes(name, text)?, bytes: vocab.predicted_bytes(text) })
    }

    /// The tokens of a file. Errors: fewer than 2.
    fn of_file(vocab: &Vocab, corpus: Option<&Corpus>) -> Result<Held, Error> {
        let Some(corpus) = corpus else {
            return Ok(Held::default());
        };
        let held = Held::new(vocab, corpus.name(), corpus.bytes())?;
        if held.ids.len() < 2 {
            let (name, got, unit) = (corpus.name().into(), held.ids.len(), vocab.unit(held.ids.len()));
            return Err(Error::ShortText { name, got, unit, expected: "2".into() });
        }
        Ok(held)
    }
}

/// A corpus as tokens.
pub(crate) struct Split {
    pub vocab: Vocab,
    pub train: Vec<u32>,
    /// No tokens: nothing is validated.
    pub validation: Held,
    /// No tokens: nothing is tested.
    pub test: Held,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
}

impl Split {
    /// Splits as `config` and the corpus's own validation and test texts say.
    ///
    /// Errors: text that is not UTF-8, but for bytes; a held-out file of fewer than 2 tokens; a vocabulary of nothing.
    #[cfg(test)]
    pub fn new(config: &Config, corpus: &Corpus) -> Result<Split, Error> {
        Split::with(config, corpus, None)
    }

    /// The same with the vocabulary `known`, where there is one.
    pub fn with(config: &Config, corpus: &Corpus, known: Option<Vocab>) -> Result<Split, Error> {
        let val_frac = if corpus.validation().is_some() { 0.0 } else { config.val_frac };
        let (train, tail) = match config.tokenizer {
            TokenizerKind::Byte => {
                let all = corpus.bytes();
                all.split_at(((1.0 - val_frac) * all.len() as f64) as usize)
            }
            TokenizerKind::Char => {
                corpus.utf8()?;
                let (train, tail) = corpus.split(val_frac);
                (train.as_bytes(), tail.as_bytes())
            }
        };
        let held_out = [corpus.validation(), corpus.test()];
        let vocab = match (known, config.tokenizer) {
            (Some(known), _) => known,
            (None, TokenizerKind::Byte) => Vocab::bytes(),
            (None, TokenizerKind::Char) => {
                let train = std::str::from_utf8(train).unwrap_or_default();
                if config.unk {
                    Vocab::fit_with_unknown(train, config.min_freq)?
                } else {
                    let mut tail = std::str::from_utf8(tail).unwrap_or_default().to_string();
                    for corpus in held_out.into_iter().flatten() {
                        tail += corpus.utf8()?;
                    }
                    Vocab::fit(train, &tail)
                }
            }
        };
        let mut notes = Vec::new();
        let mut validation = match corpus.validation() {
            Some(file) => Held::of_file(&vocab, Some(file))?,
            None => Held::new(&vocab, corpus.name(), tail)?,
        };
        if validation.ids.len() < 2 {
            if val_frac > 0.0 {
                notes.push(format!(
                    "nothing is validated: val_frac = {val_frac} leaves too little text (characters: {}, expected at least 2)",
                    validation.ids.len()
                ));
            }
            validation.ids.clear();
        }
        let train = vocab.encode_bytes(corpus.name(), train)?;
        let test = Held::of_file(&vocab, corpus.test())?;
        Ok(Split { vocab, train, validation, test, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(text: &str) -> Corpus {
        Corpus::from_text("t", text.into())
    }

    #[test]
    fn a_validation_file_takes_the_tails_place() {
        let config = Config { val_frac: 0.25, ..Config::default() };
        let split = Split::new(&config, &corpus("aaabbbcc")).unwrap();
        assert_eq!((split.train.len(), split.validation.ids.len(), split.test.ids.len()), (6, 2, 0));
        let files = corpus("aaabbbcc").with_validation(corpus("é☃a")).with_test(corpus("xyzé"));
        let split = Split::new(&config, &files).unwrap();
        assert_eq!((split.train.len(), split.validation.ids.len(), split.test.ids.len()), (8, 3, 4));
        assert_eq!((split.validation.bytes, split.test.bytes), (4, 4));
        // Their characters follow those of the training text, so that nothing is unknown.
        assert_eq!(split.vocab.tokens(), ["a", "b", "c", "x", "y", "z", "é", "☃"]);
        let only_test = Split::new(&config, &corpus("aaabbbcc").with_test(corpus("ab"))).unwrap();
        assert_eq!((only_test.train.len(), only_test.validation.ids.len(), only_test.test.ids.len()), (6, 2, 2));
        let refused = |c: Corpus| Split::new(&config, &c).map(|_| ()).unwrap_err().to_string();
        assert_eq!(refused(corpus("aabb").with_validation(corpus("a"))), "t has 1 character, expected at least 2");
        assert_eq!(refused(corpus("aabb").with_test(corpus(""))), "t has 0 characters, expected at least 2");
    }

    #[test]
    fn with_unk_only_the_training_text_makes_the_vocabulary() {
        let config = Config { val_frac: 0.25, unk: true, min_freq: 2, ..Config::default() };
        let split = Split::new(&config, &corpus("aaabbcxy").with_test(corpus("az"))).unwrap();
        assert_eq!(split.vocab.tokens(), ["<unk>", "a", "b"]);
        assert_eq!(split.train, [1, 1, 1, 2, 2, 0]);
        assert_eq!((split.validation.ids, split.test.ids), (vec![0, 0], vec![1, 0]));
        let rare = Config { min_freq: 9, ..config };
        assert!(Split::new(&rare, &corpus("aaabbcxy")).is_err(), "nothing is left to write with");
    }

    #[test]
    fn bytes_need_no_utf8() {
        let raw = || Corpus::from_raw("r", b"\xff\xfe\x00abc\xe2\x98".to_vec());
        let config = Config { val_frac: 0.25, tokenizer: TokenizerKind::Byte, ..Config::default() };
        let split = Split::new(&config, &raw()).unwrap();
        assert_eq!((split.vocab.len(), split.train), (256, vec![0xff, 0xfe, 0, 97, 98, 99]));
        assert_eq!((split.validation.ids, split.validation.bytes), (vec![0xe2, 0x98], 1));
        let error = Split::new(&Config::default(), &raw()).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "r is not UTF-8: invalid bytes at byte offset 0");
    }
}
