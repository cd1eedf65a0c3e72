//! A temporary directory to run the program in, and the form of an error message. Not here: the machine's own runs and colours;
//! tests do not see them.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod waiting;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt;

/// Flags of a very small model, which trains fast.
pub const TINY: [&str; 8] = ["--hidden", "8", "--layers", "1", "--batch", "4", "--seq-len", "8"];

/// A temporary directory, removed after the test.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    /// A directory with a text in `text.txt`.
    pub fn with_text() -> Place {
        let place = Place::new();
        place.write("text.txt", text());
        place
    }

    /// A directory with `text.txt` and a run on it in `run`.
    pub fn with_run() -> Place {
        let place = Place::with_text();
        place.train(&["text.txt", "--out", "run", "--steps", "20"]);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The program, to be run here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("elman").unwrap();
        command.args(args).current_dir(self.dir.path()).env_remove("NO_COLOR").env_remove("CARGO");
        command
    }

    pub fn elman(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Trains a tiny model. Fails the test if the program fails.
    pub fn train(&self, args: &[&str]) -> Output {
        self.done(&[&["train"], args, &TINY].concat())
    }

    /// Runs the program, which must succeed.
    pub fn done(&self, args: &[&str]) -> Output {
        let output = self.elman(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        output
    }

    /// Every file in the directory with its bytes; directories without.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.dir.path().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    files.insert(path.clone(), Vec::new());
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// Runs a command that must fail with exit code `code`, nothing on stdout, one `error:` line that contains `words`, at most
    /// one `hint:` line, before them at most the note which model is used, and no changed file.
    pub fn refused(&self, code: i32, words: &str, args: &[&str]) {
        let before = self.files();
        let output = self.elman(args);
        let (messages, context) = (stderr(&output), format!("elman {}", args.join(" ")));
        assert_eq!(output.status.code(), Some(code), "{context}: {messages}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{context}");
        let is_note = |line: &&str| line.starts_with("the model of step ");
        let lines: Vec<&str> = messages.lines().skip_while(is_note).collect();
        assert!(lines[0].starts_with("error: ") && lines[0].contains(words), "{context}: {messages}");
        assert!(lines.len() == 1 || (lines.len() == 2 && lines[1].starts_with("hint: ")), "{context}: {messages}");
        assert!(!messages.contains("panicked"), "{context}: {messages}");
        assert!(self.files() == before, "{context} left something behind");
    }
}

/// A text of 2,000 characters made of a few words.
pub fn text() -> String {
    let words = ["the", "sea", "wind", "old", "a", "stone", "bird", "came", "went", "said"];
    let mut text = String::new();
    let mut k = 7_usize;
    while text.len() < 2000 {
        k = (k * 73 + 11) % 1009;
        text += words[k % words.len()];
        text += if k.is_multiple_of(7) { ".\n" } else { " " };
    }
    text.truncate(2000);
    text
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The one JSON object on stdout.
pub fn json(output: &Output) -> serde_json::Value {
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value.is_object(), "{text}");
    value
}

/// The files of a finished run's directory.
pub fn run_files(run: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
