//! The settings of classification.

use super::Source;
use crate::nn::heads::Pooling;

choices! {
    /// What an example counts.
    pub enum ClassWeights {
        /// All the same.
        None,
        /// As much as the examples of every other class together: n / (classes * examples of the class).
        Balanced,
        /// The square root of that: rare classes gain without drowning the rest.
        Root,
    }
}

impl ClassWeights {
    /// The power of a class's share by which its examples' weight divides.
    pub(crate) fn power(self) -> f64 {
        match self {
            ClassWeights::None => 0.0,
            ClassWeights::Root => 0.5,
            ClassWeights::Balanced => 1.0,
        }
    }
}

settings! {
    /// A class for every sequence.
    pub struct Classify {
        /// Where the examples are.
        pub source: Source = Source::default(),
        /// Whether the layers read backwards, too.
        pub bidirectional: bool = true,
        /// What becomes of the outputs of all steps.
        pub pooling: Pooling = Pooling::Last,
        /// What an example counts.
        pub class_weights: ClassWeights = ClassWeights::None,
        /// While it learns, this multiple of the log of a class's share of the examples is added to its logit: 0 is
        /// the plain loss, 1 leaves the shares out of what is learned (Menon et al. 2021, section 5.2).
        pub logit_adjustment: f64 = 0.0,
        /// Share of the tokens that are hidden as `<unk>` at each step of training.
        pub token_dropout: f64 = 0.0,
        /// Networks of an ensemble, each with its own initial values and dropout; the answer is the mean of their
        /// probabilities (Lakshminarayanan et al. 2017).
        #[serde(rename = "members")]
        pub ensemble_size: usize = 1,
        /// Tokens of the n-grams that are counted for each class, whose answer the networks' is joined with; 0 counts none.
        pub ngrams: usize = 0,
        /// Their exponent in the answer, a weighted geometric mean; the networks' is 1 less that. For short texts: the
        /// longer a text, the more certain the n-grams are.
        pub ngram_share: f64 = 0.3,
        /// Whether examples that come twice with the same class stay.
        pub keep_duplicates: bool = false,
    }
}
