//! The arguments of the verb `train`. Not here: settings of a run (`settings.rs`).

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;

use crate::settings::Settings;

/// Train a model on a text or a data set
#[derive(clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// Files, folders of text files, or - for standard input; without any, the bundled tales
    pub text: Vec<PathBuf>,
    /// A file or folder to validate on, instead of the end of the text, which is then used for training
    #[arg(long, value_name = "FILE", help_heading = "Text")]
    pub val_file: Option<PathBuf>,
    /// A file or folder to measure the trained model on at the end
    #[arg(long, value_name = "FILE", help_heading = "Text")]
    pub test_file: Option<PathBuf>,
    /// Take the parts of words from this tokenizer.json instead of learning them; implies --tokenizer bpe
    #[arg(long, value_name = "FILE", conflicts_with = "resume", help_heading = "Text")]
    pub tokenizer_file: Option<PathBuf>,
    /// Leave the text on the disk and train on a file of its tokens in the run directory, so that memory does not grow with the
    /// text. This is the default from 64 MiB on, except with --tokenizer bpe, --batches lines, --cut-tail or --encoding
    #[arg(long, help_heading = "Text")]
    pub on_disk: bool,
    /// The run directory to create [default: runs/NAME, the next free one]
    #[arg(long, aliases = ["checkpoint-dir", "save"], value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Continue a stopped run exactly where it stopped
    #[arg(long, value_name = "RUN")]
    pub resume: Option<PathBuf>,
    /// Start a new run from the weights of another: the best model of a run directory, a model file, or a PyTorch state dict in
    /// safetensors. Cell, widths and tokens are those of the model. The other run is not changed
    #[arg(long, value_name = "RUN", conflicts_with = "resume", help_heading = "Model")]
    pub init_from: Option<PathBuf>,
    /// With --init-from: the tokens of a state dict, as a JSON list in the order of their ids, or an object of tokens and ids
    #[arg(long, value_name = "FILE", requires = "init_from", conflicts_with = "resume", help_heading = "Text")]
    pub vocab: Option<PathBuf>,
    /// With --init-from: whether characters or words that only the new text has get tokens, whose rows start as the mean of the
    /// others; if not, they are unknown, or an error where the model has no token for unknown ones [default: true]
    #[arg(long, value_name = "BOOL", requires = "init_from", conflicts_with = "resume", help_heading = "Text")]
    pub extend_vocab: Option<bool>,
    /// With --resume: continue with another text of the same vocabulary, or with other settings; the result then differs from
    /// that of the original run
    #[arg(long, requires = "resume")]
    pub force: bool,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub threads: Option<usize>,
    /// Minutes after which to finish the current step, save and stop; the learning rate schedule does not change, and --resume
    /// continues
    #[arg(long, value_name = "X", value_parser = minutes)]
    pub minutes: Option<Duration>,
    /// Device to compute on
    #[arg(long, value_parser = ["auto", "cpu"], default_value = "auto")]
    pub device: String,
    /// Write the reports also as a TensorBoard event file into the run directory: tensorboard --logdir RUN
    #[arg(long)]
    pub tensorboard: bool,
    /// signal: write so many seconds of the test part to listen to: input.wav, truth.wav and prediction.wav in the run directory
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub listen: Option<f64>,
    /// Print one JSON object with the results on stdout
    #[arg(long)]
    pub json: bool,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
    #[command(flatten)]
    pub settings: Settings,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|s: &f64| *s > 0.0 && *s <= 3600.0)
        .ok_or_else(|| "expected above 0, at most 3600".to_string())
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "expected a number")?;
    let is_positive = minutes > 0.0;
    let time = Duration::try_from_secs_f64(60.0 * minutes).ok().filter(|_| is_positive);
    time.ok_or_else(|| "expected a finite number above 0".to_string())
}
