//! The verb `info`: describes this machine, a run, or a model file. Not here: computation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use elman::config::{Dtype, TokenizerKind};
use elman::files::model_file::{Contents, Results, Stored};
use elman::{Config, Cpu, Error, Vocab};
use serde::Serialize;

use crate::columns::{self, number, words};
use crate::stream::Stream;
use crate::terminal::{self, grouped, row, short_unit};
use crate::trained;

/// Describe this machine, or a trained model
#[derive(clap::Args)]
pub struct Args {
    /// A run directory or a model file; without it, the program and the machine
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Machine {
    version: &'static str,
    backend: &'static str,
    threads: usize,
    instruction_sets: Vec<&'static str>,
    system: String,
}

#[derive(Serialize)]
struct Model<'a> {
    config: &'a Config,
    results: &'a Results,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocab_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocab: Option<&'a [String]>,
    /// Names that belong to a task, such as its classes.
    #[serde(flatten)]
    lists: BTreeMap<&'static str, &'a [String]>,
    parameters: usize,
    tensors: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    shape: &'a [usize],
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match &args.run {
        Some(path) => {
            let stored = trained::read(path)?;
            let contents = stored.contents()?;
            let (config, results) = checked(stored)?;
            let model = model(&config, &results, &contents);
            if args.json { terminal::print_json(&model)? } else { terminal::print(&model_table(path, &model)?)? }
        }
        None => {
            let machine = machine(&Cpu::new(None)?);
            if args.json { terminal::print_json(&machine)? } else { terminal::print(&machine_table(&machine))? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn machine(cpu: &Cpu) -> Machine {
    Machine {
        version: env!("CARGO_PKG_VERSION"),
        backend: cpu.backend_name(),
        threads: cpu.threads(),
        instruction_sets: instruction_sets(),
        system: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
    }
}

/// The instruction sets of this processor that the kernels use.
#[cfg(target_arch = "x86_64")]
fn instruction_sets() -> Vec<&'static str> {
    let all = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vl", is_x86_feature_detected!("avx512vl")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

/// On other processors the kernels use base instructions only.
#[cfg(not(target_arch = "x86_64"))]
fn instruction_sets() -> Vec<&'static str> {
    Vec::new()
}

/// The settings and results of a model file. Errors: it is a language model's, and cannot be loaded as one.
fn checked(stored: Stored) -> Result<(Config, Results), Error> {
    let described = (stored.config().clone(), stored.results().clone());
    if described.0.task.is_none() {
        match described.0.dtype {
            Dtype::F32 | Dtype::Bf16 => drop(stored.load::<f32>()?),
            Dtype::F64 => drop(stored.load::<f64>()?),
        }
    }
    Ok(described)
}

fn model<'a>(config: &'a Config, results: &'a Results, contents: &'a Contents) -> Model<'a> {
    Model {
        config,
        results,
        vocab_size: contents.vocab.as_ref().map(Vocab::len),
        vocab: contents.vocab.as_ref().map(Vocab::tokens),
        lists: contents.lists.iter().map(|(what, names)| (*what, &names[..])).collect(),
        parameters: contents.parameters(),
        tensors: contents.tensors.iter().map(|(name, shape)| Tensor { name, shape }).collect(),
    }
}

fn machine_table(machine: &Machine) -> String {
    let sets = if machine.instruction_sets.is_empty() {
        "none that elman uses".to_string()
    } else {
        machine.instruction_sets.join(" ")
    };
    [
        row("elman", machine.version),
        row("system", &machine.system),
        row("processor", &sets),
        row("backend", machine.backend),
        row("threads", &machine.threads.to_string()),
    ]
    .join("\n")
}

/// The first names of a list, as they are quoted.
fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(40).map(|name| format!("{name:?}")).collect();
    format!("  {}{}", shown.join(" "), if names.len() > shown.len() { " ..." } else { "" })
}

fn vocabulary(kind: TokenizerKind, vocab: &[String]) -> Vec<String> {
    let what = |words: String| row("vocabulary", &words);
    let size = grouped(vocab.len() as u64);
    match kind {
        TokenizerKind::Byte => vec![what("the 256 bytes".into())],
        TokenizerKind::Char => {
            vec![what(format!("{size} characters, the most frequent first")), format!("  {:?}", vocab.concat())]
        }
        TokenizerKind::Word => vec![what(format!("{size} words, the most frequent first")), some(vocab)],
        TokenizerKind::Bpe => vec![what(format!("{size} tokens")), some(vocab)],
    }
}

fn model_table(path: &Path, model: &Model) -> Result<String, Error> {
    let mut lines = vec![row("model", &path.display().to_string()), String::new(), "config".to_string()];
    lines.extend(model.config.to_toml()?.lines().map(|line| format!("  {line}")));
    if let Some(vocab) = model.vocab {
        lines.push(String::new());
        lines.extend(vocabulary(model.config.tokenizer, vocab));
    }
    for (what, names) in &model.lists {
        lines.extend([String::new(), format!("{what}: {}", grouped(names.len() as u64)), some(names)]);
    }
    lines.extend([String::new(), row("tensors", &format!("{} parameters", grouped(model.parameters as u64)))]);
    let tensor = |tensor: &Tensor| {
        let size = grouped(tensor.shape.iter().product::<usize>() as u64);
        vec![tensor.name.to_string(), format!("{:?}", tensor.shape), size]
    };
    let tensors: Vec<Vec<String>> = model.tensors.iter().map(tensor).collect();
    let columns = [words("name"), words("shape"), number("numbers")];
    lines.extend(columns::table(&columns, 1, &tensors, Stream::Out.width(), 2));
    let results = model.results;
    // Other tasks have losses of their own.
    let unit = match model.config.task {
        None => format!("nats/{}", short_unit(model.config.tokenizer.unit())),
        Some(_) => "nats".to_string(),
    };
    lines.extend([String::new(), row("results", &format!("step {}, epoch {:.2}", results.step, results.epoch))]);
    // Before the first report of a run its file holds 0.
    let loss = Some(results.train_loss).filter(|&loss| loss != 0.0 || results.val_loss.is_some());
    lines.push(
        loss.map_or("  training loss    not yet reported".into(), |loss| {
            format!("  training loss    {loss:.4} {unit}")
        }),
    );
    if let Some(loss) = results.val_loss {
        lines.push(format!("  validation loss  {loss:.4} {unit}"));
    }
    if let (Some(loss), Some(step)) = (results.best_val_loss, results.best_step) {
        lines.push(format!("  best validation  {loss:.4} {unit}, at step {step}"));
    }
    Ok(lines.join("\n"))
}
