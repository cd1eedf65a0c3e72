//! Splits Rust source into comments, string literals and identifiers. Not here: what is searched in them (`mod.rs`). No
//! parser: macros and files that do not compile are read alike.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `//!` before the first item.
    Head,
    /// Any other comment.
    Comment,
    Literal,
    Name,
}

/// A piece of source. Comments on consecutive lines are one piece, without their markers.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    /// Of its first character.
    pub line: usize,
    pub text: String,
}

pub fn pieces(source: &str) -> Vec<Piece> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, pieces: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.pieces
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    pieces: Vec<Piece>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.get(self.at).copied();
        self.at += 1;
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(0, false),
            ('\'', _) => self.quote(),
            (c, _) if c.is_alphabetic() || c == '_' => self.name(),
            (c, _) if c.is_ascii_digit() => {
                // A number with its suffix; a point that does not follow ends it, which changes nothing here.
                while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                    self.next();
                }
            }
            _ => drop(self.next()),
        }
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0) != '\n' && self.at < self.chars.len() {
            text.extend(self.next());
        }
        let code_before = self.pieces.iter().any(|piece| piece.kind == Kind::Name);
        let kind = if text.starts_with("//!") && !code_before { Kind::Head } else { Kind::Comment };
        let text = text.trim_start_matches('/').trim_start_matches('!').trim();
        match self.pieces.last_mut() {
            Some(last) if last.kind == kind && last.line + last.text.matches('\n').count() + 1 == line => {
                last.text.push('\n');
                last.text.push_str(text);
            }
            _ => self.pieces.push(Piece { kind, line, text: text.into() }),
        }
    }

    fn block_comment(&mut self) {
        let (line, mut depth, mut text) = (self.line, 0, String::new());
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ if self.at >= self.chars.len() => break,
                _ => {
                    text.extend(self.next());
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                break;
            }
        }
        self.pieces.push(Piece { kind: Kind::Comment, line, text });
    }

    /// From the opening quote on; a raw string ends at a quote with as many `#`.
    fn string(&mut self, hashes: usize, raw: bool) {
        let line = self.line;
        self.next();
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                // The character after a backslash is no end; a line that continues is one blank.
                '\\' if !raw => match self.next() {
                    Some('n' | 't' | 'r') | None => text.push(' '),
                    Some(escaped) => text.push(escaped),
                },
                '"' if (0..hashes).all(|i| self.peek(i) == '#') => {
                    self.at += hashes;
                    break;
                }
                c => text.push(c),
            }
        }
        self.pieces.push(Piece { kind: Kind::Literal, line, text });
    }

    /// A character, or a lifetime, which has no closing quote.
    fn quote(&mut self) {
        self.next();
        if self.peek(0) == '\\' {
            self.at += 2;
            while self.at < self.chars.len() && self.next() != Some('\'') {}
        } else if self.peek(1) == '\'' {
            self.next();
            self.next();
        }
    }

    fn name(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            text.extend(self.next());
        }
        let prefix = matches!(text.as_str(), "r" | "b" | "br" | "c" | "cr");
        let hashes = (0..).take_while(|&i| self.peek(i) == '#').count();
        if prefix && self.peek(hashes) == '"' && (hashes == 0 || text.contains('r')) {
            self.at += hashes;
            return self.string(hashes, text.contains('r'));
        }
        if text == "b" && self.peek(0) == '\'' {
            return self.quote();
        }
        self.pieces.push(Piece { kind: Kind::Name, line, text });
    }
}

/// An identifier as lower-case words with blanks between them.
pub fn spoken(name: &str) -> String {
    let mut words = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && before.is_lowercase()) {
            words.push(' ');
        }
        if c != '_' {
            words.extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_source_is_of_its_kind_and_line() {
        let source = r####"//! Head one.
//! Head two.

// Plain
/* block /* nested */ end */ fn f<'a>(x: &'a u8) -> char {
    let quoted = 'q'; let escaped = '\''; let back = '\\';
    let s = "a \"b\" // no comment"; // after
    let raw = r#"raw "quoted" \"#; let bytes = b"bytes"; let number = 1_000u64;
    b'x' // last
}
"####;
        let got: Vec<(Kind, usize, String)> = pieces(source).into_iter().map(|p| (p.kind, p.line, p.text)).collect();
        let of = |kind| got.iter().filter(|p| p.0 == kind).map(|p| (p.1, p.2.as_str())).collect::<Vec<_>>();
        assert_eq!(of(Kind::Head), [(1, "Head one.\nHead two.")]);
        assert_eq!(of(Kind::Comment), [(4, "Plain"), (5, " block  nested  end "), (7, "after"), (9, "last")]);
        assert_eq!(of(Kind::Literal), [(7, "a \"b\" // no comment"), (8, "raw \"quoted\" \\"), (8, "bytes")]);
        let names = "fn f a x a u8 char let quoted let escaped let back let s let raw let bytes let number";
        let got_names = of(Kind::Name).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(got_names.join(" "), names);
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(spoken("goes_on"), "goes on");
        assert_eq!(spoken("GoesOn"), "goes on");
        assert_eq!(spoken("GOES_ON"), "goes on");
        assert_eq!(spoken("TextMark"), "text mark");
    }
}
