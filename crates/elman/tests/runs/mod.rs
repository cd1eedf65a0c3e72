//! What the tests of whole runs share: a text, a small configuration, and the comparison of two directories.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{collections::BTreeMap, fs};

use elman::{
    Config, Corpus, Cpu, RunDir, Trainer,
    task::Task,
    train::{self, Control, Event, Outcome},
};
use safetensors::tensor::TensorView;
use sha2::{Digest, Sha256};

/// A text with something to learn, and enough of it for several windows and a shorter last one.
pub fn corpus() -> Corpus {
    let words = ["the mill ", "a clock ", "she listened, ", "flour\n", "été "];
    let text = (0..260_usize).map(|i| words[(i * i + i / 3) % words.len()]).collect();
    Corpus::from_text("mill.txt", text)
}

/// Small, with every cadence out of step with the others and with the epoch.
pub fn config() -> Config {
    Config {
        hidden_size: 12,
        num_layers: 2,
        batch: 7,
        seq_len: 20,
        steps: Some(43),
        warmup: 5,
        lr: 0.01,
        dropout: 0.3,
        eval_every: Some(9),
        print_every: Some(4),
        sample_every: Some(15),
        save_every: Some(11),
        sample_length: 30,
        ..Config::default()
    }
}

/// A temporary directory, deleted with the test; in memory where the system has such a place, because a flush to a disk
/// only costs time here.
pub fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// How often a long test repeats: `default` times, or as the variable says.
pub fn times(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// What is left in a run of writes that did not end.
pub fn strays(run: &RunDir) -> Vec<String> {
    let names = fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

pub fn cpu() -> Cpu {
    Cpu::new(Some(2)).unwrap()
}

pub fn keep_training(_: Event<'_>) -> Control {
    Control::Continue
}

/// Runs until `stop` steps are taken (or to the end).
pub fn run_until(trainer: &mut Trainer, run: &RunDir, stop: u64) -> Outcome {
    let mut observer = |event: Event<'_>| match event {
        Event::Step { step, .. } if step == stop => Control::Stop,
        _ => Control::Continue,
    };
    trainer.run(Some(run), &mut observer).unwrap()
}

/// Trains to `stop`, or to the end where it is 0; the losses.
pub fn losses_to<T: Task>(trainer: &mut train::Trainer<T>, run: &RunDir, stop: u64) -> Vec<f64> {
    let mut losses = Vec::new();
    let mut observer = |event: Event<'_>| match event {
        Event::Step { step, loss, .. } => {
            losses.push(loss);
            if step == stop { Control::Stop } else { Control::Continue }
        }
        _ => Control::Continue,
    };
    trainer.run(Some(run), &mut observer).unwrap();
    losses
}

/// All that must be equal in two directories of the same run; figures of the clock are taken out of the log.
pub fn contents(run: &RunDir) -> BTreeMap<&'static str, Vec<u8>> {
    let mut reports = run.reports().unwrap();
    for report in &mut reports {
        (report.seconds, report.tokens_per_sec) = (0.0, 0.0);
    }
    BTreeMap::from([
        ("model", fs::read(run.model()).unwrap()),
        ("state", fs::read(run.state()).unwrap()),
        ("best", fs::read(run.best()).unwrap()),
        ("config", fs::read(run.config()).unwrap()),
        ("samples", fs::read(run.samples()).unwrap()),
        ("log", format!("{reports:?}").into_bytes()),
    ])
}

pub fn assert_same(got: &RunDir, want: &RunDir, when: &str) {
    let (got, want) = (contents(got), contents(want));
    for (name, bytes) in &want {
        assert!(got[name] == *bytes, "{name} differs: {when}");
    }
}

/// The bytes of a file of ours with this metadata and these tensors, and the checksum that docs/book/src/model-file.md describes:
/// what anyone can make, whatever is in it.
pub fn sealed(key: &str, meta: &serde_json::Value, mut tensors: Vec<(String, TensorView<'_>)>) -> Vec<u8> {
    let meta = meta.to_string();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sum = Sha256::new();
    let text = |sum: &mut Sha256, text: &str| {
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text);
    };
    text(&mut sum, &meta);
    for (name, view) in &tensors {
        text(&mut sum, name);
        text(&mut sum, &format!("{} {:?}", view.dtype(), view.shape()));
        sum.update(view.data());
    }
    let digits: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = format!("{{\"checksum\":\"{digits}\",{}", &meta[1..]);
    safetensors::serialize(tensors, Some([(key.to_string(), meta)].into())).unwrap()
}
