//! The settings of tagging, and of restoring a text.

use super::Source;

settings! {
    /// A class for every step of a sequence.
    pub struct Tag {
        /// Where tokens and tags are; a text that is to be restored has none.
        pub source: Source = Source::default(),
        /// Whether the tags of a sentence are a linear chain (CRF): their neighbours count, and the best sequence is told.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub crf: bool = false,
        /// Whether the layers read backwards, too.
        pub bidirectional: bool = true,
    }
}
