//! A text that stays on the disk: it is read in blocks to measure it, to make a vocabulary and to write its tokens to a
//! file, from which batches are read. Memory does not grow with the text, but with its longest line where words or
//! rules need whole lines. Not here: what needs the whole text in memory (subwords, and cutting characters off its
//! end).

use std::{path::Path, sync::Arc};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    clean::Rules,
    corpus::Corpus,
    disk_text::OnDisk,
    fit::Counter,
    held::Held,
    tokens::{self, Counts, TokenFile, Tokens},
    vocab::Vocab,
};
use crate::{
    config::{BatchKind, Config, TokenizerKind},
    error::Error,
    files::disk::Disk,
};

/// Whether a text can stay on the disk under these settings: all can but subwords, whose pieces may reach over any
/// cut, lines as batches, of which a list is kept, and a tail to cut off, which is counted from the end.
pub fn can_stay_on_disk(config: &Config) -> bool {
    let is_whole = config.tokenizer == TokenizerKind::Bpe || config.batches == BatchKind::Lines || config.cut_tail > 0;
    !is_whole && config.encoding.is_utf8()
}

/// A text as it is encoded, cut in two where it is known where.
struct Cut {
    /// Characters before the cut that are still to come.
    left: usize,
    /// Whether the cut waits for white space.
    between_words: bool,
    is_past: bool,
}

impl Cut {
    /// What of a block stands before and after the cut.
    fn parts<'t>(&mut self, block: &'t str) -> (&'t str, &'t str) {
        if self.is_past {
            return ("", block);
        }
        let characters = block.chars().count();
        let mut rest = block.char_indices().skip(self.left);
        self.left = self.left.saturating_sub(characters);
        let at = match self.between_words {
            true => rest.find(|(_, c)| c.is_whitespace()),
            false => rest.next(),
        };
        self.is_past = at.is_some();
        block.split_at(at.map_or(block.len(), |(at, _)| at))
    }
}

/// As [`Split::new`](super::split::Split::new) does for a text in memory, with the same result.
pub(super) fn split(
    config: &Config,
    corpus: &Corpus,
    text: &OnDisk,
    val_frac: f64,
    known: Option<Vocab>,
) -> Result<(Vocab, Tokens, Held), Error> {
    let is_bytes = config.tokenizer == TokenizerKind::Byte;
    let can_be_read = can_stay_on_disk(config) && (is_bytes || !text.is_raw);
    let Some(path) = text.tokens.as_ref().filter(|_| can_be_read) else {
        let expected = "a text in memory, or a place for its tokens and settings that work with tokens on the disk";
        return Err(Error::Setting { name: "the text", got: "on the disk".into(), expected: expected.into() });
    };
    let rules = Rules::of(config);
    let by_line = config.tokenizer == TokenizerKind::Word || rules != Rules::NONE;
    let mut length = if is_bytes { text.bytes } else { text.characters };
    if !is_bytes && rules != Rules::NONE {
        length = 0;
        text.ready(rules, by_line, &mut |block| {
            length += block.chars().count();
            Ok(())
        })?;
    }
    let left = ((1.0 - val_frac) * length as f64) as usize;
    let cut = || Cut { left, between_words: config.tokenizer == TokenizerKind::Word, is_past: false };
    let vocab = match known {
        Some(vocab) => vocab,
        None => vocabulary(config, corpus, text, cut(), by_line)?,
    };
    let binding = binding(config, text, val_frac, &vocab);
    let file = match TokenFile::open(path, &binding) {
        Some(file) => file,
        None => {
            check_space(path, text, &vocab)?;
            TokenFile::make(&Disk::default(), path, &binding, vocab.len(), |push| match is_bytes {
                true => push_bytes(text, left, push),
                false => push_text(corpus.name(), text, &vocab, rules, by_line, cut(), push),
            })?
        }
    };
    let Counts { train, held, held_bytes } = file.counts();
    let of = |range| Tokens::File { file: Arc::clone(&file), range };
    Ok((vocab, of(0..train), Held { ids: of(train..train + held), bytes: held_bytes }))
}

/// All that the tokens and their parts depend on.
fn binding(config: &Config, text: &OnDisk, val_frac: f64, vocab: &Vocab) -> [u8; 32] {
    let Config { tokenizer, words, clean, lowercase, .. } = config;
    let settings = json!([tokenizer, words, clean, lowercase, val_frac.to_bits(), vocab.list()]);
    Sha256::new().chain_update(text.sha256).chain_update(settings.to_string()).finalize().into()
}

/// Errors: the tokens would fill the disk.
fn check_space(path: &Path, text: &OnDisk, vocab: &Vocab) -> Result<(), Error> {
    let needed = text.bytes.saturating_mul(tokens::width(vocab.len())) as u64; // at most a token a byte
    let available = Disk::default().free_space(path).map_err(Error::io("write", path))?;
    if available < needed { Err(Error::DiskSpace { path: path.to_path_buf(), needed, available }) } else { Ok(()) }
}

