//! Data: from bytes to what a network reads. Texts, tables, series and signals. Not here: networks.

pub mod series;
pub mod signal;
pub mod table;
pub mod text;

pub use text::batch::Batch;
pub use text::batches::Batches;
pub use text::corpus::{Corpus, Fingerprint};
pub use text::disk_text::Watch;
pub(crate) use text::held::Held;
pub use text::on_disk::can_stay_on_disk;
pub(crate) use text::split::Split;
pub use text::text_encoding::TextEncoding;
pub(crate) use text::tokens::{Tokens, Window};
pub use text::utf8::{Utf8Stream, escaped, without_bom};
pub use text::vocab::{LINE_END, UNKNOWN, Vocab};
