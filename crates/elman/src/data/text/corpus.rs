//! A text to learn from: read from files and folders, bundled, or left on the disk, with its name, its split and its
//! held-out texts. Text that is not UTF-8 is an error with file and byte, unless bytes are asked for; so is a folder
//! without text. A byte-order mark at the start of a file goes; otherwise the text is not changed: carriage returns and
//! tabs stay.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text_encoding::{TextEncoding, decode, invalid};
use crate::data::text::disk_text::{OnDisk, Watch};
use crate::error::Error;
use crate::files::regular::{self, Links};

/// The text that comes with the library.
const BUNDLED: &str = include_str!("../../../data/tales.txt");

/// Endings of the files that a folder's text is made of.
const TEXT_ENDINGS: [&str; 3] = ["txt", "text", "md"];

/// A text and where it came from.
#[derive(Clone, Debug)]
pub struct Corpus {
    name: String,
    pieces: Vec<String>,
    sources: Vec<String>,
    /// None where the text stays on the disk.
    bytes: Vec<u8>,
    on_disk: Option<OnDisk>,
    validation: Option<Box<Corpus>>,
    test: Option<Box<Corpus>>,
    /// A `tokenizer.json` and where it came from.
    tokenizer: Option<(String, PathBuf)>,
}

/// How a run knows its text again: what it was called, where it came from, how long it was, and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Name of the text.
    pub name: String,
    /// The paths given to [`Corpus::read`], made absolute; empty for a text that came otherwise.
    pub sources: Vec<String>,
    /// Unicode scalar values; of bytes, with one for each that is part of none.
    pub characters: usize,
    /// Hexadecimal SHA-256 of the bytes.
    pub sha256: String,
    /// The text to validate on, where it is a separate text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Box<Fingerprint>>,
    /// The text to test on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Box<Fingerprint>>,
}

impl Fingerprint {
    /// Whether a run on this data validates on the same data as one on `known`: on the same separate set, or on a part of
    /// the same data.
    pub(crate) fn validates_as(&self, known: &Fingerprint) -> bool {
        match (&self.validation, &known.validation) {
            (None, None) => self.sha256 == known.sha256,
            (Some(set), Some(known)) => set.sha256 == known.sha256,
            _ => false,
        }
    }

    /// Checks that this is the text that a run knows, with the same validation and test texts, whatever they are
    /// called. Errors: the first that is another.
    pub(crate) fn check(&self, known: &Fingerprint) -> Result<(), Error> {
        let pairs = [
            ("text", Some(self), Some(known)),
            ("validation text", self.validation.as_deref(), known.validation.as_deref()),
            ("test text", self.test.as_deref(), known.test.as_deref()),
        ];
        for (what, got, known) in pairs {
            if got.map(|fingerprint| &fingerprint.sha256) != known.map(|fingerprint| &fingerprint.sha256) {
                let named =
                    |fingerprint: &Fingerprint| format!("{} ({} characters)", fingerprint.name, fingerprint.characters);
                return Err(Error::AnotherText { what, got: got.map(named), expected: known.map(named) });
            }
        }
        Ok(())
    }
}

impl Corpus {
    /// The bundled tales.
    pub fn bundled() -> Corpus {
        Corpus::from_text("the bundled tales", BUNDLED.to_string())
    }

    /// A text in memory.
    pub fn from_text(name: impl Into<String>, text: String) -> Corpus {
        Corpus::from_raw(name, text.into_bytes())
    }

    /// Bytes in memory, UTF-8 or not.
    pub fn from_raw(name: impl Into<String>, bytes: Vec<u8>) -> Corpus {
        let name = name.into();
        Corpus {
            pieces: vec![name.clone()],
            name,
            sources: vec![],
            bytes,
            on_disk: None,
            validation: None,
            test: None,
            tokenizer: None,
        }
    }

    /// The same with a separate text to validate on; the corpus is then not split.
    pub fn with_validation(self, corpus: Corpus) -> Corpus {
        Corpus { validation: Some(Box::new(corpus)), ..self }
    }

    /// The same with a text to test on.
    pub fn with_test(self, corpus: Corpus) -> Corpus {
        Corpus { test: Some(Box::new(corpus)), ..self }
    }

