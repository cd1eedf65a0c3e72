//! Reads the TEXT arguments: files, folders, `-` for standard input, or the bundled tales if there is none. Not here:
//! standard input combined with other texts, which is an error.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use elman::config::{Config, TokenizerKind};
use elman::data::{Fingerprint, TextEncoding, Watch, can_stay_on_disk};
use elman::{Corpus, Error, RunDir};

use crate::failure::Refusal;
use crate::progress::Work;

/// Texts of at least so many bytes stay on the disk: in memory a text and its tokens take five times its size.
const LARGE: u64 = 64 << 20;

/// Reads the texts, as bytes if `kind` is bytes. Without any, returns the bundled text.
pub fn read(texts: &[PathBuf], kind: TokenizerKind, encoding: TextEncoding) -> anyhow::Result<Corpus> {
    if kind == TokenizerKind::Byte && !encoding.is_utf8() {
        let message =
            format!("--encoding {} is given for a model of bytes, which reads a text as it is", encoding.name());
        return Err(Refusal::new(message).into());
    }
    if texts.is_empty() {
        return Ok(Corpus::bundled());
    }
    if !is_from_stdin(texts) {
        return Ok(files(texts, kind, encoding)?);
    }
    if texts.len() > 1 {
        return Err(Refusal::new("- (standard input) is given together with other texts, expected it alone").into());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    match kind {
        TokenizerKind::Byte => Ok(Corpus::from_raw("standard input", bytes)),
        _ => Ok(Corpus::from_bytes_as("standard input", bytes, encoding)?),
    }
}

/// Reads the training text. A large text, or any with `on_disk`, stays on the disk.
pub fn to_train_on(texts: &[PathBuf], config: &Config, on_disk: bool) -> anyhow::Result<Corpus> {
    let is_of_files = !texts.is_empty() && !is_from_stdin(texts);
    if on_disk && !is_of_files {
        return Err(Refusal::new("--on-disk is given without files, expected a text that is on the disk").into());
    }
    if on_disk && !can_stay_on_disk(config) {
        let refusal =
            Refusal::new("--on-disk is given with --tokenizer bpe, --batches lines, --cut-tail or --encoding");
        return Err(refusal.hint("these need the whole text in memory; omit --on-disk").into());
    }
    if let Some(path) = texts.iter().find(|path| on_disk && path.exists() && !path.is_file() && !path.is_dir()) {
        let words = format!("{} is not a regular file, which --on-disk needs", path.display());
        return Err(Refusal::new(words).into());
    }
    if on_disk || (is_of_files && can_stay_on_disk(config) && Corpus::size_of(texts)? >= LARGE) {
        let is_raw = config.tokenizer == TokenizerKind::Byte;
        return Ok(Corpus::on_disk_watched(texts, is_raw, watch())?);
    }
    read(texts, config.tokenizer, config.encoding)
}

/// Shows how much of a text on the disk is read, in each pass over it.
fn watch() -> Watch {
    let shown: Mutex<Option<Work>> = Mutex::new(None);
    Watch::new(move |done, all| {
        let Ok(mut shown) = shown.lock() else { return };
        match done < all {
            true => {
                shown.get_or_insert_with(Work::new).at("reading the text, MB", done / 1_000_000, Some(all / 1_000_000))
            }
            false => *shown = None, // a pass is over
        }
    })
}

/// Reads files and folders, as bytes if `kind` is bytes.
fn files(paths: &[PathBuf], kind: TokenizerKind, encoding: TextEncoding) -> Result<Corpus, Error> {
    match kind {
        TokenizerKind::Byte => Corpus::read_raw(paths),
        _ => Corpus::read_as(paths, encoding),
    }
}

/// Adds the validation and test files, if any, to the corpus.
pub fn with_held_out(
    mut corpus: Corpus,
    validation: &[PathBuf],
    test: &[PathBuf],
    (kind, encoding): (TokenizerKind, TextEncoding),
) -> anyhow::Result<Corpus> {
    if !validation.is_empty() {
        corpus = corpus.with_validation(files(validation, kind, encoding)?);
    }
    if !test.is_empty() {
        corpus = corpus.with_test(files(test, kind, encoding)?);
    }
    Ok(corpus)
}

/// The paths that are given; without any, those that the run recorded when it began.
pub fn places(given: &[PathBuf], recorded: Option<&Fingerprint>) -> Vec<PathBuf> {
    match recorded {
        Some(fingerprint) if given.is_empty() => fingerprint.sources.iter().map(PathBuf::from).collect(),
        _ => given.to_vec(),
    }
}

/// Reads the text of a run again, from the paths that the run recorded.
pub fn of_run(run: &RunDir, fingerprint: &Fingerprint, config: &Config, on_disk: bool) -> anyhow::Result<Corpus> {
    if fingerprint.sources.is_empty() {
        if fingerprint.sha256 == Corpus::bundled().fingerprint().sha256 {
            return Ok(Corpus::bundled());
        }
        let message = format!("{} was trained on {}, which is not here", run.path().display(), fingerprint.name);
        return Err(Refusal::new(message)
            .hint("name the same text again: a file, a folder, or - for standard input")
            .into());
    }
    let message = || {
        Refusal::new(format!("cannot find the text of {}", run.path().display()))
            .hint("give its new path: elman train TEXT --resume RUN")
    };
    to_train_on(&places(&[], Some(fingerprint)), config, on_disk).with_context(message)
}

/// Whether TEXT is standard input, which cannot be read twice.
pub fn is_from_stdin(texts: &[PathBuf]) -> bool {
    texts.iter().any(|text| is_stdin(text))
}

/// The default name of a run: the stem of the first file, or the name of the folder.
pub fn run_name(texts: &[PathBuf]) -> String {
    let Some(first) = texts.first() else {
        return "tales".to_string();
    };
    if is_stdin(first) {
        return "stdin".to_string();
    }
    let path = if first.file_name().is_some() {
        first.clone()
    } else {
        first.canonicalize().unwrap_or_else(|_| first.clone())
    };
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let name = name.unwrap_or(OsStr::new("text")).to_string_lossy();
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

fn is_stdin(text: &Path) -> bool {
    text == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_called_after_its_text() {
        let name = |text: &str| run_name(&[PathBuf::from(text)]);
        assert_eq!([name("a/my tale.txt"), name("-"), name("/")], ["my-tale", "stdin", "text"]);
        assert_eq!(run_name(&[]), "tales");
        assert_eq!(name("src"), "src");
        assert_eq!(name("."), Path::new(".").canonicalize().unwrap().file_name().unwrap().to_str().unwrap());
    }
}
