//! The flags that decide what a training run computes; they override a recipe, which overrides the defaults. The fields have
//! the names of the keys of `elman::config::Config`, so a flag, a line of a recipe and a line of `config.toml` mean the same.
//! Not here: flags of tasks (`task_flags.rs`).

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use clap::{Command, value_parser};
use elman::config::{Cell, OptimizerKind, Schedule};
use elman::{Config, RunDir};
use serde::Serialize;
use toml::{Table, Value};

use crate::failure::Refusal;
use crate::task_flags::TaskFlags;

/// Settings given on the command line; what is not given is `None`.
#[derive(clap::Args, Serialize, Default)]
pub struct Settings {
    /// Numbers to compute in and to save: single or double precision; bf16 is f32 whose products take operands in bfloat16
    #[arg(long, value_parser = ["f32", "f64", "bf16"], help_heading = "Model")]
    dtype: Option<String>,
    /// Recurrent cell
    #[arg(long, visible_alias = "model", value_parser = names(Cell::ALL, |cell| cell.name()), help_heading = "Model")]
    cell: Option<String>,
    /// Units of a layer, or of each: 512,256 are two layers
    #[arg(long = "hidden", visible_aliases = ["rnn-size", "nhid", "hidden-size"], value_name = "N[,N..]", value_delimiter = ',', value_parser = whole(), help_heading = "Model")]
    #[serde(skip)]
    hidden_size: Vec<u64>,
    /// Stacked layers
    #[arg(long = "layers", visible_aliases = ["num-layers", "nlayers"], value_name = "N", value_parser = whole(), help_heading = "Model")]
    num_layers: Option<u64>,
    /// The state before a text's first step: zero, or a learned row
    #[arg(long, value_parser = ["zero", "learned"], help_heading = "Model")]
    initial_state: Option<String>,
    /// Width of the embedding; 0 feeds one-hot tokens
    #[arg(long, visible_aliases = ["emsize", "wordvec-size"], value_name = "N", value_parser = whole(), help_heading = "Model")]
    embed: Option<u64>,
    /// One weight for embedding and head; --embed is the last layer's width
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tied: bool,
    /// Dropout between layers, never after the last
    #[arg(long, value_name = "P", help_heading = "Model")]
    dropout: Option<f64>,
    /// Dropout after the last layer, before the head
    #[arg(long, value_name = "P", help_heading = "Model")]
    output_dropout: Option<f64>,
    /// Keep dropout's masks over all steps of a window
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    locked_dropout: bool,
    /// How the weights are drawn: pytorch, uniform within 1/sqrt(hidden); normal, of one deviation; fan, normal over
    /// sqrt(inputs); orthogonal, in the recurrence, the rest as pytorch
    #[arg(long, value_parser = ["pytorch", "normal", "fan", "orthogonal"], help_heading = "Model")]
    init: Option<String>,
    /// Factor on what is drawn; for normal the deviation [default: 1, and 0.01 for normal]
    #[arg(long, value_name = "X", help_heading = "Model")]
    init_scale: Option<f64>,
    /// Biases at the start: drawn like the weights, or zero
    #[arg(long, value_parser = ["drawn", "zero"], help_heading = "Model")]
    init_bias: Option<String>,
    /// Added to the forget gate's bias at the start
    #[arg(long, value_name = "X", help_heading = "Model")]
    forget_bias: Option<f64>,

