//! States whose checksum is right and whose contents no run could have written: counters at the end of their range,
//! squares below zero. Each is refused by name when the run is resumed.

mod runs;

use std::collections::HashMap;
use std::fs;

use elman::config::OptimizerKind;
use elman::{Config, RunDir, Trainer};
use runs::{config, corpus, cpu, quick_dir, run_until};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// A run of two steps.
fn small_run(dir: &tempfile::TempDir, optimizer: OptimizerKind) -> RunDir {
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let config = Config { hidden_size: 2, num_layers: 1, steps: Some(4), optimizer, ..config() };
    run_until(&mut Trainer::new(config, &corpus(), &cpu()).unwrap(), &run, 2);
    run
}

/// Changes the state's metadata and the bytes of its tensors, and what resuming then says. The checksum is
/// computed anew, as anyone can.
fn resumed(run: &RunDir, change: impl FnOnce(&mut Value, &mut HashMap<String, Vec<u8>>)) -> Result<(), String> {
    let whole = fs::read(run.state()).unwrap();
    let file = SafeTensors::deserialize(&whole).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&whole).unwrap();
    let mut meta: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["elman_state"]).unwrap();
    meta.as_object_mut().unwrap().remove("checksum");
    let mut bytes: HashMap<String, Vec<u8>> =
        file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    change(&mut meta, &mut bytes);
    let views: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let view = TensorView::new(view.dtype(), view.shape().to_vec(), &bytes[&name]).unwrap();
            (name, view)
        })
        .collect();
    fs::write(run.state(), runs::sealed("elman_state", &meta, views)).unwrap();
    let result = Trainer::resume(run, &corpus(), &cpu()).map(|_| ()).map_err(|error| error.to_string());
    fs::write(run.state(), &whole).unwrap();
    result
}

#[test]
fn a_state_that_is_sealed_again_is_accepted() {
    let dir = quick_dir();
    let run = small_run(&dir, OptimizerKind::Adam);
    assert_eq!(resumed(&run, |_, _| {}), Ok(()));
}

#[test]
fn counters_at_the_end_of_their_range_are_refused_by_name() {
    let dir = quick_dir();
    let run = small_run(&dir, OptimizerKind::Adam);
    let largest = i64::MAX as u64;
    for (name, path) in [
        ("step", "/progress/step"),
        ("tokens", "/progress/tokens"),
        ("best_step", "/progress/best_step"),
        ("patience.since_best", "/progress/patience/since_best"),
        ("patience.since_halving", "/progress/patience/since_halving"),
        ("patience.halvings", "/progress/patience/halvings"),
        ("log_lines", "/progress/log_lines"),
        ("sample_bytes", "/progress/sample_bytes"),
        ("rollbacks", "/progress/rollbacks"),
        ("skipped", "/progress/skipped"),
        ("skipped_in_a_row", "/progress/skipped_in_a_row"),
        ("usual.steps", "/progress/usual/steps"),
    ] {
        for count in [largest + 1, u64::MAX] {
            let refused = resumed(&run, |meta, _| *meta.pointer_mut(path).unwrap() = json!(count)).unwrap_err();
            let want = format!("progress.{name} is {count}, expected at most {largest} (");
            assert!(refused.starts_with(&want), "{refused}");
        }
    }
    let skipped = resumed(&run, |meta, _| meta["progress"]["skipped"] = json!(3)).unwrap_err();
    assert!(skipped.starts_with("progress.skipped is 3, expected at most 2 ("), "{skipped}");
    let norm = resumed(&run, |meta, _| meta["progress"]["usual"]["norm"] = json!(-1.5)).unwrap_err();
    assert!(norm.starts_with("progress.usual.norm is -1.5, expected a finite number, 0 or more ("), "{norm}");
}

#[test]
fn squares_below_zero_are_refused_and_other_moments_may_be_negative() {
    for &optimizer in OptimizerKind::ALL {
        let dir = quick_dir();
        let run = small_run(&dir, optimizer);
        for moment in optimizer.moments() {
            let tensor = format!("{moment}.decoder.bias");
            let negative = |_: &mut Value, bytes: &mut HashMap<String, Vec<u8>>| {
                bytes.get_mut(&tensor).unwrap()[4..8].copy_from_slice(&(-0.25_f32).to_le_bytes());
            };
            let result = resumed(&run, negative);
            if ["adam_v", "square"].contains(moment) {
                let refused = result.unwrap_err();
                let want = format!("{tensor} holds -0.25, expected 0 or more: it is a mean or sum of squares (");
                assert!(refused.starts_with(&want), "{}: {refused}", optimizer.name());
            } else {
                assert_eq!(result, Ok(()), "{}: {tensor}", optimizer.name());
            }
        }
    }
}
