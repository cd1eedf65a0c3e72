//! Prints an error: `error:` with the chain of causes in one line, then at most one `hint:`. Not here: backtraces.

use std::fmt;
use std::process::ExitCode;

use elman::Error;

use crate::terminal::say;

/// An error of the program itself, with a hint.
#[derive(Debug)]
pub struct Refusal {
    message: String,
    hint: Option<String>,
}

impl Refusal {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), hint: None }
    }

    /// Adds a hint.
    pub fn hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Prints `error` and returns exit code 1, or 0 for a closed pipe.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_closed_pipe) {
        return ExitCode::SUCCESS; // the reader needs no more: `elman sample RUN | head`
    }
    let causes: Vec<String> = error.chain().map(|cause| one_line(&cause.to_string())).collect();
    say!("error: {}", causes.join(": "));
    // A refusal that is the context of another error is not in the chain; only `downcast_ref` finds it.
    let refusal = error.downcast_ref::<Refusal>().and_then(|refusal| refusal.hint.clone());
    if let Some(hint) = refusal.or_else(|| error.chain().find_map(hint)) {
        say!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Prints an error that does not stop the program.
pub fn warn(error: &Error) {
    say!("warning: {}", one_line(&error.to_string()));
}

fn is_closed_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(refusal) = cause.downcast_ref::<Refusal>() {
        return refusal.hint.clone();
    }
    if let Some(Error::InvalidUtf8 { likely, .. }) = cause.downcast_ref() {
        return Some(match likely {
            Some(likely) => format!("it looks like {likely}: train, eval and predict read it with --encoding {likely}"),
            None => "train, eval and predict read other encodings with --encoding, and bytes with --tokenizer byte"
                .to_string(),
        });
    }
    let advice = match cause.downcast_ref::<elman::Error>()? {
        Error::Exists { .. } => "give --out a new directory, or continue that run with --resume",
        Error::NoTokens { .. } => "--vocab FILE gives them: a JSON list in the order of their ids",
        Error::NoText { .. } => "name the files themselves; then any ending is allowed",
        Error::UnknownCharacter { .. } => {
            "a model reads the characters of its training text; one that is trained with --unk reads others, too"
        }
        Error::UnknownPrompt { .. } => "use characters of the training text; 'elman info RUN' lists them",
        Error::AnotherText { .. } => {
            "a run continues only with the text it began with; a changed text needs a new run, or --force"
        }
        Error::Changed { .. } => "omit the settings, start a new run, or give --force to change a run that has started",
        Error::Diverged { .. } => {
            "a smaller --lr or --clip 1 makes training more stable; --on-nan skip or rollback continues after a bad step"
        }
        Error::Impossible { .. } => "omit the settings, or start a new run",
        Error::ShortText { expected, .. } if expected.contains("seq_len") => {
            "a smaller --seq-len needs less text; --val-frac 0 trains on all of it"
        }
        Error::InUse { .. } => "wait for that program, stop it, or start another run with --out",
        Error::DiskSpace { .. } => "free space on the disk and continue with --resume",
        Error::Memory { .. } => "a smaller --hidden, --batch or --seq-len takes less",
        _ => return None,
    };
    Some(advice.to_string())
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_many_lines_becomes_one() {
        assert_eq!(one_line("a\n  b\n\nc\n"), "a b c");
    }
}
