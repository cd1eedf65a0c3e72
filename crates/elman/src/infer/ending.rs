//! Where a text ends: after a number of characters, or before the first stop string. No part of a stop string is given
//! out: what may become one is held back until it cannot.

use crate::error::Error;

/// One text's end. Characters go in one by one; those that belong to the text come out, some of them later.
#[derive(Clone, Debug)]
pub struct Ending {
    left: usize,
    stops: Vec<String>,
    /// The end of the text so far that is the beginning of a stop string.
    held: String,
    is_over: bool,
}

impl Ending {
    /// A text of `length` characters, or up to the first of `stops`. Errors: an empty stop string.
    pub fn new(length: usize, stops: &[String]) -> Result<Ending, Error> {
        if stops.iter().any(String::is_empty) {
            let (got, expected) = ("empty".into(), "at least one character".into());
            return Err(Error::Setting { name: "stop", got, expected });
        }
        Ok(Ending { left: length, stops: stops.to_vec(), held: String::new(), is_over: length == 0 })
    }

    /// Whether nothing more belongs to the text.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the next character and appends to `out` what is now known to belong to the text. Where several stop
    /// strings end with this character, the text ends before the longest. What comes after the end is ignored.
    pub fn push(&mut self, character: char, out: &mut String) {
        if self.is_over {
            return;
        }
        self.held.push(character);
        self.left -= 1;
        let found = self.stops.iter().filter(|stop| self.held.ends_with(stop.as_str())).map(String::len).max();
        if let Some(length) = found {
            out.push_str(&self.held[..self.held.len() - length]);
            (self.held, self.is_over) = (String::new(), true);
            return;
        }
        let held = if self.left == 0 { 0 } else { self.possible() };
        let known = self.held.len() - held;
        out.extend(self.held.drain(..known));
        self.is_over = self.left == 0;
    }

    /// Bytes of the longest end of what is held that begins a stop string.
    fn possible(&self) -> usize {
        let ends = self.held.char_indices().map(|(at, _)| &self.held[at..]);
        let begins = |end: &&str| self.stops.iter().any(|stop| stop.starts_with(end));
        ends.into_iter().find(begins).map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of `text`, after each character, and whether it ended.
    fn outs(text: &str, length: usize, stops: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|s| s.to_string()).collect();
        let (mut ending, mut out) = (Ending::new(length, &stops).unwrap(), String::new());
        let steps = text.chars().map(|c| {
            ending.push(c, &mut out);
            out.clone()
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
        let refused = Ending::new(1, &[String::new()]).unwrap_err().to_string();
        assert_eq!(refused, "stop is empty, expected at least one character");
    }
}
