//! Texts in other encodings than UTF-8: reads one in an encoding that is named, and guesses which it is. Not here: UTF-8 itself
//! (`utf8.rs`) and its byte-order mark.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, UTF_8};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::utf8::without_bom;
use crate::error::Error;

/// Bytes that a guess looks at.
const SEEN: usize = 1 << 16;

/// An encoding, by one of the labels of the WHATWG standard, such as `windows-1252`, `utf-16le` or `shift_jis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextEncoding(&'static encoding_rs::Encoding);

impl Default for TextEncoding {
    fn default() -> TextEncoding {
        TextEncoding(UTF_8)
    }
}

impl TextEncoding {
    /// The encoding of a label, in capitals or not.
    pub fn named(label: &str) -> Option<TextEncoding> {
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(TextEncoding)
    }

    /// Its name in small letters.
    pub fn name(self) -> String {
        self.0.name().to_ascii_lowercase()
    }

    /// Whether texts are read as they are.
    pub fn is_utf8(&self) -> bool {
        self.0 == UTF_8
    }

    /// Its decoder. A byte-order mark is no text; that of UTF-16 tells the order of the
    /// bytes.
    fn decoder(self) -> Decoder {
        let has_orders = [encoding_rs::UTF_16LE, encoding_rs::UTF_16BE].contains(&self.0);
        if has_orders { self.0.new_decoder() } else { self.0.new_decoder_with_bom_removal() }
    }

    /// Bytes that arrive one after another, in UTF-8 as soon as they are there. Reading fails with the error of
    /// [`TextEncoding::to_utf8`].
    pub fn stream(self, name: String, from: impl Read) -> impl Read {
        Decoded { name, encoding: self, from, decoder: Some(self.decoder()), offset: 0, text: Vec::new(), at: 0 }
    }

    /// The bytes of a text in UTF-8, without a byte-order mark; those of UTF-8 as they are, correct or not. `name` is what
    /// messages call the text. Errors: bytes that the encoding does not have, with their offset.
    pub fn to_utf8(self, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.is_utf8() {
            return Ok(bytes);
        }
        let mut decoder = self.decoder();
        let mut text = vec![0; room_for(&decoder, bytes.len())];
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(&bytes, &mut text, true);
        match result {
            DecoderResult::InputEmpty => {
                text.truncate(written);
                Ok(text)
            }
            DecoderResult::Malformed(length, after) => {
                let offset = read.saturating_sub(usize::from(length) + usize::from(after));
                Err(Error::InvalidText { name: name.to_string(), encoding: self.name(), offset })
            }
            DecoderResult::OutputFull => {
                Err(Error::InvalidText { name: name.to_string(), encoding: self.name(), offset: read })
            }
        }
    }
}

/// Bytes that `n` bytes take in UTF-8 at most.
fn room_for(decoder: &Decoder, n: usize) -> usize {
    decoder.max_utf8_buffer_length_without_replacement(n).unwrap_or(n.saturating_mul(3).saturating_add(16))
}

