//! How a corpus becomes training, validation and test tokens with one vocabulary. A validation file replaces the tail
//! of the corpus. A held-out file without a prediction in it is an error.

use super::{clean::Rules, corpus::Corpus, held::Held, on_disk, tokens::Tokens, vocab::Vocab};
use crate::{
    config::{Config, TokenizerKind},
    error::Error,
};

/// A corpus as tokens.
pub(crate) struct Split {
    pub vocab: Vocab,
    pub train: Tokens,
    /// No tokens: nothing is validated.
    pub validation: Held,
    /// No tokens: nothing is tested.
    pub test: Held,
    /// What was changed from what was asked, a sentence each.
    pub notes: Vec<String>,
}

impl Split {
    /// Splits as `config` and the corpus's own validation and test texts say; `known` is the vocabulary of a run that is
    /// resumed, where it is not to be made again.
    ///
    /// Errors: text that is not UTF-8, but for bytes; a held-out file of fewer than 2 tokens; a vocabulary of nothing; a
    /// tail that is the whole text.
    pub fn new(config: &Config, corpus: &Corpus, known: Option<Vocab>) -> Result<Split, Error> {
        let val_frac = if corpus.validation().is_some() { 0.0 } else { config.val_frac };
        let (vocab, mut train, mut validation) = match (corpus.on_disk(), config.tokenizer) {
            (Some(text), _) => on_disk::split(config, corpus, text, val_frac, known)?,
            (None, TokenizerKind::Byte) => bytes(config, corpus, val_frac)?,
            (None, _) => text(config, corpus, val_frac, known)?,
        };
        if config.max_tokens > 0 {
            train.truncate(config.max_tokens);
        }
        let mut notes = Vec::new();
        if let Some(file) = corpus.validation() {
            validation = Held::of_file(&vocab, Some(file))?;
        }
        if validation.ids.len() < 2 {
            if val_frac > 0.0 {
                let (got, unit) = (validation.ids.len(), vocab.unit(2));
                notes.push(format!(
                    "nothing is validated: val_frac = {val_frac} leaves too little text ({unit}: {got}, expected at least 2)",
                ));
            }
            validation.ids = Tokens::default();
        }
        if vocab.kind() == TokenizerKind::Char && vocab.id('\0').is_some() {
            notes.push("the text contains NUL characters (U+0000), as UTF-16 does that is read as UTF-8".to_string());
        }
        let test = Held::of_file(&vocab, corpus.test())?;
        Ok(Split { vocab, train, validation, test, notes })
    }
}

impl Vocab {
    /// The vocabulary that a run on `corpus` would have. Errors: as [`Split::new`].
    pub(crate) fn of_corpus(config: &Config, corpus: &Corpus) -> Result<Vocab, Error> {
        Ok(Split::new(config, corpus, None)?.vocab)
    }
}

/// Bytes as they are: the tail cut off, then what is held out.
fn bytes(config: &Config, corpus: &Corpus, val_frac: f64) -> Result<(Vocab, Tokens, Held), Error> {
    let all = corpus.bytes();
    let Some(kept) = all.len().checked_sub(config.cut_tail).filter(|&kept| kept > 0) else {
        return Err(tail_too_long(config, all.len()));
    };
    let (train, tail) = all[..kept].split_at(((1.0 - val_frac) * kept as f64) as usize);
    let vocab = Vocab::bytes();
    let ids = |bytes: &[u8]| Tokens::Memory(bytes.iter().map(|&byte| u32::from(byte)).collect());
    let held = Held { ids: ids(tail), bytes: vocab.predicted_bytes(tail) };
    Ok((vocab, ids(train), held))
}

