//! What a resume restores and what it rejects. The matrix of cells, optimizers, dropout and threads is short here;
//! `ELMAN_CUTS=100` runs all of it.

mod runs;

use std::fs;

use elman::{
    Config, Corpus, Cpu, Error, ModelFile, RunDir, Trainer,
    config::{Cell, OptimizerKind},
    train::{Changes, Control, Event},
};
use runs::{assert_same, config, corpus, cpu, keep_training, quick_dir, run_until, times};

#[test]
fn every_cell_optimizer_dropout_and_number_of_threads_resumes_to_the_same_bytes() {
    let (cuts, mut random, mut resumes) = (times("ELMAN_CUTS", 1), 11_u64, 0);
    let dir = quick_dir();
    for cell in [Cell::RNN_TANH, Cell::GRU, Cell::LSTM] {
        for optimizer in [OptimizerKind::Adam, OptimizerKind::RmsProp, OptimizerKind::Nesterov] {
            for dropout in [0.0, 0.3] {
                let base = Config { cell, optimizer, dropout, output_dropout: dropout, lr: 1e-3, ..config() };
                let mut first: Option<RunDir> = None;
                for threads in [1, 2] {
                    let cpu = Cpu::new(Some(threads)).unwrap();
                    let name = format!("{cell:?}-{optimizer:?}-{dropout}-{threads}");
                    let whole = RunDir::create(dir.path().join(&name)).unwrap();
                    run_until(&mut Trainer::new(base.clone(), &corpus(), &cpu).unwrap(), &whole, 0);
                    let one = first.get_or_insert_with(|| whole.clone());
                    assert_same(&whole, one, &format!("{name}: threads"));
                    for _ in 0..cuts {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let cut = 1 + (random >> 33) % 42;
                        let run = RunDir::create(dir.path().join("cut")).unwrap();
                        run_until(&mut Trainer::new(base.clone(), &corpus(), &cpu).unwrap(), &run, cut);
                        let mut trainer = Trainer::resume(&run, &corpus(), &cpu).unwrap();
                        assert_eq!(trainer.plan().steps_done, cut);
                        run_until(&mut trainer, &run, 0);
                        assert_same(&run, &whole, &format!("{name}: cut after {cut}"));
                        fs::remove_dir_all(run.path()).unwrap();
                        resumes += 1;
                    }
                }
            }
        }
    }
    println!("{resumes} resumes");
}

/// Stops at the `nth` word that an evaluation or a sample is under way.
fn stop_at_work(trainer: &mut Trainer, run: &RunDir, nth: u64) -> u64 {
    let (mut works, mut stopped_at) = (0, 0);
    let mut observer = |event: Event<'_>| {
        if let Event::Working { step } = event {
            works += 1;
            if works == nth {
                stopped_at = step;
                return Control::Stop;
            }
        }
        Control::Continue
    };
    let outcome = trainer.run(Some(run), &mut observer).unwrap();
    assert!(stopped_at == 0 || (outcome.stopped && outcome.steps == stopped_at));
    stopped_at
}

#[test]
fn an_evaluation_or_a_sample_that_a_stop_interrupts_comes_again() {
    let dir = quick_dir();
    // Evaluations of two pieces, samples of two, some at the same step.
    let text = corpus().text().repeat(9);
    let corpus = || Corpus::from_text("mill.txt", text.clone());
    let config =
        Config { sample_length: 100, sample_every: Some(5), eval_every: Some(10), steps: Some(20), ..config() };
    let whole = RunDir::create(dir.path().join("whole")).unwrap();
    run_until(&mut Trainer::new(config.clone(), &corpus(), &cpu()).unwrap(), &whole, 0);
    let (mut nth, mut steps) = (1, vec![]);
    loop {
        let run = RunDir::create(dir.path().join(format!("{nth}"))).unwrap();
        let mut trainer = Trainer::new(config.clone(), &corpus(), &cpu()).unwrap();
        let at = stop_at_work(&mut trainer, &run, nth);
        drop(trainer);
        if at == 0 {
            break;
        }
        steps.push(at);
        assert!(ModelFile::load(run.model()).unwrap().results.step == at);
        run_until(&mut Trainer::resume(&run, &corpus(), &cpu()).unwrap(), &run, 0);
        assert_same(&run, &whole, &format!("stopped at {at}, word {nth}"));
        nth += 1;
    }
    assert_eq!(steps, [5, 5, 10, 10, 10, 10, 15, 15, 20, 20, 20, 20]);
}

#[test]
fn two_cannot_train_into_one_run() {
    let dir = quick_dir();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let mut first = Trainer::new(config(), &corpus(), &cpu()).unwrap();
    run_until(&mut first, &run, 3);
    let state = || fs::read(run.state()).unwrap();
    let before = state();
    let error = Trainer::resume(&run, &corpus(), &cpu()).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::InUse { holder: Some(holder), .. } if holder == std::process::id()), "{error}");
    let error = Trainer::new(config(), &corpus(), &cpu()).unwrap().run(Some(&run), &mut keep_training).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(state() == before);
    run_until(&mut first, &run, 0);
}