    /// The same with a `tokenizer.json` for its subwords. Errors: it cannot be read or is not UTF-8.
    pub fn with_tokenizer(self, path: &Path) -> Result<Corpus, Error> {
        let bytes = regular::read(path, Links::Follow).map_err(Error::io("read", path))?;
        let json = decode(&path.display().to_string(), bytes)?;
        Ok(Corpus { tokenizer: Some((json, path.to_path_buf())), ..self })
    }

    /// The `tokenizer.json` that came with it, and where from.
    pub(crate) fn tokenizer(&self) -> Option<(&str, &Path)> {
        self.tokenizer.as_ref().map(|(json, path)| (json.as_str(), path.as_path()))
    }

    /// A text in bytes of an encoding. Errors: as [`Corpus::from_bytes`], and bytes that it does not have.
    pub fn from_bytes_as(name: impl Into<String>, bytes: Vec<u8>, encoding: TextEncoding) -> Result<Corpus, Error> {
        let name = name.into();
        let bytes = encoding.to_utf8(&name, bytes)?;
        Corpus::from_bytes(name, bytes)
    }

    /// A text in bytes. Errors: invalid UTF-8 with its byte offset; no bytes at all.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Corpus, Error> {
        let name = name.into();
        let text = decode(&name, bytes)?;
        Corpus::from_text(name, text).not_empty()
    }

    /// Reads files and folders, in the order given, and joins their texts as they are.
    ///
    /// A folder means its files ending in `.txt`, `.text` or `.md` and those of its sub-folders, sorted by path;
    /// names that begin with a dot and links to folders are skipped. A file that is named itself may have any extension.
    /// Errors: a path that cannot be read, a folder without text, invalid UTF-8, no character in all of them.
    pub fn read(paths: &[PathBuf]) -> Result<Corpus, Error> {
        Corpus::read_as(paths, TextEncoding::default())
    }

    /// The same of files in an encoding; the text is UTF-8. Errors: as [`Corpus::read`], and bytes that it does not have.
    pub fn read_as(paths: &[PathBuf], encoding: TextEncoding) -> Result<Corpus, Error> {
        Corpus::collect(paths, |name, bytes| decode(name, encoding.to_utf8(name, bytes)?).map(String::into_bytes))
    }

    /// The same for bytes of any kind: nothing has to be UTF-8.
    pub fn read_raw(paths: &[PathBuf]) -> Result<Corpus, Error> {
        Corpus::read_table(paths, TextEncoding::default())
    }

    /// The bytes of tables in an encoding, in UTF-8; those of UTF-8 as they are, whether they are correct or not.
    pub fn read_table(paths: &[PathBuf], encoding: TextEncoding) -> Result<Corpus, Error> {
        Corpus::collect(paths, |name, bytes| encoding.to_utf8(name, bytes))
    }

    /// The same files and folders as a text that stays on the disk: it is read block by block, and what is trained on
    /// comes from a file of its tokens, for which [`Corpus::with_tokens_in`] names the place. Language models are
    /// trained on such a text; for anything else it has no bytes. `is_raw`: nothing has to be UTF-8.
    ///
    /// Errors: as [`Corpus::read`].
    pub fn on_disk_of(paths: &[PathBuf], is_raw: bool) -> Result<Corpus, Error> {
        Corpus::new_on_disk(paths, is_raw, None)
    }

    /// As [`Corpus::on_disk_of`]; `watch` is called in each pass over the text: when it is measured, when its vocabulary is
    /// made, when its tokens are written.
    pub fn on_disk_watched(paths: &[PathBuf], is_raw: bool, watch: Watch) -> Result<Corpus, Error> {
        Corpus::new_on_disk(paths, is_raw, Some(watch))
    }

    fn new_on_disk(paths: &[PathBuf], is_raw: bool, watch: Option<Watch>) -> Result<Corpus, Error> {
        let files = files(paths)?;
        let pieces = files.iter().map(|file| file.display().to_string()).collect();
        let on_disk = Some(OnDisk::new(files, is_raw, watch)?);
        Corpus { on_disk, ..Corpus::of_files(paths, pieces, Vec::new()) }.not_empty()
    }

    /// The same with the place of its tokens, where it is one that stays on the disk. The file is made with the trainer,
    /// or used again where it is whole and of this text and vocabulary.
    pub fn with_tokens_in(self, path: impl Into<PathBuf>) -> Corpus {
        Corpus { on_disk: self.on_disk.map(|text| text.with_tokens(path.into())), ..self }
    }

    /// The text, where it stays on the disk.
    pub(crate) fn on_disk(&self) -> Option<&OnDisk> {
        self.on_disk.as_ref()
    }

    /// Whether it stays on the disk.
    pub fn is_on_disk(&self) -> bool {
        self.on_disk.is_some()
    }

    /// Bytes of all files of paths and folders. Errors: the size of one cannot be read; a folder without text.
    pub fn size_of(paths: &[PathBuf]) -> Result<u64, Error> {
        let length = |file: PathBuf| Ok(fs::metadata(&file).map_err(Error::io("read", &file))?.len());
        files(paths)?.into_iter().map(length).sum()
    }

    fn collect(paths: &[PathBuf], check: impl Fn(&str, Vec<u8>) -> Result<Vec<u8>, Error>) -> Result<Corpus, Error> {
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        for file in files(paths)? {
            let name = file.display().to_string();
            bytes.append(&mut check(&name, regular::read(&file, Links::Follow).map_err(Error::io("read", &file))?)?);
            pieces.push(name);
        }
        Corpus::of_files(paths, pieces, bytes).not_empty()
    }

    fn of_files(paths: &[PathBuf], pieces: Vec<String>, bytes: Vec<u8>) -> Corpus {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let sources = paths.iter().map(|p| absolute(p).display().to_string()).collect();
        Corpus { pieces, sources, ..Corpus::from_raw(name_of(paths), bytes) }
    }

    /// What a user would call it: the file's or folder's name, and how many more there are.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files it is made of, as paths; one piece for a text that did not come from files.
    pub fn pieces(&self) -> &[String] {
        &self.pieces
    }

    /// The text to validate on, where it is a separate text.
    pub fn validation(&self) -> Option<&Corpus> {
        self.validation.as_deref()
    }

    /// The text to test on.
    pub fn test(&self) -> Option<&Corpus> {
        self.test.as_deref()
    }

    /// The bytes; none of a text that stays on the disk.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text. Errors: the bytes are not UTF-8, which only [`Corpus::from_raw`] and [`Corpus::read_raw`] let in.
    pub fn utf8(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.bytes).map_err(|error| invalid(&self.name, error.valid_up_to(), &self.bytes))
    }

    /// The text; of bytes that are not UTF-8, what stands before the first such.
    pub fn text(&self) -> &str {
        self.bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }

    /// The text before and after the cut: `val_frac` of the characters, from the tail, are for validation.
    ///
    /// Precision: the first part has floor((1 - val_frac) * n) of n characters, as `int(0.9 * n)` has it elsewhere.
    pub fn split(&self, val_frac: f64) -> (&str, &str) {
        let text = self.text();
        let characters = text.chars().count();
        let train = ((1.0 - val_frac) * characters as f64) as usize;
        let cut = text.char_indices().nth(train).map_or(text.len(), |(at, _)| at);
        text.split_at(cut)
    }

    /// How to know this text again.
    pub fn fingerprint(&self) -> Fingerprint {
        let (characters, hash) = match &self.on_disk {
            Some(text) => (text.characters(), text.sha256()),
            None => (String::from_utf8_lossy(&self.bytes).chars().count(), Sha256::digest(&self.bytes).into()),
        };
        Fingerprint {
            name: self.name.clone(),
            sources: self.sources.clone(),
            characters,
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            validation: self.validation.as_ref().map(|corpus| Box::new(corpus.fingerprint())),
            test: self.test.as_ref().map(|corpus| Box::new(corpus.fingerprint())),
        }
    }

    fn not_empty(self) -> Result<Corpus, Error> {
        if self.bytes.is_empty() && self.on_disk.as_ref().is_none_or(OnDisk::is_empty) {
            return Err(Error::ShortText { name: self.name, got: 0, unit: "characters".into(), expected: "2".into() });
        }
        Ok(self)
    }
}