/// The vocabulary of what stands before the cut, with the characters of all that is held out.
fn vocabulary(config: &Config, corpus: &Corpus, text: &OnDisk, mut cut: Cut, by_line: bool) -> Result<Vocab, Error> {
    if config.tokenizer == TokenizerKind::Byte {
        return Ok(Vocab::bytes());
    }
    let rules = Rules::of(config);
    let mut counter = Counter::new(config);
    text.ready(rules, by_line, &mut |block| {
        let (train, tail) = cut.parts(block);
        counter.add(train);
        counter.add_held_out(tail);
        Ok(())
    })?;
    for corpus in [corpus.validation(), corpus.test()].into_iter().flatten() {
        counter.add_held_out(&rules.apply(corpus.utf8()?));
    }
    counter.vocab(config, corpus.name())
}

fn push_bytes(text: &OnDisk, train: usize, push: &mut dyn FnMut(&[u32]) -> Result<(), Error>) -> Result<Counts, Error> {
    let mut ids = Vec::new();
    text.blocks(&mut |block| {
        ids.clear();
        ids.extend(block.iter().map(|&byte| u32::from(byte)));
        push(&ids)
    })?;
    let held = text.bytes - train;
    Ok(Counts { train, held, held_bytes: held.saturating_sub(1) })
}

