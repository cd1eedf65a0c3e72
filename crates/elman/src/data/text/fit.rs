//! How a vocabulary is made from a training text. It reads no other text, except for the characters that occur in
//! held-out text only. An empty vocabulary is an error.

use std::collections::HashMap;

use super::{
    bpe::Bpe,
    clean::Rules,
    corpus::Corpus,
    vocab::{LINE_END, UNKNOWN, Vocab},
    words::{self, Piece},
};
use crate::{
    config::{Config, Reserved, TokenizerKind, Words},
    error::Error,
};

impl Vocab {
    /// The vocabulary that a configuration asks for. `train` and `held_out` are as the configuration's rules make them.
    pub(crate) fn fit_as(config: &Config, corpus: &Corpus, train: &str, held_out: &str) -> Result<Vocab, Error> {
        if config.tokenizer == TokenizerKind::Bpe {
            let bpe = match corpus.tokenizer() {
                Some((json, path)) => Bpe::from_json(json, path)?,
                None => Bpe::train(train, config.vocab_size.unwrap_or(2000))?,
            };
            return Ok(Vocab::of_bpe(bpe).with_rules(config));
        }
        let mut counter = Counter::new(config);
        counter.add(train);
        counter.add_held_out(held_out);
        counter.vocab(config, corpus.name())
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
        let mut counts = Characters::default();
        counts.add(train);
        Vocab::of_frequent(counts, min_freq, size)
    }

    fn of_frequent(counts: Characters, min_freq: u64, size: Option<usize>) -> Result<Vocab, Error> {
        let order = counts.order();
        let known = order.iter().filter(|&&(_, n)| n >= min_freq.max(1)).map(|&(c, _)| c);
        let vocab = Vocab::from_chars(known.take(size.unwrap_or(usize::MAX) - 1), true);
        if vocab.len() == vocab.reserved() {
            return Err(too_rare(min_freq, order.first().map(|(_, n)| n), "character"));
        }
        Ok(vocab)
    }

    /// The vocabulary of a training text and its validation tail.
    ///
    /// The order is fitted on `train` alone: falling frequency, ties by code point. Characters that only the tail
    /// has follow, by code point, so that evaluation never meets an unknown character; the model learns nothing
    /// about them but that they are rare.
    pub fn fit(train: &str, tail: &str) -> Vocab {
        let mut counts = Characters::default();
        counts.add(train);
        counts.meet(tail);
        Vocab::from_chars(counts.order().into_iter().map(|(c, _)| c), false)
    }

    /// The words of a training text: `<unk>`, what else is reserved, `<eos>` where line ends are tokens, then the words
    /// that come `min_freq` times or more by falling frequency, ties by code point; `vocab_size` tokens at most.
    ///
    /// Errors: no word comes so often; no space for one in `vocab_size`.
    fn of_words_counted(config: &Config, name: &str, mut counts: HashMap<String, u64>) -> Result<Vocab, Error> {
        let mut tokens = vec![UNKNOWN.to_string()];
        for (reserved, token) in [(Reserved::Pad, "<pad>"), (Reserved::Bos, "<bos>")] {
            tokens.extend(config.reserve.contains(&reserved).then(|| token.to_string()));
        }
        tokens.extend(config.eos.then(|| LINE_END.to_string()));
        counts.retain(|word, _| !tokens.contains(word));
        let most = counts.values().max().copied();
        let mut order: Vec<(String, u64)> = counts.into_iter().filter(|&(_, n)| n >= config.min_freq).collect();
        order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if order.is_empty() {
            return Err(match most {
                Some(most) => too_rare(config.min_freq, Some(&most), "word"),
                None => {
                    let (name, unit) = (name.to_string(), "words".into());
                    Error::ShortText { name, got: 0, unit, expected: "1".into() }
                }
            });
        }
        if let Some(size) = config.vocab_size.filter(|&size| size <= tokens.len()) {
            let expected = format!("more than the {} reserved tokens", tokens.len());
            return Err(Error::Setting { name: "vocab_size", got: size.to_string(), expected });
        }
        let space = config.vocab_size.unwrap_or(usize::MAX) - tokens.len();
        tokens.extend(order.into_iter().take(space).map(|(word, _)| word));
        Ok(Vocab::of_words(config, tokens))
    }
}

/// What is counted of a text, as far as it has been read, to make a vocabulary of characters, bytes or words. A text
/// that comes in pieces is cut between words.
pub(crate) struct Counter {
    kind: TokenizerKind,
    how: Words,
    characters: Characters,
    words: HashMap<String, u64>,
}

impl Counter {
    pub fn new(config: &Config) -> Counter {
        let (kind, how) = (config.tokenizer, config.words);
        Counter { kind, how, characters: Characters::default(), words: HashMap::new() }
    }

    /// Counts more of the training text.
    pub fn add(&mut self, train: &str) {
        match self.kind {
            TokenizerKind::Char => self.characters.add(train),
            TokenizerKind::Word => {
                for piece in words::pieces(train, self.how) {
                    if let Piece::Word(word) = piece {
                        *self.words.entry(word).or_default() += 1;
                    }
                }
            }
            TokenizerKind::Byte | TokenizerKind::Bpe => {}
        }
    }

    /// Looks at what is held out: only its characters matter.
    pub fn add_held_out(&mut self, text: &str) {
        if self.kind == TokenizerKind::Char {
            self.characters.meet(text);
        }
    }

    /// The vocabulary of what was counted; `name` is what messages call the text.
    pub fn vocab(self, config: &Config, name: &str) -> Result<Vocab, Error> {
        let vocab = match self.kind {
            TokenizerKind::Byte => Vocab::bytes(),
            TokenizerKind::Bpe => unreachable!("subwords are learnt from a whole text"),
            TokenizerKind::Char if config.unk => {
                Vocab::of_frequent(self.characters, config.min_freq, config.vocab_size)?
            }
            TokenizerKind::Char => Vocab::from_chars(self.characters.order().into_iter().map(|(c, _)| c), false),
            TokenizerKind::Word => Vocab::of_words_counted(config, name, self.words)?,
        };
        Ok(vocab.with_rules(config))
    }
}

/// How often each character came; 0 for one that was only met.
struct Characters {
    /// Of ASCII: what most texts are made of needs no hash.
    ascii: [Option<u64>; 128],
    others: HashMap<char, u64>,
}

impl Default for Characters {
    fn default() -> Characters {
        Characters { ascii: [None; 128], others: HashMap::new() }
    }
}

impl Characters {
    fn add(&mut self, text: &str) {
        self.count(text, 1);
    }

    fn meet(&mut self, text: &str) {
        self.count(text, 0);
    }

    fn count(&mut self, text: &str, one: u64) {
        for c in text.chars() {
            match self.ascii.get_mut(c as usize) {
                Some(count) => *count = Some(count.unwrap_or_default() + one),
                None => *self.others.entry(c).or_default() += one,
            }
        }
    }

    /// Falling frequency, ties by code point.
    fn order(self) -> Vec<(char, u64)> {
        let ascii = (0..128_u8).map(char::from).zip(self.ascii).filter_map(|(c, count)| Some((c, count?)));
        let mut order: Vec<(char, u64)> = ascii.chain(self.others).collect();
        order.sort_by_key(|&(c, n)| (std::cmp::Reverse(n), c));
        order
    }
}

fn too_rare(min_freq: u64, most: Option<&u64>, what: &str) -> Error {
    let expected = format!("at most {}, the count of the most frequent {what}", most.copied().unwrap_or_default());
    Error::Setting { name: "min_freq", got: min_freq.to_string(), expected }
}
