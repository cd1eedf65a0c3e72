//! The byte-order mark; and bytes that arrive one by one, decoded. An incomplete character is held back, and what can never
//! be completed becomes U+FFFD, as in `String::from_utf8_lossy`.

use std::str;

/// The byte-order mark U+FEFF in UTF-8, with which some programs begin a text file.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A text file without its byte-order mark, which is no character of the text.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BOM).unwrap_or(bytes)
}

/// Bytes as text that can be read and converted back: UTF-8 stays as it is, except for a backslash, which becomes `\\`, and
/// control characters but line ends and tabs. Their bytes, and bytes that are not UTF-8, become `\xNN`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let escape = |out: &mut String, bytes: &[u8]| bytes.iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() && !matches!(c, '\n' | '\t') => {
                    escape(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                c => out.push(c),
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

/// Bytes on their way to characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    /// The beginning of a character; at most 3 bytes between calls.
    held: Vec<u8>,
}

impl Utf8Stream {
    /// Takes a byte and gives `out` the characters that are now known: none, one, or some.
    pub fn push(&mut self, byte: u8, out: &mut impl Extend<char>) {
        self.held.push(byte);
        loop {
            let (valid, broken) = match str::from_utf8(&self.held) {
                Ok(text) => (text.len(), None),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            out.extend(str::from_utf8(&self.held[..valid]).unwrap_or_default().chars());
            if let Some(length) = broken {
                out.extend([char::REPLACEMENT_CHARACTER]);
                self.held.drain(..valid + length);
            } else {
                self.held.drain(..valid);
                return;
            }
        }
    }

    /// No more bytes follow: what is held back can never be completed.
    pub fn finish(&mut self, out: &mut impl Extend<char>) {
        if !std::mem::take(&mut self.held).is_empty() {
            out.extend([char::REPLACEMENT_CHARACTER]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of `bytes` after each byte, then after the end.
    fn streamed(bytes: &[u8]) -> (Vec<String>, String) {
        let (mut stream, mut out) = (Utf8Stream::default(), String::new());
        let steps = bytes.iter().map(|&byte| {
            stream.push(byte, &mut out);
            out.clone()
        });
        let steps = steps.collect();
        stream.finish(&mut out);
        (steps, out)
    }

    #[test]
    fn escaped_bytes_are_text_and_can_be_told_apart() {
        assert_eq!(escaped("é\t☃\n".as_bytes()), "é\t☃\n");
        assert_eq!(escaped(b"a\xe9b\xe2\x98\x1b[0m\\x41\r"), r"a\xe9b\xe2\x98\x1b[0m\\x41\x0d");
        assert_eq!(escaped("\u{9b}".as_bytes()), r"\xc2\x9b", "a control character beyond ASCII");
    }

    #[test]
    fn a_character_comes_out_whole() {
        assert_eq!(streamed("é".as_bytes()).0, ["", "é"]);
        assert_eq!(streamed("a☃b".as_bytes()).0, ["a", "a", "a", "a☃", "a☃b"]);
        assert_eq!(streamed("𝄞".as_bytes()).0, ["", "", "", "𝄞"]);
    }

    #[test]
    fn what_can_never_be_completed_is_replaced_as_soon_as_that_is_known() {
        assert_eq!(streamed(b"\xffa").0, ["\u{fffd}", "\u{fffd}a"]);
        assert_eq!(streamed(b"\xe2\x98a").0, ["", "", "\u{fffd}a"]);
        assert_eq!(streamed(b"\xe2\xc3\xa9").0, ["", "\u{fffd}", "\u{fffd}é"]);
        assert_eq!(streamed(b"a\xe2\x98"), (vec!["a".into(), "a".into(), "a".into()], "a\u{fffd}".into()));
    }

    #[test]
    fn it_agrees_with_the_whole_text_at_once() {
        // Every string of 4 bytes over those that open, continue or break each kind of sequence.
        let kinds = [b'a', 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xc3, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xf5];
        for number in 0..kinds.len().pow(4) {
            let bytes: Vec<u8> = (0..4).map(|k| kinds[number / kinds.len().pow(k) % kinds.len()]).collect();
            assert_eq!(streamed(&bytes).1, String::from_utf8_lossy(&bytes), "{bytes:x?}");
        }
    }
}
