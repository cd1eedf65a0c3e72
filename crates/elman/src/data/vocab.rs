//! Holds the vocabulary, which token has which id, both ways: characters, or the 256 bytes.
//! Refuses characters it does not hold, by name and place; there is no silent stand-in for them, but the `<unk>` that a
//! vocabulary of characters has where it was asked for.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rand_chacha::ChaCha8Rng;

use crate::{config::TokenizerKind, error::Error, rng::uniform};

/// The token of every unknown character, id 0 where it is reserved.
pub const UNKNOWN: &str = "<unk>";

/// Tokens in id order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocab {
    kind: TokenizerKind,
    /// One character each, but for a reserved token; of bytes, how they are shown.
    tokens: Vec<String>,
    ids: HashMap<char, u32>,
    /// Id of the first token that is no reserved one: 1 with `<unk>`, else 0.
    reserved: u32,
}

impl Vocab {
    /// The 256 bytes, each its own id.
    pub fn bytes() -> Vocab {
        let shown = |byte: u8| if byte < 128 { char::from(byte).to_string() } else { format!("<0x{byte:02X}>") };
        let ids = (0..128_u8).map(|byte| (char::from(byte), u32::from(byte))).collect();
        Vocab { kind: TokenizerKind::Byte, tokens: (0..=255).map(shown).collect(), ids, reserved: 0 }
    }