#[test]
fn a_run_that_is_over_gets_its_model_back() {
    let dir = quick_dir();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let outcome = run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &run, 0);
    let before = runs::contents(&run);
    for damage in [false, true] {
        fs::remove_file(run.model()).unwrap();
        if damage {
            fs::write(run.model(), "half a mod").unwrap();
        }
        let mut trainer = Trainer::resume(&run, &corpus(), &cpu()).unwrap();
        assert!(trainer.is_over());
        let again = run_until(&mut trainer, &run, 0);
        assert!(runs::contents(&run) == before);
        assert_eq!(
            (again.steps, again.best_val_loss, again.train_loss),
            (43, outcome.best_val_loss, outcome.train_loss)
        );
        assert!(again.seconds > 0.0 && !again.stopped);
    }
}

/// A run stopped after 13 steps.
fn stopped(dir: &tempfile::TempDir, name: &str) -> RunDir {
    let run = RunDir::create(dir.path().join(name)).unwrap();
    run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &run, 13);
    run
}

fn resume(run: &RunDir, corpus: &Corpus, force: bool, change: fn(&mut Config)) -> Result<Trainer, Error> {
    let mut config = ModelFile::load(run.model()).unwrap().config;
    change(&mut config);
    Trainer::resume_with(run, corpus, &cpu(), Changes { config: Some(config), force })
}

#[test]
fn other_settings_are_refused_by_name_unless_they_are_free_or_forced() {
    let dir = quick_dir();
    let run = stopped(&dir, "run");
    let two = |c: &mut Config| (c.lr, c.clip) = (0.5, 2.0);
    let error = resume(&run, &corpus(), false, two).map(|_| ()).unwrap_err();
    let Error::Changed { changes } = &error else { panic!("{error}") };
    assert_eq!(changes.len(), 2);
    assert!(changes[0].starts_with("clip is 2.0 here, but ") && changes[0].ends_with(" was started with 1.0"));
    assert!(changes[1].starts_with("lr is 0.5 here"), "{error}");

    let mut forced = resume(&run, &corpus(), true, two).unwrap();
    let notes = forced.plan().notes.join("\n");
    assert!(notes.contains("no longer the run that was started: lr is 0.5 here"), "{notes}");
    assert_eq!((forced.config().lr, forced.plan().steps_done), (0.5, 13));
    let outcome = run_until(&mut forced, &run, 15);
    assert_eq!(outcome.steps, 15);
    drop(forced);
    assert_eq!(Trainer::resume(&run, &corpus(), &cpu()).unwrap().config().lr, 0.5, "it keeps what it was forced to");

    let run = stopped(&dir, "longer");
    let mut longer = resume(&run, &corpus(), true, |c| c.steps = Some(50)).unwrap();
    assert_eq!(run_until(&mut longer, &run, 0).steps, 50);
    let run = stopped(&dir, "wider");
    let mut rows = resume(&run, &corpus(), true, |c| c.batch = 5).unwrap();
    assert!(rows.plan().notes.iter().any(|note| note.ends_with("the carried state is reset")));
    run_until(&mut rows, &run, 0);
    let run = stopped(&dir, "larger");
    for change in [|c: &mut Config| c.hidden_size = 13, |c: &mut Config| c.optimizer = OptimizerKind::Sgd] {
        assert!(resume(&run, &corpus(), true, change).is_err(), "saved tensors that do not fit cannot be forced");
    }

    let run = stopped(&dir, "free");
    let mut trainer = resume(&run, &corpus(), false, |c| (c.keep, c.save_every) = (3, Some(10))).unwrap();
    assert!(trainer.plan().notes.iter().any(|note| note.starts_with("keep is 3 here")));
    run_until(&mut trainer, &run, 0);
    let kept: Vec<u64> = (1..=43).filter(|&step| run.model_of(step).exists()).collect();
    assert_eq!(kept, [30, 40, 43]);
    for step in kept {
        assert_eq!(ModelFile::load(run.model_of(step)).unwrap().results.step, step);
    }
    assert_eq!(fs::read(run.model_of(43)).unwrap(), fs::read(run.model()).unwrap());
}

