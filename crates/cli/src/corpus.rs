//! Holds how the TEXT arguments become a text: files, folders, `-` for standard input, nothing for the bundled tales.
//! Refuses `-` beside other texts.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use elman::config::{Config, TokenizerKind};
use elman::data::{Fingerprint, can_stay_on_disk};
use elman::{Corpus, Error, RunDir};

use crate::failure::Refusal;
use crate::progress::wait_for;

/// Bytes of text from which on it stays on the disk: in memory a text and its tokens take five times its size.
const LARGE: u64 = 64 << 20;

/// Reads what TEXT names, in bytes where `kind` asks for them; no TEXT is the bundled text.
pub fn read(texts: &[PathBuf], kind: TokenizerKind) -> anyhow::Result<Corpus> {
    if texts.is_empty() {
        return Ok(Corpus::bundled());
    }
    if !is_from_stdin(texts) {
        return Ok(files(texts, kind)?);
    }
    if texts.len() > 1 {
        return Err(Refusal::new("- (standard input) is given beside other texts, expected it alone").into());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    match kind {
        TokenizerKind::Byte => Ok(Corpus::from_raw("standard input", bytes)),
        _ => Ok(Corpus::from_bytes("standard input", bytes)?),
    }
}

/// Reads what TEXT names to train on it. A large one stays on the disk, as does any where `on_disk` asks for it.
pub fn to_train_on(texts: &[PathBuf], config: &Config, on_disk: bool) -> anyhow::Result<Corpus> {
    let is_of_files = !texts.is_empty() && !is_from_stdin(texts);
    if on_disk && !is_of_files {
        return Err(Refusal::new("--on-disk is given without files, expected a text that is on the disk").into());
    }
    if on_disk && !can_stay_on_disk(config) {
        let refusal = Refusal::new("--on-disk is given with --tokenizer bpe, --batches lines or --cut-tail");
        return Err(refusal.hint("these need the whole text in memory; leave --on-disk away").into());
    }
    if let Some(path) = texts.iter().find(|path| on_disk && path.exists() && !path.is_file() && !path.is_dir()) {
        let words = format!("{} is not a file, expected one that --on-disk can read again", path.display());
        return Err(Refusal::new(words).into());
    }
    if on_disk || (is_of_files && can_stay_on_disk(config) && Corpus::size_of(texts)? >= LARGE) {
        let is_raw = config.tokenizer == TokenizerKind::Byte;
        return Ok(wait_for("reading the text", || Corpus::on_disk_of(texts, is_raw))?);
    }
    read(texts, config.tokenizer)
}

/// Reads files and folders, in bytes where `kind` asks for them.
fn files(paths: &[PathBuf], kind: TokenizerKind) -> Result<Corpus, Error> {
    match kind {
        TokenizerKind::Byte => Corpus::read_raw(paths),
        _ => Corpus::read(paths),
    }
}

/// The corpus with the files to validate and to test on, where there are any.
pub fn with_held_out(
    mut corpus: Corpus,
    validation: &[PathBuf],
    test: &[PathBuf],
    kind: TokenizerKind,
) -> anyhow::Result<Corpus> {
    if !validation.is_empty() {
        corpus = corpus.with_validation(files(validation, kind)?);
    }
    if !test.is_empty() {
        corpus = corpus.with_test(files(test, kind)?);
    }
    Ok(corpus)
}

/// Where a text was when a run began.
pub fn places(fingerprint: Option<&Fingerprint>) -> Vec<PathBuf> {
    fingerprint.into_iter().flat_map(|fingerprint| &fingerprint.sources).map(PathBuf::from).collect()
}

/// Reads the text of a run, of which `fingerprint` is known, again, from where it was then.
pub fn of_run(run: &RunDir, fingerprint: &Fingerprint, config: &Config, on_disk: bool) -> anyhow::Result<Corpus> {
    if fingerprint.sources.is_empty() {
        if fingerprint.sha256 == Corpus::bundled().fingerprint().sha256 {
            return Ok(Corpus::bundled());
        }
        let message = format!("{} was trained on {}, which is not here", run.path().display(), fingerprint.name);
        return Err(Refusal::new(message)
            .hint("give the same text again: a file, a folder, or - for standard input")
            .into());
    }
    let message = || {
        Refusal::new(format!("cannot find the text of {}", run.path().display()))
            .hint("give its new place: elman train TEXT --resume RUN")
    };
    to_train_on(&places(Some(fingerprint)), config, on_disk).with_context(message)
}

/// Whether TEXT is standard input, which cannot be read twice.
pub fn is_from_stdin(texts: &[PathBuf]) -> bool {
    texts.iter().any(|text| is_stdin(text))
}

/// What a run on TEXT is called when nobody names it: the stem of the first file, or the folder's name.
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