/// Text: the tail cut off, then its rules, then what is held out.
fn text(config: &Config, corpus: &Corpus, val_frac: f64, known: Option<Vocab>) -> Result<(Vocab, Tokens, Held), Error> {
    let all = corpus.utf8()?;
    let kept = match config.cut_tail {
        0 => all.len(),
        tail => match all.char_indices().rev().nth(tail - 1) {
            Some((at, _)) if at > 0 => at,
            _ => return Err(tail_too_long(config, all.chars().count())),
        },
    };
    let rules = Rules::of(config);
    let ready = rules.apply(&all[..kept]);
    let cut = cut(&ready, val_frac, config.tokenizer != TokenizerKind::Char);
    let (train, tail) = ready.split_at(cut);
    let vocab = match known {
        Some(vocab) => vocab,
        None => {
            let mut held_out = tail.to_string();
            for corpus in [corpus.validation(), corpus.test()].into_iter().flatten() {
                held_out += &rules.apply(corpus.utf8()?);
            }
            Vocab::fit_as(config, corpus, train, &held_out)?
        }
    };
    let train_ids = vocab.encode_ready(corpus.name(), train)?;
    let ids = vocab.encode_ready(corpus.name(), tail).map_err(|error| match error {
        Error::UnknownCharacter { name, character, position, vocab_size } => {
            let position = position + train.chars().count();
            Error::UnknownCharacter { name, character, position, vocab_size }
        }
        error => error,
    })?;
    let first = ids.first().map_or(0, |&id| vocab.write(id, None).len());
    let held = Held { ids: Tokens::Memory(ids), bytes: tail.len().saturating_sub(first) };
    Ok((vocab, Tokens::Memory(train_ids), held))
}

/// Where a text is cut: after floor((1 - val_frac) * n) of n characters, or before the next white space.
fn cut(text: &str, val_frac: f64, between_words: bool) -> usize {
    let characters = text.chars().count();
    let train = ((1.0 - val_frac) * characters as f64) as usize;
    let mut rest = text.char_indices().skip(train);
    let at = match between_words {
        true => rest.find(|(_, c)| c.is_whitespace()),
        false => rest.next(),
    };
    at.map_or(text.len(), |(at, _)| at)
}

