//! The vocabulary, a map between tokens and ids: characters, the 256 bytes, words, subwords. An unknown character is an
//! error with its name and place. Only `<unk>` replaces one: a vocabulary of characters has it on request, one of words
//! always. Not here: how a vocabulary is made from a text (`fit.rs`).

use std::{collections::HashMap, path::Path};

use rand_chacha::ChaCha8Rng;

use super::{bpe::Bpe, clean::Rules, text_encoding::invalid, words};
use crate::{
    config::{Config, TokenizerKind, Words},
    error::Error,
    rng::uniform,
};

/// The token of everything unknown, id 0 where it is reserved.
pub const UNKNOWN: &str = "<unk>";
/// The token of a line's end, in a vocabulary of words: the last that is reserved, and the only one of them that is
/// text.
pub const LINE_END: &str = "<eos>";

/// Tokens in id order.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocab {
    kind: TokenizerKind,
    /// One character each, but for a reserved token; of bytes and of subwords, how they are shown.
    tokens: Vec<String>,
    chars: HashMap<char, u32>,
    words: HashMap<String, u32>,
    /// Id of the first token that text is written with.
    reserved: u32,
    how: Words,
    bpe: Option<Bpe>,
    rules: Rules,
}

impl Vocab {
    /// The 256 bytes, each its own id.
    pub fn bytes() -> Vocab {
        let shown = |byte: u8| if byte < 128 { char::from(byte).to_string() } else { format!("<0x{byte:02X}>") };
        let chars = (0..128_u8).map(|byte| (char::from(byte), u32::from(byte))).collect();
        Vocab { tokens: (0..=255).map(shown).collect(), chars, ..Vocab::empty(TokenizerKind::Byte) }
    }

    fn empty(kind: TokenizerKind) -> Vocab {
        Vocab {
            kind,
            tokens: Vec::new(),
            chars: HashMap::new(),
            words: HashMap::new(),
            reserved: 0,
            how: Words::Spaces,
            bpe: None,
            rules: Rules::NONE,
        }
    }

    /// The vocabulary a file lists, of the kind its configuration says: `tokens` may be absent for bytes, and `bpe`
    /// holds the `tokenizer.json` of subwords. `<unk>` may stand first.
    ///
    /// Errors: an entry that is not one character, or comes twice; an empty list; a list of other bytes; words without
    /// `<unk>`; a `tokenizer.json` that cannot be used.
    pub fn from_file(
        config: &Config,
        tokens: Option<Vec<String>>,
        bpe: Option<String>,
        path: &Path,
    ) -> Result<Vocab, Error> {
        let vocab = match (config.tokenizer, tokens) {
            (TokenizerKind::Char, tokens) => Vocab::from_tokens(tokens.unwrap_or_default(), path)?,
            (TokenizerKind::Byte, None) => Vocab::bytes(),
            (TokenizerKind::Byte, Some(tokens)) if tokens == Vocab::bytes().tokens => Vocab::bytes(),
            (TokenizerKind::Byte, Some(tokens)) => {
                let problem = format!(
                    "tokenizer.vocab lists {} tokens for bytes, expected none or the 256 bytes in order",
                    tokens.len()
                );
                return Err(Error::file(path, problem));
            }
            (TokenizerKind::Word, tokens) => {
                let tokens = tokens.unwrap_or_default();
                let (listed, first) = (tokens.len(), tokens.first().cloned().unwrap_or_default());
                let vocab = Vocab::of_words(config, tokens);
                if vocab.words.len() != listed || listed <= vocab.reserved() || first != UNKNOWN {
                    let problem = format!(
                        "tokenizer.vocab has {listed} entries of which {} differ and the first is {first:?}, expected {UNKNOWN}, a word, and none twice",
                        vocab.words.len()
                    );
                    return Err(Error::file(path, problem));
                }
                vocab
            }
            (TokenizerKind::Bpe, _) => {
                let json = bpe.ok_or_else(|| Error::file(path, "tokenizer.bpe is missing for subwords"))?;
                Vocab::of_bpe(Bpe::from_json(&json, path)?)
            }
        };
        Ok(Vocab { rules: Rules::of(config), ..vocab })
    }

    /// Subwords.
    pub(crate) fn of_bpe(bpe: Bpe) -> Vocab {
        Vocab { tokens: bpe.shown(), bpe: Some(bpe), ..Vocab::empty(TokenizerKind::Bpe) }
    }

