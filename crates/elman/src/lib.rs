//! Recurrent networks: train, sample, evaluate and check them on a CPU.
#![forbid(unsafe_code)]

pub mod config;
pub mod error;