    /// The characters that come at least `min_freq` times in `train`, in the order of [`Vocab::fit`], after `<unk>`,
    /// which stands for all others. Errors: no character comes so often.
    pub fn fit_with_unknown(train: &str, min_freq: u64) -> Result<Vocab, Error> {
        let mut counts: HashMap<char, u64> = HashMap::new();
        for c in train.chars() {
            *counts.entry(c).or_default() += 1;
        }
        let all = Vocab::fit(train, "");
        let known = all.tokens.iter().filter_map(|token| token.chars().next()).filter(|c| counts[c] >= min_freq);
        let vocab = Vocab::from_chars(known, true);
        if vocab.ids.is_empty() {
            let most = counts.values().max().copied().unwrap_or_default();
            let expected = format!("at most {most}, how often the most frequent character comes");
            return Err(Error::Setting { name: "min_freq", got: min_freq.to_string(), expected });
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

    /// The vocabulary a file lists, of bytes where it says so; that list may be absent. `<unk>` may stand first.
    ///
    /// Errors: an entry that is not one character, or comes twice; an empty list; a list of other bytes.
    pub fn from_list(kind: TokenizerKind, tokens: Option<Vec<String>>, path: &Path) -> Result<Vocab, Error> {
        match (kind, tokens) {
            (TokenizerKind::Char, tokens) => Vocab::from_tokens(tokens.unwrap_or_default(), path),
            (TokenizerKind::Byte, None) => Ok(Vocab::bytes()),
            (TokenizerKind::Byte, Some(tokens)) if tokens == Vocab::bytes().tokens => Ok(Vocab::bytes()),
            (TokenizerKind::Byte, Some(tokens)) => {
                let problem = format!(
                    "tokenizer.vocab lists {} tokens for bytes, expected none or the 256 bytes in order",
                    tokens.len()
                );
                Err(Error::file(path, problem))
            }
        }
    }

    /// The vocabulary of characters a file lists. Errors: an entry that is not one character, or comes twice; an
    /// empty list.
    pub fn from_tokens(tokens: Vec<String>, path: &Path) -> Result<Vocab, Error> {
        let reserved = usize::from(tokens.first().is_some_and(|token| token == UNKNOWN));
        let mut chars = Vec::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate().skip(reserved) {
            let mut rest = token.chars();
            match (rest.next(), rest.next()) {
                (Some(c), None) => chars.push(c),
                _ => {
                    let problem = format!("tokenizer.vocab entry {id} is {token:?}, expected one character");
                    return Err(Error::file(path, problem));
                }
            }
        }
        let (listed, vocab) = (chars.len(), Vocab::from_chars(chars.into_iter(), reserved > 0));
        if vocab.ids.len() != listed || listed == 0 {
            let problem = format!(
                "tokenizer.vocab has {listed} entries of which {} differ, expected at least 1 and no character twice",
                vocab.ids.len()
            );
            return Err(Error::file(path, problem));
        }
        Ok(vocab)
    }

    fn from_chars(chars: impl Iterator<Item = char>, with_unknown: bool) -> Vocab {
        let mut tokens: Vec<String> = with_unknown.then(|| UNKNOWN.to_string()).into_iter().collect();
        let (reserved, mut ids) = (tokens.len() as u32, HashMap::new());
        for c in chars {
            ids.insert(c, tokens.len() as u32);
            tokens.push(c.to_string());
        }
        Vocab { kind: TokenizerKind::Char, tokens, ids, reserved }
    }

    /// What its tokens are.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// How many ids at the start are reserved: no text is written with them.
    pub fn reserved(&self) -> usize {
        self.reserved as usize
    }

    /// What `count` of its tokens are called.
    pub fn unit(&self, count: usize) -> &'static str {
        match (self.kind, count) {
            (TokenizerKind::Char, 1) => "character",
            (TokenizerKind::Char, _) => "characters",
            (TokenizerKind::Byte, 1) => "byte",
            (TokenizerKind::Byte, _) => "bytes",
        }
    }

    /// The byte that an id stands for, in a vocabulary of bytes.
    pub fn byte(&self, id: u32) -> Option<u8> {
        (self.kind == TokenizerKind::Byte).then(|| u8::try_from(id).ok()).flatten()
    }

    /// The list that a file holds: none for bytes, which are always the same.
    pub(crate) fn list(&self) -> Option<Vec<String>> {
        (self.kind == TokenizerKind::Char).then(|| self.tokens.clone())
    }

    /// Bytes of all tokens of a text but the first.
    pub(crate) fn predicted_bytes(&self, text: &[u8]) -> usize {
        let first = match (self.kind, text.first()) {
            (_, None) => 0,
            (TokenizerKind::Byte, _) => 1,
            // Where the text is UTF-8, the bytes that follow the first and go on with its character.
            (TokenizerKind::Char, _) => 1 + text[1..].iter().take_while(|&&byte| byte & 0xc0 == 0x80).count(),
        };
        text.len() - first
    }

    /// V, how many tokens it holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it holds none; no constructor makes such a one from a text.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens in id order, one string each; a byte that is no ASCII as `<0xFF>`.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The id of a character.
    pub fn id(&self, character: char) -> Option<u32> {
        self.ids.get(&character).copied()
    }

    /// The ids of a text in bytes. Errors: as [`Vocab::encode`]; for characters, bytes that are not UTF-8.
    pub fn encode_bytes(&self, name: &str, text: &[u8]) -> Result<Vec<u32>, Error> {
        if self.kind == TokenizerKind::Byte {
            return Ok(text.iter().map(|&byte| u32::from(byte)).collect());
        }
        let text = std::str::from_utf8(text)
            .map_err(|error| Error::InvalidUtf8 { name: name.to_string(), offset: error.valid_up_to() })?;
        self.encode(name, text)
    }

    /// The id of a character or of `<unk>`, where there is one.
    fn id_or_unknown(&self, character: char) -> Option<u32> {
        self.id(character).or((self.reserved > 0).then_some(0))
    }

    /// The ids of a text. Errors: the first unknown character, with its position in `name`.
    pub fn encode(&self, name: &str, text: &str) -> Result<Vec<u32>, Error> {
        if self.kind == TokenizerKind::Byte {
            return self.encode_bytes(name, text.as_bytes());
        }
        let encode = |(position, character)| {
            self.id_or_unknown(character).ok_or_else(|| Error::UnknownCharacter {
                name: name.to_string(),
                character,
                position,
                vocab_size: self.len(),
            })
        };
        text.chars().enumerate().map(encode).collect()
    }

    /// The ids of a prompt. Errors: every unknown character, each once.
    pub fn encode_prompt(&self, prompt: &str) -> Result<Vec<u32>, Error> {
        if self.kind == TokenizerKind::Byte {
            return self.encode_bytes("the prompt", prompt.as_bytes());
        }
        let mut unknown = Vec::new();
        let mut ids = Vec::new();
        for c in prompt.chars() {
            match self.id_or_unknown(c) {
                Some(id) => ids.push(id),
                None if unknown.contains(&c) => {}
                None => unknown.push(c),
            }
        }
        if unknown.is_empty() { Ok(ids) } else { Err(Error::UnknownPrompt { characters: unknown }) }
    }

    /// The text of one id, or None for an id it does not hold.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// The text of ids; of bytes, with U+FFFD for what is no UTF-8. Errors: an id it does not hold.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        if let Some(bytes) = ids.iter().map(|&id| self.byte(id)).collect::<Option<Vec<u8>>>() {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        let decode = |&id: &u32| {
            self.token(id).ok_or_else(|| Error::Setting {
                name: "token id",
                got: id.to_string(),
                expected: format!("below the vocabulary's {}", self.len()),
            })
        };
        ids.iter().map(decode).collect()
    }

    /// The token a text starts from when there is no prompt: a newline if the vocabulary has one, else the most
    /// frequent character (the lowest id that is not reserved).
    pub fn start(&self) -> u32 {
        self.id('\n').unwrap_or(self.reserved)
    }

    /// A token to start from at random: each as likely as the others, reserved ones left out; of bytes, one of the 95
    /// that are a visible character or a space.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        let (first, count) = match self.kind {
            TokenizerKind::Char => (self.reserved, self.tokens.len() as u32 - self.reserved),
            TokenizerKind::Byte => (u32::from(b' '), 95),
        };
        first + (uniform(rng) * f64::from(count)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_frequency_in_train_then_code_point_then_the_tail() {
        // Train: b 3, c 2, a 1, é 1. The tail's many z and c change nothing about that order.
        let vocab = Vocab::fit("bcbaécb", "zzzzzycccc");
        assert_eq!(vocab.tokens(), ["b", "c", "a", "é", "y", "z"]);
        assert_eq!(vocab.encode("t", "zéb").unwrap(), [5, 3, 0]);
        assert_eq!(vocab.decode(&[5, 3, 0]).unwrap(), "zéb");
        assert!(vocab.decode(&[6]).is_err());
    }

    #[test]
    fn unknown_characters_are_named_with_their_place() {
        let vocab = Vocab::fit("abé", "");
        let error = vocab.encode("poem.txt", "éa☃b").unwrap_err().to_string();
        assert_eq!(error, "character '☃' (U+2603) at position 2 of poem.txt is not in the vocabulary of 3 characters");
        let error = vocab.encode_prompt("xay x").unwrap_err();
        assert!(matches!(error, Error::UnknownPrompt { characters } if characters == ['x', 'y', ' ']));
        assert_eq!(vocab.encode_prompt("ba").unwrap(), [1, 0]);
    }

    #[test]
    fn start_is_a_newline_or_the_most_frequent() {
        assert_eq!(Vocab::fit("aab\n", "").start(), 1);
        assert_eq!(Vocab::fit("abb", "").start(), 0);
    }

    #[test]
    fn listed_vocabularies_are_checked() {
        let path = Path::new("m");
        let list = |tokens: &[&str]| Vocab::from_tokens(tokens.iter().map(|t| t.to_string()).collect(), path);
        assert_eq!(list(&["b", "a"]).unwrap().id('a'), Some(1));
        for bad in [&["ab"][..], &[""], &["a", "a"], &[]] {
            assert!(list(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn unknown_characters_have_a_token_where_it_is_asked_for() {
        let vocab = Vocab::fit_with_unknown("ccabbc\n", 2).unwrap();
        assert_eq!(vocab.tokens(), ["<unk>", "c", "b"]);
        assert_eq!(vocab.encode("t", "ab☃c").unwrap(), [0, 2, 0, 1]);
        assert_eq!(vocab.encode_prompt("xb").unwrap(), [0, 2]);
        assert_eq!((vocab.reserved(), vocab.start()), (1, 1), "a start is never <unk>");
        assert_eq!(Vocab::from_tokens(vocab.tokens().to_vec(), Path::new("m")).unwrap(), vocab);
        assert!(Vocab::from_tokens(vec!["<unk>".into()], Path::new("m")).is_err());
        assert!(Vocab::from_tokens(vec!["a".into(), "<unk>".into()], Path::new("m")).is_err());
        let error = Vocab::fit_with_unknown("aab", 3).unwrap_err().to_string();
        assert_eq!(error, "min_freq is 3, expected at most 2, how often the most frequent character comes");
        let mut rng = crate::rng::generator(1, crate::rng::Purpose::Sample, 0);
        assert!((0..200).all(|_| [1, 2].contains(&vocab.draw(&mut rng))));
    }

    #[test]
    fn bytes_are_their_own_ids() {
        let vocab = Vocab::bytes();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(vocab.encode_bytes("t", &all).unwrap(), (0..256).collect::<Vec<u32>>());
        assert_eq!(vocab.encode("t", "é").unwrap(), [0xc3, 0xa9]);
        assert_eq!(vocab.encode_prompt("é").unwrap(), [0xc3, 0xa9]);
        assert_eq!(vocab.decode(&[0xc3, 0xa9, 0xff]).unwrap(), "é\u{fffd}");
        assert!(vocab.decode(&[256]).is_err());
        assert_eq!((vocab.start(), vocab.reserved(), vocab.byte(256)), (10, 0, None));
        let file = |tokens| Vocab::from_list(TokenizerKind::Byte, tokens, Path::new("m"));
        assert_eq!(file(None).unwrap(), vocab);
        assert_eq!(file(Some(vocab.tokens().to_vec())).unwrap(), vocab);
        let error = file(Some(vocab.tokens()[1..].to_vec())).unwrap_err().to_string();
        assert_eq!(error, "tokenizer.vocab lists 255 tokens for bytes, expected none or the 256 bytes in order (m)");
        assert!(Vocab::from_list(TokenizerKind::Char, None, Path::new("m")).is_err());
    }

    #[test]
    fn the_first_token_is_not_predicted() {
        let bytes = |vocab: Vocab, text: &str| vocab.predicted_bytes(text.as_bytes());
        assert_eq!(bytes(Vocab::fit("é☃", ""), "é☃"), 3);
        assert_eq!((bytes(Vocab::bytes(), "é☃"), bytes(Vocab::bytes(), "")), (4, 0));
    }
}
