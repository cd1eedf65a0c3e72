//! What the tasks share when they are measured: progress, the columns of the data, texts that can be read, notes.

use elman::Error;
use elman::config::Source;
use elman::data::table::encoding::Encoding;

use crate::progress::Work;
use crate::terminal::say;

/// Measures by `measure`, and shows the number of its batches meanwhile.
pub fn watched<F>(measure: impl FnOnce(&mut dyn FnMut() -> bool) -> Result<Option<F>, Error>) -> Result<F, Error> {
    let (work, mut done) = (Work::new(), 0);
    let measured = measure(&mut || {
        work.at("batch", done, None);
        done += 1;
        true
    })?;
    Ok(measured.expect("the callback never stops it"))
}

/// Where data has what a model reads: its own columns, not all that are nothing else.
pub fn source_of(source: &Source, encoding: &Encoding) -> Source {
    match encoding {
        Encoding::Tokens(_) => source.clone(),
        Encoding::Vectors { columns, .. } => Source { features: columns.clone(), ..source.clone() },
    }
}

/// Checks that a text can be read.
pub fn encodes(encoding: &Encoding) -> impl Fn(&str) -> Result<(), Error> {
    move |text| match encoding {
        Encoding::Tokens(vocab) => vocab.encode("the text", text).map(drop),
        Encoding::Vectors { .. } => Ok(()),
    }
}

/// Prints what was changed in the data.
pub fn tell_notes(notes: &[String]) {
    notes.iter().for_each(|note| say!("note: {note}"));
}
