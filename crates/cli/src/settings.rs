//! The flags that decide what a training run computes; they override a recipe, which overrides the defaults. The fields have
//! the names of the keys of `elman::config::Config`, so a flag, a line of a recipe and a line of `config.toml` mean the same.
//! Not here: flags of tasks (`task_flags.rs`).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::{PossibleValue, PossibleValuesParser, RangedU64ValueParser};
use clap::{ArgAction, value_parser};
use elman::config::{Cell, OptimizerKind, Schedule, TaskSettings};
use elman::data::TextEncoding;
use elman::files::regular::{self, Links};
use elman::task::Pretrained;
use elman::{Config, RunDir};
use serde::Serialize;
use toml::{Table, Value};

use crate::failure::Refusal;
use crate::flag_tasks::{self, LM};
use crate::task_flags::{TaskFlags, names};
use crate::terminal::say;

/// Settings from the command line; `None` if not given.
#[derive(clap::Args, Serialize, Default)]
pub struct Settings {
    /// Number type: single or double precision; bf16 is f32 with products whose operands are rounded to bfloat16
    #[arg(long, value_parser = ["f32", "f64", "bf16"], help_heading = "Model")]
    dtype: Option<String>,
    /// Recurrent cell
    #[arg(long, alias = "model", value_parser = names(Cell::ALL, |cell| cell.name()), help_heading = "Model")]
    cell: Option<String>,
    /// Units of all layers, or of each: 512,256 means two layers
    #[arg(long = "hidden", aliases = ["rnn-size", "nhid", "hidden-size"], value_name = "N[,N..]", value_delimiter = ',', action = ArgAction::Set, value_parser = whole(), help_heading = "Model")]
    #[serde(skip)]
    hidden_size: Vec<u64>,
    /// Stacked layers
    #[arg(long = "layers", aliases = ["num-layers", "nlayers"], value_name = "N", value_parser = whole(), help_heading = "Model")]
    num_layers: Option<u64>,
    /// The state before the first step of a text: zero, or a learned vector
    #[arg(long, value_parser = ["zero", "learned"], help_heading = "Model")]
    initial_state: Option<String>,
    /// Width of the embedding; 0 uses one-hot tokens
    #[arg(long, aliases = ["emsize", "wordvec-size"], value_name = "N", value_parser = whole(), help_heading = "Model")]
    embed: Option<u64>,
    /// One weight for embedding and head; --embed must equal the width of the last layer
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tied: bool,
    /// Dropout between layers, never after the last
    #[arg(long, value_name = "P", help_heading = "Model")]
    dropout: Option<f64>,
    /// Dropout after the last layer, before the head
    #[arg(long, value_name = "P", help_heading = "Model")]
    output_dropout: Option<f64>,
    /// Use the same dropout mask at all steps of a window
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    locked_dropout: bool,
    /// Initial weights: pytorch, uniform within 1/sqrt(hidden); normal, with one standard deviation; fan, normal divided by
    /// sqrt(inputs); orthogonal, for the recurrent weights, the others as pytorch
    #[arg(long, value_parser = ["pytorch", "normal", "fan", "orthogonal"], help_heading = "Model")]
    init: Option<String>,
    /// Factor on the initial weights; for normal the standard deviation [default: 1, and 0.01 for normal]
    #[arg(long, value_name = "X", help_heading = "Model")]
    init_scale: Option<f64>,
    /// Initial biases: drawn like the weights, or zero
    #[arg(long, value_parser = ["drawn", "zero"], help_heading = "Model")]
    init_bias: Option<String>,
    /// Added to the initial bias of the forget gate
    #[arg(long, value_name = "X", help_heading = "Model")]
    forget_bias: Option<f64>,

