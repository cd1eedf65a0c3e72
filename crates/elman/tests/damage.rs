//! What happens to damaged files: every bit of a small model file flipped, every length it can be truncated to, and the
//! same for a run's state.

mod runs;

use std::fs;

use elman::{Config, ModelFile, RunDir, Trainer, origin_of};
use runs::{config, corpus, cpu, quick_dir, run_until};

fn small_run(dir: &tempfile::TempDir) -> RunDir {
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let config = Config { hidden_size: 2, num_layers: 1, steps: Some(2), ..config() };
    run_until(&mut Trainer::new(config, &corpus(), &cpu()).unwrap(), &run, 0);
    run
}

/// Bytes that are no model file: an error that names the file.
fn assert_refused(bytes: Vec<u8>, what: &str) {
    let refusal = ModelFile::from_bytes(bytes, "damaged").map(|_| ()).expect_err(what).to_string();
    assert!(refusal.ends_with("(damaged)"), "{what}: {refusal}");
}

#[test]
fn every_bit_and_every_length_of_a_model_file_counts() {
    let dir = quick_dir();
    let bytes = fs::read(small_run(&dir).model()).unwrap();
    ModelFile::from_bytes(bytes.clone(), "whole").unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << bit;
            assert_refused(turned, &format!("bit {bit} of byte {at}"));
        }
    }
    for length in 0..bytes.len() {
        assert_refused(bytes[..length].to_vec(), &format!("cut to {length}"));
    }
}

#[test]
fn a_state_is_not_believed_when_it_is_damaged() {
    let dir = quick_dir();
    let run = small_run(&dir);
    let bytes = fs::read(run.state()).unwrap();
    origin_of(&run).unwrap();
    for at in (0..8 * bytes.len()).step_by(5) {
        let mut turned = bytes.clone();
        turned[at / 8] ^= 1 << (at % 8);
        fs::write(run.state(), turned).unwrap();
        assert!(origin_of(&run).is_err(), "bit {at}");
    }
    for length in (0..bytes.len()).step_by(7) {
        fs::write(run.state(), &bytes[..length]).unwrap();
        assert!(origin_of(&run).is_err(), "cut to {length}");
    }
}

#[test]
fn headers_that_lie_are_refused_before_they_cost_anything() {
    let file = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        ModelFile::from_bytes(bytes, "f").map(|_| ()).unwrap_err().to_string()
    };
    let tensor = |shape: &str, from: u64, to: u64| {
        format!(r#""t":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    for (words, header, data) in [
        ("not a safetensors file", format!("{{{}}}", tensor("[4294967296,4294967296,2]", 0, 8)), 8),
        ("not a safetensors file", format!("{{{}}}", tensor("[3]", 0, 8)), 8),
        ("not a safetensors file", format!("{{{}}}", tensor("[2]", 4, 12)), 12),
        ("not a safetensors file", format!("{{{}}}", tensor("[2]", 8, 0)), 8),
        ("cut short", format!("{{{}}}", tensor("[2]", 0, u64::MAX / 2)), 8),
        ("not a safetensors file", format!("{{{},{}}}", tensor("[1]", 0, 4), tensor("[1]", 0, 4).replace('t', "u")), 4),
        ("not a safetensors file", format!("{{{}}}", tensor("[2]", 0, 8)), 9),
        ("not a model of elman", format!("{{{}}}", tensor("[2]", 0, 8)), 8),
        ("not a safetensors file", "[".repeat(100_000), 0),
        ("not a safetensors file", format!("{{\"a\":{}", "[".repeat(100_000)), 0),
        ("its header takes 20000002 bytes", format!("{{{}}}", " ".repeat(20_000_000)), 0),
        ("metadata `elman` has no format", r#"{"__metadata__":{"elman":"[]"}}"#.into(), 0),
        ("metadata `elman` does not fit", r#"{"__metadata__":{"elman":"{\"format\":1}"}}"#.into(), 0),
    ] {
        let error = file(&header, data);
        assert!(error.starts_with(words), "{error:.200}");
    }
}
