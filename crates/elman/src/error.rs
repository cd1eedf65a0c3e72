//! The one error type of the library. Each message names the thing, what it was and what was wanted. Not here: advice
//! (`hint:`), which the program adds.

use std::path::{Path, PathBuf};

/// Why the library rejected its input or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{name} is {got}, expected {expected}")]
    Setting {
        /// The setting, as a recipe spells it.
        name: &'static str,
        /// What it was.
        got: String,
        /// What was wanted.
        expected: String,
    },
    /// A recipe or `config.toml` cannot be understood.
    #[error("{key}: {problem} ({source_name})")]
    Recipe {
        /// The key at fault, or the line where the file is not TOML at all.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// Where the recipe came from.
        source_name: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("{name} has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Tensor name.
        name: String,
        /// What it was.
        got: Vec<usize>,
        /// What was wanted.
        expected: Vec<usize>,
    },
    /// A tensor in a file has another shape than the file's own configuration asks for.
    #[error("{name} has shape {got:?}, expected {formula} = {expected:?} ({})", path.display())]
    FileShape {
        /// Tensor name.
        name: String,
        /// What it was.
        got: Vec<usize>,
        /// What was wanted, in the configuration's words.
        formula: String,
        /// What was wanted.
        expected: Vec<usize>,
        /// The file.
        path: PathBuf,
    },
    /// A file is not what it should be: cut short, of another kind, or at odds with itself.
    #[error("{problem} ({})", path.display())]
    File {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A model, or training it, does not fit into memory.
    #[error("this takes {bytes} bytes of memory, {}", match left {
        Some(left) => format!("but {left} are left"),
        None => "more than the system gives".to_string(),
    })]
    Memory {
        /// What they take.
        bytes: usize,
        /// What there is, where the system tells.
        left: Option<u64>,
    },
    /// A node is given a value that its tape does not hold.
    #[error("a value {problem}, expected one that this tape holds (in a scan: what the step is handed or computes)")]
    Value {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A parameter or part of a state that does not exist.
    #[error("no parameter is called {name}")]
    UnknownParameter {
        /// The requested name.
        name: String,
    },
    /// Reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// Verb: `read`, `write`, `create`, ...
        action: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The requested directory exists already.
    #[error("{} exists already, expected a new directory", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// Another process, or another trainer of this one, trains into a run.
    #[error(
        "{} is being trained into by {}, expected one that nobody trains",
        path.display(),
        holder.map_or("another process".to_string(), |number| format!("process {number}"))
    )]
    InUse {
        /// The run.
        path: PathBuf,
        /// Its number, where it left one.
        holder: Option<u32>,
    },
    /// The disk has too little free space for a save.
    #[error("a save takes {needed} bytes, but {available} are free on the disk of {}", path.display())]
    DiskSpace {
        /// The run.
        path: PathBuf,
        /// Bytes the save takes, the old files still in place.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// A run is asked to continue with other settings than it was started with.
    #[error("{}; a resumed run keeps its settings", changes.join("; "))]
    Changed {
        /// What is different, a clause each.
        changes: Vec<String>,
    },
    /// A text is not UTF-8.
    #[error("{name} is not UTF-8: invalid bytes at byte offset {offset}")]
    InvalidUtf8 {
        /// The text.
        name: String,
        /// Offset of the first byte that cannot be decoded.
        offset: usize,
        /// The encoding that the bytes are likely to be in, if one is.
        likely: Option<String>,
    },
    /// A state dict of a language model is to be used without its tokens.
    #[error("a state dict does not say what its tokens are ({})", path.display())]
    NoTokens {
        /// The file.
        path: PathBuf,
    },
    /// A text is not in the encoding that was named.
    #[error("{name} is not {encoding}: invalid bytes at byte offset {offset}")]
    InvalidText {
        /// The text.
        name: String,
        /// The encoding.
        encoding: String,
        /// Offset of the first byte that cannot be decoded.
        offset: usize,
    },
    /// A folder holds nothing to read.
    #[error("{} holds no text, expected at least one .txt, .text or .md file", path.display())]
    NoText {
        /// The folder.
        path: PathBuf,
    },
    /// A text is too short for what was asked of it.
    #[error("{name} has {got} {unit}, expected at least {expected}")]
    ShortText {
        /// The text.
        name: String,
        /// Tokens it has.
        got: usize,
        /// What was counted.
        unit: String,
        /// Tokens it needs, as text.
        expected: String,
    },
    /// A text holds a character outside the vocabulary.
    #[error(
        "character {} at position {position} of {name} is not in the vocabulary of {vocab_size} characters",
        describe(*character)
    )]
    UnknownCharacter {
        /// The text.
        name: String,
        /// The character.
        character: char,
        /// Characters before it.
        position: usize,
        /// Characters the vocabulary has.
        vocab_size: usize,
    },
    /// A prompt has characters that are not in the vocabulary.
    #[error("the prompt has characters the model never saw: {}", list(characters))]
    UnknownPrompt {
        /// The characters, each once, in order of appearance.
        characters: Vec<char>,
    },
    /// A run is asked to continue with another text, validation text or test text than it was started with.
    #[error("{}", match (got, expected) {
        (Some(got), Some(expected)) if got == expected => format!("the {what} is {got}, expected that of the run, whose contents were different"),
        (Some(got), Some(expected)) => format!("the {what} is {got}, expected that of the run, {expected}"),
        (Some(got), None) => format!("the {what} is {got}, expected none: the run was started without one"),
        (None, expected) => format!("no {what} is given, expected that of the run, {}", expected.as_deref().unwrap_or("none")),
    })]
    AnotherText {
        /// Which text.
        what: &'static str,
        /// Name and length of the text; None where none is given.
        got: Option<String>,
        /// Name and length of the text that the run knows; None where it has none.
        expected: Option<String>,
    },
    /// A run is forced to continue with settings for which its saved tensors have the wrong names or shapes.
    #[error("{}; no run can be forced to this: {problem}", changes.join("; "))]
    Impossible {
        /// What is different, a clause each.
        changes: Vec<String>,
        /// How the saved tensors do not fit.
        problem: String,
    },
    /// Loss, gradient or parameters left the finite numbers, or a gradient jumped; the last save is as it was.
    #[error("step {step} diverged: loss {loss}, gradient norm {norm}, learning rate {lr}; {problem}")]
    Diverged {
        /// The step that was not taken, from 1.
        step: u64,
        /// Its loss.
        loss: f64,
        /// Its gradient norm before clipping.
        norm: f64,
        /// Its learning rate.
        lr: f64,
        /// The first thing that went bad, or why continuing is of no use.
        problem: String,
    },
    /// A row of a table is not what it should be.
    #[error("line {line}{}: {problem} ({name})", column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default())]
    Row {
        /// The table.
        name: String,
        /// The line its row begins on, from 1.
        line: u64,
        /// The column at fault, where it is one.
        column: Option<String>,
        /// What is wrong.
        problem: String,
    },
    /// A table lacks a column.
    #[error("no column is called {column}, expected one of {} ({name})", list_names(has))]
    NoColumn {
        /// The table.
        name: String,
        /// The requested column.
        column: String,
        /// The columns there are.
        has: Vec<String>,
    },
    /// A table or a set of examples cannot be used as a whole.
    #[error("{problem} ({name})")]
    Data {
        /// What it is called.
        name: String,
        /// What is wrong, and what was wanted.
        problem: String,
    },
    /// The kernels rejected their input.
    #[error(transparent)]
    Kernels(#[from] elman_kernels::Error),
}

