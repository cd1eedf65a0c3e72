//! The settings of texts for a class or a vector.

use super::Source;

choices! {
    /// Where a condition enters.
    pub enum Condition {
        /// In the state before the first step.
        State,
        /// Beside the token at every step.
        Steps,
        /// Both.
        Both,
    }
}

settings! {
    /// Texts for a class or a vector.
    pub struct Generate {
        /// Where the texts are, and their classes, or the columns of their vectors.
        pub source: Source = Source::default(),
        /// Where the condition enters.
        pub condition: Condition = Condition::State,
    }
}
