//! Shows control characters where text goes to a terminal: text of a vocabulary, a table or a file of others could otherwise
//! move the cursor, change the title or send answers to the shell. Pipes and files get the exact text. Not here: the
//! program's own colours, which pass.

use std::borrow::Cow;
use std::io::{self, IsTerminal, StdoutLock, Write};

use crate::stream::Stream;
use crate::wrap;

/// The codes that the program itself prints, which only change how text looks: plain, bold, dim, and the colour of a curve.
const STYLES: [&str; 4] = ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m"];

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

/// Standard output. A character may come in several calls of `write`, as a model of bytes gives it.
pub struct Out {
    to: StdoutLock<'static>,
    is_terminal: bool,
    /// The first bytes of a character that is not yet complete; empty where the output is no terminal.
    begun: Vec<u8>,
}

/// Standard output, locked.
pub fn stdout() -> Out {
    let to = io::stdout().lock();
    Out { is_terminal: to.is_terminal(), to, begun: Vec::new() }
}

impl Out {
    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes the program's own lines. On a terminal those that are too wide are broken.
    pub fn lines(&mut self, lines: &str) -> io::Result<()> {
        match Stream::Out.width() {
            Some(width) => writeln!(self.to, "{}", wrap::fitted(&visible_but_styles(lines), width)),
            None => writeln!(self.to, "{lines}"),
        }
    }

    /// Writes a JSON object: a line, or on a terminal as many lines as it takes.
    pub fn json(&mut self, object: &str) -> io::Result<()> {
        match Stream::Out.width() {
            Some(width) => writeln!(self, "{}", wrap::json(object, width)),
            None => writeln!(self, "{object}"),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.to.write(bytes);
        }
        self.begun.extend_from_slice(bytes);
        let text = complete(&mut self.begun);
        self.to.write_all(visible(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = self.to.write_all(with_bytes_shown(&self.begun).as_bytes()).and_then(|()| self.to.flush());
    }
}

/// Takes the complete characters; a byte that belongs to no character becomes `\xNN`. What may still become a character stays.
fn complete(bytes: &mut Vec<u8>) -> String {
    let begun = match bytes.utf8_chunks().last() {
        Some(chunk) if could_continue(chunk.invalid()) => chunk.invalid().len(),
        _ => 0,
    };
    let rest = bytes.split_off(bytes.len() - begun);
    with_bytes_shown(&std::mem::replace(bytes, rest))
}

fn with_bytes_shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

/// Whether more bytes could make a character of these.
fn could_continue(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_in_parts_is_written_once_it_is_complete() {
        let mut begun = Vec::new();
        let mut written = String::new();
        for byte in "é🐦".bytes().chain(*b"\xe9a\xf0\x9f\xff\xe2\x82") {
            begun.push(byte);
            written += &complete(&mut begun);
        }
        assert_eq!((written.as_str(), begun.as_slice()), ("é🐦\\xe9a\\xf0\\x9f\\xff", &b"\xe2\x82"[..]));
    }

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
