//! Holds the character vocabulary: which character has which id, both ways.
//! Refuses characters it does not hold, by name and place; there is no silent stand-in for them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rand_chacha::ChaCha8Rng;

use crate::{error::Error, rng::uniform};

/// Characters in id order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocab {
    /// One character each.
    tokens: Vec<String>,
    ids: HashMap<char, u32>,
}

impl Vocab {
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
        Vocab::from_chars(order.into_iter().map(|(c, _)| c))
    }

    /// The vocabulary a file lists. Errors: an entry that is not one character, or comes twice; an empty list.
    pub fn from_tokens(tokens: Vec<String>, path: &Path) -> Result<Vocab, Error> {
        let mut chars = Vec::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            let mut rest = token.chars();
            match (rest.next(), rest.next()) {
                (Some(c), None) => chars.push(c),
                _ => {
                    let problem = format!("tokenizer.vocab entry {id} is {token:?}, expected one character");
                    return Err(Error::file(path, problem));
                }
            }
        }
        let (listed, vocab) = (chars.len(), Vocab::from_chars(chars.into_iter()));
        if vocab.ids.len() != listed || listed == 0 {
            let problem = format!(
                "tokenizer.vocab has {listed} entries of which {} differ, expected at least 1 and no character twice",
                vocab.ids.len()
            );
            return Err(Error::file(path, problem));
        }
        Ok(vocab)
    }

    fn from_chars(chars: impl Iterator<Item = char>) -> Vocab {
        let (mut tokens, mut ids) = (Vec::new(), HashMap::new());
        for c in chars {
            ids.insert(c, tokens.len() as u32);
            tokens.push(c.to_string());
        }
        Vocab { tokens, ids }
    }

    /// V, how many characters it holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it holds none; no constructor makes such a one from a text.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The characters in id order, one string each.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The id of a character.
    pub fn id(&self, character: char) -> Option<u32> {
        self.ids.get(&character).copied()
    }

    /// The ids of a text. Errors: the first unknown character, with its position in `name`.
    pub fn encode(&self, name: &str, text: &str) -> Result<Vec<u32>, Error> {
        let encode = |(position, character)| {
            self.id(character).ok_or_else(|| Error::UnknownCharacter {
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
        let mut unknown = Vec::new();
        let mut ids = Vec::new();
        for c in prompt.chars() {
            match self.id(c) {
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

    /// The text of ids. Errors: an id it does not hold.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
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
    /// frequent character (id 0).
    pub fn start(&self) -> u32 {
        self.id('\n').unwrap_or(0)
    }

    /// A token to start from at random: each as likely as the others.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        (uniform(rng) * self.len() as f64) as u32
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
}
