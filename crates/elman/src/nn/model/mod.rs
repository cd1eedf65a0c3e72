//! The models: small files that combine layers for a task. Not here: loops and data.

pub(crate) mod classifier;
pub(crate) mod conditioned;
pub(crate) mod forecaster;
mod init;
pub(crate) mod language_model;
mod ngrams;
mod reader;
pub mod seq2seq;
pub(crate) mod tagger;

pub use crate::nn::network::Input;
pub use classifier::{Balance, Classifier};
pub use conditioned::{Conditioned, Conditions};
pub use forecaster::Forecaster;
pub use language_model::LanguageModel;
pub use ngrams::NGrams;
pub use reader::{Read, Reader};
pub use seq2seq::Seq2Seq;
pub use tagger::Tagger;