fn tail_too_long(config: &Config, length: usize) -> Error {
    let expected = format!("below the {length} of the text");
    Error::Setting { name: "cut_tail", got: config.cut_tail.to_string(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(text: &str) -> Corpus {
        Corpus::from_text("t", text.into())
    }

    fn ids(tokens: &Tokens) -> Vec<u32> {
        tokens.clone().into_memory().unwrap()
    }

    #[test]
    fn a_validation_file_takes_the_tails_place() {
        let config = Config { val_frac: 0.25, ..Config::default() };
        let split = Split::new(&config, &corpus("aaabbbcc"), None).unwrap();
        assert_eq!((split.train.len(), split.validation.ids.len(), split.test.ids.len()), (6, 2, 0));
        let files = corpus("aaabbbcc").with_validation(corpus("é☃a")).with_test(corpus("xyzé"));
        let split = Split::new(&config, &files, None).unwrap();
        assert_eq!((split.train.len(), split.validation.ids.len(), split.test.ids.len()), (8, 3, 4));
        assert_eq!((split.validation.bytes, split.test.bytes), (4, 4));
        // Their characters follow those of the training text, so that nothing is unknown.
        assert_eq!(split.vocab.tokens(), ["a", "b", "c", "x", "y", "z", "é", "☃"]);
        let only_test = Split::new(&config, &corpus("aaabbbcc").with_test(corpus("ab")), None).unwrap();
        assert_eq!((only_test.train.len(), only_test.validation.ids.len(), only_test.test.ids.len()), (6, 2, 2));
        let refused = |c: Corpus| Split::new(&config, &c, None).map(|_| ()).unwrap_err().to_string();
        assert_eq!(refused(corpus("aabb").with_validation(corpus("a"))), "t has 1 character, expected at least 2");
        assert_eq!(refused(corpus("aabb").with_test(corpus(""))), "t has 0 characters, expected at least 2");
    }

    #[test]
    fn with_unk_only_the_training_text_makes_the_vocabulary() {
        let config = Config { val_frac: 0.25, unk: true, min_freq: 2, ..Config::default() };
        let split = Split::new(&config, &corpus("aaabbcxy").with_test(corpus("az")), None).unwrap();
        assert_eq!(split.vocab.tokens(), ["<unk>", "a", "b"]);
        assert_eq!(ids(&split.train), [1, 1, 1, 2, 2, 0]);
        assert_eq!((ids(&split.validation.ids), ids(&split.test.ids)), (vec![0, 0], vec![1, 0]));
        let rare = Config { min_freq: 9, ..config };
        assert!(Split::new(&rare, &corpus("aaabbcxy"), None).is_err(), "nothing is left to write with");
    }

    #[test]
    fn bytes_need_no_utf8() {
        let raw = || Corpus::from_raw("r", b"\xff\xfe\x00abc\xe2\x98".to_vec());
        let config = Config { val_frac: 0.25, tokenizer: TokenizerKind::Byte, ..Config::default() };
        let split = Split::new(&config, &raw(), None).unwrap();
        assert_eq!((split.vocab.len(), ids(&split.train)), (256, vec![0xff, 0xfe, 0, 97, 98, 99]));
        assert_eq!((ids(&split.validation.ids), split.validation.bytes), (vec![0xe2, 0x98], 1));
        let error = Split::new(&Config::default(), &raw(), None).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "r is not UTF-8: invalid bytes at byte offset 0");
        let wide: Vec<u8> = "ab\nabab".bytes().flat_map(|byte| [byte, 0]).collect();
        let split = Split::new(&Config::default(), &Corpus::from_raw("w", wide), None).unwrap();
        assert!(split.notes.iter().any(|note| note.contains("NUL characters")), "{:?}", split.notes);
        let plain = Split::new(&Config::default(), &corpus("abab ab"), None).unwrap();
        assert!(!plain.notes.iter().any(|note| note.contains("NUL")), "{:?}", plain.notes);
    }

    #[test]
    fn an_unknown_character_is_told_by_its_place_in_the_whole_text() {
        let config = Config { val_frac: 0.5, ..Config::default() };
        let known = || Some(Vocab::fit("ab", ""));
        let position = |text: &str| match Split::new(&config, &corpus(text), known()).map(|_| ()) {
            Err(Error::UnknownCharacter { position, .. }) => position,
            other => panic!("{other:?}"),
        };
        assert_eq!((position("aébaabéb"), position("abbaabéb")), (1, 6));
    }

    #[test]
    fn words_are_fitted_on_the_training_text_and_never_cut() {
        let config = Config {
            tokenizer: TokenizerKind::Word,
            val_frac: 0.5,
            reserve: vec![crate::config::Reserved::Pad],
            ..Config::default()
        };
        let text = "the cat, the dog\nthe cat-flap elephants new dogs";
        let split = Split::new(&config, &corpus(text), None).unwrap();
        assert_eq!(split.vocab.tokens(), ["<unk>", "<pad>", "<eos>", "the", "cat", "dog", "flap", "￭,", "￭-￭"]);
        assert_eq!(split.vocab.decode(&ids(&split.train)).unwrap(), "the cat, the dog\nthe cat-flap");
        assert_eq!(ids(&split.validation.ids), [0, 0, 0], "the rest is unknown");
        assert_eq!(split.validation.bytes, " elephants new dogs".len() - "<unk>".len());
        let few = Config { vocab_size: Some(5), ..config.clone() };
        let split = Split::new(&few, &corpus(text), None).unwrap();
        assert_eq!(split.vocab.tokens(), ["<unk>", "<pad>", "<eos>", "the", "cat"]);
        let refused = |c: Config| Split::new(&c, &corpus(text), None).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            refused(Config { vocab_size: Some(3), ..config.clone() }),
            "vocab_size is 3, expected more than the 3 reserved tokens"
        );
        let rare = refused(Config { min_freq: 4, ..config });
        assert_eq!(rare, "min_freq is 4, expected at most 3, the count of the most frequent word");
    }

    #[test]
    fn tails_are_cut_first_and_tokens_last() {
        let config = Config { cut_tail: 4, val_frac: 0.25, max_tokens: 5, ..Config::default() };
        let split = Split::new(&config, &corpus("aaaaaaébTAIL"), None).unwrap();
        assert_eq!(split.vocab.tokens(), ["a", "b", "é"]);
        assert_eq!((split.train.len(), ids(&split.validation.ids)), (5, vec![2, 1]));
        let bytes = Config { tokenizer: TokenizerKind::Byte, ..config.clone() };
        let split = Split::new(&bytes, &corpus("aaaaaaébTAIL"), None).unwrap();
        assert_eq!((split.train.len(), ids(&split.validation.ids)), (5, vec![0xc3, 0xa9, 0x62]));
        for config in [config, bytes] {
            let whole = Split::new(&config, &corpus("TAIL"), None).map(|_| ()).unwrap_err().to_string();
            assert_eq!(whole, "cut_tail is 4, expected below the 4 of the text");
        }
    }
}
