//! The verb `info`: describes this machine, a run, or a model file. Not here: computation.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use elman::config::{Dtype, TokenizerKind};
use elman::files::model_file::ModelFile;
use elman::files::model_file::Results;
use elman::{Config, Cpu, Element, Error};
use serde::Serialize;

use crate::stored;
use crate::terminal::{self, grouped, row, short_unit};

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
    vocab_size: usize,
    vocab: &'a [String],
    #[serde(skip)]
    unit: &'static str,
    parameters: usize,
    tensors: Vec<Tensor>,
}

#[derive(Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match &args.run {
        Some(path) => {
            let stored = stored::read(path)?;
            match stored.config().dtype {
                Dtype::F32 | Dtype::Bf16 => tell(path, &model(&stored.load::<f32>()?), args.json)?,
                Dtype::F64 => tell(path, &model(&stored.load::<f64>()?), args.json)?,
            }
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

fn tell(path: &Path, model: &Model, json: bool) -> anyhow::Result<()> {
    if json { terminal::print_json(model) } else { terminal::print(&model_table(path, model)?) }
}

fn model<E: Element>(file: &ModelFile<E>) -> Model<'_> {
    let params = file.model.params();
    let tensors = params
        .names()
        .map(|name| Tensor { name: name.to_string(), shape: params.shape(name).unwrap_or_default().to_vec() });
    Model {
        config: &file.config,
        results: &file.results,
        vocab_size: file.vocab.len(),
        vocab: file.vocab.tokens(),
        unit: file.vocab.unit(1),
        parameters: params.count(),
        tensors: tensors.collect(),
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

fn model_table(path: &Path, model: &Model) -> Result<String, Error> {
    let mut lines = vec![row("model", &path.display().to_string()), String::new(), "config".to_string()];
    lines.extend(model.config.to_toml()?.lines().map(|line| format!("  {line}")));
    lines.push(String::new());
    match model.config.tokenizer {
        TokenizerKind::Byte => lines.push(row("vocabulary", "the 256 bytes")),
        TokenizerKind::Char => {
            let size = model.vocab_size;
            lines.push(row("vocabulary", &format!("{size} characters, the most frequent first")));
            lines.push(format!("  {:?}", model.vocab.concat()));
        }
        TokenizerKind::Word | TokenizerKind::Bpe => {
            let (size, unit) = (grouped(model.vocab_size as u64), model.unit);
            let first = if model.config.tokenizer == TokenizerKind::Word { ", the most frequent first" } else { "" };
            lines.push(row("vocabulary", &format!("{size} {unit}s{first}")));
            let some: Vec<&str> = model.vocab.iter().take(40).map(String::as_str).collect();
            lines.push(format!("  {:?} ...", some.join(" ")));
        }
    }
    lines.extend([String::new(), row("tensors", &format!("{} parameters", grouped(model.parameters as u64)))]);
    for tensor in &model.tensors {
        lines.push(format!(
            "  {:<20} {:<14} {:>12}",
            tensor.name,
            format!("{:?}", tensor.shape),
            grouped(tensor.shape.iter().product::<usize>() as u64)
        ));
    }
    let (results, unit) = (model.results, short_unit(model.unit));
    lines.extend([String::new(), row("results", &format!("step {}, epoch {:.2}", results.step, results.epoch))]);
    // Before the first report of a run its file holds 0.
    let loss = Some(results.train_loss).filter(|&loss| loss != 0.0 || results.val_loss.is_some());
    lines.push(loss.map_or("  training loss    not yet reported".into(), |loss| {
        format!("  training loss    {loss:.4} nats/{unit}")
    }));
    if let Some(loss) = results.val_loss {
        lines.push(format!("  validation loss  {loss:.4} nats/{unit}"));
    }
    if let (Some(loss), Some(step)) = (results.best_val_loss, results.best_step) {
        lines.push(format!("  best validation  {loss:.4} nats/{unit}, at step {step}"));
    }
    Ok(lines.join("\n"))
}
