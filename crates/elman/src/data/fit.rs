//! Holds how a vocabulary is made from a training text. Refuses to look at any other text, but for the characters that
//! only held-out text has, and a vocabulary of nothing.

use std::collections::{BTreeMap, HashMap};

use super::{
    Corpus, Vocab,
    bpe::Bpe,
    clean::Rules,
    vocab::{LINE_END, UNKNOWN},
    words::{self, Piece},
};
use crate::{
    config::{Config, Reserved, TokenizerKind},
    error::Error,
};

impl Vocab {
    /// The vocabulary that a configuration asks for. `train` and `held_out` are as the configuration's rules make them.
    pub(super) fn fit_as(config: &Config, corpus: &Corpus, train: &str, held_out: &str) -> Result<Vocab, Error> {
        let vocab = match config.tokenizer {
            TokenizerKind::Byte => Vocab::bytes(),
            TokenizerKind::Char if config.unk => Vocab::fit_with_unknown(train, config.min_freq, config.vocab_size)?,
            TokenizerKind::Char => Vocab::fit(train, held_out),
            TokenizerKind::Word => Vocab::fit_words(config, corpus.name(), train)?,
            TokenizerKind::Bpe => Vocab::of_bpe(match corpus.tokenizer() {
                Some((json, path)) => Bpe::from_json(json, path)?,
                None => Bpe::train(train, config.vocab_size.unwrap_or(2000))?,
            }),
        };
        Ok(vocab.with_rules(config))
    }

    /// The vocabulary of texts that stand apart from each other; `name` is what messages call them.
    pub(crate) fn of_texts(config: &Config, name: &str, texts: &[String]) -> Result<Vocab, Error> {
        // Words and parts of them end with their text; of characters, there are none between texts.
        let between = if config.tokenizer == TokenizerKind::Char { "" } else { "\n" };
        let all = Rules::of(config).apply(&texts.join(between)).into_owned();
        Vocab::fit_as(config, &Corpus::from_text(name, String::new()), &all, "")
    }

    /// The characters that come at least `min_freq` times in `train`, in the order of [`Vocab::fit`], after `<unk>`,
    /// which stands for all others; `size` tokens at most. Errors: no character comes so often.
    pub fn fit_with_unknown(train: &str, min_freq: u64, size: Option<usize>) -> Result<Vocab, Error> {
        let mut counts: HashMap<char, u64> = HashMap::new();
        for c in train.chars() {
            *counts.entry(c).or_default() += 1;
        }
        let all = Vocab::fit(train, "");
        let known = all.tokens().iter().filter_map(|token| token.chars().next()).filter(|c| counts[c] >= min_freq);
        let vocab = Vocab::from_chars(known.take(size.unwrap_or(usize::MAX) - 1), true);
        if vocab.len() == vocab.reserved() {
            return Err(too_rare(min_freq, counts.values().max(), "character"));
        }
        Ok(vocab)
    }

    /// The vocabulary of a training text and its validation tail.
    ///
    /// The order is fitted on `train` alone: falling frequency, ties by code point. Characters that only the tail
    /// has follow, by code point, so that evaluation never meets an unknown character; the model learns nothing
    /// about them but that they are rare.
    pub fn fit(train: &str, tail: &str) -> Vocab {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        for c in train.chars() {
            *counts.entry(c).or_default() += 1;
        }
        for c in tail.chars() {
            counts.entry(c).or_default();
        }
        let mut order: Vec<(char, u64)> = counts.into_iter().collect();
        order.sort_by_key(|&(c, n)| (std::cmp::Reverse(n), c));
        Vocab::from_chars(order.into_iter().map(|(c, _)| c), false)
    }

    /// The words of a training text: `<unk>`, what else is reserved, `<eos>` where line ends are tokens, then the words
    /// that come `min_freq` times or more by falling frequency, ties by code point; `vocab_size` tokens at most.
    ///
    /// Errors: no word comes so often; no room for one.
    fn fit_words(config: &Config, name: &str, train: &str) -> Result<Vocab, Error> {
        let mut tokens = vec![UNKNOWN.to_string()];
        for (reserved, token) in [(Reserved::Pad, "<pad>"), (Reserved::Bos, "<bos>")] {
            tokens.extend(config.reserve.contains(&reserved).then(|| token.to_string()));
        }
        tokens.extend(config.eos.then(|| LINE_END.to_string()));
        let mut counts: HashMap<String, u64> = HashMap::new();
        for piece in words::pieces(train, config.words) {
            if let Piece::Word(word) = piece {
                *counts.entry(word).or_default() += 1;
            }
        }
        counts.retain(|word, _| !tokens.contains(word));
        let most = counts.values().max().copied();
        let mut order: Vec<(String, u64)> = counts.into_iter().filter(|&(_, n)| n >= config.min_freq).collect();
        order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if order.is_empty() {
            return Err(match most {
                Some(most) => too_rare(config.min_freq, Some(&most), "word"),
                None => {
                    let (name, unit) = (name.to_string(), "words");
                    Error::ShortText { name, got: 0, unit, expected: "1".into() }
                }
            });
        }
        if let Some(size) = config.vocab_size.filter(|&size| size <= tokens.len()) {
            let expected = format!("more than the {} reserved tokens", tokens.len());
            return Err(Error::Setting { name: "vocab_size", got: size.to_string(), expected });
        }
        let room = config.vocab_size.unwrap_or(usize::MAX) - tokens.len();
        tokens.extend(order.into_iter().take(room).map(|(word, _)| word));
        Ok(Vocab::of_words(config, tokens))
    }
}

fn too_rare(min_freq: u64, most: Option<&u64>, what: &str) -> Error {
    let expected = format!("at most {}, how often the most frequent {what} comes", most.copied().unwrap_or_default());
    Error::Setting { name: "min_freq", got: min_freq.to_string(), expected }
}
