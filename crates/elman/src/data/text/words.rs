//! How a text is split into words and punctuation, and joined again. Every text can be split. The joined text has one
//! space for each run of white space, and no white space at the ends of a line.

use unicode_segmentation::UnicodeSegmentation;

use crate::config::Words;

/// Says in a token that nothing stands between it and its neighbour on this side.
pub(crate) const JOINER: char = '￭';

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A token's text.
    Word(String),
    /// The end of a line.
    LineEnd,
}

/// The words of a text and its line ends, in order.
///
/// * `spaces`: what stands between white space.
/// * `marks`: words and punctuation as separate tokens (Unicode's word boundaries, UAX 29). A token that touches its neighbour
///   says so by a [`JOINER`] on that side: between punctuation and a word, on the punctuation; between two
///   of one kind, on the second.
/// * `elisions`: as `marks`, and what stands within a word up to an apostrophe is a word that touches the next one.
pub(crate) fn pieces(text: &str, how: Words) -> impl Iterator<Item = Piece> {
    text.split_inclusive('\n').flat_map(move |line| {
        let end = line.ends_with('\n').then_some(Piece::LineEnd);
        let words = line.split_whitespace().flat_map(move |chunk| match how {
            Words::Spaces => vec![chunk.to_string()],
            Words::Marks => joined(chunk),
            Words::Elisions => joined(chunk).into_iter().flat_map(elided).collect(),
        });
        words.map(Piece::Word).chain(end)
    })
}

/// The words and marks of what stands between white space.
fn joined(chunk: &str) -> Vec<String> {
    let parts: Vec<&str> = chunk.split_word_bounds().collect();
    let is_word: Vec<bool> = parts.iter().map(|part| part.chars().any(char::is_alphanumeric)).collect();
    let tokens = parts.iter().enumerate().map(|(i, part)| {
        let on_the_left = i > 0 && (!is_word[i] || is_word[i - 1]);
        let on_the_right = !is_word[i] && is_word.get(i + 1).is_some_and(|&next| next);
        let mut token = String::from(if on_the_left { "￭" } else { "" });
        token.push_str(part);
        token.extend(on_the_right.then_some(JOINER));
        token
    });
    tokens.collect()
}

/// A token cut after each apostrophe within it.
fn elided(token: String) -> Vec<String> {
    let is_apostrophe = |c| matches!(c, '\'' | '\u{2019}');
    let (text, _, on_the_right) = surface(&token, Words::Marks);
    if on_the_right || !text.chars().any(char::is_alphanumeric) {
        return vec![token];
    }
    let parts = token.split_inclusive(is_apostrophe);
    let mut tokens: Vec<String> = parts.map(|part| format!("{part}{JOINER}")).collect();
    if let Some(last) = tokens.last_mut() {
        last.pop();
    }
    tokens
}

/// What of a token is text, and whether it touches what stands before and after it.
pub(crate) fn surface(token: &str, how: Words) -> (&str, bool, bool) {
    if how == Words::Spaces {
        return (token, false, false);
    }
    let on_the_left = token.strip_prefix(JOINER).filter(|rest| !rest.is_empty());
    let text = on_the_left.unwrap_or(token);
    let on_the_right = text.strip_suffix(JOINER).filter(|rest| !rest.is_empty());
    (on_the_right.unwrap_or(text), on_the_left.is_some(), on_the_right.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, how: Words) -> Vec<String> {
        let shown = |piece| match piece {
            Piece::Word(word) => word,
            Piece::LineEnd => "/".to_string(),
        };
        pieces(text, how).map(shown).collect()
    }

    #[test]
    fn words_and_marks_know_their_neighbours() {
        let text = "\"Don't,\" she said:\twell-known (3.14)!\n\n -- 'tis\n";
        let want = [
            "\"￭", "Don't", "￭,", "￭\"", "she", "said", "￭:", "well", "￭-￭", "known", "(￭", "3.14", "￭)", "￭!", "/",
            "/", "-", "￭-", "'￭", "tis", "/",
        ];
        assert_eq!(tokens(text, Words::Marks), want);
        assert_eq!(tokens("a  b\r\n<unk> n't", Words::Spaces), ["a", "b", "/", "<unk>", "n't"]);
        // Two words that touch: the second says so. A letter with its accent apart stays whole.
        assert_eq!(tokens("漢字 e\u{301}a", Words::Marks), ["漢", "￭字", "e\u{301}a"]);
    }

    #[test]
    fn elisions_end_with_their_apostrophe() {
        let want = ["j'￭", "ai", "dit", "￭:", "aujourd’￭", "hui", "'￭", "x", "'", "n'￭", "'￭", "d'￭", "l'￭", "a"];
        assert_eq!(tokens("j'ai dit: aujourd’hui 'x ' d'l'a", Words::Elisions)[..9], want[..9]);
        assert_eq!(tokens("d'l'a", Words::Elisions), want[11..]);
    }

    #[test]
    fn surfaces_are_told_from_their_joiners() {
        for (token, want) in [
            ("a", ("a", false, false)),
            ("￭-￭", ("-", true, true)),
            ("(￭", ("(", false, true)),
            ("￭", ("￭", false, false)),
            ("￭￭￭", ("￭", true, true)),
        ] {
            assert_eq!(surface(token, Words::Marks), want);
        }
        assert_eq!(surface("￭a", Words::Spaces), ("￭a", false, false));
    }
}
