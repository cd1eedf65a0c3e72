//! What each option of training does to whole runs: optimizers, schedules, patience, batches; each must train, change
//! what it should, and resume to the same bytes. Everything uses the public API.

mod runs;

use std::fs;

use elman::{Config, Corpus, ModelFile, RunDir, Trainer, config::Schedule};
use runs::{assert_same, config, corpus, cpu, keep_training, run_until};

/// Trains whole and with a stop after 20 of 43 steps, and asserts that the two leave the same bytes, the state's tensors
/// too. Returns the weights.
fn assert_resumes(config: &Config, name: &str) -> Vec<f32> {
    let dir = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|name| RunDir::create(dir.path().join(name)).unwrap());
    run_until(&mut Trainer::new(config.clone(), &corpus(), &cpu()).unwrap(), &whole, 0);
    run_until(&mut Trainer::new(config.clone(), &corpus(), &cpu()).unwrap(), &run, 20);
    run_until(&mut Trainer::resume(&run, &corpus(), &cpu()).unwrap(), &run, 0);
    assert_same(&run, &whole, name);
    // The header of a state holds the seconds, which differ; what follows it are the moments and the rest.
    let tensors = |run: &RunDir| {
        let bytes = fs::read(run.state()).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    assert!(tensors(&run) == tensors(&whole), "moments or carried state differ: {name}");
    ModelFile::load(whole.model()).unwrap().model.params().values().to_vec()
}

#[test]
fn every_optimizer_resumes_to_the_same_bytes() {
    use elman::config::OptimizerKind::*;
    let mut models = vec![];
    for optimizer in [Sgd, Momentum, Nesterov, RmsProp, Adagrad, Adam, AdamW] {
        let config = Config { optimizer, weight_decay: Some(0.02), ..config() };
        models.push(assert_resumes(&config, &format!("{optimizer:?}")));
    }
    for (i, one) in models.iter().enumerate() {
        assert!(models[..i].iter().all(|other| other != one), "two optimizers made the same model");
    }
}

#[test]
fn every_option_of_the_model_resumes_to_the_same_bytes() {
    use elman::config::InitialState;
    let options = [
        ("plain", config()),
        ("embedded", Config { embed: 12, ..config() }),
        ("tied", Config { embed: 12, tied: true, ..config() }),
        ("learned", Config { initial_state: InitialState::Learned, ..config() }),
        ("locked", Config { locked_dropout: true, ..config() }),
        ("widths", Config { hidden_sizes: Some(vec![10, 12]), ..config() }),
    ];
    let mut models: Vec<Vec<f32>> = vec![];
    for (name, option) in options {
        models.push(assert_resumes(&option, name));
    }
    for (i, one) in models.iter().enumerate() {
        assert!(models[..i].iter().all(|other| other != one), "two options made the same model");
    }
}

#[test]
fn every_cut_of_the_text_trains_and_resumes_to_the_same_bytes() {
    use elman::config::BatchKind::*;
    let mut models = vec![];
    for batches in [Rows, Chunks, Random, Lines] {
        models.push(assert_resumes(&Config { batches, ..config() }, &format!("{batches:?}")));
    }
    for (i, one) in models.iter().enumerate() {
        assert!(models[..i].iter().all(|other| other != one), "two cuts made the same model");
    }
    let one_line = Corpus::from_text("t", "no line ends here ".repeat(40));
    let error = Trainer::new(Config { batches: Lines, ..config() }, &one_line, &cpu()).err().unwrap();
    assert_eq!(error.to_string(), "t has 1 line, expected at least 2 for batches = lines");
    let cut = Trainer::new(Config { batches: Lines, seq_len: 4, ..config() }, &corpus(), &cpu()).unwrap();
    assert!(cut.plan().notes[0].starts_with("lines longer than seq_len = 4 predictions are cut there: "));
}

