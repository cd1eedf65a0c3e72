//! Holds the way from bytes to token windows: a corpus, its vocabulary, its batches.
//! Refuses to read past a split: [`Batches`] owns the training tokens and nothing else.

mod batches;
mod corpus;
mod lines;
mod split;
mod utf8;
mod vocab;

pub use batches::{Batch, Batches};
pub use corpus::{Corpus, TextMark};
pub(crate) use split::{Held, Split};
pub use utf8::Utf8Stream;
pub use vocab::{UNKNOWN, Vocab};
