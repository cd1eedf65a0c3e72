//! The verb `sample`: writes generated text, and nothing else, to stdout. Not here: an error when the reader closes the pipe;
//! `| head` ends the program quietly.

use std::borrow::Cow;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::RangedU64ValueParser;
use elman::config::Dtype;
use elman::files::model_file::{ModelFile, Stored};
use elman::files::regular::{self, Links};
use elman::infer::{Batch, Ending, Next, Start, next_tokens};
use elman::{Cpu, Element, Error, Settings, Vocab};
use serde::Serialize;
use serde_json::json;

use crate::control;
use crate::cuts::Cuts;
use crate::failure;
use crate::terminal::{self, NO_STDOUT, dim, say};
use crate::trained::Trained;
use crate::weights::Weights;

/// Generate text with a trained model
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    trained: Trained,
    /// Tokens to write after the prompt: characters, bytes, words or parts of words, whichever the model has
    #[arg(long, short = 'n', value_name = "N", default_value_t = 500)]
    length: usize,
    /// Stop before TEXT, which is not printed; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<OsString>,
    /// Text to continue; it is printed first; may be given several times. A model of bytes continues any bytes
    #[arg(long, visible_aliases = ["prime", "primetext", "prefix", "start-text"], value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Vec<OsString>,
    /// A file whose bytes are a prompt, a line end at its end included; may be given several times, after any --prompt
    #[arg(long, value_name = "FILE")]
    prompt_file: Vec<PathBuf>,
    /// Begin with a random character instead, drawn uniformly from the vocabulary
    #[arg(long, conflicts_with_all = ["prompt", "prompt_file"])]
    random_start: bool,
    /// Texts to write for each prompt, all in one batch; a line like `--- 2/5` stands between two
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    num_samples: usize,
    /// Read lines of standard input and continue each; the state carries over from line to line
    #[arg(long, short = 'i', conflicts_with_all = ["random_start", "num_samples"])]
    interactive: bool,
    /// Write no text, but the N likeliest next tokens of each prompt, with the model's probabilities in percent
    #[arg(long, value_name = "N", conflicts_with_all = ["random_start", "num_samples", "interactive", "temperature", "repetition_penalty", "seed", "length", "stop"], value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    top: Option<usize>,
    /// Print one JSON object a line for each text: prompt, text and seed; with --top for each prompt
    #[arg(long)]
    json: bool,
    /// Precision of the weights; `elman eval --weights` measures the loss of the narrow ones
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Weights::Full)]
    weights: Weights,
    /// Seed: the same seed writes the same text [default: a new one each time, printed on stderr]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Divides the logits: below 1 favours likely characters, above 1 unlikely ones; 0 always takes the likeliest
    #[arg(long, value_name = "X", default_value_t = Settings::default().temperature, allow_negative_numbers = true, help_heading = "Choice")]
    temperature: f64,
    #[command(flatten)]
    cuts: Cuts,
    /// Make the last 64 characters of prompt and text less likely; 1 has no effect
    #[arg(long, value_name = "X", default_value_t = Settings::default().repetition_penalty, allow_negative_numbers = true, help_heading = "Choice")]
    repetition_penalty: f64,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = settings(&args)?;
    let stops: Vec<&[u8]> = args.stop.iter().map(|stop| stop.as_encoded_bytes()).collect();
    let ending = Ending::new(args.length, &stops)?;
    let stored = args.trained.read()?;
    match stored.config().dtype {
        Dtype::F32 | Dtype::Bf16 => sample::<f32>(&args, settings, &ending, stored),
        Dtype::F64 => sample::<f64>(&args, settings, &ending, stored),
    }
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let (temperature, repetition_penalty) = (args.temperature, args.repetition_penalty);
    let mut settings = Settings { temperature, repetition_penalty, ..Settings::default() };
    args.cuts.apply(&mut settings)?;
    settings.check()?;
    Ok(settings)
}