#[test]
fn a_plateau_halves_the_rate_and_resumes() {
    let dir = tempfile::tempdir().unwrap();
    // A rate that cannot improve anything: the first validation is the best, every one after it brings nothing.
    let config = Config {
        lr: 1e-30,
        warmup: 0,
        schedule: Some(Schedule::Plateau),
        plateau_patience: Some(2),
        eval_every: Some(3),
        print_every: Some(1),
        ..config()
    };
    let run = RunDir::create(dir.path().join("run")).unwrap();
    run_until(&mut Trainer::new(config.clone(), &corpus(), &cpu()).unwrap(), &run, 10);
    run_until(&mut Trainer::resume(&run, &corpus(), &cpu()).unwrap(), &run, 0);
    for report in run.reports().unwrap() {
        // Validations stand at 3, 6, 9, ...; the second and third to bring nothing are those at 9 and 15.
        let barren = ((report.step - 1) / 3).saturating_sub(1);
        let want = 1e-30 * 0.5_f64.powi((barren / 2) as i32);
        assert_eq!(report.lr, want, "step {}", report.step);
    }
    assert_resumes(&Config { lr: 0.05, eval_every: Some(2), ..config }, "plateau");
}

#[test]
fn patience_ends_a_run_as_its_last_step_does() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { lr: 1e-30, patience: 3, eval_every: Some(4), save_every: Some(0), ..config() };
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let mut trainer = Trainer::new(config.clone(), &corpus(), &cpu()).unwrap();
    let outcome = run_until(&mut trainer, &run, 0);
    assert_eq!((outcome.steps, outcome.best_step), (16, Some(4)));
    assert!(outcome.out_of_patience && !outcome.stopped);
    assert_eq!(ModelFile::load(run.path()).unwrap().results.step, 16);
    assert!(fs::read_to_string(run.samples()).unwrap().contains("=== step 16"));
    drop(trainer); // two cannot train into one run
    let again = run_until(&mut Trainer::resume(&run, &corpus(), &cpu()).unwrap(), &run, 0);
    assert_eq!(again.steps, 16, "it is over");

    // Until its end it is the run that has no patience to lose.
    let endless = RunDir::create(dir.path().join("endless")).unwrap();
    let free = Config { patience: 0, ..config.clone() };
    run_until(&mut Trainer::new(free, &corpus(), &cpu()).unwrap(), &endless, 16);
    let weights = |run: &RunDir| ModelFile::load(run.path()).unwrap().model.params().values().to_vec();
    assert!(weights(&run) == weights(&endless));
    assert_resumes(
        &Config { steps: Some(30), patience: 4, eval_every: Some(5), lr: 0.1, ..config.clone() },
        "patience",
    );

    for (want, config) in [
        ("patience is 3, expected a validation split", Config { eval_every: Some(0), ..config.clone() }),
        ("patience is 3, expected a validation split", Config { val_frac: 0.0, ..config.clone() }),
        ("schedule is plateau, expected a", Config { val_frac: 0.0, plateau_patience: Some(1), ..config }),
    ] {
        let error = Trainer::new(config, &corpus(), &cpu()).err().unwrap().to_string();
        assert!(error.starts_with(want), "{error}");
    }
}

#[test]
fn rates_fall_by_epochs_of_the_text() {
    let rates = |config: Config| {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let config = Config { print_every: Some(1), warmup: 0, lr: 0.01, ..config };
        let mut trainer = Trainer::new(config, &corpus(), &cpu()).unwrap();
        trainer.run(Some(&run), &mut keep_training).unwrap();
        let epoch = trainer.plan().steps_per_epoch;
        (epoch, run.reports().unwrap().iter().map(|r| r.lr).collect::<Vec<_>>())
    };
    let (epoch, decayed) = rates(Config { lr_decay: Some(0.5), lr_decay_after: Some(2), ..config() });
    let (_, halved) = rates(Config { halve_every: Some(1), ..config() });
    assert!(epoch > 1 && 2 * epoch < 43, "{epoch}");
    for (at, (decayed, halved)) in decayed.iter().zip(&halved).enumerate() {
        let passed = (at as u64 / epoch) as i32;
        assert_eq!(*decayed, 0.01 * 0.5_f64.powi((passed - 1).max(0)), "step {}", at + 1);
        assert_eq!(*halved, 0.01 * 0.5_f64.powi(passed), "step {}", at + 1);
    }
}
