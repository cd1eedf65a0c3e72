//! A text that stays in its files and is read in blocks. Not here: its tokens (`on_disk.rs`).

use std::{fmt, fs::OpenOptions, io::Read, path::PathBuf, sync::Arc};

use sha2::{Digest, Sha256};

use super::clean::Rules;
use super::text_encoding::invalid;
use super::utf8::BOM;
use crate::error::Error;
use crate::files::regular::{self, Links};

/// Bytes read at once. Few in tests, so that a small text is many blocks.
pub(super) const BLOCK: usize = if cfg!(test) { 61 } else { 1 << 20 };

/// Called with the bytes of a text that are read and the bytes of all its files, again and again in each pass over it.
#[derive(Clone)]
pub struct Watch(Arc<dyn Fn(u64, u64) + Send + Sync>);

impl Watch {
    /// Calls `watch`.
    pub fn new(watch: impl Fn(u64, u64) + Send + Sync + 'static) -> Watch {
        Watch(Arc::new(watch))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Files whose bytes, one after the other, are a text.
#[derive(Clone, Debug)]
pub(crate) struct OnDisk {
    files: Vec<PathBuf>,
    /// Whether it need not be UTF-8.
    pub(super) is_raw: bool,
    pub(super) bytes: usize,
    pub(super) characters: usize,
    pub(super) sha256: [u8; 32],
    /// Where the file of its tokens is, or is to be.
    pub(super) tokens: Option<PathBuf>,
    watch: Option<Watch>,
}

impl OnDisk {
    /// Reads all files once. Errors: one cannot be read; one is not UTF-8, unless that is allowed.
    pub fn new(files: Vec<PathBuf>, is_raw: bool, watch: Option<Watch>) -> Result<OnDisk, Error> {
        let (mut bytes, mut characters) = (0, Characters::default());
        let mut text = OnDisk { files, is_raw, bytes: 0, characters: 0, sha256: [0; 32], tokens: None, watch };
        text.sha256 = text.read(&mut |block| {
            bytes += block.len();
            characters.add(block);
            Ok(())
        })?;
        (text.bytes, text.characters) = (bytes, characters.end());
        Ok(text)
    }

    pub fn characters(&self) -> usize {
        self.characters
    }

    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn with_tokens(self, path: PathBuf) -> OnDisk {
        OnDisk { tokens: Some(path), ..self }
    }

    /// Hands all bytes on, as [`OnDisk::read`] does. Errors: they are not those of the first time.
    pub(super) fn blocks(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        if self.read(take)? == self.sha256 {
            return Ok(());
        }
        let path = self.files.first().cloned().unwrap_or_default();
        Err(Error::File { problem: "the text was changed while it was read".into(), path })
    }

    /// Hands all bytes on, in blocks; of text, whole characters. Returns their hash.
    fn read(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), Error>) -> Result<[u8; 32], Error> {
        let (mut buffer, mut hash) = (vec![0; BLOCK], Sha256::new());
        let size = |path| std::fs::metadata(path).map_or(0, |file| file.len());
        let all: u64 = if self.watch.is_some() { self.files.iter().map(size).sum() } else { 0 };
        let mut done = 0;
        for path in &self.files {
            let mut file =
                regular::open(path, OpenOptions::new().read(true), Links::Follow).map_err(Error::io("read", path))?;
            let (mut held, mut before) = (0, 0);
            if !self.is_raw {
                // The byte-order mark is read and left out.
                let mut bom = Vec::with_capacity(BOM.len());
                (&mut file).take(BOM.len() as u64).read_to_end(&mut bom).map_err(Error::io("read", path))?;
                let start = if bom == BOM { &[][..] } else { &bom[..] };
                buffer[..start.len()].copy_from_slice(start);
                (held, before) = (start.len(), bom.len() - start.len());
            }
            loop {
                let read = match file.read(&mut buffer[held..]) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    read => read.map_err(Error::io("read", path))?,
                };
                let filled = held + read;
                let whole = match std::str::from_utf8(&buffer[..filled]) {
                    Err(error) if !self.is_raw => match error.error_len() {
                        // The rest of a character may come with the next block.
                        None if read > 0 => error.valid_up_to(),
                        _ => {
                            let (name, offset) = (path.display().to_string(), before + error.valid_up_to());
                            return Err(invalid(&name, offset, &buffer[..filled]));
                        }
                    },
                    _ => filled,
                };
                hash.update(&buffer[..whole]);
                done += read as u64;
                if let Some(Watch(watch)) = &self.watch {
                    watch(done.min(all), all);
                }
                take(&buffer[..whole])?;
                if read == 0 {
                    break;
                }
                buffer.copy_within(whole..filled, 0);
                (held, before) = (filled - whole, before + whole);
            }
        }
        if let Some(Watch(watch)) = &self.watch {
            watch(all, all);
        }
        Ok(hash.finalize().into())
    }

    /// Hands the text on as its rules make it, in blocks of whole lines where a line is what they look at.
    pub(super) fn ready(
        &self,
        rules: Rules,
        by_line: bool,
        take: &mut dyn FnMut(&str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut lines = String::new();
        self.blocks(&mut |block| {
            let block = std::str::from_utf8(block).expect("blocks of a text are whole characters");
            if !by_line {
                return take(block);
            }
            let Some(end) = block.rfind('\n') else {
                lines.push_str(block);
                return Ok(());
            };
            lines.push_str(&block[..=end]);
            take(&rules.apply(&lines))?;
            lines.clear();
            lines.push_str(&block[end + 1..]);
            Ok(())
        })?;
        if lines.is_empty() { Ok(()) } else { take(&rules.apply(&lines)) }
    }
}

/// Counts characters of bytes that come in blocks, one for each sequence that is none, as `String::from_utf8_lossy` does.
#[derive(Default)]
pub(super) struct Characters {
    count: usize,
    /// The beginning of a character.
    held: Vec<u8>,
}

impl Characters {
    pub(super) fn add(&mut self, block: &[u8]) {
        let joined;
        let mut rest = match self.held.is_empty() {
            true => block,
            false => {
                joined = [&self.held, block].concat();
                &joined[..]
            }
        };
        self.held = loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.count += text.chars().count();
                    break Vec::new();
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.count += valid.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
                    let Some(length) = error.error_len() else { break after.to_vec() };
                    self.count += 1;
                    rest = &after[length..];
                }
            }
        };
    }

    pub(super) fn end(self) -> usize {
        self.count + usize::from(!self.held.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn each_pass_tells_how_much_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = ["a", "b"].map(|name| dir.path().join(name)).to_vec();
        files.iter().for_each(|file| std::fs::write(file, "x".repeat(2 * BLOCK)).unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let watch = Watch::new(move |done, all| into.lock().unwrap().push((done, all)));
        let text = OnDisk::new(files, false, Some(watch)).unwrap();
        let all = 4 * BLOCK as u64;
        let of_a_pass = seen.lock().unwrap().clone();
        assert!(of_a_pass.len() > 4 && of_a_pass.is_sorted() && of_a_pass.last() == Some(&(all, all)), "{of_a_pass:?}");
        text.blocks(&mut |_| Ok(())).unwrap();
        assert_eq!(*seen.lock().unwrap(), of_a_pass.repeat(2));
    }
}
