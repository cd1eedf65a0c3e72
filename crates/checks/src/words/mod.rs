//! The command `words`: finds the words of `list.rs` in comments, string literals, identifiers and Markdown. Not here: the
//! list itself, and how source is split (`lexer.rs`). The source of this crate, which names the words, is not searched.

mod lexer;
mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use lexer::{Kind, Piece};
use list::{WORDS, Word};
use regex::Regex;

/// Runs the command. Returns whether a word was found. Errors: bad usage; a file that cannot be read.
pub fn command(arguments: &[String]) -> Result<bool, String> {
    let (mut count, mut places) = (false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--count" => count = true,
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}, expected --count")),
            place => places.push(PathBuf::from(place)),
        }
    }
    if places.is_empty() {
        places.push(PathBuf::from("."));
    }
    let words = compiled()?;
    let mut files = Vec::new();
    for place in &places {
        collect(place, &mut files)?;
    }
    let mut found = Vec::new();
    for file in files {
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        search(&file, &String::from_utf8_lossy(&bytes), &words, &mut found);
    }
    if count {
        print_counts(&found);
    } else {
        for hit in &found {
            println!("{}:{}: {} -> {}", hit.file.display(), hit.line, hit.text, hit.word.term);
        }
    }
    Ok(!found.is_empty())
}

/// A word with its patterns compiled.
struct Pattern {
    word: &'static Word,
    prose: Option<Regex>,
    head: Option<Regex>,
    names: Option<Regex>,
    allowed: Vec<Regex>,
}

struct Hit {
    file: PathBuf,
    line: usize,
    text: String,
    word: &'static Word,
}

fn compiled() -> Result<Vec<Pattern>, String> {
    let regex = |pattern: &str| {
        let pattern = format!("(?i){}", pattern.replace(' ', r"\s+"));
        Regex::new(&pattern).map_err(|error| error.to_string())
    };
    let one = |word: &'static Word| {
        let maybe = |pattern: Option<&str>| pattern.map(regex).transpose();
        let allowed = word.allowed.iter().map(|pattern| regex(pattern)).collect::<Result<_, _>>()?;
        Ok(Pattern { word, prose: maybe(word.prose)?, head: maybe(word.head)?, names: maybe(word.names)?, allowed })
    };
    WORDS.iter().map(one).collect()
}

fn search(file: &Path, text: &str, words: &[Pattern], found: &mut Vec<Hit>) {
    let is_rust = file.extension().is_some_and(|extension| extension == "rs");
    let document = || vec![Piece { kind: Kind::Comment, line: 1, text: text.to_string() }];
    let pieces = if is_rust { lexer::pieces(text) } else { document() };
    for piece in pieces {
        let spoken = match piece.kind {
            Kind::Name => lexer::spoken(&piece.text),
            _ => piece.text.clone(),
        };
        for pattern in words {
            if pattern.word.files.iter().any(|end| file.ends_with(end)) {
                continue;
            }
            let patterns = match piece.kind {
                Kind::Name => [&pattern.names, &None],
                Kind::Head => [&pattern.prose, &pattern.head],
                Kind::Comment | Kind::Literal => [&pattern.prose, &None],
            };
            for hit in patterns.into_iter().flatten().flat_map(|pattern| pattern.find_iter(&spoken)) {
                let around = |allowed: &Regex| {
                    allowed.find_iter(&spoken).any(|a| a.start() <= hit.start() && hit.end() <= a.end())
                };
                if pattern.allowed.iter().any(around) {
                    continue;
                }
                let text = if piece.kind == Kind::Name { piece.text.as_str() } else { hit.as_str() };
                found.push(Hit {
                    file: file.to_path_buf(),
                    line: piece.line + spoken[..hit.start()].matches('\n').count(),
                    text: text.split_whitespace().collect::<Vec<_>>().join(" "),
                    word: pattern.word,
                });
            }
        }
    }
}

/// The Rust and Markdown files in a place, without build outputs, hidden directories and this crate.
fn collect(place: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if place.is_file() {
        files.push(place.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && !path.ends_with("crates/checks") {
                collect(&path, files)?;
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            files.push(path.strip_prefix("./").unwrap_or(&path).to_path_buf());
        }
    }
    Ok(())
}

/// One row a word, one column a crate; what is in no crate is under `documents`.
fn print_counts(found: &[Hit]) {
    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for hit in found {
        let parts: Vec<_> = hit.file.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let after_crates = parts.iter().position(|part| part == "crates").and_then(|i| parts.get(i + 1));
        let place = after_crates.map_or_else(|| "documents".into(), |name| name.to_string());
        *counts.entry(hit.word.name).or_default().entry(place).or_default() += 1;
    }
    let places: BTreeSet<&String> = counts.values().flat_map(BTreeMap::keys).collect();
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>11}")).collect();
        println!("{name:<16}{cells}");
    };
    row("", places.iter().map(|place| place.to_string()).chain(["all".into()]).collect());
    for (name, of) in &counts {
        let all: usize = of.values().sum();
        let cells = places.iter().map(|&place| of.get(place).copied().unwrap_or(0)).chain([all]);
        row(name, cells.map(|n| n.to_string()).collect());
    }
    let column = |place: &String| counts.values().filter_map(|of| of.get(place)).sum::<usize>();
    let sums: Vec<usize> = places.iter().map(|&place| column(place)).chain([found.len()]).collect();
    row("all", sums.into_iter().map(|n| n.to_string()).collect());
}