    /// Words in id order, reserved ones first.
    pub(crate) fn of_words(config: &Config, tokens: Vec<String>) -> Vocab {
        let is_text = |token: &&String| !matches!(token.as_str(), UNKNOWN | "<pad>" | "<bos>");
        let reserved = tokens.iter().position(|token| is_text(&token)).unwrap_or(tokens.len()) as u32;
        let words = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
        Vocab { tokens, words, reserved, how: config.words, ..Vocab::empty(TokenizerKind::Word) }
    }

    /// The same with what its configuration does to a text first.
    pub(crate) fn with_rules(self, config: &Config) -> Vocab {
        Vocab { rules: Rules::of(config), ..self }
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
        if vocab.chars.len() != listed || listed == 0 {
            let problem = format!(
                "tokenizer.vocab has {listed} entries of which {} differ, expected at least 1 and no character twice",
                vocab.chars.len()
            );
            return Err(Error::file(path, problem));
        }
        Ok(vocab)
    }

    pub(crate) fn from_chars(characters: impl Iterator<Item = char>, with_unknown: bool) -> Vocab {
        let mut tokens: Vec<String> = with_unknown.then(|| UNKNOWN.to_string()).into_iter().collect();
        let (reserved, mut chars) = (tokens.len() as u32, HashMap::new());
        for c in characters {
            chars.insert(c, tokens.len() as u32);
            tokens.push(c.to_string());
        }
        Vocab { tokens, chars, reserved, ..Vocab::empty(TokenizerKind::Char) }
    }

    /// What its tokens are.
    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// How many ids at the start represent no text: none is written with them.
    pub fn reserved(&self) -> usize {
        self.reserved as usize
    }

