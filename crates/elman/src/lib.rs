//! Recurrent networks: train, sample, evaluate and check them on a CPU, with the same bits every time.
//!
//! This file lists the modules and the names most users need. Not here: `unsafe` code, printing and exiting.
//!
//! Load a model and stream text:
//!
//! ```
//! # fn main() -> Result<(), elman::Error> {
//! # let dir = std::env::temp_dir().join(format!("elman-doc-{}", std::process::id()));
//! # let config = elman::Config { hidden_size: 16, num_layers: 1, seq_len: 8, steps: Some(2), ..Default::default() };
//! # let run = elman::RunDir::next_free(&dir, "tales")?;
//! # let mut trainer = elman::Trainer::new(config, &elman::Corpus::bundled(), &elman::Cpu::new(None)?)?;
//! # trainer.run(Some(&run), &mut |_| elman::train::Control::Continue)?;
//! # let path = run.path();
//! # let stop = || { let _ = std::fs::remove_dir_all(&dir); };
//! let cpu = elman::Cpu::new(None)?; // all cores
//! let file = elman::ModelFile::load(path)?; // a run directory or a model file
//! for piece in file.generate("Once", elman::Settings::default(), 1, &cpu)?.take(200) {
//!     print!("{piece}");
//! }
//! # stop();
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod autodiff;
mod available_memory;
pub mod check;
pub mod config;
pub mod data;
pub mod error;
pub mod files;
pub mod infer;
pub mod metrics;
pub mod nn;
pub mod rng;
pub mod task;
pub mod train;

pub use config::Config;
pub use data::{Corpus, Vocab};
pub use elman_kernels::{Cpu, Element, Scalar, layout::Layout, pad};
pub use error::Error;
pub use files::run_dir::RunDir;
pub use files::state_file::{Origin, origin_of};
pub use infer::{Precision, Settings};
pub use nn::model::LanguageModel;

/// A model file of f32; [`files::model_file::ModelFile`] has f64 too.
pub type ModelFile = files::model_file::ModelFile<f32>;
/// A run of a language model in f32; [`train::Trainer`] trains other tasks, and in f64 too.
pub type Trainer = train::Trainer<task::Language<f32>>;

/// The code of the book's page on the library must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/src/library.md")]
struct Book;

/// So must what CONTRIBUTING.md works out.
#[cfg(doctest)]
#[doc = include_str!("../../../CONTRIBUTING.md")]
struct Contributing;
