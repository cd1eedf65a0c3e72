//! The fuzz targets: the untrusted inputs of elman, and what must hold for them. Each target takes any bytes.
//!
//! `fuzz/` gives the targets to libFuzzer, `main.rs` to a mutator of our own, and a test to the committed corpus. A
//! target rejects nothing itself: the library does, with an error.
#![forbid(unsafe_code)]

mod cpu;
mod files;
mod json_lines;
mod mutate;
mod repair;
pub mod seeds;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use elman::config::TokenizerKind;
use elman::data::series::Roles;
use elman::data::table::{Format, Table, conll};
use elman::{Config, LanguageModel, ModelFile, Settings, Vocab};

use cpu::CPU;

pub use files::{any_model, state_file, weights};
pub use json_lines::json_lines;
pub use mutate::Mutator;

/// A target: it panics where something does not hold. Whether the input was accepted as a whole: of a file with a
/// header, whether the header and its checksum passed.
pub type Target = fn(&[u8]) -> bool;

/// Every target by name: the name of its folder in the corpus.
pub const TARGETS: [(&str, Target); 9] = [
    ("model_file", model_file),
    ("any_model", any_model),
    ("state_file", state_file),
    ("weights", weights),
    ("vocabulary", vocabulary),
    ("config", config),
    ("prompt", prompt),
    ("csv", csv),
    ("json_lines", json_lines),
];

/// Executions after which [`counted`] prints the share of accepted inputs.
const BETWEEN_LINES: u64 = 1 << 16;

/// A target for libFuzzer, which has no figure of ours: prints the share of accepted inputs on standard error.
pub fn counted(target: Target, bytes: &[u8]) {
    static EXECUTIONS: AtomicU64 = AtomicU64::new(0);
    static ACCEPTED: AtomicU64 = AtomicU64::new(0);
    let accepted = u64::from(target(bytes));
    let accepted = ACCEPTED.fetch_add(accepted, Ordering::Relaxed) + accepted;
    let executions = EXECUTIONS.fetch_add(1, Ordering::Relaxed) + 1;
    if executions.is_multiple_of(BETWEEN_LINES) {
        let share = 100.0 * accepted as f64 / executions as f64;
        eprintln!("accepted: {accepted} of {executions} inputs, {share:.1} %");
    }
}

/// The folder of the committed corpora.
pub fn corpora() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

/// The committed inputs of a target, by path.
pub fn corpus(target: &str) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    inputs_of(&corpora().join(target))
}

/// The files of a folder, by path.
pub fn inputs_of(folder: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), std::fs::read(path)?))).collect()
}

/// A model file: rejected with an error, or a model that generates text.
pub fn model_file(bytes: &[u8]) -> bool {
    match ModelFile::from_bytes(bytes.to_vec(), "fuzz") {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
        Ok(file) => {
            assert!(file.model.params().values().iter().all(|x| x.is_finite()));
            assert_eq!(file.model.vocab_size(), file.vocab.len());
            let text = file.generate("", Settings::default(), 1, &CPU).expect("no prompt, fair settings");
            assert_eq!(text.take(3).count(), 3);
            true
        }
    }
}

/// A list of tokens, as a model file has it: the first byte says of what kind, the rest is JSON or lines.
pub fn vocabulary(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    let kinds = [TokenizerKind::Char, TokenizerKind::Byte, TokenizerKind::Word, TokenizerKind::Bpe];
    let kind = kinds[usize::from(kind % 4)];
    let text = String::from_utf8_lossy(rest);
    let tokens = serde_json::from_str(&text).unwrap_or_else(|_| text.lines().map(str::to_string).collect());
    let config = Config { tokenizer: kind, ..Config::default() };
    let bpe = (kind == TokenizerKind::Bpe).then(|| text.to_string());
    let tokens = (kind != TokenizerKind::Bpe).then_some(tokens);
    let Ok(vocab) = Vocab::from_file(&config, tokens, bpe, Path::new("fuzz")) else { return false };
    let all: Vec<u32> = (vocab.reserved() as u32..vocab.len() as u32).collect();
    if kind == TokenizerKind::Char {
        let text = vocab.decode(&all).expect("its own ids");
        assert_eq!(vocab.encode("all", &text).expect("its own text"), all);
    }
    assert!(vocab.decode(&[vocab.len() as u32]).is_err() && (vocab.start() as usize) < vocab.len());
    let _ = vocab.encode_prompt(text.as_bytes());
    true
}

