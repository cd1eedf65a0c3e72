//! Holds the way from bytes to what is trained on: a corpus, its vocabulary, its batches; tables and series.
//! Refuses to read past a split: [`Batches`] owns the training tokens and nothing else.

mod batches;
#[cfg_attr(not(feature = "bpe"), path = "bpe_absent.rs")]
mod bpe;
mod clean;
mod corpus;
pub mod encoding;
mod fit;
pub mod held_out;
pub mod labelled;
mod lines;
mod on_disk;
pub mod parallel;
pub mod restore;
pub mod scale;
pub mod sequences;
pub mod series;
mod split;
pub mod table;
pub mod tagged;
pub mod time;
pub mod timeline;
mod tokens;
mod utf8;
mod vocab;
mod words;

pub use batches::{Batch, Batches};
pub use corpus::{Corpus, TextMark};
pub use on_disk::can_stay_on_disk;
pub(crate) use split::{Held, Split};
pub(crate) use tokens::{Tokens, Window};
pub use utf8::Utf8Stream;
pub use vocab::{LINE_END, UNKNOWN, Vocab};
