//! Text: from bytes to token ids and batches of them; vocabularies and the rules of tokenisation. Not here: tables.

pub(crate) mod batch;
pub(crate) mod batches;
#[cfg_attr(not(feature = "bpe"), path = "bpe_absent.rs")]
pub(crate) mod bpe;
pub(crate) mod clean;
pub(crate) mod corpus;
pub(crate) mod disk_text;
pub(crate) mod fit;
pub(crate) mod held;
pub(crate) mod lines;
pub(crate) mod on_disk;
pub mod restore;
pub(crate) mod split;
pub(crate) mod text_encoding;
pub(crate) mod tokenizer;
pub(crate) mod tokens;
pub(crate) mod utf8;
pub(crate) mod vocab;
pub(crate) mod words;
