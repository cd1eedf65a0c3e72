//! What must hold of a run in double precision: its first steps are the f32 run's up to rounding, its files hold f64
//! and resume to the same bytes, and neither type is taken for the other.

mod runs;

use std::fs;

use elman::autodiff::tape::Tape;
use elman::config::{Cell, Dtype};
use elman::files::model_file::{ModelFile, Stored};
use elman::task::Language;
use elman::task::evaluate::{evaluate, evaluate_with};
use elman::train::Trainer;
use elman::{Config, Cpu, Precision, RunDir};
use runs::{corpus, cpu, losses_to as train, quick_dir};

fn config(cell: Cell, dtype: Dtype) -> Config {
    Config { cell, dtype, on_nan: elman::config::OnNan::Skip, loss: elman::config::LossKind::Sum, ..runs::config() }
}

#[test]
fn double_precision_begins_as_single_does_and_goes_further() {
    let dir = quick_dir();
    for cell in [Cell::LSTM, Cell::GRU, Cell::RNN_TANH] {
        let run = |name: &str| RunDir::create(dir.path().join(format!("{cell:?}{name}"))).unwrap();
        let mut single = Trainer::<Language<f32>>::new(config(cell, Dtype::F32), &corpus(), &cpu()).unwrap();
        let mut double = Trainer::<Language<f64>>::new(config(cell, Dtype::F64), &corpus(), &cpu()).unwrap();
        let singles = train(&mut single, &run("single"), 4);
        let doubles = train(&mut double, &run("double"), 4);
        for (a, b) in singles.iter().zip(&doubles) {
            // The same draws and masks; a loss near 3 from sums of some hundred products of f32.
            assert!(a != b && (a - b).abs() < 1e-5, "{cell:?}: {a} {b}");
        }
    }
}

#[test]
fn a_run_in_double_precision_resumes_to_the_same_bytes_at_any_number_of_threads() {
    let dir = quick_dir();
    let config = config(Cell::LSTM, Dtype::F64);
    let whole = RunDir::create(dir.path().join("whole")).unwrap();
    train(&mut Trainer::<Language<f64>>::new(config.clone(), &corpus(), &cpu()).unwrap(), &whole, 0);
    for (threads, cut) in [(1, 7), (3, 40)] {
        let cpu = Cpu::new(Some(threads)).unwrap();
        let run = RunDir::create(dir.path().join(format!("cut-{cut}"))).unwrap();
        train(&mut Trainer::<Language<f64>>::new(config.clone(), &corpus(), &cpu).unwrap(), &run, cut);
        train(&mut Trainer::<Language<f64>>::resume(&run, &corpus(), &cpu).unwrap(), &run, 0);
        runs::assert_same(&run, &whole, &format!("cut after {cut}"));
    }

    let text = fs::read(whole.model()).unwrap();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("\"dtype\":\"F64\"") && !text.contains("\"dtype\":\"F32\""));
    let stored = Stored::read(whole.path()).unwrap();
    assert_eq!(stored.config().dtype, Dtype::F64);
    let file = stored.load::<f64>().unwrap();
    let text = corpus().text().to_string();
    let loss = evaluate(&file.model, &file.vocab, &text, &mut Tape::new(&cpu())).unwrap().loss;
    let by_steps = evaluate_with(&file.model, &file.vocab, &text, Precision::Full, &cpu()).unwrap().loss;
    assert_eq!(loss.to_bits(), by_steps.to_bits());
    let narrow = evaluate_with(&file.model, &file.vocab, &text, Precision::Int8, &cpu()).unwrap_err().to_string();
    assert_eq!(narrow, "weights of int8 are made of f32; these are f64");
    let written: String = file.generate("", Default::default(), 1, &cpu()).unwrap().take(40).collect();
    assert_eq!(written.chars().count(), 40);
}

#[test]
fn no_number_is_taken_for_another() {
    let dir = quick_dir();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let config = config(Cell::GRU, Dtype::F64);
    train(&mut Trainer::<Language<f64>>::new(config.clone(), &corpus(), &cpu()).unwrap(), &run, 2);
    let words = |error: elman::Error| error.to_string().replace(&run.path().display().to_string(), "RUN");
    let computed = "dtype is f64, expected f32, the numbers it is computed in";
    assert_eq!(words(Trainer::<Language<f32>>::new(config, &corpus(), &cpu()).map(|_| ()).unwrap_err()), computed);
    assert_eq!(words(Trainer::<Language<f32>>::resume(&run, &corpus(), &cpu()).map(|_| ()).unwrap_err()), computed);
    let error = words(ModelFile::<f32>::load(run.path()).map(|_| ()).unwrap_err());
    assert_eq!(error, format!("config: {computed} (RUN/model.safetensors)"));

    // A file that says one thing and holds another.
    let bytes = fs::read(run.model()).unwrap();
    let field = br#"\"dtype\":\"f64\""#;
    let at = bytes.windows(field.len()).position(|window| window == field).unwrap();
    let mut lie = bytes.clone();
    lie[at + field.len() - 5..at + field.len() - 2].copy_from_slice(b"f32");
    let error = ModelFile::<f32>::from_bytes(lie, "lie").map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("damaged: the checksum"), "{error}");
}
