//! Shows control characters where text goes to a terminal: text of a vocabulary, a table or a file of others could otherwise
//! move the cursor, change the title or send answers to the shell. Pipes and files get the exact text. Not here: the
//! program's own colours, which pass.

use std::borrow::Cow;
use std::io::{self, IsTerminal, StdoutLock, Write};

/// The codes of `terminal::dim` and `terminal::bold`, which only change how text looks.
const STYLES: [&str; 3] = ["\x1b[0m", "\x1b[1m", "\x1b[2m"];

/// The text with its control characters written as `\u{1b}`; line ends and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, &[])
}

/// As [`visible`]; the program's own colours stay, too.
pub fn visible_but_styles(text: &str) -> Cow<'_, str> {
    escaped(text, &STYLES)
}

fn is_harmful(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

fn escaped<'a>(text: &'a str, kept: &[&str]) -> Cow<'a, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len() + 16), text);
    while let Some(c) = rest.chars().next() {
        let kept = kept.iter().find(|style| rest.starts_with(**style));
        let length = kept.map_or(c.len_utf8(), |style| style.len());
        match (kept, is_harmful(c)) {
            (None, true) => out.extend(c.escape_unicode()),
            _ => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// Standard output. Each call of `write` gets whole characters.
pub struct Out {
    to: StdoutLock<'static>,
    is_terminal: bool,
}

/// Standard output, locked.
pub fn stdout() -> Out {
    let to = io::stdout().lock();
    Out { is_terminal: to.is_terminal(), to }
}

impl Out {
    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.to.write(bytes);
        }
        self.to.write_all(visible(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_nothing_else_changes() {
        for same in ["", "a line\n\tand é 🐦\n", "\u{200b}"] {
            assert_eq!(visible(same), same);
        }
        assert_eq!(visible("\x1b]0;title\x07a\rb\x7f\u{9b}c\0"), "\\u{1b}]0;title\\u{7}a\\u{d}b\\u{7f}\\u{9b}c\\u{0}");
        assert_eq!(visible("\x1b[2m"), "\\u{1b}[2m");
        assert_eq!(visible_but_styles("\x1b[2mdim\x1b[0m \x1b[2J\x1b[1"), "\x1b[2mdim\x1b[0m \\u{1b}[2J\\u{1b}[1");
    }
}