/// See [`TextEncoding::stream`].
struct Decoded<R> {
    name: String,
    encoding: TextEncoding,
    from: R,
    /// None at the end.
    decoder: Option<Decoder>,
    /// Bytes that were read.
    offset: usize,
    /// What was decoded, and how much of it was given.
    text: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut bytes = [0; 1 << 12];
        while self.at == self.text.len()
            && let Some(decoder) = &mut self.decoder
        {
            let n = self.from.read(&mut bytes)?;
            self.text.resize(room_for(decoder, n), 0);
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(&bytes[..n], &mut self.text, n == 0);
            (self.at, self.offset) = (0, self.offset + read);
            self.text.truncate(written);
            if let DecoderResult::Malformed(length, after) = result {
                let offset = self.offset.saturating_sub(usize::from(length) + usize::from(after));
                let error = Error::InvalidText { name: self.name.clone(), encoding: self.encoding.name(), offset };
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            if n == 0 {
                self.decoder = None;
            }
        }
        let n = to.len().min(self.text.len() - self.at);
        to[..n].copy_from_slice(&self.text[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Serialize for TextEncoding {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for TextEncoding {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TextEncoding, D::Error> {
        let label = String::deserialize(from)?;
        let wanted = "expected a name such as utf-8, windows-1252, utf-16le or shift_jis";
        TextEncoding::named(&label).ok_or_else(|| serde::de::Error::custom(format!("encoding is {label}, {wanted}")))
    }
}

/// The name of the encoding that bytes, which are no UTF-8, are likely to be in; None where none is likely.
pub(crate) fn likely(bytes: &[u8]) -> Option<String> {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes).filter(|(encoding, _)| *encoding != UTF_8) {
        return Some(TextEncoding(encoding).name());
    }
    // A text with a zero byte is UTF-16 without a byte-order mark, or it is no text.
    let seen = &bytes[..bytes.len().min(SEEN)];
    if seen.contains(&0) {
        let at = |odd: usize| seen.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        let (first, second, units) = (at(0), at(1), seen.len() / 2);
        return match (first, second) {
            (0, n) if 2 * n > units => Some("utf-16le".to_string()),
            (n, 0) if 2 * n > units => Some("utf-16be".to_string()),
            _ => None,
        };
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(seen, seen.len() == bytes.len());
    Some(TextEncoding(detector.guess(None, Utf8Detection::Deny)).name())
}

/// The text of a file, without its byte-order mark.
pub(crate) fn decode(name: &str, mut bytes: Vec<u8>) -> Result<String, Error> {
    let bom = bytes.len() - without_bom(&bytes).len();
    bytes.drain(..bom);
    String::from_utf8(bytes).map_err(|error| invalid(name, bom + error.utf8_error().valid_up_to(), error.as_bytes()))
}

/// The error of bytes that are not UTF-8.
pub(crate) fn invalid(name: &str, offset: usize, bytes: &[u8]) -> Error {
    Error::InvalidUtf8 { name: name.to_string(), offset, likely: likely(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(label: &str, bytes: &[u8]) -> Result<String, String> {
        let bytes = TextEncoding::named(label).unwrap().to_utf8("t", bytes.to_vec());
        bytes.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_are_read_in_their_encoding() {
        assert_eq!(decoded("windows-1252", b"caf\xe9 \x80").unwrap(), "café €");
        assert_eq!(decoded("latin1", b"\xdf").unwrap(), "ß");
        assert_eq!(decoded("UTF-16LE", b"\xff\xfeG\0\xac\x20").unwrap(), "G€");
        assert_eq!(decoded("shift_jis", b"\x82\xa0").unwrap(), "あ");
        assert_eq!(decoded("utf-16", b"\xfe\xff\0G").unwrap(), "G");
        // Byte by byte, as from a program that waits for an answer.
        let one = |label: &str, bytes: &'static [u8]| {
            let pieces =
                bytes.chunks(1).fold(Box::new(io::empty()) as Box<dyn Read>, |all, byte| Box::new(all.chain(byte)));
            let mut text = String::new();
            let encoding = TextEncoding::named(label).unwrap();
            encoding
                .stream("t".into(), pieces)
                .read_to_string(&mut text)
                .map(|_| text)
                .map_err(|error| error.to_string())
        };
        assert_eq!(one("shift_jis", b"a\x82\xa0b").unwrap(), "aあb");
        assert_eq!(one("shift_jis", b"ab\x82\xff").unwrap_err(), "t is not shift_jis: invalid bytes at byte offset 2");
        assert_eq!(
            decoded("shift_jis", b"ab\x82\xff").unwrap_err(),
            "t is not shift_jis: invalid bytes at byte offset 2"
        );
        assert!(TextEncoding::named("utf-9").is_none() && TextEncoding::named("replacement").is_none());
    }

    #[test]
    fn a_likely_encoding_is_found() {
        let german = "Der Müller hörte, wie das Rad über die Straße rollte. ".repeat(4);
        let latin: Vec<u8> = german.chars().map(|c| c as u8).collect();
        assert_eq!(likely(&latin).as_deref(), Some("windows-1252"));
        let wide = |order: fn(u16) -> [u8; 2]| german.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        assert_eq!(likely(&wide(u16::to_le_bytes)).as_deref(), Some("utf-16le"));
        assert_eq!(likely(&wide(u16::to_be_bytes)).as_deref(), Some("utf-16be"));
        assert_eq!(likely(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff").as_deref(), None);
    }
}
