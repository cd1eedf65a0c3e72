//! Holds the way from bytes to token windows: a corpus, its vocabulary, its batches.
//! Refuses to read past a split: [`Batches`] owns the training tokens and nothing else.

mod batches;
mod corpus;
mod lines;
mod vocab;

pub use batches::{Batch, Batches};
pub use corpus::{Corpus, TextMark};
pub use vocab::Vocab;
