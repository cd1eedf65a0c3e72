//! The argument RUN and the flag `--last`: which model of a run directory a verb uses. Not here: what is done with it.

use std::path::{Path, PathBuf};

use elman::files::model_file::Stored;

use crate::terminal::{dim, grouped, say};

/// A trained model.
#[derive(clap::Args)]
pub struct Trained {
    /// A run directory, whose best model by validation loss is used, or a model file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Use the latest model of the run directory instead of the best
    #[arg(long)]
    pub last: bool,
}

impl Trained {
    /// Reads the model. A note names it if it is not the latest. Errors: it cannot be read, or is not a model.
    pub fn read(&self) -> Result<Stored, elman::Error> {
        if self.last || !self.run.exists() {
            return read(&self.run);
        }
        let (stored, latest) = Stored::read_best(&self.run)?;
        tell_note(&stored, &self.run);
        if let Some(latest) = latest {
            let (step, latest) = (grouped(stored.results().step), grouped(latest));
            say!(
                "{}",
                dim(&format!("the model of step {step}, the best by validation loss (--last: of step {latest})"))
            );
        }
        Ok(stored)
    }
}

/// The latest model of a run directory, or the model of a file, after a note on standard error if there is one.
pub fn read(path: &Path) -> Result<Stored, elman::Error> {
    let stored = Stored::read(path)?;
    tell_note(&stored, path);
    Ok(stored)
}

/// Prints what is to be known of a file, such as that it has no checksum.
fn tell_note(stored: &Stored, path: &Path) {
    if let Some(note) = stored.note() {
        say!("note: {note} ({})", path.display());
    }
}