/// A recipe in TOML: rejected with an error, or a configuration that is the same after writing and reading.
pub fn config(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Config::from_toml(text, "fuzz") {
        Err(error) => {
            assert!(error.to_string().ends_with("(fuzz)"));
            false
        }
        Ok(config) if config.check().is_ok() => {
            let text = config.to_toml().expect("what was checked can be written");
            assert_eq!(Config::from_toml(&text, "again").expect("what was written can be read"), config);
            true
        }
        Ok(_) => false,
    }
}

static MODEL: LazyLock<(Vocab, LanguageModel<f32>)> = LazyLock::new(|| {
    let vocab = Vocab::fit("the sea, a bird é\n", "");
    let config = Config { hidden_size: 4, num_layers: 1, ..Config::default() };
    let model = LanguageModel::new(&config, vocab.len()).expect("a small model");
    (vocab, model)
});

/// The numbers of a sampler, 8 bytes each, and a prompt after them.
pub fn prompt(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let [temperature, top_k, top_p, min_p, penalty, prompt @ ..] = words else { return false };
    let number = |word: &[u8; 8]| f64::from_le_bytes(*word);
    let settings = Settings {
        temperature: number(temperature),
        top_k: u64::from_le_bytes(*top_k) as usize,
        top_p: number(top_p),
        min_p: number(min_p),
        repetition_penalty: number(penalty),
    };
    let prompt: Vec<u8> = prompt.iter().flatten().chain(rest).copied().collect();
    let prompt = String::from_utf8_lossy(&prompt);
    let (vocab, model) = &*MODEL;
    let rng = elman::rng::generator(1, elman::rng::Purpose::Sample, 0);
    match elman::infer::Generator::new(model, vocab, &prompt, settings, rng, &CPU) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
        Ok(text) => {
            assert_eq!(text.take(4).count(), 4);
            true
        }
    }
}

/// A table: the first byte says how it is written and whether a header names its columns. Rejected with an error, or
/// rows that come back from CSV as they are, and series of numbers that rise in time.
pub fn csv(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let format = [Format::Csv, Format::Tsv, Format::JsonLines, Format::Json, Format::Ts][usize::from(how % 5)];
    let header = how & 8 == 0;
    let mut bad = 0;
    let lenient = Table::parse("fuzz", rest, format, header, &mut |error| {
        assert!(error.to_string().ends_with("(fuzz)"));
        bad += 1;
        Ok(())
    });
    let table = match Table::from_bytes("fuzz", rest, format, header) {
        Err(error) => {
            assert!(error.to_string().ends_with("(fuzz)"));
            assert!(bad > 0 || lenient.is_err());
            return false;
        }
        Ok(table) => table,
    };
    assert!(bad == 0 && lenient.is_ok_and(|lenient| lenient.len() == table.len()));
    let lines: Vec<u64> = (0..table.len()).map(|row| table.line(row)).collect();
    // A sequence of a .ts file is one line.
    assert!(lines.is_sorted_by(|a, b| a < b || (format == Format::Ts && a == b)));
    let same = |a: &Table, b: &Table| {
        let columns = 0..a.columns().len();
        let cell = |table: &Table, row, column| table.cell(row, column).unwrap_or_default().to_string();
        a.columns() == b.columns()
            && a.len() == b.len()
            && (0..a.len()).all(|row| columns.clone().all(|column| cell(a, row, column) == cell(b, row, column)))
    };
    // A JSON table can be as wide as it is long, and CSV has a place for every cell.
    if table.len() * table.columns().len() < 1 << 16 {
        let again = Table::from_bytes("again", table.to_csv().as_bytes(), Format::Csv, true).expect("its own words");
        assert!(same(&table, &again));
    }
    let columns = [Roles::default(), Roles { group: table.columns().get(1).cloned(), ..Roles::default() }];
    columns.iter().for_each(|columns| json_lines::series(&table, columns));
    json_lines::measured(&table, how & 16 == 0);
    let text = String::from_utf8_lossy(rest);
    for sentence in conll::sentences("fuzz", (&text, how & 32 == 0), (None, Some(None))).into_iter().flatten().flatten()
    {
        assert!(sentence.tokens.len() == sentence.tags.len() && !sentence.tokens.is_empty());
        assert!(sentence.tokens.iter().all(|token| token.split_whitespace().eq([token.as_str()])));
    }
    true
}