fn push_text(
    name: &str,
    text: &OnDisk,
    vocab: &Vocab,
    rules: Rules,
    by_line: bool,
    mut cut: Cut,
    push: &mut dyn FnMut(&[u32]) -> Result<(), Error>,
) -> Result<Counts, Error> {
    let mut counts = Counts { train: 0, held: 0, held_bytes: 0 };
    let (mut first, mut characters) = (None, [0, 0]);
    text.ready(rules, by_line, &mut |block| {
        let (train, tail) = cut.parts(block);
        for (part, piece) in [train, tail].into_iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
            let ids = vocab.encode_ready(name, piece).map_err(|error| error.moved_by(characters[part]))?;
            characters[part] += piece.chars().count();
            match part {
                0 => counts.train += ids.len(),
                _ => {
                    first = first.or(ids.first().copied());
                    (counts.held, counts.held_bytes) = (counts.held + ids.len(), counts.held_bytes + piece.len());
                }
            }
            push(&ids)?;
        }
        Ok(())
    })?;
    let first = first.map_or(0, |id| vocab.write(id, None).len());
    counts.held_bytes = counts.held_bytes.saturating_sub(first);
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::disk_text::Characters;
    use super::*;
    use crate::{
        config::{Clean, Words},
        data::Split,
    };

    /// A text of some blocks, with long and short lines, characters of one to four bytes, and words that come once.
    fn text() -> String {
        let words = ["The mill", " été,", "\n", " ☃☃", "\r\n", " Ὀδυσσεύς", " don't", "\t𝄞 ", " x-1", "  ", ".\n\n"];
        (0..400_usize).map(|i| words[(i * i + i / 7) % words.len()]).chain([" rare", " end"]).collect()
    }

    /// All that a split says.
    fn told(config: &Config, corpus: &Corpus) -> (Vec<String>, [Vec<u32>; 3], [usize; 2], Vec<String>) {
        let Split { vocab, train, validation, test, notes } = Split::new(config, corpus, None).unwrap();
        let bytes = [validation.bytes, test.bytes];
        let ids = [train, validation.ids, test.ids].map(|ids| ids.into_memory().unwrap());
        (vocab.tokens().to_vec(), ids, bytes, notes)
    }

    #[test]
    fn a_text_on_the_disk_is_split_as_one_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let whole = text();
        // Two files, so that a block ends with the first.
        let cut = whole.char_indices().nth(whole.chars().count() / 3).unwrap().0;
        let paths = [dir.path().join("a.txt"), dir.path().join("b.txt")];
        fs::write(&paths[0], &whole[..cut]).unwrap();
        fs::write(&paths[1], &whole[cut..]).unwrap();
        let base = Config { val_frac: 0.2, ..Config::default() };
        let of = |tokenizer, clean, lowercase| Config { tokenizer, clean, lowercase, ..base.clone() };
        let (char, byte, word) = (TokenizerKind::Char, TokenizerKind::Byte, TokenizerKind::Word);
        let mut configs = vec![
            of(char, Clean::None, false),
            of(char, Clean::None, true),
            of(char, Clean::D2l, false),
            of(byte, Clean::None, false),
            of(word, Clean::None, true),
            of(word, Clean::D2l, false),
            of(char, Clean::UnicodeLetters, false),
            of(word, Clean::UnicodeLetters, false),
            Config { unk: true, min_freq: 30, ..base.clone() },
            Config { max_tokens: 100, ..base.clone() },
        ];
        for words in [Words::Spaces, Words::Marks, Words::Elisions] {
            for val_frac in [0.0, 0.013, 0.5, 0.8] {
                configs.push(Config { words, val_frac, min_freq: 2, ..of(word, Clean::None, false) });
            }
        }
        for held_out in [false, true] {
            for (i, config) in configs.iter().enumerate() {
                let kept = || Corpus::from_text("kept", "été ☂ The end".into());
                let with = |corpus: Corpus| match held_out {
                    true => corpus.with_validation(kept()).with_test(kept()),
                    false => corpus,
                };
                let is_raw = config.tokenizer == byte;
                let memory = with(if is_raw { Corpus::read_raw(&paths) } else { Corpus::read(&paths) }.unwrap());
                let disk = with(Corpus::on_disk_of(&paths, is_raw).unwrap());
                let disk = disk.with_tokens_in(dir.path().join(format!("{i}-{held_out}.tokens")));
                assert_eq!(disk.fingerprint(), memory.fingerprint());
                let want = told(config, &memory);
                assert_eq!(told(config, &disk), want, "{config:?}");
                assert_eq!(told(config, &disk), want, "the second time, of the file that is there: {config:?}");
            }
        }
    }

    #[test]
    fn the_file_of_another_text_or_vocabulary_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, tokens) = (dir.path().join("t.txt"), dir.path().join("tokens.bin"));
        let disk = || Corpus::on_disk_of(std::slice::from_ref(&path), false).unwrap().with_tokens_in(&tokens);
        let memory = || Corpus::read(std::slice::from_ref(&path)).unwrap();
        let mut files = Vec::new();
        for (text, config) in [
            ("abab ba", Config::default()),
            ("abab bb", Config::default()),
            ("abab bb", Config { val_frac: 0.5, ..Config::default() }),
            ("abab bb", Config { val_frac: 0.5, unk: true, ..Config::default() }),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(told(&config, &disk()), told(&config, &memory()));
            let file = fs::read(&tokens).unwrap();
            assert!(!files.contains(&file));
            // A damaged one is, too.
            fs::write(&tokens, &file[1..]).unwrap();
            assert_eq!(told(&config, &disk()), told(&config, &memory()));
            files.push(file);
        }
    }

    #[test]
    fn what_cannot_stay_on_the_disk_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.txt");
        let paths = std::slice::from_ref(&path);
        let error =
            |config: &Config, corpus: Corpus| Split::new(config, &corpus, None).map(|_| ()).unwrap_err().to_string();
        fs::write(&path, "a text ".repeat(30)).unwrap();
        let corpus = |is_raw| Corpus::on_disk_of(paths, is_raw).unwrap().with_tokens_in(dir.path().join("tokens"));
        let no_place = error(&Config::default(), Corpus::on_disk_of(paths, false).unwrap());
        assert!(no_place.starts_with("the text is on the disk, expected a text in memory"), "{no_place}");
        for config in [
            Config { cut_tail: 3, ..Config::default() },
            Config { tokenizer: TokenizerKind::Bpe, ..Config::default() },
            Config { batches: BatchKind::Lines, ..Config::default() },
        ] {
            assert!(!can_stay_on_disk(&config) && error(&config, corpus(false)) == no_place);
        }
        assert_eq!(error(&Config::default(), corpus(true)), no_place, "bytes are no characters");
        // A text that changes between two looks.
        let seen = corpus(false);
        fs::write(&path, "b text ".repeat(30)).unwrap();
        let changed = error(&Config::default(), seen);
        assert!(changed.starts_with("the text was changed while it was read"), "{changed}");
        assert!(!dir.path().join("tokens").exists());
        // Not UTF-8: within a block, over a block's edge, at the end of a file.
        for at in [5, 60, 299] {
            let mut bytes = vec![b'a'; 300];
            bytes[at] = 0xc3;
            fs::write(&path, bytes).unwrap();
            let want = format!("is not UTF-8: invalid bytes at byte offset {at}");
            let error = |corpus: Result<Corpus, Error>| corpus.unwrap_err().to_string();
            assert!(error(Corpus::on_disk_of(paths, false)).ends_with(&want));
            assert!(error(Corpus::read(paths)).ends_with(&want));
        }
        fs::write(&path, "").unwrap();
        assert!(Corpus::on_disk_of(paths, false).is_err(), "nothing in it");
    }

    #[test]
    fn broken_characters_are_counted_as_replaced_ones() {
        let bytes: Vec<u8> = (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        let bytes = [&bytes[..], text().as_bytes(), &"𝄞".as_bytes()[..3]].concat();
        for size in [1, 2, 3, 61, 4000] {
            let mut characters = Characters::default();
            bytes.chunks(size).for_each(|chunk| characters.add(chunk));
            assert_eq!(characters.end(), String::from_utf8_lossy(&bytes).chars().count(), "blocks of {size}");
        }
    }
}
