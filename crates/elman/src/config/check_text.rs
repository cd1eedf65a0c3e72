//! Which choices of tokens and batches exclude each other. An error names both. Not here: the choices (`text.rs`).

use super::limits::{MAX_INTEGER, whole};
use super::{BatchKind, Clean, Config, RandomEpoch, TokenizerKind};
use crate::error::Error;

impl Config {
    pub(super) fn check_text(&self) -> Result<(), Error> {
        let refuse = |name, got: &str, expected: String| Err(Error::Setting { name, got: got.into(), expected });
        let kind = self.tokenizer;
        let named = format!("{kind:?}").to_lowercase();
        let (is_word, is_text) = (kind == TokenizerKind::Word, kind != TokenizerKind::Byte);
        if self.unk && kind != TokenizerKind::Char {
            let why = match kind {
                TokenizerKind::Word => "which has <unk> anyway",
                _ => "which has no unknown tokens",
            };
            return refuse("unk", "true", format!("false with the tokenizer {named}, {why}"));
        }
        whole("min_freq", self.min_freq, 1, MAX_INTEGER)?;
        if self.min_freq > 1 && !self.unk && !is_word {
            let expected = "1 without unk or words: there is no token of rare characters".to_string();
            return refuse("min_freq", &self.min_freq.to_string(), expected);
        }
        if let Some(size) = self.vocab_size {
            whole("vocab_size", size as u64, 2, 1 << 24)?;
            if kind == TokenizerKind::Byte || (kind == TokenizerKind::Char && !self.unk) {
                let expected = format!("none with the tokenizer {named}, whose tokens are given");
                return refuse("vocab_size", &size.to_string(), expected);
            }
            if kind == TokenizerKind::Bpe {
                whole("vocab_size", size as u64, 256, 1 << 24)?;
            }
        }
        if !self.encoding.is_utf8() && !is_text {
            let expected = "utf-8 with the tokenizer byte, which reads a text as it is".to_string();
            return refuse("encoding", &self.encoding.name(), expected);
        }
        if self.clean != Clean::None && !is_text {
            return refuse(
                "clean",
                self.clean.name(),
                "none with the tokenizer byte, which reads a text as it is".into(),
            );
        }
        if self.lowercase && !is_text {
            return refuse("lowercase", "true", "false with the tokenizer byte, which reads a text as it is".into());
        }
        if !self.reserve.is_empty() && !is_word {
            let got = format!("{:?}", self.reserve).to_lowercase();
            return refuse("reserve", &got, format!("nothing with the tokenizer {named}, only with word"));
        }
        whole("cut_tail", self.cut_tail as u64, 0, MAX_INTEGER)?;
        whole("max_tokens", self.max_tokens as u64, 0, MAX_INTEGER)?;
        self.check_batches()
    }

    fn check_batches(&self) -> Result<(), Error> {
        let refuse = |name, got: &str, expected: String| Err(Error::Setting { name, got: got.into(), expected });
        let batches = format!("{:?}", self.batches).to_lowercase();
        let (is_rows, is_random) = (self.batches == BatchKind::Rows, self.batches == BatchKind::Random);
        if self.stateful == Some(true) && !is_rows {
            let expected =
                format!("false with batches = {batches}, which do not continue each other, or batches = rows");
            return refuse("stateful", "true", expected);
        }
        if self.drop_last && !is_rows {
            let expected = format!("false with batches = {batches}, whose windows are whole, or batches = rows");
            return refuse("drop_last", "true", expected);
        }
        if self.random_offset && !is_rows {
            return refuse("random_offset", "true", format!("false with batches = {batches}, or batches = rows"));
        }
        if self.random_epoch == RandomEpoch::Starts && !is_random {
            let expected = format!("predictions with batches = {batches}, or batches = random");
            return refuse("random_epoch", "starts", expected);
        }
        if self.batches == BatchKind::Lines {
            if self.tokenizer == TokenizerKind::Bpe {
                let expected =
                    "rows, chunks or random with the tokenizer bpe, whose tokens may reach over a line's end";
                return refuse("batches", "lines", expected.into());
            }
            if self.tokenizer == TokenizerKind::Word && !self.eos {
                return refuse("batches", "lines", "rows, chunks or random with eos = false, or eos = true".into());
            }
            if self.tokenizer == TokenizerKind::Char && self.clean != Clean::None {
                let clean = self.clean.name();
                let expected = format!("rows, chunks or random with clean = {clean}, which leaves no line ends");
                return refuse("batches", "lines", expected);
            }
        }
        Ok(())
    }
}