    /// Tokens of a window, over which gradients are propagated back
    #[arg(long, aliases = ["seq-length", "bptt"], value_name = "N", value_parser = whole(), help_heading = "Training")]
    seq_len: Option<u64>,
    /// How the text is divided: rows carry their state between windows; chunks, random windows and lines begin from zero.
    /// A line longer than --seq-len is cut
    #[arg(long, value_parser = ["rows", "chunks", "random", "lines"], help_heading = "Training")]
    batches: Option<String>,
    /// Whether a batch starts with the state of the one before [default: true with rows, else false]
    #[arg(long, value_name = "BOOL", help_heading = "Training")]
    stateful: Option<bool>,
    /// Omit the rest of a row that does not fill a window
    #[arg(long, help_heading = "Training")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drop_last: bool,
    /// Begin each epoch at a random position among the first --seq-len tokens
    #[arg(long, help_heading = "Training")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    random_offset: bool,
    /// An epoch of random windows: as many predictions as the text has, or as many windows as it has tokens
    #[arg(long, value_parser = ["predictions", "starts"], help_heading = "Training")]
    random_epoch: Option<String>,
    /// The loss to differentiate: the mean over all predictions, or the sum over the steps of a window, averaged over the
    /// rows; a sum needs a smaller --lr. Reports are means in both cases
    #[arg(long, value_parser = ["mean", "sum"], help_heading = "Training")]
    loss: Option<String>,
    /// Rows of text in a batch; fewer for a small text
    #[arg(long, alias = "batch-size", value_name = "N", value_parser = whole(), help_heading = "Training")]
    batch: Option<u64>,
    /// Passes over the text [default: 20, and on small texts as many as make 800 steps]
    #[arg(long, aliases = ["num-epochs", "max-epochs"], value_name = "N", value_parser = whole(), conflicts_with = "steps", help_heading = "Training")]
    epochs: Option<u64>,
    /// Steps to take, instead of epochs
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    steps: Option<u64>,
    /// Optimizer, with PyTorch's formulas and constants
    #[arg(long, value_parser = names(OptimizerKind::ALL, |kind| kind.name()), help_heading = "Training")]
    optimizer: Option<String>,
    /// Momentum coefficient of momentum and nesterov
    #[arg(long, value_name = "X", help_heading = "Training")]
    momentum: Option<f64>,
    /// Weight decay of every parameter: adds the gradient of X/2 times the sum of squares; adamw shrinks the parameters
    /// instead [default: 0, and 0.01 for adamw]
    #[arg(long, alias = "l2", value_name = "X", help_heading = "Training")]
    weight_decay: Option<f64>,
    /// Highest learning rate; a good rate for adam is too small for sgd
    #[arg(long, alias = "learning-rate", value_name = "X", help_heading = "Training")]
    lr: Option<f64>,
    /// Schedule of the learning rate [default: cosine, or the schedule that --lr-decay, --halve-every or
    /// --plateau-patience belongs to]
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
    /// Epochs between two halvings of the learning rate [default with --schedule halve: 5]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    halve_every: Option<u64>,
    /// Validations without improvement that halve the learning rate [default with --schedule plateau: 3]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    plateau_patience: Option<u64>,
    /// Validations without improvement that end the run; 0 never ends it
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    patience: Option<u64>,
    /// Largest norm of a gradient; 0 does not clip
    #[arg(long, alias = "grad-clip", value_name = "X", help_heading = "Training")]
    clip: Option<f64>,
    /// Largest absolute value of a gradient's element, applied before any norm; 0 does not clip
    #[arg(long, value_name = "X", help_heading = "Training")]
    clip_value: Option<f64>,
    /// Largest norm of each parameter's gradient, applied before the norm of all; 0 does not clip
    #[arg(long, value_name = "X", help_heading = "Training")]
    clip_param_norm: Option<f64>,
    /// Seed of every random draw
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Training")]
    seed: Option<u64>,
    /// Tokens: characters of UTF-8 text, bytes of any file, words, or parts of words learned by byte-pair encoding
    #[arg(long, value_parser = ["char", "byte", "word", "bpe"], help_heading = "Text")]
    tokenizer: Option<String>,
    /// Map unknown characters to a token instead of an error; words always have such a token
    #[arg(long, help_heading = "Text")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unk: bool,
    /// Words, and characters with --unk, that occur less than N times in the training text are unknown
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Text")]
    min_freq: Option<u64>,
    /// Largest size of the vocabulary [default: no limit, and 2000 for bpe]
    #[arg(long, alias = "max-vocab", value_name = "N", value_parser = whole(), help_heading = "Text")]
    vocab_size: Option<u64>,
    /// How words are split: punctuation marks apart, elisions too, or at white space only
    #[arg(long, value_parser = ["marks", "elisions", "spaces"], help_heading = "Text")]
    words: Option<String>,
    /// For words: whether the end of a line is a token
    #[arg(long, value_name = "BOOL", help_heading = "Text")]
    eos: Option<bool>,
    /// For words: tokens reserved in addition to <unk>
    #[arg(long, value_delimiter = ',', action = ArgAction::Set, value_parser = ["pad", "bos"], help_heading = "Text")]
    reserve: Option<Vec<String>>,
    /// The encoding of text files and tables: utf-8, or another name of the WHATWG standard, such as windows-1252, utf-16le or
    /// shift_jis
    #[arg(long, value_name = "NAME", value_parser = encoding, help_heading = "Text")]
    encoding: Option<TextEncoding>,
    /// Clean the text first: unicode-letters keeps the letters of every script in lower case, and replaces everything else,
    /// line ends too, by one space; d2l (formerly letters) keeps ASCII letters only and joins the lines without a space
    #[arg(long, value_parser = PossibleValuesParser::new([PossibleValue::new("none"), PossibleValue::new("unicode-letters"), PossibleValue::new("d2l").alias("letters")]), help_heading = "Text")]
    clean: Option<String>,
    /// Convert the text to lower case first
    #[arg(long, help_heading = "Text")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lowercase: bool,
    /// Characters at the end of the text to omit, such as a licence
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Text")]
    cut_tail: Option<u64>,
    /// Train on the first N tokens only; 0 means all
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Text")]
    max_tokens: Option<u64>,
    /// Share of the text, at its end, held out for validation
    #[arg(long, value_name = "X", help_heading = "Text")]
    val_frac: Option<f64>,