fn sample<E: Element>(args: &Args, settings: Settings, ending: &Ending, stored: Stored) -> anyhow::Result<ExitCode> {
    let file = stored.load::<E>()?;
    let cpu = Cpu::new(None)?;
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let open = |starts: &[Start]| file.batch(starts, args.num_samples, settings, seed, args.weights.precision(), &cpu);
    let tell_seed = || {
        if args.seed.is_none() && (settings.temperature > 0.0 || args.random_start) {
            say!("{}", dim(&format!("seed {seed}")));
        }
    };
    let of_files: Vec<Vec<u8>> = args.prompt_file.iter().map(|path| read_prompt(path)).collect::<Result<_, _>>()?;
    let given = args.prompt.iter().map(|prompt| prompt.as_encoded_bytes());
    let mut prompts: Vec<&[u8]> = given.chain(of_files.iter().map(|prompt| &prompt[..])).collect();
    if let Some(count) = args.top {
        return likeliest(&prompts, &file, count, args, &cpu);
    }
    let form = if args.json { Form::Json { seed } } else { Form::Text };
    if args.interactive {
        let open = |prompt: &[u8]| Ok(open(&[Start::Prompt(prompt)])?);
        return talk(&prompts, ending, &file, form, open, tell_seed);
    }
    let starts = match (args.random_start, prompts.is_empty()) {
        (true, _) => vec![Start::Random],
        (false, true) => vec![Start::Prompt(b"")],
        (false, false) => prompts.iter().map(|prompt| Start::Prompt(prompt)).collect(),
    };
    prompts.iter().for_each(|prompt| tell_replaced(prompt, &file.vocab));
    prompts.resize(starts.len(), b"");
    let batch = open(&starts)?;
    tell_seed();
    write_texts(&prompts, args.num_samples, batch, ending, form).context(NO_STDOUT)?;
    Ok(ExitCode::SUCCESS)
}

/// The bytes of a file. Errors: it cannot be read, or is not a regular file.
fn read_prompt(path: &Path) -> anyhow::Result<Vec<u8>> {
    regular::read(path, Links::Follow).with_context(|| format!("cannot read {}", path.display()))
}

/// How texts are printed.
#[derive(Clone, Copy)]
enum Form {
    /// As they are.
    Text,
    /// As JSON objects with the seed.
    Json { seed: u64 },
}

/// A text as `--json` prints it.
#[derive(Serialize)]
struct Sampled<'a> {
    prompt: Cow<'a, str>,
    text: Cow<'a, str>,
    /// The bytes of the text, if they are not UTF-8; `text` then has U+FFFD for what is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<&'a [u8]>,
    seed: u64,
}

/// Writes one JSON object in a line.
fn write_json(out: &mut control::Out, prompt: &[u8], text: &[u8], seed: u64) -> io::Result<()> {
    let bytes = std::str::from_utf8(text).is_err().then_some(text);
    let [prompt, text] = [prompt, text].map(String::from_utf8_lossy);
    let line = serde_json::to_string(&Sampled { prompt, text, bytes, seed })?;
    out.json(&line)
}