    /// Characters a step looks back
    #[arg(long, visible_aliases = ["seq-length", "bptt"], value_name = "N", value_parser = whole(), help_heading = "Training")]
    seq_len: Option<u64>,
    /// How the text is cut: rows carry their state along; chunks, random windows and lines begin from zero. A line longer
    /// than --seq-len is cut there
    #[arg(long, value_parser = ["rows", "chunks", "random", "lines"], help_heading = "Training")]
    batches: Option<String>,
    /// Whether a batch goes on from the state of the one before [default: true with rows, else false]
    #[arg(long, value_name = "BOOL", help_heading = "Training")]
    stateful: Option<bool>,
    /// Rows of whole windows only: what does not fill one stays out
    #[arg(long, help_heading = "Training")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drop_last: bool,
    /// Begin the rows of each epoch at a random place among the first --seq-len tokens
    #[arg(long, help_heading = "Training")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    random_offset: bool,
    /// An epoch of random windows: as many predictions as the text has, or as many windows as it has tokens
    #[arg(long, value_parser = ["predictions", "starts"], help_heading = "Training")]
    random_epoch: Option<String>,
    /// What the gradient is that of: the mean over all predictions, or the sum over a window's steps, its mean over the
    /// rows; a sum wants a smaller --lr. Reports are means either way
    #[arg(long, value_parser = ["mean", "sum"], help_heading = "Training")]
    loss: Option<String>,
    /// Rows of text read side by side; a small text shrinks it
    #[arg(long, visible_alias = "batch-size", value_name = "N", value_parser = whole(), help_heading = "Training")]
    batch: Option<u64>,
    /// Passes over the text [default: 20, and on small texts as many as make 800 steps]
    #[arg(long, visible_aliases = ["num-epochs", "max-epochs"], value_name = "N", value_parser = whole(), conflicts_with = "steps", help_heading = "Training")]
    epochs: Option<u64>,
    /// Steps to take, instead of epochs
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    steps: Option<u64>,
    /// What turns gradients into steps, with PyTorch's formulas and constants
    #[arg(long, value_parser = names(OptimizerKind::ALL, |kind| kind.name()), help_heading = "Training")]
    optimizer: Option<String>,
    /// Share of the velocity that momentum and nesterov keep
    #[arg(long, value_name = "X", help_heading = "Training")]
    momentum: Option<f64>,
    /// Pull of every parameter towards 0: added to the gradient, as a penalty of X/2 times the sum of squares would be;
    /// adamw shrinks the parameters instead [default: 0, and 0.01 for adamw]
    #[arg(long, visible_alias = "l2", value_name = "X", help_heading = "Training")]
    weight_decay: Option<f64>,
    /// Highest learning rate; what suits adam is too small for sgd
    #[arg(long, visible_alias = "learning-rate", value_name = "X", help_heading = "Training")]
    lr: Option<f64>,
    /// How the learning rate moves [default: cosine, or the one that --lr-decay, --halve-every or --plateau-patience
    /// belongs to]
    #[arg(long, value_parser = names(Schedule::ALL, |schedule| schedule.name()), help_heading = "Training")]
    schedule: Option<String>,
    /// Steps over which the learning rate rises at the start
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    warmup: Option<u64>,
    /// Last learning rate of the cosine, as a share of the highest
    #[arg(long, value_name = "X", help_heading = "Training")]
    min_lr_frac: Option<f64>,
    /// Factor on the learning rate after each epoch [default with --schedule decay: 0.97]
    #[arg(long, value_name = "X", help_heading = "Training")]
    lr_decay: Option<f64>,
    /// Epochs at the full rate before --lr-decay begins [default with --schedule decay: 1]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    lr_decay_after: Option<u64>,
    /// Epochs after which the learning rate is halved, again and again [default with --schedule halve: 5]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    halve_every: Option<u64>,
    /// Validations without improvement that halve the learning rate [default with --schedule plateau: 3]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    plateau_patience: Option<u64>,
    /// Validations without improvement that end the run; 0 never ends it
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    patience: Option<u64>,
    /// Largest norm of a gradient; 0 does not clip
    #[arg(long, visible_alias = "grad-clip", value_name = "X", help_heading = "Training")]
    clip: Option<f64>,
    /// Largest size of a gradient's element, taken before any norm; 0 does not clip
    #[arg(long, value_name = "X", help_heading = "Training")]
    clip_value: Option<f64>,
    /// Largest norm of each parameter's gradient, taken before the norm of all; 0 does not clip
    #[arg(long, value_name = "X", help_heading = "Training")]
    clip_param_norm: Option<f64>,
    /// Seed of every random draw
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    seed: Option<u64>,
    /// What a token is: a character of UTF-8 text, a byte of anything, a word, or a part of a word learned by byte-pair
    /// encoding
    #[arg(long, value_parser = ["char", "byte", "word", "bpe"], help_heading = "Text")]
    tokenizer: Option<String>,
    /// Give unknown characters a token of their own instead of refusing them; words always have one
    #[arg(long, help_heading = "Text")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unk: bool,
    /// Of words, and of characters with --unk: what comes less than N times in the training text is unknown
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Text")]
    min_freq: Option<u64>,
    /// Tokens of the vocabulary at most [default: all, and 2000 for bpe]
    #[arg(long, visible_alias = "max-vocab", value_name = "N", value_parser = whole(), help_heading = "Text")]
    vocab_size: Option<u64>,
    /// Words: marks apart from them, or all that stands between white space
    #[arg(long, value_parser = ["marks", "elisions", "spaces"], help_heading = "Text")]
    words: Option<String>,
    /// Words: whether a line's end is a token
    #[arg(long, value_name = "BOOL", help_heading = "Text")]
    eos: Option<bool>,
    /// Words: tokens reserved beside <unk>
    #[arg(long, value_delimiter = ',', value_parser = ["pad", "bos"], help_heading = "Text")]
    reserve: Option<Vec<String>>,
    /// Clean the text first: letters makes small letters, with one space for all else
    #[arg(long, value_parser = ["none", "letters"], help_heading = "Text")]
    clean: Option<String>,
    /// Make all letters small first
    #[arg(long, help_heading = "Text")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lowercase: bool,
    /// Characters at the end of the text to leave out, such as a licence
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Text")]
    cut_tail: Option<u64>,
    /// Train on the first N tokens only; 0 takes all
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Text")]
    max_tokens: Option<u64>,
    /// Share of the text, from its tail, kept for validation
    #[arg(long, value_name = "X", help_heading = "Text")]
    val_frac: Option<f64>,

