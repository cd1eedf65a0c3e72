//! The settings of regression, and those of several labels at once, which are numbers of 0 and 1.

use super::Source;
use crate::metrics::distribution::Output;
use crate::nn::heads::Pooling;

settings! {
    /// One or several numbers for every sequence, or for every step of one.
    pub struct Regress {
        /// Where the examples are.
        pub source: Source = Source::default(),
        /// The columns of the numbers to predict; none takes the column `source.label`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub labels: Vec<String> = Vec::new(),
        /// Whether each step has numbers of its own.
        pub every_step: bool = false,
        /// With `every_step`: a step's numbers are those that stand so many steps later.
        pub ahead: usize = 0,
        /// Whether the layers read backwards, too. None: they do where a sequence has one answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub bidirectional: Option<bool> = None,
        /// What becomes of the outputs of all steps where a sequence has one answer.
        pub pooling: Pooling = Pooling::Last,
        /// What the network's numbers are the parameters of.
        pub output: Output = Output::Squared,
        /// The probabilities of the output `quantile`; of other distributions, the quantiles that are predicted.
        pub quantiles: Vec<f64> = vec![0.1, 0.5, 0.9],
        /// Networks whose predictions are averaged.
        #[serde(rename = "members")]
        pub ensemble_size: usize = 1,
    }

    /// Several labels, each there or not, for every sequence or for every step of one.
    pub struct MultiLabel {
        /// Where the examples are.
        pub source: Source = Source::default(),
        /// The columns of the labels, of 0 and 1; none takes the column `source.label`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub labels: Vec<String> = Vec::new(),
        /// Whether each step has labels of its own.
        pub every_step: bool = false,
        /// With `every_step`: a step's labels are those that stand so many steps later.
        pub ahead: usize = 0,
        /// Whether the layers read backwards, too. None: they do where a sequence has one answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub bidirectional: Option<bool> = None,
        /// What becomes of the outputs of all steps where a sequence has one answer.
        pub pooling: Pooling = Pooling::Last,
        /// Networks whose probabilities are averaged.
        #[serde(rename = "members")]
        pub ensemble_size: usize = 1,
    }
}
