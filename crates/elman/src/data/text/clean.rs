//! What is done to a text before it is tokenised: lower case, and d2l's reduction to letters. Every text can be
//! cleaned. The rules are saved with the vocabulary, so that prompts and evaluated texts are cleaned in the same way.

use std::borrow::Cow;

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

    /// A whole text. `letters`: in each line every run of what is no ASCII letter becomes a space, none at its ends;
    /// letters become small; lines follow each other with nothing between, but for a vocabulary of words.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let between = if self.keeps_lines { "\n" } else { "" };
        match self.clean {
            Clean::Letters => {
                let mut out = String::with_capacity(text.len());
                for line in text.split_inclusive('\n') {
                    out.push_str(letters(line).trim_matches(' '));
                    if line.ends_with('\n') {
                        out.push_str(between);
                    }
                }
                Cow::Owned(out)
            }
            Clean::None => self.lower(text),
        }
    }

    /// A piece of text that others continue: its ends stay what they are.
    pub fn apply_to_piece<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.clean {
            Clean::Letters => Cow::Owned(letters(text)),
            Clean::None => self.lower(text),
        }
    }

    fn lower<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
    }
}

/// Small ASCII letters, and a space for each run of anything else.
fn letters(text: &str) -> String {
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
    fn letters_are_kept_line_by_line() {
        let text = " The Time--Machine, by\r\n\n(1895) H. G. Wélls";
        let chars = rules(Clean::Letters, false, TokenizerKind::Char);
        assert_eq!(chars.apply(text), "the time machine byh g w lls");
        let words = rules(Clean::Letters, false, TokenizerKind::Word);
        assert_eq!(words.apply(text), "the time machine by\n\nh g w lls");
        assert_eq!(words.apply("a\n"), "a\n");
        assert_eq!(chars.apply_to_piece("Time traveller "), "time traveller ");
    }

    #[test]
    fn lower_case_knows_all_letters() {
        let rules = rules(Clean::None, true, TokenizerKind::Char);
        assert_eq!((rules.apply("ÉA\nß"), rules.apply_to_piece(" Ö ")), ("éa\nß".into(), " ö ".into()));
        assert!(matches!(Rules::NONE.apply("Éa"), Cow::Borrowed("Éa")));
    }
}