    /// Steps between validations; 0 means never [default: an epoch, or what makes 10 to 50 validations in the run]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    eval_every: Option<u64>,
    /// Steps between lines of log.jsonl
    #[arg(long, alias = "log-interval", value_name = "N", value_parser = whole(), help_heading = "Reports")]
    print_every: Option<u64>,
    /// Report also an exponential moving average of the loss that keeps this share of the old value at each step; 0 reports none
    #[arg(long, value_name = "X", help_heading = "Reports")]
    moving: Option<f64>,
    /// Steps between samples; 0 means never [default: ten over the run]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    sample_every: Option<u64>,
    /// Tokens of a sample: characters, bytes, words or parts of words
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    sample_length: Option<u64>,
    /// Steps between saves; 0 means at the end only [default: at each validation]
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    save_every: Option<u64>,

    /// Number of saved models to keep: with 2 or more, the last ones are model-STEP.safetensors beside the latest
    #[arg(long, value_name = "N", value_parser = whole(), help_heading = "Reports")]
    keep: Option<u64>,
    /// What to do after a step whose loss, gradient or weights are not finite, or whose gradient is a spike (--spike): stop;
    /// skip the step; or return to the last scheduled save and halve the learning rate
    #[arg(long, value_parser = ["stop", "skip", "rollback"], help_heading = "Training")]
    on_nan: Option<String>,
    /// Apply --on-nan also to a gradient norm of more than X times the moving average of the norm; 0 turns this off
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

/// An encoding by its name.
pub fn encoding(name: &str) -> Result<TextEncoding, String> {
    let wanted = "expected a name such as utf-8, windows-1252, utf-16le or shift_jis";
    TextEncoding::named(name).ok_or_else(|| wanted.to_string())
}

/// Whole numbers that TOML can hold.
fn whole() -> RangedU64ValueParser {
    value_parser!(u64).range(..=i64::MAX as u64)
}

impl Settings {
    /// The defaults, overridden by the recipe, overridden by the flags. Errors: an unreadable recipe; an impossible value.
    /// `wants_parts`: a tokenizer file is given, so the tokens are parts of words. `model`: what the run starts from, whose
    /// network and tokens it has.
    pub fn resolve(&self, wants_parts: bool, model: Option<&Pretrained>) -> anyhow::Result<Config> {
        let mut given = self.given()?;
        if let Some(model) = model {
            let (config, keys) = model.settings();
            let of_model = table(config)?.into_iter().filter(|(key, _)| keys.contains(&key.as_str()));
            for (key, value) in of_model {
                given.entry(key).or_insert(value);
            }
        }
        if wants_parts {
            let tokenizer = given.entry("tokenizer").or_insert("bpe".into());
            if tokenizer.as_str() != Some("bpe") {
                let message =
                    format!("--tokenizer-file is given with --tokenizer {tokenizer}, expected --tokenizer bpe");
                return Err(Refusal::new(message).into());
            }
        }
        let task = self.task.put(&mut given)?;
        flag_tasks::refuse_others(
            task.as_ref().map_or(LM, TaskSettings::kind),
            self.fields()?.iter().map(String::as_str),
        )?;
        // Unknown characters have a token in tasks; words have one anyway, and bytes are never unknown.
        let is_another = given.get("tokenizer").is_some_and(|tokenizer| tokenizer.as_str() != Some("char"));
        if task.is_some() && is_another {
            given.entry("unk").or_insert(false.into());
        }
        let config = overlay(&Config::of_task(task), given)?;
        config.check()?;
        model.map_or(Ok(()), |model| same_as(model, &config))?;
        Ok(config)
    }

