//! Holds the configuration of a run: every choice that changes the result, in one flat table.
//! Refuses impossible values by name, before any work starts.
//! What does not change the result (threads, backend, paths of output) is not here.

mod by_name;
mod choices;
mod open;
pub mod schedule;
mod task;
mod text;
mod translate;

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use crate::metrics::distribution::Output;
pub use crate::nn::cells::Cell;
pub use choices::{BatchKind, Dtype, Init, InitBias, InitialState, OnNan, TokenizerKind};
pub use elman_kernels::descent::OptimizerKind;
pub use schedule::{Place, Rates, Schedule};
pub use task::{
    ClassWeights, Classify, Condition, Forecast, Generate, Memory, Pooling, Source, Strategy, Tag, TaskSettings,
    Transform,
};
pub use text::{Clean, LossKind, RandomEpoch, Reserved, Words};
pub use translate::{Attention, Sides, Translate};

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
    /// Tokens that the vocabulary has at most, reserved ones included: of words, of characters with `unk`, and of parts of
    /// words. None: all, and 2000 parts of words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocab_size: Option<usize>,
    /// What a vocabulary of words is made of.
    pub words: Words,
    /// Of words: whether a line's end is a token, `<eos>`.
    pub eos: bool,
    /// Of words: tokens reserved beside `<unk>`, for nothing in the text.
    pub reserve: Vec<Reserved>,
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
    /// Whether a batch goes on from the state of the one before. None: with rows.
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
    /// Optimizer steps, instead of `epochs`; resolved, what `epochs` came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Optimizer, by its name.
    #[serde(with = "by_name")]
    pub optimizer: OptimizerKind,
    /// Share of the velocity kept by `momentum` and `nesterov`; the other optimizers ignore it.
    pub momentum: f64,
    /// Times each parameter, biases too, added to its clipped gradient: the gradient of 0.5 * weight_decay * |W|^2, which
    /// the reported loss leaves out. `adamw` takes lr * weight_decay of each parameter off, beside the gradient.
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

/// The largest integer a recipe can hold: TOML's integers have 63 bits.
const MAX_INTEGER: u64 = i64::MAX as u64;

