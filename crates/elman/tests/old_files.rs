//! Holds that what earlier versions wrote is read for ever: `testdata/run-1`, a run as version 0.1 left it when it was
//! stopped. Its files are never made again; a version that cannot read them is wrong.

mod runs;

use std::{fs, path::Path};

use elman::{
    Corpus, ModelFile, RunDir, Settings, Trainer, autodiff::tape::Tape, task::evaluate::evaluate, train::Control,
};
use runs::{cpu, quick_dir};

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/run-1");

fn text() -> String {
    fs::read_to_string(Path::new(RUN).join("text.txt")).unwrap()
}

#[test]
fn models_of_version_0_1_are_read() {
    // What it said of them itself.
    for (name, step) in [("model", 12), ("best", 12)] {
        let file = ModelFile::load(Path::new(RUN).join(format!("{name}.safetensors"))).unwrap();
        assert_eq!((file.results.step, file.results.best_step), (step, Some(step)));
        let loss = evaluate(&file.model, &file.vocab, text(), &mut Tape::new(&cpu())).unwrap().loss;
        assert!((loss - 2.989_566_322_117_415_4).abs() < 1e-6, "{loss}");
        let written: String = file.generate("the ", Settings::default(), 3, &cpu()).unwrap().take(20).collect();
        assert_eq!(written, "ododél\nr\neklmnhco,ks");
    }
}

#[test]
fn a_run_of_version_0_1_goes_on() {
    let dir = quick_dir();
    for entry in fs::read_dir(RUN).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let run = RunDir::open(dir.path()).unwrap();
    assert_eq!(run.reports().unwrap().len(), 7);
    let corpus = Corpus::from_text("standard input", text());
    let before = ModelFile::load(run.model()).unwrap();
    let mut trainer = Trainer::resume(&run, &corpus, &cpu()).unwrap();
    assert_eq!(trainer.plan().steps_done, 12);
    assert_eq!(trainer.model().params().values(), before.model.params().values());
    let mut losses = Vec::new();
    let mut observer = |event: elman::train::Event<'_>| match event {
        elman::train::Event::Step { step, loss, .. } => {
            losses.push(loss);
            if step == 20 { Control::Stop } else { Control::Continue }
        }
        _ => Control::Continue,
    };
    trainer.run(Some(&run), &mut observer).unwrap();
    assert!(losses.len() == 8 && losses.iter().all(|loss| (2.0..3.2).contains(loss)), "{losses:?}");
    assert_eq!(ModelFile::load(run.model()).unwrap().results.step, 20);
}