    /// Steps between validations; 0 means never [default: an epoch]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    eval_every: Option<u64>,
    /// Steps between lines of log.jsonl
    #[arg(long, visible_alias = "log-interval", value_name = "N", value_parser = whole(), help_heading = "Reports")]
    print_every: Option<u64>,
    /// Keep this share of the old value at each step in a moving loss, reported beside the mean; 0 reports none
    #[arg(long, value_name = "X", help_heading = "Reports")]
    moving: Option<f64>,
    /// Steps between samples; 0 means never [default: ten over the run]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    sample_every: Option<u64>,
    /// Characters of a sample
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    sample_length: Option<u64>,
    /// Steps between saves; 0 means at the end only [default: at each validation]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    save_every: Option<u64>,

    /// Saved models that stay: with 2 or more, the last ones as model-STEP.safetensors beside the latest
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    keep: Option<u64>,
    /// What to do about a step whose loss, gradient or weights are not finite, or whose gradient jumps (--spike): stop;
    /// skip it; or go back to the last save and halve the learning rate
    #[arg(long, value_parser = ["stop", "skip", "rollback"], help_heading = "Training")]
    on_nan: Option<String>,
    /// Treat a gradient norm of more than X times the mean of the last ones as --on-nan says; 0 lets all pass
    #[arg(long, value_name = "X", help_heading = "Training")]
    spike: Option<f64>,

    #[command(flatten)]
    #[serde(skip)]
    task: TaskFlags,

