//! Holds the configuration of a run: every choice that changes the result, in one flat table.
//! Refuses impossible values by name, before any work starts.
//! What does not change the result (threads, backend, paths of output) is not here.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The recurrent cell of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Long short-term memory, gates i, f, g, o.
    Lstm,
}

/// How a text becomes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// One token per Unicode scalar value.
    Char,
}

/// How the learning rate changes over the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// `lr` throughout (after the warm-up).
    Constant,
    /// A half cosine from `lr` down to `lr * min_lr_frac` at the last step (after the warm-up).
    Cosine,
}

/// Everything that decides what a training run computes.
///
/// The keys of a recipe (`--config FILE.toml`), of `config.toml` in a run directory and of the `config`
/// object in a model file are the field names below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Recurrent cell.
    pub cell: Cell,
    /// H, units per layer.
    pub hidden_size: usize,
    /// L, stacked layers.
    pub num_layers: usize,
    /// Width of the token embedding; 0 feeds one-hot tokens.
    pub embed: usize,
    /// Dropout probability between layers, never after the last.
    pub dropout: f64,
    /// Added to the forget gate's input bias at initialisation.
    pub forget_bias: f64,
    /// How text becomes tokens.
    pub tokenizer: TokenizerKind,
    /// Share of the text, cut from its tail, that is never trained on.
    pub val_frac: f64,
    /// T, steps of back-propagation through time.
    pub seq_len: usize,
    /// B, parallel rows of the text.
    pub batch: usize,
    /// Passes over the training split; ignored where `steps` is set.
    pub epochs: usize,
    /// Optimizer steps, instead of `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Peak learning rate of Adam.
    pub lr: f64,
    /// Shape of the learning rate over the run.
    pub schedule: Schedule,
    /// Steps over which the rate rises linearly from 0 to `lr`.
    pub warmup: u64,
    /// Last learning rate of the cosine as a share of `lr`.
    pub min_lr_frac: f64,
    /// Largest global norm of the gradient; 0 does not clip.
    pub clip: f64,
    /// Seed of every random draw.
    pub seed: u64,
    /// Steps between two evaluations of the validation split; 0 evaluates never.
    /// None: once per epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_every: Option<u64>,
    /// Steps between two lines of `log.jsonl`. None: twenty lines an epoch at most, at least one in 100 steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub print_every: Option<u64>,
    /// Steps between two samples; 0 writes none. None: ten over the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_every: Option<u64>,
    /// Characters of each sample.
    pub sample_length: usize,
    /// Steps between two saves of model and state; 0 saves at the end only. None: at each evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_every: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            cell: Cell::Lstm,
            hidden_size: 256,
            num_layers: 2,
            embed: 0,
            dropout: 0.2,
            forget_bias: 1.0,
            tokenizer: TokenizerKind::Char,
            val_frac: 0.1,
            seq_len: 64,
            batch: 64,
            epochs: 20,
            steps: None,
            lr: 2e-3,
            schedule: Schedule::Cosine,
            warmup: 0,
            min_lr_frac: 0.05,
            clip: 1.0,
            seed: 1,
            eval_every: None,
            print_every: None,
            sample_every: None,
            sample_length: 200,
            save_every: None,
        }
    }
}

impl Config {
    /// Checks every field on its own. Errors: the first that is out of range, by its name.
    pub fn check(&self) -> Result<(), Error> {
        todo!()
    }
}
