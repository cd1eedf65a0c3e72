//! The tokens of a text, in memory or in a file, and the format of that file. A file that was made from another text or
//! vocabulary, or that is incomplete, is an error.
//!
//! The file: every token in 1, 2 or 4 bytes (as few as the vocabulary needs), little-endian, those to train on before
//! those kept from it; then what binds them: see [`Binding`] and `FOOTER`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    files::atomic_file::Unfinished,
    files::disk::Disk,
    files::regular::{self, Links},
};

/// The first bytes of the footer: what the file is, and in which form.
const MAGIC: [u8; 16] = *b"elman tokens 1\0\n";
/// Magic, binding, three counts and a width, and the SHA-256 of all before it.
const FOOTER: usize = 16 + 32 + 4 * 8 + 32;
/// Bytes read at once where a whole file is read.
const BLOCK: usize = 1 << 20;

/// The SHA-256 of all that a text's tokens depend on.
pub(crate) type Binding = [u8; 32];

/// Tokens, in memory or in a file.
#[derive(Clone, Debug)]
pub(crate) enum Tokens {
    Memory(Vec<u32>),
    /// Some of a file's.
    File {
        file: Arc<TokenFile>,
        range: Range<usize>,
    },
}

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens::Memory(Vec::new())
    }
}

impl Tokens {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Tokens::Memory(ids) => ids.len(),
            Tokens::File { range, .. } => range.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first `len`.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Tokens::Memory(ids) => ids.truncate(len),
            Tokens::File { range, .. } => range.end = range.end.min(range.start.saturating_add(len)),
        }
    }

    /// Those at `places`, which must be in range; `read` may hold them. Errors: the file cannot be read.
    pub fn at<'a>(&'a self, places: Range<usize>, read: &'a mut Window) -> Result<&'a [u32], Error> {
        match self {
            Tokens::Memory(ids) => Ok(&ids[places]),
            Tokens::File { file, range } => {
                assert!(places.end <= range.len(), "tokens {places:?} of {}", range.len());
                file.read(range.start + places.start, places.len(), read)?;
                Ok(&read.ids)
            }
        }
    }

    /// Sums what `count` returns for one block of them after another. Errors: the file cannot be read.
    pub fn count(&self, count: impl Fn(&[u32]) -> usize) -> Result<usize, Error> {
        let mut window = Window::default();
        let blocks = (0..self.len()).step_by(BLOCK);
        blocks.map(|at| Ok(count(self.at(at..self.len().min(at + BLOCK), &mut window)?))).sum()
    }

    /// All of them. Errors: the file cannot be read.
    pub fn into_memory(self) -> Result<Vec<u32>, Error> {
        match self {
            Tokens::Memory(ids) => Ok(ids),
            file => Ok(file.at(0..file.len(), &mut Window::default())?.to_vec()),
        }
    }
}

/// Memory for tokens that are read, used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    ids: Vec<u32>,
}

/// What a token file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tokens to train on.
    pub train: usize,
    /// Tokens kept from training, behind them.
    pub held: usize,
    /// Bytes of text that the kept tokens predict.
    pub held_bytes: usize,
}

/// A file of tokens, open.
#[derive(Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
    /// One reader at a time: it stands somewhere.
    file: Mutex<File>,
    width: usize,
    counts: Counts,
}

impl TokenFile {
    /// The file at `path`, where it is whole and of this binding; None where it is not, or where there is none.
    pub fn open(path: &Path, binding: &Binding) -> Option<Arc<TokenFile>> {
        let mut file = regular::open(path, OpenOptions::new().read(true), Links::Refuse).ok()?;
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?.checked_sub(FOOTER)?;
        let (mut hash, mut block) = (Sha256::new(), vec![0; BLOCK.min(length)]);
        let mut left = length;
        while left > 0 {
            let some = &mut block[..left.min(BLOCK)];
            file.read_exact(some).ok()?;
            hash.update(&*some);
            left -= some.len();
        }
        let mut footer = [0; FOOTER];
        file.read_exact(&mut footer).ok()?;
        let (fields, sum) = footer.split_at(FOOTER - 32);
        hash.update(fields);
        let (magic, rest) = fields.split_at(MAGIC.len());
        let (bound, numbers) = rest.split_at(binding.len());
        if hash.finalize()[..] != *sum || magic != MAGIC || bound != binding {
            return None;
        }
        let number = |i: usize| usize::try_from(u64::from_le_bytes(numbers[8 * i..][..8].try_into().ok()?)).ok();
        let [train, held, held_bytes, width] = [number(0)?, number(1)?, number(2)?, number(3)?];
        let fits = matches!(width, 1 | 2 | 4) && train.checked_add(held)?.checked_mul(width)? == length;
        let counts = Counts { train, held, held_bytes };
        fits.then(|| Arc::new(TokenFile { path: path.to_path_buf(), file: Mutex::new(file), width, counts }))
    }

