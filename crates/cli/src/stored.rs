//! Reads a model for a verb and prints what is to be known of its file. Not here: what the verb does with it.

use std::path::Path;

use elman::Error;
use elman::files::model_file::Stored;

use crate::terminal::say;

/// The model of a file or run directory, after a note on standard error if there is one.
pub fn read(path: &Path) -> Result<Stored, Error> {
    let stored = Stored::read(path)?;
    if let Some(note) = stored.note() {
        say!("note: {note} ({})", path.display());
    }
    Ok(stored)
}
