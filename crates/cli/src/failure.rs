//! Holds how a failure is told: `error:` with the chain of causes in one line, then at most one `hint:`.
//! Refuses backtraces and second hints: what helps is one cause that the reader can act on.

use std::fmt;
use std::process::ExitCode;

use elman::Error;

use crate::terminal::say;

/// A refusal of the program's own, with what to do about it.
#[derive(Debug)]
pub struct Refusal {
    message: String,
    hint: Option<String>,
}

impl Refusal {
    /// A refusal that speaks for itself.
    pub fn new(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), hint: None }
    }

    /// The same with advice.
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

/// Prints `error` and gives the exit code of a refusal.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_closed_pipe) {
        return ExitCode::SUCCESS; // the reader has seen enough: `elman sample RUN | head`
    }
    let causes: Vec<String> = error.chain().map(|cause| one_line(&cause.to_string())).collect();
    say!("error: {}", causes.join(": "));
    // A refusal that is the context of another error is no link of the chain: it is found at the top only.
    let refusal = error.downcast_ref::<Refusal>().and_then(|refusal| refusal.hint.clone());
    if let Some(hint) = refusal.or_else(|| error.chain().find_map(hint)) {
        say!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Prints what is passed over.
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
    let advice = match cause.downcast_ref::<elman::Error>()? {
        Error::Exists { .. } => "give --out a new directory, or go on with that run by --resume",
        Error::InvalidUtf8 { .. } => "save the text as UTF-8 first, for instance with iconv",
        Error::NoText { .. } => "name the files themselves, whatever their names end in",
        Error::UnknownCharacter { .. } => "a model reads the characters of its training text and no others",
        Error::UnknownPrompt { .. } => "use characters of the training text; 'elman info RUN' lists them",
        Error::AnotherText { .. } => {
            "a run goes on with the very text it began with; a changed text needs a new run, or --force"
        }
        Error::Changed { .. } => "leave the settings out, start a new run, or give --force for one that is neither",
        Error::Diverged { .. } => {
            "a smaller --lr, or a --clip of 1, keeps training steady; --on-nan skip or rollback gets over a bad step"
        }
        Error::InUse { .. } => "wait for it, stop it, or start a run of your own with --out",
        Error::DiskSpace { .. } => "make room and go on with --resume",
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