impl Config {
    /// Reads a recipe: the keys it sets, defaults for the others. Checks nothing else: see [`Config::check`].
    ///
    /// Errors: what is not TOML, an unknown key, a value of the wrong kind; each names the key and `source_name`.
    pub fn from_toml(text: &str, source_name: &str) -> Result<Config, Error> {
        let refuse = |key: String, problem: &str| Error::Recipe {
            key,
            problem: problem.trim_end().replace('\n', ", "),
            source_name: source_name.to_string(),
        };
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            refuse(format!("line {}", before.matches('\n').count() + 1), error.message())
        })?;
        // One key at a time, so that an error can name its key.
        for (key, value) in &table {
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = Config::deserialize(alone) {
                return Err(refuse(key.clone(), error.message()));
            }
        }
        Config::follow_widths(&mut table);
        Config::deserialize(table).map_err(|error| refuse("recipe".into(), error.message()))
    }

    /// The configuration as a recipe. Errors: an integer above 63 bits, which [`Config::check`] refuses too.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Recipe {
            key: "config".into(),
            problem: error.to_string(),
            source_name: "configuration".into(),
        })
    }

    /// Checks every field on its own. Errors: the first that is out of range, by its name.
    pub fn check(&self) -> Result<(), Error> {
        let (positive, at_least_0) = ("a finite number above 0", "a finite number, 0 or more");
        whole("hidden_size", self.hidden_size as u64, 1, 1 << 16)?;
        whole("num_layers", self.num_layers as u64, 1, 64)?;
        self.check_widths()?;
        whole("embed", self.embed as u64, 0, 1 << 16)?;
        real("dropout", self.dropout, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        real("output_dropout", self.output_dropout, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        real("init_scale", self.init_scale(), at_least_0, |x| x >= 0.0)?;
        real("forget_bias", self.forget_bias, "a finite number", |_| true)?;
        real("val_frac", self.val_frac, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        let refuse = |name, got: String, expected: &str| Err(Error::Setting { name, got, expected: expected.into() });
        let is_model_of_language = !matches!(self.task, Some(TaskSettings::Translate(_)));
        if is_model_of_language && self.tied && self.embed != self.hidden_size {
            let expected = format!("hidden_size = {} with tied, one weight for embedding and head", self.hidden_size);
            return refuse("embed", self.embed.to_string(), &expected);
        }
        self.task.as_ref().map_or(Ok(()), |task| task.check(self))?;
        self.check_text()?;
        real("moving", self.moving, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        whole("seq_len", self.seq_len as u64, 1, 1 << 24)?;
        whole("batch", self.batch as u64, 1, 1 << 20)?;
        if self.steps.is_none() {
            whole("epochs", self.epochs.unwrap_or(1), 1, 1 << 32)?;
        }
        real("lr", self.lr, positive, |x| x > 0.0)?;
        real("min_lr_frac", self.min_lr_frac, "0 to 1", |x| (0.0..=1.0).contains(&x))?;
        real("weight_decay", self.weight_decay(), at_least_0, |x| x >= 0.0)?;
        real("momentum", self.momentum, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))?;
        for (name, limit) in
            [("clip", self.clip), ("clip_value", self.clip_value), ("clip_param_norm", self.clip_param_norm)]
        {
            real(name, limit, at_least_0, |x| x >= 0.0)?;
        }
        whole("sample_length", self.sample_length as u64, 0, 1 << 32)?;
        real("lr_decay", self.lr_decay(), "above 0, at most 1", |x| x > 0.0 && x <= 1.0)?;
        self.check_schedule()?;
        real("spike", self.spike, "0, or a finite number above 1", |x| x == 0.0 || x > 1.0)?;
        whole("keep", self.keep, 1, MAX_INTEGER)?;
        whole("warmup", self.warmup, 0, MAX_INTEGER)?;
        whole("seed", self.seed, 0, MAX_INTEGER)?;
        for (name, value, least) in [
            ("patience", Some(self.patience), 0),
            ("lr_decay_after", self.lr_decay_after, 1),
            ("halve_every", self.halve_every, 1),
            ("plateau_patience", self.plateau_patience, 1),
            ("steps", self.steps, 1),
            ("eval_every", self.eval_every, 0),
            ("print_every", self.print_every, 0),
            ("sample_every", self.sample_every, 0),
            ("save_every", self.save_every, 0),
        ] {
            whole(name, value.unwrap_or(least), least, MAX_INTEGER)?;
        }
        Ok(())
    }
}

fn whole(name: &'static str, got: u64, least: u64, most: u64) -> Result<(), Error> {
    if (least..=most).contains(&got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: format!("{least} to {most}") })
}

fn real(name: &'static str, got: f64, expected: &str, fits: impl Fn(f64) -> bool) -> Result<(), Error> {
    if got.is_finite() && fits(got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: expected.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Config::from_toml(text, "r.toml").unwrap_err().to_string()
    }

    #[test]
    fn a_recipe_comes_back_as_it_was_written() {
        let config = Config { lr: 0.1 + 0.2, steps: Some(7), schedule: Some(Schedule::Constant), ..Config::default() };
        assert_eq!(Config::from_toml(&config.to_toml().unwrap(), "r").unwrap(), config);
        let recipe = Config::from_toml("hidden_size = 12\nschedule = \"constant\"\n", "r").unwrap();
        assert_eq!((recipe.hidden_size, recipe.schedule, recipe.batch), (12, Some(Schedule::Constant), 64));
    }

    #[test]
    fn recipes_are_refused_by_key_and_file() {
        let unknown = message("batch = 1\nhiden = 3");
        assert!(unknown.starts_with("hiden: unknown field `hiden`"), "{unknown}");
        assert!(unknown.ends_with("(r.toml)") && !unknown.contains('\n'), "{unknown}");
        let kind = message("hidden_size = \"big\"");
        assert!(kind.starts_with("hidden_size: invalid type"), "{kind}");
        let choice = message("schedule = \"step\"");
        assert!(choice.starts_with("schedule: unknown variant `step`"), "{choice}");
        let syntax = message("batch = 1\nlr =\n");
        assert!(syntax.starts_with("line 2: "), "{syntax}");
        assert!(message("seed = -1").starts_with("seed: "));
    }

    #[test]
    fn each_bad_field_is_named() {
        type Spoil = fn(&mut Config);
        let cases: [(&str, Spoil); 40] = [
            ("num_layers is 2, expected 3, the number of hidden_sizes", |c| c.hidden_sizes = Some(vec![4, 5, 256])),
            ("hidden_sizes is 0, expected 1 to 65536", |c| c.hidden_sizes = Some(vec![0, 256])),
            ("hidden_size is 256, expected 5, the last of hidden_sizes", |c| c.hidden_sizes = Some(vec![4, 5])),
            ("embed is 0, expected hidden_size = 256 with tied", |c| c.tied = true),
            ("spike is 1, expected 0, or a finite number above 1", |c| c.spike = 1.0),
            ("keep is 0, expected 1 to", |c| c.keep = 0),
            ("hidden_size is 0, expected 1 to 65536", |c| c.hidden_size = 0),
            ("num_layers is 0", |c| c.num_layers = 0),
            ("embed is 65537", |c| c.embed = 65_537),
            ("dropout is 1,", |c| c.dropout = 1.0),
            ("output_dropout is -0.1,", |c| c.output_dropout = -0.1),
            ("forget_bias is inf", |c| c.forget_bias = f64::INFINITY),
            ("val_frac is 1,", |c| c.val_frac = 1.0),
            ("seq_len is 0", |c| c.seq_len = 0),
            ("batch is 0", |c| c.batch = 0),
            ("epochs is 0", |c| c.epochs = Some(0)),
            ("steps is 0", |c| c.steps = Some(0)),
            ("lr is NaN, expected a finite number above 0", |c| c.lr = f64::NAN),
            ("lr is 0,", |c| c.lr = 0.0),
            ("min_lr_frac is 2", |c| c.min_lr_frac = 2.0),
            ("init_scale is -1", |c| c.init_scale = Some(-1.0)),
            ("lr_decay is 0,", |c| c.lr_decay = Some(0.0)),
            ("lr_decay_after is 0,", |c| c.lr_decay_after = Some(0)),
            ("halve_every is 0,", |c| c.halve_every = Some(0)),
            ("plateau_patience is 0,", |c| c.plateau_patience = Some(0)),
            ("patience is 18446744073709551615", |c| c.patience = u64::MAX),
            ("halve_every is 2, expected it with schedule = halve, not cosine", |c| {
                (c.halve_every, c.schedule) = (Some(2), Some(Schedule::Cosine));
            }),
            ("plateau_patience is 4, expected it with schedule = plateau, not decay", |c| {
                (c.plateau_patience, c.lr_decay) = (Some(4), Some(0.5));
            }),
            ("clip is -1", |c| c.clip = -1.0),
            ("clip_value is -1", |c| c.clip_value = -1.0),
            ("clip_param_norm is inf", |c| c.clip_param_norm = f64::INFINITY),
            ("momentum is 1,", |c| c.momentum = 1.0),
            ("weight_decay is -1", |c| c.weight_decay = Some(-1.0)),
            ("seed is 18446744073709551615", |c| c.seed = u64::MAX),
            ("warmup is 18446744073709551615", |c| c.warmup = u64::MAX),
            ("save_every is 18446744073709551615", |c| c.save_every = Some(u64::MAX)),
            ("val_frac is -0.1", |c| c.val_frac = -0.1),
            ("min_freq is 2, expected 1 without unk or words", |c| c.min_freq = 2),
            ("min_freq is 0", |c| (c.unk, c.min_freq) = (true, 0)),
            ("unk is true, expected false", |c| (c.unk, c.tokenizer) = (true, TokenizerKind::Byte)),
        ];
        assert!(Config::default().check().is_ok());
        for (want, spoil) in cases {
            let mut config = Config::default();
            spoil(&mut config);
            let got = config.check().unwrap_err().to_string();
            assert!(got.starts_with(want), "{got}");
        }
    }
}
