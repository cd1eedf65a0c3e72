//! The data of `--task restore`: a text without capitals, punctuation and line breaks, and for each of its characters
//! what was removed. It also restores them. Punctuation before the first letter is lost.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::data::table::items::{Items, unknown_class};
use crate::data::table::tagged::Tagged;
use crate::data::text::corpus::Fingerprint;
use crate::error::Error;

/// The marks that are taken away and put back. Apostrophes and hyphens belong to words and stay.
pub const MARKS: [char; 6] = ['.', ',', ';', ':', '!', '?'];

/// The class of a character from which nothing was taken.
pub(crate) const NOTHING: &str = "=";

/// A text without capitals and marks, and the class of each of its characters: `^` for a capital, then the punctuation
/// that followed; `=` for neither. White space of any length is one space.
pub fn taken(text: &str) -> (Vec<char>, Vec<String>) {
    let (mut bare, mut classes): (Vec<char>, Vec<String>) = (Vec::new(), Vec::new());
    for c in text.chars() {
        if MARKS.contains(&c) {
            // Of several marks the first counts; one after a space belongs to nothing.
            if let Some(class) = classes.last_mut().filter(|_| bare.last() != Some(&' ')) {
                match class.as_str() {
                    NOTHING => *class = c.to_string(),
                    "^" => class.push(c),
                    _ => {}
                }
            }
        } else if c.is_whitespace() {
            if bare.last().is_some_and(|&last| last != ' ') {
                bare.push(' ');
                classes.push(NOTHING.to_string());
            }
        } else {
            let mut lower = c.to_lowercase();
            let small = match (lower.next(), lower.next()) {
                (Some(small), None) => small,
                _ => c, // what becomes two letters stays as it is
            };
            bare.push(small);
            classes.push(if small == c { NOTHING } else { "^" }.to_string());
        }
    }
    if bare.last() == Some(&' ') {
        bare.pop();
        classes.pop();
    }
    (bare, classes)
}

/// A bare text with what its classes say put back.
pub fn put_back<'a>(bare: &[char], classes: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for (&c, class) in bare.iter().zip(classes) {
        match class.strip_prefix('^') {
            Some(sign) => {
                text.extend(c.to_uppercase());
                text += sign;
            }
            None => {
                text.push(c);
                text += class.strip_prefix(NOTHING).unwrap_or(class);
            }
        }
    }
    text
}

/// Whether a class has a capital, and its punctuation.
pub fn parts(class: &str) -> (bool, Option<char>) {
    let (capital, rest) = match class.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, class),
    };
    (capital, rest.chars().next().filter(|c| MARKS.contains(c)))
}

/// The classes of a bare text's characters if every word stands as it mostly stood in a text that is known: what a
/// model has to beat. Of several variants equally common the least counts; a word that is not known, and all between
/// words, has the class `nothing`.
pub fn by_words(known: (&[char], &[u32]), text: &[char], nothing: u32) -> Vec<u32> {
    let mut variants: BTreeMap<&[char], BTreeMap<&[u32], usize>> = BTreeMap::new();
    for word in words(known.0) {
        *variants.entry(&known.0[word.clone()]).or_default().entry(&known.1[word]).or_default() += 1;
    }
    let mut classes = vec![nothing; text.len()];
    for word in words(text) {
        let of_word = variants.get(&text[word.clone()]).into_iter().flatten();
        if let Some((variant, _)) = of_word.rev().max_by_key(|&(_, &count)| count) {
            classes[word].copy_from_slice(variant);
        }
    }
    classes
}

/// The words of a bare text.
fn words(bare: &[char]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    bare.split(|&c| c == ' ').filter_map(move |word| {
        let range = start..start + word.len();
        start = range.end + 1;
        (!word.is_empty()).then_some(range)
    })
}

/// The line, from 1, of the bare text's character at place `at`, which is none of its spaces.
fn line_of(text: &str, bare: &[char], at: usize) -> u64 {
    let before = bare[..at].iter().filter(|&&c| c != ' ').count();
    let is_letter = |c: char| !MARKS.contains(&c) && !c.is_whitespace();
    let place = text.char_indices().filter(|&(_, c)| is_letter(c)).nth(before).map_or(text.len(), |(place, _)| place);
    text[..place].bytes().filter(|&byte| byte == b'\n').count() as u64 + 1
}

/// As [`pieces`], of a text that has only these classes. Errors: another one, with its line.
pub fn pieces_of(text: &str, length: usize, fingerprint: Fingerprint, classes: &[String]) -> Result<Tagged, Error> {
    let (bare, taken) = taken(text);
    if let Some(at) = taken.iter().position(|class| !classes.contains(class)) {
        let (name, line, problem) = (fingerprint.name, line_of(text, &bare, at), unknown_class(&taken[at], classes));
        return Err(Error::Row { name, line, column: None, problem });
    }
    pieces(text, length, fingerprint)
}

/// A text in pieces of `length` characters, with what was taken from each.
pub fn pieces(text: &str, length: usize, fingerprint: Fingerprint) -> Result<Tagged, Error> {
    let (bare, classes) = taken(text);
    let texts = bare.chunks(length.max(1)).map(|piece| piece.iter().collect()).collect();
    Tagged::of(Items::Texts(texts), classes.chunks(length.max(1)).map(<[String]>::to_vec).collect(), fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_put_back() {
        let text = "Now is the winter,\n  of Our discontent!? Don't -- I.";
        let (bare, classes) = taken(text);
        assert_eq!(bare.iter().collect::<String>(), "now is the winter of our discontent don't -- i");
        assert_eq!(bare.len(), classes.len());
        let back = put_back(&bare, classes.iter().map(String::as_str));
        assert_eq!(back, "Now is the winter, of Our discontent! Don't -- I.");
        assert_eq!(
            [parts("^."), parts(","), parts("="), parts("^")],
            [(true, Some('.')), (false, Some(',')), (false, None), (true, None)]
        );
        assert_eq!(taken(" . A ").0, ['a']);
        assert_eq!(taken("ß İ").0, ['ß', ' ', 'İ']);
    }

    #[test]
    fn a_class_that_is_not_known_has_a_line() {
        let fingerprint = || crate::Corpus::from_text("t", "x".into()).fingerprint();
        let classes = ["=", "^", "."].map(String::from);
        let text = ". A b,\n\n , c!\nd.";
        let error = pieces_of(text, 9, fingerprint(), &[&classes[..], &[",".into()]].concat()).unwrap_err();
        let words = "the class \"!\" was not trained on, expected one of =, ^, ., ,";
        assert_eq!(error.to_string(), format!("line 3: {words} (t)"));
        let error = pieces_of(text, 9, fingerprint(), &classes).unwrap_err().to_string();
        assert!(error.starts_with("line 1: the class \",\" was not trained on"), "{error}");
        let all = [&classes[..], &[",".into(), "!".into()]].concat();
        assert_eq!(pieces_of(text, 9, fingerprint(), &all).unwrap().labels.concat().len(), 7);
    }

    #[test]
    fn a_word_stands_as_it_mostly_stood() {
        // 1 is a capital, 2 a comma, 0 neither.
        let known: Vec<char> = "ab ab ab c c  d".chars().collect();
        let classes = [1, 0, 0, 1, 2, 0, 1, 2, 0, 0, 0, 2, 0, 0, 9];
        let text: Vec<char> = "c ab abc  d ".chars().collect();
        let want = [0, 7, 1, 2, 7, 7, 7, 7, 7, 7, 9, 7];
        assert_eq!(by_words((&known, &classes), &text, 7), want);
        assert!(by_words((&[], &[]), &[], 0).is_empty());
    }
}
