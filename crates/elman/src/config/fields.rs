//! `Config`: the fields of the configuration and their defaults. The order of the fields is that of `config.toml`. Not
//! here: checks.

use elman_kernels::descent::OptimizerKind;
use serde::{Deserialize, Serialize};

use super::by_name;
use super::choices::{BatchKind, Dtype, Init, InitBias, InitialState, OnNan, TokenizerKind};
use super::schedule::Schedule;
use super::task::TaskSettings;
use super::text::{Clean, LossKind, RandomEpoch, Reserved, Words};
use crate::data::text::text_encoding::TextEncoding;
use crate::nn::cells::Cell;

/// Everything that decides what a training run computes.
///
/// The keys of a recipe (`--config FILE.toml`), of `config.toml` in a run directory and of the `config`
/// object in a model file are the field names below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The numbers of weights, values and gradients.
    pub dtype: Dtype,
    /// Recurrent cell, by its name.
    #[serde(with = "by_name")]
    pub cell: Cell,
    /// H, units per layer; of the last layer where `hidden_sizes` is set.
    pub hidden_size: usize,
    /// L, stacked layers.
    pub num_layers: usize,
    /// H of each layer, from the first on, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_sizes: Option<Vec<usize>>,
    /// What the state is before the first step of a text.
    pub initial_state: InitialState,
    /// Width of the token embedding; 0 feeds one-hot tokens.
    pub embed: usize,
    /// Whether embedding and head share one weight `[V, H]`. `embed` then is the last layer's width.
    pub tied: bool,
    /// Dropout probability between layers, never after the last.
    pub dropout: f64,
    /// Dropout probability after the last layer, before the head.
    pub output_dropout: f64,
    /// Whether dropout's masks stay the same over all steps of a window (variational dropout).
    pub locked_dropout: bool,
    /// How the parameters are drawn.
    pub init: Init,
    /// Scale of the drawn parameters. None: 1, and 0.01 for `normal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_scale: Option<f64>,
    /// What biases begin with.
    pub init_bias: InitBias,
    /// Added to an LSTM's forget gate's input bias at initialisation.
    pub forget_bias: f64,
    /// How text becomes tokens.
    pub tokenizer: TokenizerKind,
    /// Whether a vocabulary of characters has a token for unknown ones, `<unk>`.
    pub unk: bool,
    /// With `unk`, or of words: what comes more rarely in the training split is unknown.
    pub min_freq: u64,
    /// Tokens that the vocabulary has at most, reserved ones included: of words, of characters with `unk`, and of parts
    /// of words. None: all, and 2000 subwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// What a vocabulary of words is made of.
    pub words: Words,
    /// Of words: whether a line's end is a token, `<eos>`.
    pub eos: bool,
    /// Of words: tokens reserved in addition to `<unk>`, for nothing in the text.
    pub reserve: Vec<Reserved>,
    /// The encoding of text files and tables.
    #[serde(skip_serializing_if = "TextEncoding::is_utf8")]
    pub encoding: TextEncoding,
    /// What is done to a text first.
    pub clean: Clean,
    /// Whether letters become small.
    pub lowercase: bool,
    /// Characters at the end of the text that are neither trained on nor validated; of bytes, bytes.
    pub cut_tail: usize,
    /// Tokens of the training split, from its beginning, that are trained on; 0 for all.
    pub max_tokens: usize,
    /// Share of the text, cut from its tail, that is never trained on.
    pub val_frac: f64,
    /// T, steps of back-propagation through time.
    pub seq_len: usize,
    /// How the text is cut into batches.
    pub batches: BatchKind,
    /// B, parallel rows of the text.
    pub batch: usize,
    /// Whether a batch continues from the state of the one before. None: with rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stateful: Option<bool>,
    /// Whether rows are whole windows; what does not fill one stays out.
    pub drop_last: bool,
    /// Whether the rows of each epoch begin at a place of its own among the first `seq_len` tokens.
    pub random_offset: bool,
    /// What an epoch of random windows is.
    pub random_epoch: RandomEpoch,
    /// What the gradient is that of. Reported losses are means either way.
    pub loss: LossKind,
    /// Share of the old value kept at each step in the moving loss of the reports; 0 reports none.
    pub moving: f64,
    /// Passes over the training split; ignored where `steps` is set.
    /// None: 20, and on small texts as many as make 800 steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Optimizer steps, instead of `epochs`; when resolved, the number that follows from `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Optimizer, by its name.
    #[serde(with = "by_name")]
    pub optimizer: OptimizerKind,
    /// Share of the velocity kept by `momentum` and `nesterov`; the other optimizers ignore it.
    pub momentum: f64,
    /// Times each parameter, biases too, added to its clipped gradient: the gradient of 0.5 * weight_decay * |W|^2,
    /// which the reported loss leaves out. `adamw` takes lr * weight_decay of each parameter off, beside the gradient.
    /// None: 0, and 0.01 for `adamw`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Peak learning rate.
    pub lr: f64,
    /// Shape of the learning rate over the run. None: the one that a setting below belongs to, else the cosine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Steps over which the rate rises linearly from 0 to `lr`.
    pub warmup: u64,
    /// Last learning rate of the cosine as a share of `lr`.
    pub min_lr_frac: f64,
    /// Factor of `decay`. None: 0.97.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_decay: Option<f64>,
    /// Epochs at the full rate before the first factor of `decay`. None: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_decay_after: Option<u64>,
    /// Epochs between the halvings of `halve`. None: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halve_every: Option<u64>,
    /// Validations without improvement before `plateau` halves the rate. None: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau_patience: Option<u64>,
    /// Validations without improvement after which the run ends; 0 ends it never.
    pub patience: u64,
    /// Largest global norm of the gradient; 0 does not clip.
    pub clip: f64,
    /// Largest size of a gradient's element, before the norms are taken; 0 does not clip.
    pub clip_value: f64,
    /// Largest norm of each parameter's gradient, before the global norm is taken; 0 does not clip.
    pub clip_param_norm: f64,
    /// Seed of every random draw.
    pub seed: u64,
    /// Steps between two evaluations of the validation split, and one after the last step; 0 evaluates never.
    /// None: once an epoch, but 10 times over the run at least and 50 times at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_every: Option<u64>,
    /// Steps between two lines of `log.jsonl`; the first step, each evaluation and the last step have one too.
    /// 0 writes no others. None: 200 over the run, but one in 100 steps at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub print_every: Option<u64>,
    /// Steps between two samples, and one after the last step; 0 writes none. None: ten over the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_every: Option<u64>,
    /// Characters of each sample.
    pub sample_length: usize,
    /// Steps between two saves of model and state, and one at the end; 0 saves at the end only.
    /// None: as often as evaluations, or ten times over the run where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_every: Option<u64>,
    /// How many saved models stay: the latest, and where it is not alone the last ones under the names of their steps.
    pub keep: u64,
    /// What becomes of a bad step.
    pub on_nan: OnNan,
    /// A gradient norm more than this many times the mean of the last ones makes a step bad; 0 lets all pass.
    pub spike: f64,
    /// What the run learns; None is a language model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskSettings>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            dtype: Dtype::F32,
            cell: Cell::LSTM,
            hidden_size: 256,
            num_layers: 2,
            hidden_sizes: None,
            initial_state: InitialState::Zero,
            embed: 0,
            tied: false,
            dropout: 0.2,
            output_dropout: 0.2,
            locked_dropout: false,
            init: Init::Pytorch,
            init_scale: None,
            init_bias: InitBias::Drawn,
            forget_bias: 1.0,
            tokenizer: TokenizerKind::Char,
            unk: false,
            min_freq: 1,
            vocab_size: None,
            words: Words::Marks,
            eos: true,
            reserve: Vec::new(),
            encoding: TextEncoding::default(),
            clean: Clean::None,
            lowercase: false,
            cut_tail: 0,
            max_tokens: 0,
            val_frac: 0.1,
            seq_len: 64,
            batches: BatchKind::Rows,
            batch: 64,
            stateful: None,
            drop_last: false,
            random_offset: false,
            random_epoch: RandomEpoch::Predictions,
            loss: LossKind::Mean,
            moving: 0.0,
            epochs: None,
            steps: None,
            optimizer: OptimizerKind::Adam,
            momentum: 0.9,
            weight_decay: None,
            lr: 4e-3,
            schedule: None,
            warmup: 0,
            min_lr_frac: 0.05,
            lr_decay: None,
            lr_decay_after: None,
            halve_every: None,
            plateau_patience: None,
            patience: 0,
            clip: 1.0,
            clip_value: 0.0,
            clip_param_norm: 0.0,
            seed: 1,
            eval_every: None,
            print_every: None,
            sample_every: None,
            sample_length: 200,
            save_every: None,
            keep: 1,
            on_nan: OnNan::Stop,
            spike: 0.0,
            task: None,
        }
    }
}