    /// The settings to resume a run with: those of its state, `saved`, overridden by edits of its config.toml, by the recipe
    /// and by the flags. Errors: config.toml or the recipe cannot be read or understood.
    pub fn of_resume(&self, run: &RunDir, saved: &Config) -> anyhow::Result<Config> {
        let (mut given, config) = (self.given()?, edited(run, saved)?);
        self.task.put_over(config.task.as_ref(), &mut given)?;
        let by_epochs = given.contains_key("epochs") && !given.contains_key("steps");
        let mut wanted = overlay(&config, given)?;
        // The start of the run reduced the batch for a small text; the same flag must have the same effect.
        wanted.batch = wanted.batch.min(saved.batch);
        if by_epochs {
            wanted.steps = None;
        }
        Ok(wanted)
    }

    /// The settings of the recipe, overridden by the flags.
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

    /// The names of the fields whose flags are given, those of tasks left out.
    fn fields(&self) -> anyhow::Result<Vec<String>> {
        let given = Table::try_from(self).context("the flags do not fit a table")?;
        Ok(given.into_iter().map(|(key, _)| key).collect())
    }

    /// One width is `hidden_size`; several also set the number of layers, and replace those of a recipe.
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

/// Errors: a setting of the network or of its tokens is not that of the model.
fn same_as(model: &Pretrained, config: &Config) -> anyhow::Result<()> {
    let (of_model, keys) = model.settings();
    let kind = |config: &Config| config.task.as_ref().map_or(LM, TaskSettings::kind).into();
    let (mut wanted, mut got) = (table(of_model)?, table(config)?);
    wanted.insert("task".to_string(), kind(of_model));
    got.insert("task".to_string(), kind(config));
    for key in keys {
        let [got, wanted] =
            [&got, &wanted].map(|table| table.get(*key).map_or("nothing".to_string(), Value::to_string));
        if got != wanted {
            let path = model.path().display();
            return Err(Refusal::new(format!(
                "{key} is {got}, expected {wanted}, that of the model to start from ({path})"
            ))
            .into());
        }
    }
    Ok(())
}

/// The settings in config.toml of a run with those of its state, `saved`; a note names the keys that somebody has edited.
/// Without the file they are those of the state. Errors: the file cannot be read or understood.
fn edited(run: &RunDir, saved: &Config) -> anyhow::Result<Config> {
    if run.config().symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(saved.clone());
    }
    let mut config = config_of(run)?;
    if config.epochs == saved.epochs {
        config.steps = config.steps.or(saved.steps);
    }
    let (here, there) = (table(&config)?, table(saved)?);
    let mut keys: Vec<&str> = here.keys().chain(there.keys()).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| here.get(*key) != there.get(*key));
    if !keys.is_empty() {
        say!("note: {} differs from what the run was saved with: {}", run.config().display(), keys.join(", "));
    }
    Ok(config)
}

/// The settings in config.toml of a run. Errors: `config.toml` cannot be read or understood.
pub fn config_of(run: &RunDir) -> anyhow::Result<Config> {
    let path = run.config();
    let text =
        regular::read_to_string(&path, Links::Refuse).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Config::from_toml(&text, &path.display().to_string())?)
}

fn read_recipe(path: &Path) -> anyhow::Result<Table> {
    let text =
        regular::read_to_string(path, Links::Follow).with_context(|| format!("cannot read {}", path.display()))?;
    Config::from_toml(&text, &path.display().to_string())?; // for its errors, which name the line
    let mut recipe: Table = toml::from_str(&text)?;
    if recipe.contains_key("steps") && recipe.contains_key("epochs") {
        let message = format!("steps and epochs are both given, expected one of them ({})", path.display());
        return Err(Refusal::new(message).into());
    }
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
