//! Holds what the tests of whole runs share: a text, a small configuration, and when two directories are equal.

use std::{collections::BTreeMap, fs};

use elman::{
    Config, Corpus, Cpu, RunDir, Trainer,
    train::{Control, Event, Outcome},
};

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

pub fn cpu() -> Cpu {
    Cpu::new(Some(2)).unwrap()
}

pub fn go_on(_: Event<'_>) -> Control {
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

/// All that must be equal in two directories of the same run; figures of the clock are taken out of the log.
pub fn contents(run: &RunDir) -> BTreeMap<&'static str, Vec<u8>> {
    let mut reports = run.reports().unwrap();
    for report in &mut reports {
        (report.seconds, report.tokens_per_sec) = (0.0, 0.0);
    }
    BTreeMap::from([
        ("model", fs::read(run.model()).unwrap()),
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
