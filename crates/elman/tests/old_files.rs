//! What earlier versions wrote is read for ever: `testdata/run-1`, a run as version 0.1 left it when it was
//! stopped. Its files are never made again; a version that cannot read them is wrong.

mod runs;

use std::{fs, path::Path};

use elman::files::{model_file::Stored, weights::Weights};
use elman::{
    Config, Corpus, ModelFile, RunDir, Settings, Trainer, autodiff::tape::Tape, origin_of, task::evaluate::evaluate,
};
use runs::{cpu, losses_to, quick_dir};

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/run-1");

fn text() -> String {
    fs::read_to_string(Path::new(RUN).join("text.txt")).unwrap()
}

/// What version 0.1 logged of each report, but for the clock's figures: step, training and validation loss, learning rate,
/// norm of the gradient.
fn logged(run: &RunDir) -> Vec<(u64, f64, Option<f64>, f64, f64)> {
    let reports = run.reports().unwrap().into_iter();
    reports.map(|r| (r.step, r.train_loss, r.val_loss, r.lr, r.grad_norm)).collect()
}

/// The losses of steps 13 to 20. Version 0.1 stopped after step 12, and its log ends there. These are those of a run with the
/// same settings and text that never stopped: `a_run_of_version_0_1_is_computed_again` finds in it every digit that
/// version 0.1 logged of steps 1 to 12, and then these.
const CONTINUED: [f64; 8] = [
    2.9828680492937565,
    3.004821166396141,
    3.020087145268917,
    2.9751693829894066,
    2.9383848309516907,
    2.958773408085108,
    2.9891068413853645,
    2.9719540290534496,
];

#[test]
fn models_of_version_0_1_are_read() {
    // The loss, and the text, that version 0.1 had from these files.
    for (name, step) in [("model", 12), ("best", 12)] {
        let file = ModelFile::load(Path::new(RUN).join(format!("{name}.safetensors"))).unwrap();
        assert_eq!((file.results.step, file.results.best_step), (step, Some(step)));
        let loss = evaluate(&file.model, &file.vocab, text(), &mut Tape::new(&cpu())).unwrap().loss;
        assert_eq!(loss, 2.9895663221174154, "{name}");
        let written: String = file.generate("the ", Settings::default(), 3, &cpu()).unwrap().take(20).collect();
        assert_eq!(written, "ododél\nr\neklmnhco,ks");
    }
}

/// A model of the first version, before there were checksums.
const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/first-model.safetensors");

/// The first version's model after a change of its metadata.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = fs::read(FIRST).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let mut meta = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["elman"]).unwrap();
    change(&mut meta);
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    safetensors::serialize(file.tensors(), Some([("elman".to_string(), meta.to_string())].into())).unwrap()
}

#[test]
fn a_model_without_a_checksum_is_read_with_a_note_if_the_first_version_wrote_it() {
    let stored = Stored::read(FIRST).unwrap();
    assert_eq!(
        stored.note(),
        Some("the model has no checksum, as those of the first version: damage to it goes unnoticed")
    );
    assert_eq!(stored.results().step, 4);
    let file = stored.load::<f32>().unwrap();
    let written: String = file.generate("the ", Settings::default(), 3, &cpu()).unwrap().take(9).collect();
    assert_eq!(written.chars().count(), 9);
    assert!(Weights::read(FIRST).is_ok());
    assert!(ModelFile::from_bytes(changed(|_| {}), "same").is_ok(), "the change itself is accepted");
    assert_eq!(Stored::read(Path::new(RUN).join("model.safetensors")).unwrap().note(), None);
}

#[test]
fn a_later_model_without_its_checksum_is_refused() {
    let want = "metadata `elman` has no checksum, expected one as every version after the first writes it: the file \
                was changed, or made by another program (later)";
    // A setting that the first version did not have.
    let later = changed(|meta| meta["config"]["tied"] = false.into());
    let refused = ModelFile::from_bytes(later.clone(), "later").map(|_| ()).unwrap_err().to_string();
    assert_eq!(refused, want);
    assert_eq!(Weights::from_bytes(later, "later").map(|_| ()).unwrap_err().to_string(), want);
    // A model of today whose checksum was taken out.
    let bytes = fs::read(Path::new(RUN).join("model.safetensors")).unwrap();
    let text = String::from_utf8_lossy(&bytes[8..]).into_owned();
    let at = text.find("\\\"checksum\\\":").unwrap();
    let length = "\\\"checksum\\\":\\\"\\\",".len() + 64;
    let mut without = bytes.clone();
    // White space in its place keeps the length.
    without[8 + at..8 + at + length].fill(b' ');
    assert_eq!(ModelFile::from_bytes(without, "later").map(|_| ()).unwrap_err().to_string(), want);
}

#[test]
fn a_state_without_its_checksum_is_refused() {
    let dir = quick_dir();
    let bytes = fs::read(Path::new(RUN).join("state.safetensors")).unwrap();
    let text = String::from_utf8_lossy(&bytes[8..]).into_owned();
    let at = text.find("\\\"checksum\\\":").unwrap();
    let mut without = bytes.clone();
    without[8 + at..8 + at + "\\\"checksum\\\":\\\"\\\",".len() + 64].fill(b' ');
    fs::write(dir.path().join("state.safetensors"), without).unwrap();
    let refused = origin_of(&RunDir::open(dir.path()).unwrap()).unwrap_err().to_string();
    assert!(refused.starts_with("metadata `elman_state` has no checksum, expected one as every version"), "{refused}");
}

#[test]
fn a_run_of_version_0_1_continues_with_the_losses_of_one_that_never_stopped() {
    let dir = quick_dir();
    for entry in fs::read_dir(RUN).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let run = RunDir::open(dir.path()).unwrap();
    let before = ModelFile::load(run.model()).unwrap();
    let mut trainer = Trainer::resume(&run, &Corpus::from_text("standard input", text()), &cpu()).unwrap();
    assert_eq!(trainer.plan().steps_done, 12);
    assert_eq!(trainer.model().params().values(), before.model.params().values());
    assert_eq!(losses_to(&mut trainer, &run, 20), CONTINUED);
    assert_eq!(ModelFile::load(run.model()).unwrap().results.step, 20);
}

#[test]
fn a_run_of_version_0_1_is_computed_again() {
    let dir = quick_dir();
    let config =
        Config::from_toml(&fs::read_to_string(Path::new(RUN).join("config.toml")).unwrap(), "config.toml").unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let mut trainer = Trainer::new(config, &Corpus::from_text("standard input", text()), &cpu()).unwrap();
    assert_eq!(losses_to(&mut trainer, &run, 20)[12..], CONTINUED);
    let (old, new) = (logged(&RunDir::open(RUN).unwrap()), logged(&run));
    assert_eq!(old.len(), 7);
    assert_eq!(new[..7], old);
}