impl Error {
    /// An [`Error::Io`] as a closure's body: `.map_err(Error::io("read", path))`.
    pub fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
        move |source| Error::Io { action, path: path.to_path_buf(), source }
    }

    /// The same where the position of a character is counted from `more` characters before.
    pub(crate) fn moved_by(mut self, more: usize) -> Error {
        if let Error::UnknownCharacter { position, .. } = &mut self {
            *position += more;
        }
        self
    }

    /// Errors: a result that is no finite number. `what` it is, of the data called `name`.
    pub(crate) fn unless_finite(name: &str, what: &str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let problem =
            format!("{what} is {value}, expected a finite number: the model's weights or outputs have overflowed");
        Err(Error::Data { name: name.to_string(), problem })
    }

    /// An [`Error::File`].
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Error {
        Error::File { problem: problem.into(), path: path.to_path_buf() }
    }
}

/// The first ten characters, and how many more there are.
fn list(characters: &[char]) -> String {
    let first: Vec<String> = characters.iter().take(10).map(|&c| describe(c)).collect();
    let more = characters.len() - first.len();
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// The first ten names, and how many more there are.
fn list_names(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(10).map(String::as_str).collect();
    let more = names.len() - first.len();
    first.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// A character as a reader can find it: quoted, escaped where it cannot be seen, with its code point.
fn describe(character: char) -> String {
    format!("{character:?} (U+{:04X})", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_thing_and_both_numbers() {
        let shape = Error::FileShape {
            name: "rnn.weight_hh_l1".into(),
            got: vec![512, 100],
            formula: "[4*hidden_size, hidden_size]".into(),
            expected: vec![512, 128],
            path: "model.safetensors".into(),
        };
        assert_eq!(
            shape.to_string(),
            "rnn.weight_hh_l1 has shape [512, 100], expected [4*hidden_size, hidden_size] = [512, 128] (model.safetensors)"
        );
        let prompt = Error::UnknownPrompt { characters: vec!['☃', '\t'] };
        assert_eq!(prompt.to_string(), "the prompt has characters the model never saw: '☃' (U+2603), '\\t' (U+0009)");
    }
}