    /// What `count` of its tokens are called.
    pub fn unit(&self, count: usize) -> &'static str {
        self.kind.units(count)
    }

    /// The byte of an id, in a vocabulary of bytes.
    pub fn byte(&self, id: u32) -> Option<u8> {
        (self.kind == TokenizerKind::Byte).then(|| u8::try_from(id).ok()).flatten()
    }

    /// The list that a file holds: none for bytes, which are always the same, and for subwords.
    pub(crate) fn list(&self) -> Option<Vec<String>> {
        matches!(self.kind, TokenizerKind::Char | TokenizerKind::Word).then(|| self.tokens.clone())
    }

    /// The `tokenizer.json` of subwords.
    pub(crate) fn bpe_json(&self) -> Option<String> {
        self.bpe.as_ref().map(|bpe| bpe.json().to_string())
    }

    /// Whether a text is converted to tokens as it is, not cleaned or converted to lower case first.
    pub(crate) fn keeps_text(&self) -> bool {
        self.rules.keep_all()
    }

    /// How many of `ids` are `<unk>`.
    pub(crate) fn count_unknown(&self, ids: &[u32]) -> usize {
        match self.has_unknown() {
            true => ids.iter().filter(|&&id| id == 0).count(),
            false => 0,
        }
    }

    /// Whether id 0 is `<unk>`, the token of everything unknown.
    pub fn has_unknown(&self) -> bool {
        self.reserved > 0
    }

    /// Bytes of all tokens of a text but the first, where the vocabulary keeps the text as it is.
    pub(crate) fn predicted_bytes(&self, bytes: &[u8]) -> usize {
        let Ok(text) = std::str::from_utf8(bytes) else { return bytes.len().saturating_sub(1) };
        let first = match (self.kind, text.chars().next()) {
            (_, None) => 0,
            (TokenizerKind::Byte, _) => 1,
            (TokenizerKind::Char, Some(first)) => first.len_utf8(),
            (TokenizerKind::Word | TokenizerKind::Bpe, _) => {
                let id = self.encode_ready("", text).ok().and_then(|ids| ids.first().copied());
                id.map_or(0, |id| self.write(id, None).len())
            }
        };
        text.len().saturating_sub(first)
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

    /// The id of a character, in a vocabulary of characters or bytes.
    pub fn id(&self, character: char) -> Option<u32> {
        self.chars.get(&character).copied()
    }

    /// The id of a word as the vocabulary lists it.
    pub fn word(&self, word: &str) -> Option<u32> {
        self.words.get(word).copied()
    }

    /// The token that ends a line and nothing else, if there is one.
    pub fn line_end(&self) -> Option<u32> {
        self.id('\n').or_else(|| self.word(LINE_END))
    }

    /// The ids of a text in bytes. Errors: as [`Vocab::encode`]; but for bytes, what is not UTF-8.
    pub fn encode_bytes(&self, name: &str, text: &[u8]) -> Result<Vec<u32>, Error> {
        if self.kind == TokenizerKind::Byte {
            return Ok(text.iter().map(|&byte| u32::from(byte)).collect());
        }
        self.encode(name, utf8(name, text)?)
    }

    /// The id of a character or of `<unk>`, where there is one.
    fn id_or_unknown(&self, character: char) -> Option<u32> {
        self.id(character).or((self.reserved > 0).then_some(0))
    }

    /// The ids of a text, after what its rules do to it. Errors: the first unknown character, with its position in
    /// `name`.
    pub fn encode(&self, name: &str, text: &str) -> Result<Vec<u32>, Error> {
        self.encode_ready(name, &self.rules.apply(text))
    }

    /// The ids of a text to which nothing is left to be done.
    pub(crate) fn encode_ready(&self, name: &str, text: &str) -> Result<Vec<u32>, Error> {
        // What most texts are made of needs no hash.
        let ascii: [Option<u32>; 128] = std::array::from_fn(|c| self.id_or_unknown(char::from(c as u8)));
        let id = |c: char| ascii.get(c as usize).copied().unwrap_or_else(|| self.id_or_unknown(c));
        let encode = |(position, character)| {
            id(character).ok_or_else(|| Error::UnknownCharacter {
                name: name.to_string(),
                character,
                position,
                vocab_size: self.len(),
            })
        };
        match (self.kind, &self.bpe) {
            (TokenizerKind::Byte, _) => Ok(text.bytes().map(u32::from).collect()),
            (TokenizerKind::Char, _) => text.chars().enumerate().map(encode).collect(),
            (_, Some(bpe)) => bpe.encode(name, text),
            (_, None) => Ok(self.encode_words(text)),
        }
    }

    /// Words, `<unk>` for those it does not know; line ends where they have a token.
    fn encode_words(&self, text: &str) -> Vec<u32> {
        let line_end = self.word(LINE_END);
        let id = |piece| match piece {
            words::Piece::Word(word) => Some(self.word(&word).unwrap_or(0)),
            words::Piece::LineEnd => line_end,
        };
        words::pieces(text, self.how).filter_map(id).collect()
    }

    /// The ids of a prompt. Errors: every unknown character, each once; but for bytes, what is not UTF-8.
    pub fn encode_prompt(&self, prompt: &[u8]) -> Result<Vec<u32>, Error> {
        if self.kind == TokenizerKind::Byte {
            return Ok(prompt.iter().map(|&byte| u32::from(byte)).collect());
        }
        let prompt = self.rules.apply_to_piece(utf8("the prompt", prompt)?);
        let mut unknown = Vec::new();
        for c in prompt.chars().filter(|_| self.kind == TokenizerKind::Char) {
            if self.id_or_unknown(c).is_none() && !unknown.contains(&c) {
                unknown.push(c);
            }
        }
        if unknown.is_empty() {
            self.encode_ready("the prompt", &prompt)
        } else {
            Err(Error::UnknownPrompt { characters: unknown })
        }
    }

    /// The characters or words of a prompt that the vocabulary replaces by `<unk>`, each once.
    pub fn replaced(&self, prompt: &[u8]) -> Vec<String> {
        let Some(prompt) = std::str::from_utf8(prompt).ok().filter(|_| self.has_unknown()) else { return Vec::new() };
        let prompt = self.rules.apply_to_piece(prompt);
        let tokens: Vec<String> = match self.kind {
            TokenizerKind::Char => prompt.chars().filter(|&c| self.id(c).is_none()).map(String::from).collect(),
            _ => words::pieces(&prompt, self.how)
                .filter_map(|piece| match piece {
                    words::Piece::Word(word) if self.word(&word).is_none() => {
                        Some(words::surface(&word, self.how).0.to_string())
                    }
                    _ => None,
                })
                .collect(),
        };
        let mut distinct: Vec<String> = Vec::new();
        for token in tokens {
            if !distinct.contains(&token) {
                distinct.push(token);
            }
        }
        distinct
    }

    /// The text of one id, or None for an id it does not hold.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// The bytes that a token adds to a text whose last token is `before` (None: it begins the text).
    ///
    /// A word brings the space before it, unless it begins a line or touches its neighbour; a line's end is a newline.
    /// What is no text of its own, such as a padding, adds nothing.
    pub fn write(&self, id: u32, before: Option<u32>) -> Vec<u8> {
        match (self.kind, &self.bpe) {
            (TokenizerKind::Byte, _) => self.byte(id).into_iter().collect(),
            (_, Some(bpe)) => bpe.bytes(id).to_vec(),
            (TokenizerKind::Word, None) => self.write_word(id, before).into_bytes(),
            _ => self.token(id).unwrap_or_default().as_bytes().to_vec(),
        }
    }

    fn write_word(&self, id: u32, before: Option<u32>) -> String {
        let Some(token) = self.token(id) else { return String::new() };
        match token {
            LINE_END => return "\n".to_string(),
            "<pad>" | "<bos>" => return String::new(),
            _ => {}
        }
        let (text, joins_left, _) = words::surface(token, self.how);
        let before = before.and_then(|id| self.token(id));
        let is_open = before.is_none_or(|token| token == LINE_END || words::surface(token, self.how).2);
        if joins_left || is_open { text.to_string() } else { format!(" {text}") }
    }

    /// The text of ids; of bytes, with U+FFFD for what is no UTF-8. Errors: an id it does not hold.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        let (mut bytes, mut before) = (Vec::new(), None);
        for &id in ids {
            if id as usize >= self.len() {
                let expected = format!("below the vocabulary's {}", self.len());
                return Err(Error::Setting { name: "token id", got: id.to_string(), expected });
            }
            bytes.extend(self.write(id, before));
            before = Some(id);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The token a text starts from when there is no prompt: a line's end if the vocabulary has one, else the lowest id
    /// that is text (the most frequent character or word).
    pub fn start(&self) -> u32 {
        let newline = || self.bpe.as_ref().and_then(|bpe| (0..self.len() as u32).find(|&id| bpe.bytes(id) == b"\n"));
        self.line_end().or_else(newline).unwrap_or(self.reserved)
    }

    /// A token to start from at random: each as likely as the others, reserved ones left out; of bytes, one of the 95
    /// that are a visible character or a space.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        let (first, count) = match self.kind {
            TokenizerKind::Byte => (u32::from(b' '), 95),
            _ => (self.reserved, self.tokens.len() as u32 - self.reserved),
        };
        first + (uniform(rng) * f64::from(count)) as u32
    }
}