/// Prints the `count` likeliest next tokens of each prompt, or of the start without any.
fn likeliest<E: Element>(
    prompts: &[&[u8]],
    file: &ModelFile<E>,
    count: usize,
    args: &Args,
    cpu: &Cpu,
) -> anyhow::Result<ExitCode> {
    let start = [&b""[..]];
    let prompts = if prompts.is_empty() { &start[..] } else { prompts };
    for (at, prompt) in prompts.iter().enumerate() {
        tell_replaced(prompt, &file.vocab);
        let next =
            next_tokens(&file.model, &file.vocab, &file.after_line_end(prompt), count, args.weights.precision(), cpu)?;
        let token = |next: &Next| file.vocab.token(next.id).unwrap_or_default();
        if args.json {
            let all: Vec<_> = next
                .iter()
                .map(|next| json!({ "token": token(next), "id": next.id, "probability": next.probability }))
                .collect();
            terminal::print_json(&json!({ "prompt": String::from_utf8_lossy(prompt), "next": all }))?;
            continue;
        }
        let mut lines = Vec::new();
        if prompts.len() > 1 {
            lines.push(format!("--- {}/{}", at + 1, prompts.len()));
        }
        lines.extend(next.iter().map(|next| format!("{:>6.2} %  {:?}", 100.0 * next.probability, token(next))));
        terminal::print(&lines.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a note about the characters or words of a prompt that the model reads as `<unk>`, if there are any.
fn tell_replaced(prompt: &[u8], vocab: &Vocab) {
    let replaced = vocab.replaced(prompt);
    if !replaced.is_empty() {
        let words: Vec<String> = replaced.iter().map(|token| format!("{token:?}")).collect();
        say!("note: not in the vocabulary, read as <unk>: {}", words.join(", "));
    }
}

/// Prints every prompt and its texts: the first text token by token, the others when they are complete.
fn write_texts<E: Element>(
    prompts: &[&[u8]],
    samples: usize,
    mut batch: Batch<E>,
    ending: &Ending,
    form: Form,
) -> io::Result<()> {
    let mut out = control::stdout();
    let count = prompts.len() * samples;
    if let Form::Json { seed } = form {
        let mut texts = vec![Vec::new(); count];
        batch.write(ending, |row, piece| {
            texts[row].extend(piece);
            Ok::<(), io::Error>(())
        })?;
        for (row, text) in texts.iter().enumerate() {
            write_json(&mut out, prompts[row / samples], text, seed)?;
        }
        return out.flush();
    }
    let mut texts: Vec<Vec<u8>> = (0..count).map(|row| prompts[row / samples].to_vec()).collect();
    out.write_all(&texts[0])?;
    out.flush()?;
    batch.write(ending, |row, piece| {
        if row > 0 {
            texts[row].extend(piece);
            return Ok(());
        }
        out.write_all(piece)?;
        out.flush()
    })?;
    for (at, text) in texts.iter().enumerate().skip(1) {
        write!(out, "\n--- {}/{count}\n", at + 1)?;
        out.write_all(text)?;
    }
    if out.is_terminal() {
        writeln!(out)?; // so that the shell's prompt starts a line; a file gets the text alone
    }
    out.flush()
}

/// Reads lines in turn and continues each, with the state of all earlier lines. The prompt, if there is one, is the first
/// turn. A line that the model cannot read is reported, and the session continues; if the input is not a terminal, the program
/// then ends with the exit code of that error.
fn talk<'a, E: Element + 'a>(
    prompts: &[&[u8]],
    ending: &Ending,
    file: &ModelFile<E>,
    form: Form,
    open: impl Fn(&[u8]) -> anyhow::Result<Batch<E>>,
    tell_seed: impl FnOnce(),
) -> anyhow::Result<ExitCode> {
    let (mut stdin, mut out) = (io::stdin().lock(), control::stdout());
    let is_terminal = stdin.is_terminal();
    let mut batch: Option<Batch<E>> = None;
    let mut turns = prompts.iter();
    let (mut tell_seed, mut exit) = (Some(tell_seed), ExitCode::SUCCESS);
    loop {
        let line = match turns.next() {
            Some(prompt) => prompt.to_vec(),
            None => {
                if is_terminal {
                    let _ = write!(io::stderr(), "{}", dim("> "));
                }
                match read_line(&mut stdin)? {
                    Some(line) => line,
                    None => return Ok(exit),
                }
            }
        };
        let read = match &mut batch {
            Some(batch) => batch.read(0, &file.after_line_end(&line)).map_err(anyhow::Error::from),
            None => open(&line).map(|opened| batch = Some(opened)),
        };
        match (read, &mut batch) {
            (Ok(()), Some(batch)) => {
                if let Some(tell) = tell_seed.take() {
                    tell();
                }
                tell_replaced(&line, &file.vocab);
                write_turn(&line, batch, ending, form, &mut out).context(NO_STDOUT)?;
            }
            (Err(error), _) => {
                let is_of_line = |error| matches!(error, &Error::UnknownPrompt { .. } | &Error::InvalidUtf8 { .. });
                if !error.downcast_ref().is_some_and(is_of_line) {
                    return Err(error);
                }
                let failed = failure::report(&error);
                exit = if is_terminal { exit } else { failed };
            }
            (Ok(()), None) => {}
        }
    }
}

/// Prints the line, its continuation, and a line end; or one JSON object.
fn write_turn<E: Element>(
    line: &[u8],
    batch: &mut Batch<E>,
    ending: &Ending,
    form: Form,
    out: &mut control::Out,
) -> io::Result<()> {
    if let Form::Json { seed } = form {
        let mut text = Vec::new();
        batch.write(ending, |_, piece| {
            text.extend(piece);
            Ok::<(), io::Error>(())
        })?;
        write_json(out, line, &text, seed)?;
        return out.flush();
    }
    out.write_all(line)?;
    out.flush()?;
    batch.write(ending, |_, piece| {
        out.write_all(piece)?;
        out.flush()
    })?;
    writeln!(out)?;
    out.flush()
}

/// The next line without its end; None when there is no more. Errors: it cannot be read.
fn read_line(from: &mut impl BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line).context("cannot read standard input")? == 0 {
        return Ok(None);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
}

/// A random seed, short enough to type.
fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish() >> 40
}