    /// A recipe: settings in TOML, which flags override
    #[arg(long, value_name = "FILE.toml")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// The names of all choices there are.
fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> PossibleValuesParser {
    all.iter().map(|&choice| name(choice)).collect::<Vec<_>>().into()
}

/// Whole numbers that TOML can hold.
fn whole() -> RangedU64ValueParser {
    value_parser!(u64).range(..=i64::MAX as u64)
}

impl Settings {
    /// The defaults, overridden by the recipe, overridden by the flags. Errors: an unreadable recipe; an impossible value.
    /// `wants_parts`: a file with parts of words is given, so that they are the tokens.
    pub fn resolve(&self, wants_parts: bool) -> anyhow::Result<Config> {
        let mut given = self.given()?;
        if wants_parts {
            let tokenizer = given.entry("tokenizer").or_insert("bpe".into());
            if tokenizer.as_str() != Some("bpe") {
                let message =
                    format!("--tokenizer-file is given with --tokenizer {tokenizer}, expected --tokenizer bpe");
                return Err(Refusal::new(message).into());
            }
        }
        let task = self.task.put(&mut given)?;
        // Unknown characters have a token in tasks; words have one anyway, and bytes are never unknown.
        let is_another = given.get("tokenizer").is_some_and(|tokenizer| tokenizer.as_str() != Some("char"));
        if task.is_some() && is_another {
            given.entry("unk").or_insert(false.into());
        }
        let config = overlay(&Config::of_task(task), given)?;
        config.check()?;
        Ok(config)
    }

    /// The settings to go on with, where any are given: the run's, overridden by them.
    pub fn of_resume(&self, run: &RunDir) -> anyhow::Result<Option<Config>> {
        let given = self.given()?;
        if given.is_empty() {
            return Ok(None);
        }
        let (config, by_epochs) = (config_of(run)?, given.contains_key("epochs") && !given.contains_key("steps"));
        let mut wanted = overlay(&config, given)?;
        // A small text has shrunk the batch it was given, and would again.
        wanted.batch = if wanted.batch > config.batch { config.batch } else { wanted.batch };
        if by_epochs {
            wanted.steps = None;
        }
        Ok(Some(wanted))
    }

    /// What was given: the recipe's keys under the flags'.
    fn given(&self) -> anyhow::Result<Table> {
        let mut given = match &self.config {
            Some(path) => read_recipe(path)?,
            None => Table::new(),
        };
        if self.epochs.is_some() {
            given.remove("steps"); // the flag asks for epochs, whatever the recipe says
        }
        given.extend(Table::try_from(self).context("the flags do not fit a table")?);
        self.put_widths(&mut given);
        Ok(given)
    }

    /// One width is `hidden_size`; several say the number of layers too, and replace a recipe's.
    fn put_widths(&self, given: &mut Table) {
        let whole = |n: u64| Value::Integer(n as i64); // the parser's range fits
        match self.hidden_size[..] {
            [] => {}
            [width] => {
                given.remove("hidden_sizes");
                given.insert("hidden_size".into(), whole(width));
            }
            ref widths => {
                given.remove("hidden_size");
                if self.num_layers.is_none() {
                    given.remove("num_layers");
                }
                given.insert("hidden_sizes".into(), Value::Array(widths.iter().map(|&n| whole(n)).collect()));
                Config::follow_widths(given);
            }
        }
    }
}

/// The settings a run was started with. Errors: `config.toml` cannot be read or understood.
pub fn config_of(run: &RunDir) -> anyhow::Result<Config> {
    let path = run.config();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Config::from_toml(&text, &path.display().to_string())?)
}

fn read_recipe(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Config::from_toml(&text, &path.display().to_string())?; // for its errors, which name the line
    let mut recipe = toml::from_str(&text)?;
    Config::follow_widths(&mut recipe);
    Ok(recipe)
}

/// `base` with the keys of `given` in place of its own.
fn overlay(base: &Config, given: Table) -> anyhow::Result<Config> {
    let mut all = table(base)?;
    all.extend(given);
    Ok(all.try_into()?)
}

fn table(config: &Config) -> anyhow::Result<Table> {
    Table::try_from(config).context("the configuration does not fit a table")
}

/// Adds the library's defaults to the help of `train`'s flags.
pub fn show_defaults(command: Command) -> Command {
    let Ok(defaults) = table(&Config::default()) else {
        return command;
    };
    command.mut_subcommand("train", |train| {
        train.mut_args(|arg| match defaults.get(arg.get_id().as_str()) {
            Some(value) if value.as_bool() != Some(false) => {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                let shown = value.as_str().map_or(value.to_string(), str::to_string);
                arg.help(format!("{help} [default: {shown}]"))
            }
            _ => arg,
        })
    })
}
