//! What is done to a text before it is tokenised: lower case, or letters only. Every text can be cleaned. The rules are saved with the vocabulary, so that prompts and evaluated texts are cleaned in the same way.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use crate::config::{Clean, Config, TokenizerKind};

/// How a text is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    clean: Clean,
    lowercase: bool,
    /// Whether a line's end stays where cleaning takes everything but letters.
    keeps_lines: bool,
}

impl Rules {
    /// A text stays as it is.
    pub const NONE: Rules = Rules { clean: Clean::None, lowercase: false, keeps_lines: true };

    /// The rules of a configuration.
    pub fn of(config: &Config) -> Rules {
        let keeps_lines = config.clean == Clean::None || config.tokenizer == TokenizerKind::Word;
        Rules { clean: config.clean, lowercase: config.lowercase, keeps_lines }
    }

    /// Whether a text stays as it is.
    pub fn keep_all(&self) -> bool {
        self.clean == Clean::None && !self.lowercase
    }

    /// A whole text, or some of its lines: the result for a text is that for its lines, joined.
    ///
    /// A rule for letters converts each line and removes the spaces at its ends. In a vocabulary of words the line then ends
    /// as it did. Otherwise d2l's rule puts nothing in the place of a line's end, and the other a space after each line that
    /// has letters.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let letters: fn(&str) -> String = match self.clean {
            Clean::None => return self.lower(text),
            Clean::D2l => ascii_letters,
            Clean::UnicodeLetters => unicode_letters,
        };
        let mut out = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let converted = letters(line);
            let words = converted.trim_matches(' ');
            out.push_str(words);
            if line.ends_with('\n') {
                out.push_str(match (self.keeps_lines, self.clean) {
                    (true, _) => "\n",
                    (false, Clean::UnicodeLetters) if !words.is_empty() => " ",
                    (false, _) => "",
                });
            }
        }
        Cow::Owned(out)
    }

    /// A piece of text that others continue: its ends stay what they are.
    pub fn apply_to_piece<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.clean {
            Clean::D2l => Cow::Owned(ascii_letters(text)),
            Clean::UnicodeLetters => Cow::Owned(unicode_letters(text)),
            Clean::None => self.lower(text),
        }
    }

    fn lower<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
    }
}

/// Small letters with the marks that belong to them (an accent that is a character of its own, a vowel sign), and a space for
/// each run of anything else.
fn unicode_letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for cluster in text.graphemes(true) {
        match cluster.chars().next().is_some_and(char::is_alphabetic) {
            true => out.push_str(&cluster.to_lowercase()),
            false if out.ends_with(' ') => {}
            false => out.push(' '),
        }
    }
    out
}

/// Small ASCII letters, and a space for each run of anything else.
fn ascii_letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_alphabetic() {
            true => out.push(c.to_ascii_lowercase()),
            false if out.ends_with(' ') => {}
            false => out.push(' '),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(clean: Clean, lowercase: bool, tokenizer: TokenizerKind) -> Rules {
        Rules::of(&Config { clean, lowercase, tokenizer, ..Config::default() })
    }

    #[test]
    fn d2l_keeps_ascii_letters_line_by_line() {
        let text = " The Time--Machine, by\r\n\n(1895) H. G. Wélls";
        let chars = rules(Clean::D2l, false, TokenizerKind::Char);
        assert_eq!(chars.apply(text), "the time machine byh g w lls");
        let words = rules(Clean::D2l, false, TokenizerKind::Word);
        assert_eq!(words.apply(text), "the time machine by\n\nh g w lls");
        assert_eq!(words.apply("a\n"), "a\n");
        assert_eq!(chars.apply_to_piece("Time traveller "), "time traveller ");
    }

    #[test]
    fn letters_of_every_script_are_kept_and_lines_stay_apart() {
        // The accent of `é` is a character of its own here; so is the sign that joins the consonants of the Hindi word.
        let text = " Die Straße,\r\n\n(1895) e\u{301}te\u{301} हिन्दी\nΣοφία\n";
        let chars = rules(Clean::UnicodeLetters, false, TokenizerKind::Char);
        let want = "die straße e\u{301}te\u{301} हिन्दी σοφία ";
        assert_eq!(chars.apply(text), want);
        let by_line: String = text.split_inclusive('\n').map(|line| chars.apply(line)).collect();
        assert_eq!(by_line, want);
        let words = rules(Clean::UnicodeLetters, false, TokenizerKind::Word);
        assert_eq!(words.apply(text), "die straße\n\ne\u{301}te\u{301} हिन्दी\nσοφία\n");
        assert_eq!(chars.apply_to_piece("Die Straße - "), "die straße ");
    }

    #[test]
    fn lower_case_knows_all_letters() {
        let rules = rules(Clean::None, true, TokenizerKind::Char);
        assert_eq!((rules.apply("ÉA\nß"), rules.apply_to_piece(" Ö ")), ("éa\nß".into(), " ö ".into()));
        assert!(matches!(Rules::NONE.apply("Éa"), Cow::Borrowed("Éa")));
    }
}
