//! Where a text ends: after a number of tokens, or before the first stop string. No part of a stop string is given out:
//! what may become one is held back until it cannot.

use crate::error::Error;

/// The end of one text. Tokens go in one by one, in bytes; the bytes that belong to the text come out, some of them later.
#[derive(Clone, Debug)]
pub struct Ending {
    left: usize,
    stops: Vec<Vec<u8>>,
    /// The end of the text so far that is the beginning of a stop string.
    held: Vec<u8>,
    is_over: bool,
}

impl Ending {
    /// A text of `length` tokens, or up to the first of `stops`. Errors: an empty stop string.
    pub fn new<S: AsRef<[u8]>>(length: usize, stops: &[S]) -> Result<Ending, Error> {
        let stops: Vec<Vec<u8>> = stops.iter().map(|stop| stop.as_ref().to_vec()).collect();
        if stops.iter().any(Vec::is_empty) {
            let (got, expected) = ("empty".into(), "at least one character".into());
            return Err(Error::Setting { name: "stop", got, expected });
        }
        Ok(Ending { left: length, stops, held: Vec::new(), is_over: length == 0 })
    }

    /// Whether nothing more belongs to the text.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the next token and appends to `out` what is now known to belong to the text. Where several stop strings end
    /// with the same byte, the text ends before the longest. What comes after the end is ignored.
    pub fn push(&mut self, token: &[u8], out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        for &byte in token {
            self.held.push(byte);
            let found = self.stops.iter().filter(|stop| self.held.ends_with(stop)).map(Vec::len).max();
            if let Some(length) = found {
                out.extend(&self.held[..self.held.len() - length]);
                (self.held, self.is_over) = (Vec::new(), true);
                return;
            }
            let known = self.held.len() - self.possible();
            out.extend(self.held.drain(..known));
        }
        self.left -= 1;
        if self.left == 0 {
            out.append(&mut self.held);
            self.is_over = true;
        }
    }

    /// Bytes of the longest end of what is held that begins a stop string.
    fn possible(&self) -> usize {
        let begins = |end: &&[u8]| self.stops.iter().any(|stop| stop.starts_with(end));
        (0..self.held.len()).map(|at| &self.held[at..]).find(begins).map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of `text`, after each character, and whether it ended.
    fn outs(text: &str, length: usize, stops: &[&str]) -> (Vec<String>, bool) {
        let (mut ending, mut out) = (Ending::new(length, stops).unwrap(), Vec::new());
        let steps = text.chars().map(|c| {
            ending.push(c.to_string().as_bytes(), &mut out);
            String::from_utf8(out.clone()).unwrap()
        });
        (steps.collect(), ending.is_over())
    }

    fn text(text: &str, length: usize, stops: &[&str]) -> String {
        outs(text, length, stops).0.pop().unwrap_or_default()
    }

    #[test]
    fn a_stop_string_never_comes_out_in_part() {
        assert_eq!(outs("xENyEND!", 99, &["END"]).0, ["x", "x", "x", "xENy", "xENy", "xENy", "xENy", "xENy"]);
        assert!(outs("xEND", 99, &["END"]).1 && !outs("xEN", 99, &["END"]).1);
        // A false start that holds the true one.
        assert_eq!(text("aabaabaac", 99, &["aabaac"]), "aab");
        assert_eq!(text("é☃é☄", 99, &["é☄"]), "é☃");
    }

    #[test]
    fn the_first_of_several_ends_it() {
        assert_eq!(text("abcd", 99, &["cd", "bc"]), "a");
        assert_eq!(text("abc", 99, &["c", "abc"]), "", "the longest of those that end together");
        assert_eq!(text("abx", 99, &["b", "abc"]), "a");
    }

    #[test]
    fn length_ends_it_and_lets_out_what_was_held() {
        assert_eq!(outs("xEND", 3, &["END"]), (vec!["x".into(), "x".into(), "xEN".into(), "xEN".into()], true));
        assert_eq!(text("xEND", 4, &["END"]), "x");
        assert_eq!(outs("ab", 0, &[]), (vec![String::new(), String::new()], true));
        // A word is a token, and a stop string may end within it.
        let words = |length, stops: &[&str]| {
            let (mut ending, mut out) = (Ending::new(length, stops).unwrap(), Vec::new());
            [&b"the"[..], b" sea", b" bird"].into_iter().for_each(|word| ending.push(word, &mut out));
            (String::from_utf8(out).unwrap(), ending.is_over())
        };
        assert_eq!(words(2, &[]), ("the sea".into(), true));
        assert_eq!(words(9, &["e s", "bi"]), ("th".into(), true));
        assert_eq!(words(9, &["ea bi"]), ("the s".into(), true));
        let refused = Ending::new(1, &[""]).unwrap_err().to_string();
        assert_eq!(refused, "stop is empty, expected at least one character");
    }
}
