//! Holds the models: small files that put layers together for a task. Refuses loops and data.

mod init;
mod language_model;

pub use language_model::LanguageModel;