    /// Makes the file at `path`, whole or not at all, of the tokens that `fill` gives to its argument, each below
    /// `vocab_size`. Errors: those of `fill`; the file cannot be written.
    pub fn make(
        disk: &Disk,
        path: &Path,
        binding: &Binding,
        vocab_size: usize,
        fill: impl FnOnce(&mut dyn FnMut(&[u32]) -> Result<(), Error>) -> Result<Counts, Error>,
    ) -> Result<Arc<TokenFile>, Error> {
        let width = width(vocab_size);
        let mut file = Unfinished::begin(disk, path)?;
        let (mut hash, mut bytes) = (Sha256::new(), Vec::new());
        let counts = fill(&mut |ids| {
            bytes.clear();
            match width {
                1 => bytes.extend(ids.iter().map(|&id| id as u8)),
                _ => bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes().into_iter().take(width))),
            }
            hash.update(&bytes);
            file.write(&bytes)
        })?;
        let mut footer = Vec::from(MAGIC);
        footer.extend(binding);
        for number in [counts.train, counts.held, counts.held_bytes, width] {
            footer.extend((number as u64).to_le_bytes());
        }
        hash.update(&footer);
        footer.extend(hash.finalize());
        file.write(&footer)?;
        file.finish()?;
        let file = Mutex::new(
            regular::open(path, OpenOptions::new().read(true), Links::Refuse).map_err(Error::io("read", path))?,
        );
        Ok(Arc::new(TokenFile { path: path.to_path_buf(), file, width, counts }))
    }

    /// What it holds.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads `count` tokens from place `first` on.
    fn read(&self, first: usize, count: usize, to: &mut Window) -> Result<(), Error> {
        to.bytes.resize(count * self.width, 0);
        let read = |bytes: &mut [u8]| -> io::Result<()> {
            let mut file = self.file.lock().unwrap_or_else(|e| e.into_inner());
            file.seek(SeekFrom::Start((first * self.width) as u64))?;
            file.read_exact(bytes)
        };
        read(&mut to.bytes).map_err(Error::io("read", &self.path))?;
        to.ids.clear();
        match self.width {
            1 => to.ids.extend(to.bytes.iter().map(|&byte| u32::from(byte))),
            2 => to.ids.extend(to.bytes.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])))),
            _ => to.ids.extend(to.bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
        }
        Ok(())
    }
}

/// Bytes of a token.
pub(crate) fn width(vocab_size: usize) -> usize {
    match vocab_size {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::disk::Fault;

    fn make(disk: &Disk, path: &Path, ids: &[u32], vocab_size: usize) -> Result<Arc<TokenFile>, Error> {
        TokenFile::make(disk, path, &[7; 32], vocab_size, |push| {
            ids.chunks(3).try_for_each(push)?;
            Ok(Counts { train: ids.len() - 2, held: 2, held_bytes: 5 })
        })
    }

    #[test]
    fn tokens_of_every_width_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.bin");
        for (vocab_size, bytes) in [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4), (1 << 20, 4)] {
            let ids: Vec<u32> = (0..10).map(|i| (vocab_size - 1) as u32 * i / 9).collect();
            let made = make(&Disk::default(), &path, &ids, vocab_size).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len() as usize, 10 * bytes + FOOTER);
            let opened = TokenFile::open(&path, &[7; 32]).unwrap();
            assert_eq!((opened.counts(), opened.width), (made.counts(), bytes));
            for file in [made, opened] {
                let mut tokens = Tokens::File { file, range: 2..10 };
                let mut window = Window::default();
                assert_eq!(tokens.at(1..4, &mut window).unwrap(), &ids[3..6]);
                assert!(tokens.at(8..8, &mut window).unwrap().is_empty());
                tokens.truncate(5);
                tokens.truncate(50);
                assert_eq!(tokens.len(), 5);
                assert_eq!(tokens.into_memory().unwrap(), ids[2..7]);
            }
        }
        // A file that shrinks under its reader is an error, and no end of the process.
        let file = TokenFile::open(&path, &[7; 32]).unwrap();
        fs::write(&path, "").unwrap();
        assert!(matches!(file.read(0, 3, &mut Window::default()), Err(Error::Io { action: "read", .. })));
    }

    #[test]
    fn what_is_not_whole_or_of_another_text_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.bin");
        assert!(TokenFile::open(&path, &[7; 32]).is_none(), "no file");
        make(&Disk::default(), &path, &[1, 2, 3, 4], 5).unwrap();
        assert!(TokenFile::open(&path, &[8; 32]).is_none(), "of another text");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(TokenFile::open(&path, &[7; 32]).is_none(), "cut to {length}");
        }
        for bit in 0..8 * whole.len() {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).unwrap();
            assert!(TokenFile::open(&path, &[7; 32]).is_none(), "bit {bit}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(TokenFile::open(&path, &[7; 32]).is_some());
    }

    #[test]
    fn a_failure_leaves_the_old_file_or_none() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let (fresh, old) = (dir.path().join("fresh"), dir.path().join("old"));
        make(&Disk::default(), &old, &[9; 4], 10).unwrap();
        let before = fs::read(&old).unwrap();
        // Create, two writes of tokens, the footer's, flush, rename; the directory's flush comes after the name.
        for nth in 0..6 {
            for path in [&fresh, &old] {
                let count = AtomicUsize::new(0);
                let disk = Disk::gated(move |_, _| {
                    (count.fetch_add(1, Ordering::Relaxed) == nth).then(|| Fault::Error(io::Error::other("full")))
                });
                assert!(make(&disk, path, &[1, 2, 3, 4], 10).is_err(), "operation {nth}");
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
            }
            assert!(fs::read(&old).unwrap() == before);
        }
        let refused = TokenFile::make(&Disk::default(), &old, &[7; 32], 10, |push| {
            push(&[1])?;
            Err(Error::file(Path::new("t"), "another now"))
        });
        assert!(refused.is_err() && fs::read(&old).unwrap() == before);
    }
}