#[test]
fn another_text_is_refused_unless_it_is_forced_and_its_characters_are_known() {
    let dir = quick_dir();
    let run = stopped(&dir, "run");
    let stopped_vocab = ModelFile::load(run.model()).unwrap().vocab;
    // In another order of frequency.
    let longer = Corpus::from_text("longer.txt", format!("{}{}", "k".repeat(9000), corpus().text()));
    assert_ne!(elman::Vocab::fit(longer.text(), ""), stopped_vocab);
    let keep: fn(&mut Config) = |_| {};
    assert!(matches!(resume(&run, &longer, false, keep).map(|_| ()), Err(Error::AnotherText { .. })));
    let mut forced = resume(&run, &longer, true, keep).unwrap();
    let notes = &forced.plan().notes;
    assert!(
        notes.iter().any(|n| n.starts_with("no longer the run that was started: the text is longer.txt (")),
        "{notes:?}"
    );
    assert_eq!(*forced.vocab(), stopped_vocab, "whatever the new text's order is");
    run_until(&mut forced, &run, 14);
    drop(forced);
    fs::remove_file(run.model()).unwrap();
    let again = Trainer::resume(&run, &longer, &cpu()).unwrap();
    assert_eq!(*again.vocab(), stopped_vocab, "the state knows it, too");
    drop(again);
    run_until(&mut Trainer::resume(&run, &longer, &cpu()).unwrap(), &run, 15);
    let other = Corpus::from_text("other.txt", "quite another text ".repeat(200));
    let error = resume(&run, &other, true, keep).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("is not in the vocabulary of 20 characters"), "{error}");
}

#[test]
fn other_validation_data_starts_best_and_patience_anew() {
    let dir = quick_dir();
    let with = |validation: &str| corpus().with_validation(Corpus::from_text("validation", validation.repeat(40)));
    // What was trained on is easy to predict; noise is not, and its losses are never lower.
    let (easy, noise) = (with("the mill a clock she listened, flour\n"), with("tl fk,ch eiadéo \nmsr"));
    for separate in [true, false] {
        let name = |part: &str| format!("{part}-{separate}");
        let run = RunDir::create(dir.path().join(name("run"))).unwrap();
        let config = Config { patience: 2, eval_every: Some(5), save_every: Some(5), ..config() };
        let first = if separate { easy.clone() } else { corpus() };
        run_until(&mut Trainer::new(config.clone(), &first, &cpu()).unwrap(), &run, 25);
        let changed =
            if separate { (noise.clone(), None) } else { (corpus(), Some(Config { val_frac: 0.02, ..config })) };
        let changes = Changes { config: changed.1, force: true };
        let mut trainer = Trainer::resume_with(&run, &changed.0, &cpu(), changes).unwrap();
        let note = "no longer the run that was started: the best loss and patience start anew";
        assert!(trainer.plan().notes.iter().any(|words| words == note), "{:?}", trainer.plan().notes);
        let outcome = run_until(&mut trainer, &run, 0);
        let reports = run.reports().unwrap();
        let marks: Vec<u64> = reports.iter().filter(|r| r.validation_changed).map(|r| r.step).collect();
        assert_eq!(marks.len(), 1, "one report says that the data is other data");
        let later = reports.iter().filter(|r| r.step >= 25).filter_map(|r| r.val_loss);
        let lowest = later.fold(f64::INFINITY, f64::min);
        assert_eq!(outcome.best_val_loss, Some(lowest));
        assert!(outcome.best_step.is_some_and(|step| step >= 25), "{outcome:?}");
        let best = ModelFile::load(run.best()).unwrap().results;
        assert_eq!((best.best_val_loss, Some(best.step)), (outcome.best_val_loss, outcome.best_step));
    }
    // Another text to train on with the same validation set: losses can be compared, and the best stays.
    let run = RunDir::create(dir.path().join("train")).unwrap();
    let config = Config { eval_every: Some(5), save_every: Some(5), lr: 0.0001, ..config() };
    run_until(&mut Trainer::new(config, &easy, &cpu()).unwrap(), &run, 25);
    let text: String = corpus().text().chars().rev().collect();
    let other = Corpus::from_text("other", text)
        .with_validation(Corpus::from_text("validation", "the mill a clock she listened, flour\n".repeat(40)));
    let changes = Changes { config: None, force: true };
    let trainer = Trainer::resume_with(&run, &other, &cpu(), changes).unwrap();
    assert!(trainer.plan().notes.iter().all(|words| !words.contains("anew")), "{:?}", trainer.plan().notes);
}

#[test]
fn a_run_that_stopped_before_its_first_save_is_started_again() {
    let dir = quick_dir();
    let path = dir.path().join("run");
    let run = RunDir::create(&path).unwrap();
    run.write_config(&config()).unwrap();
    fs::write(path.join("state.safetensors.7-1.tmp"), "half").unwrap();
    assert!(RunDir::open(&path).unwrap_err().to_string().contains("train --out starts it again"));
    assert!(RunDir::is_free(&path));
    let again = RunDir::create(&path).unwrap();
    run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &again, 3);
    assert!(!RunDir::is_free(&path) && matches!(RunDir::create(&path), Err(Error::Exists { .. })));
    // A directory that holds anything else is somebody's.
    let other = dir.path().join("other");
    RunDir::create(&other).unwrap().write_config(&config()).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    assert!(matches!(RunDir::create(&other), Err(Error::Exists { .. })));
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(matches!(RunDir::create(dir.path().join("empty")), Err(Error::Exists { .. })));
}