/// A text of UTF-8. Errors: it is not; `name` is what the message calls it.
fn utf8<'t>(name: &str, text: &'t [u8]) -> Result<&'t str, Error> {
    str::from_utf8(text).map_err(|error| invalid(name, error.valid_up_to(), text))
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
        let error = vocab.encode_prompt("xay x".as_bytes()).unwrap_err();
        assert!(matches!(error, Error::UnknownPrompt { characters } if characters == ['x', 'y', ' ']));
        assert_eq!(vocab.encode_prompt("ba".as_bytes()).unwrap(), [1, 0]);
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
        let vocab = Vocab::fit_with_unknown("ccabbc\n", 2, None).unwrap();
        assert_eq!(vocab.tokens(), ["<unk>", "c", "b"]);
        assert_eq!(vocab.encode("t", "ab☃c").unwrap(), [0, 2, 0, 1]);
        assert_eq!(vocab.encode_prompt("xb".as_bytes()).unwrap(), [0, 2]);
        assert_eq!((vocab.reserved(), vocab.start()), (1, 1), "a start is never <unk>");
        assert_eq!(Vocab::from_tokens(vocab.tokens().to_vec(), Path::new("m")).unwrap(), vocab);
        assert!(Vocab::from_tokens(vec!["<unk>".into()], Path::new("m")).is_err());
        assert!(Vocab::from_tokens(vec!["a".into(), "<unk>".into()], Path::new("m")).is_err());
        let error = Vocab::fit_with_unknown("aab", 3, None).unwrap_err().to_string();
        assert_eq!(error, "min_freq is 3, expected at most 2, the count of the most frequent character");
        let mut rng = crate::rng::generator(1, crate::rng::Purpose::Sample, 0);
        assert!((0..200).all(|_| [1, 2].contains(&vocab.draw(&mut rng))));
    }

    #[test]
    fn bytes_are_their_own_ids() {
        let vocab = Vocab::bytes();
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(vocab.encode_bytes("t", &all).unwrap(), (0..256).collect::<Vec<u32>>());
        assert_eq!(vocab.encode("t", "é").unwrap(), [0xc3, 0xa9]);
        assert_eq!(vocab.encode_prompt("é".as_bytes()).unwrap(), [0xc3, 0xa9]);
        assert_eq!(vocab.decode(&[0xc3, 0xa9, 0xff]).unwrap(), "é\u{fffd}");
        assert!(vocab.decode(&[256]).is_err());
        assert_eq!((vocab.start(), vocab.reserved(), vocab.byte(256)), (10, 0, None));
        let of = |tokenizer| Config { tokenizer, ..Config::default() };
        let file = |tokens| Vocab::from_file(&of(TokenizerKind::Byte), tokens, None, Path::new("m"));
        assert_eq!(file(None).unwrap(), vocab);
        assert_eq!(file(Some(vocab.tokens().to_vec())).unwrap(), vocab);
        let error = file(Some(vocab.tokens()[1..].to_vec())).unwrap_err().to_string();
        assert_eq!(error, "tokenizer.vocab lists 255 tokens for bytes, expected none or the 256 bytes in order (m)");
        assert!(Vocab::from_file(&of(TokenizerKind::Char), None, None, Path::new("m")).is_err());
    }

    #[test]
    fn the_first_token_is_not_predicted() {
        let bytes = |vocab: Vocab, text: &str| vocab.predicted_bytes(text.as_bytes());
        assert_eq!(bytes(Vocab::fit("é☃", ""), "é☃"), 3);
        assert_eq!((bytes(Vocab::bytes(), "é☃"), bytes(Vocab::bytes(), "")), (4, 0));
    }

    fn words(text: &str, how: Words) -> Vocab {
        let config = Config { tokenizer: TokenizerKind::Word, words: how, ..Config::default() };
        Vocab::fit_as(&config, &crate::Corpus::bundled(), text, "").unwrap()
    }

    #[test]
    fn words_come_back_as_the_text_was() {
        let tales = crate::Corpus::bundled();
        for how in [Words::Marks, Words::Elisions, Words::Spaces] {
            let vocab = words(tales.text(), how);
            let ids = vocab.encode("t", tales.text()).unwrap();
            // One space for each run of white space, none at a line's ends; the text is written like that.
            let lines = tales.text().split_inclusive('\n').map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.join(" ") + if line.ends_with('\n') { "\n" } else { "" }
            });
            assert_eq!(vocab.decode(&ids).unwrap(), lines.collect::<String>(), "{how:?}");
            assert!(!ids.contains(&0));
        }
    }

    #[test]
    fn words_of_a_file_are_checked() {
        let vocab = words("a b\n", Words::Spaces);
        assert_eq!(vocab.tokens(), ["<unk>", "<eos>", "a", "b"]);
        assert_eq!(vocab.encode_prompt("  b zzz\n".as_bytes()).unwrap(), [3, 0, 1]);
        assert_eq!((vocab.start(), vocab.reserved(), vocab.line_end()), (1, 1, Some(1)));
        let config = Config { tokenizer: TokenizerKind::Word, words: Words::Spaces, ..Config::default() };
        let read = |tokens: &[&str]| {
            let tokens = tokens.iter().map(|token| token.to_string()).collect();
            Vocab::from_file(&config, Some(tokens), None, Path::new("m"))
        };
        assert_eq!(read(&["<unk>", "<eos>", "a", "b"]).unwrap(), vocab);
        for bad in [&["a", "b"][..], &["<unk>", "a", "a"], &["<unk>", "<pad>"], &[]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let mut rng = crate::rng::generator(1, crate::rng::Purpose::Sample, 0);
        assert!((0..200).all(|_| [1, 2, 3].contains(&vocab.draw(&mut rng))), "never what is no text");
    }

    #[test]
    fn the_rules_of_a_text_meet_prompts_too() {
        let config = Config { clean: crate::config::Clean::D2l, unk: true, ..Config::default() };
        let vocab = Vocab::fit_as(&config, &crate::Corpus::bundled(), "abc d", "").unwrap();
        assert_eq!(vocab.encode("t", " A--b\nC ").unwrap(), vocab.encode("t", "a bc").unwrap());
        assert_eq!(vocab.decode(&vocab.encode_prompt("A, ".as_bytes()).unwrap()).unwrap(), "a ");
    }
}