/// The last part of the first path, and the number of the others.
fn name_of(paths: &[PathBuf]) -> String {
    let Some(first) = paths.first() else {
        return "the text".into();
    };
    let first = first.file_name().map_or(first.display().to_string(), |n| n.to_string_lossy().into_owned());
    match paths.len() {
        1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}

/// The files of paths, in order. Errors: a path that cannot be read, a folder without text.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if fs::metadata(path).map_err(Error::io("read", path))?.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            if files.len() == before {
                return Err(Error::NoText { path: path.clone() });
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Appends the text files below a folder, sorted by path. Walks with a list, not by recursion.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let (mut folders, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
            let entry = entry.map_err(Error::io("read", &folder))?;
            let (path, hidden) = (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            if entry.file_type().map_err(Error::io("read", &path))?.is_dir() {
                folders.push(path);
            } else if is_text(&path) && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    files.append(&mut found);
    Ok(())
}

pub(crate) fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|e| TEXT_ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_join_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let z = write("z.dat", "first\r\n");
        for (name, text) in
            [("d/b.txt", "B"), ("d/a/x.MD", "A"), ("d/c.TEXT", "C"), ("d/.e.txt", "E"), ("d/f.bin", "F")]
        {
            write(name, text);
        }
        let corpus = Corpus::read(&[z, dir.path().join("d")]).unwrap();
        assert_eq!(corpus.text(), "first\r\nABC");
        assert_eq!(corpus.name(), "z.dat and 1 more");
        assert_eq!(corpus.pieces().len(), 4);
        assert_eq!(corpus.fingerprint().sources.len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.txt");
        fs::write(&path, b"caf\xc3\xa9 \xff").unwrap();
        let error = Corpus::read(std::slice::from_ref(&path)).unwrap_err().to_string();
        assert!(error.ends_with("bad.txt is not UTF-8: invalid bytes at byte offset 6"), "{error}");
        // The same within a folder: a file that says it is text must be text.
        assert!(matches!(Corpus::read(&[dir.path().into()]), Err(Error::InvalidUtf8 { offset: 6, .. })));
        fs::write(&path, b"").unwrap();
        let error = Corpus::read(&[path]).unwrap_err().to_string();
        assert_eq!(error, "bad.txt has 0 characters, expected at least 2");
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(matches!(Corpus::read(&[empty]), Err(Error::NoText { .. })));
        let missing = dir.path().join("missing");
        assert!(matches!(Corpus::read(&[missing]), Err(Error::Io { action: "read", .. })));
        assert!(Corpus::from_bytes("-", vec![]).is_err());
        assert!(Corpus::read(&[]).is_err());
    }

    #[test]
    fn the_split_counts_characters_from_the_tail() {
        let corpus = Corpus::from_text("t", "ééééééééab".into());
        assert_eq!(corpus.split(0.25), ("ééééééé", "éab"));
        assert_eq!(corpus.split(0.1), ("éééééééé\u{61}", "b"));
        assert_eq!(corpus.split(0.0), (corpus.text(), ""));
    }

    #[test]
    fn bytes_are_read_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("raw.bin");
        fs::write(&path, b"ab\xff\x00c").unwrap();
        let corpus = Corpus::read_raw(std::slice::from_ref(&path)).unwrap();
        assert_eq!((corpus.bytes(), corpus.text()), (&b"ab\xff\x00c"[..], "ab"));
        assert_eq!(corpus.utf8().unwrap_err().to_string(), "raw.bin is not UTF-8: invalid bytes at byte offset 2");
        assert_eq!(corpus.fingerprint().characters, 5);
        fs::write(&path, b"").unwrap();
        assert!(Corpus::read_raw(&[path]).is_err());
    }

    #[test]
    fn a_fingerprint_knows_all_three_texts() {
        let text = |text: &str| Corpus::from_text(text, text.into());
        let fingerprint = text("abc").with_validation(text("d")).with_test(text("e")).fingerprint();
        assert!(fingerprint.check(&fingerprint).is_ok());
        let message = |corpus: Corpus| corpus.fingerprint().check(&fingerprint).unwrap_err().to_string();
        let other = message(text("abc").with_validation(text("x")).with_test(text("e")));
        assert!(
            other == "the validation text is x (1 characters), expected that of the run, d (1 characters)",
            "{other}"
        );
        let none = message(text("abc").with_validation(text("d")));
        assert!(none == "no test text is given, expected that of the run, e (1 characters)", "{none}");
        assert!(fingerprint.check(&text("abc").fingerprint()).is_err(), "one too many");
        assert!(message(text("abd").with_validation(text("d")).with_test(text("e"))).starts_with("the text is abd (3"));
    }

    #[test]
    fn the_fingerprint_depends_on_the_text_alone() {
        let fingerprint = |text: &str| Corpus::from_text("t", text.to_string()).fingerprint();
        assert_eq!(fingerprint("abc").sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(fingerprint("abc").sha256, fingerprint("abd").sha256);
        assert_eq!(fingerprint("é").characters, 1);
        assert!(Corpus::bundled().text().len() > 100);
    }
}
