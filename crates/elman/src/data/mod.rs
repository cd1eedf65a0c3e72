//! Holds the way from bytes to token windows: a corpus, its vocabulary, its batches.
//! Refuses to read past a split: [`Batches`] owns the training tokens and nothing else.

mod batches;
#[cfg_attr(not(feature = "bpe"), path = "bpe_absent.rs")]
mod bpe;
mod clean;
mod corpus;
mod fit;
mod lines;
mod split;
mod utf8;
mod vocab;
mod words;

pub use batches::{Batch, Batches};
pub use corpus::{Corpus, TextMark};
pub(crate) use split::{Held, Split};
pub use utf8::Utf8Stream;
pub use vocab::{LINE_END, UNKNOWN, Vocab};
