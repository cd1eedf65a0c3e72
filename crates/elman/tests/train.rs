//! Holds the behaviour of whole runs: what a run leaves on disk, what a resume makes of it, what makes it stop.
//! Refuses to look inside: everything goes through the public API.

use std::{collections::BTreeMap, fs, path::Path};

use elman::{
    Config, Corpus, Cpu, Error, ModelFile, RunDir, Trainer,
    config::Schedule,
    train::{Control, Event, Outcome},
};

/// A text with something to learn, and enough of it for several windows and a shorter last one.
fn corpus() -> Corpus {
    let words = ["the mill ", "a clock ", "she listened, ", "flour\n", "été "];
    let text = (0..260_usize).map(|i| words[(i * i + i / 3) % words.len()]).collect();
    Corpus::from_text("mill.txt", text)
}

/// Small, with every cadence out of step with the others and with the epoch.
fn config() -> Config {
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

fn cpu() -> Cpu {
    Cpu::new(Some(2)).unwrap()
}

fn go_on(_: Event<'_>) -> Control {
    Control::Continue
}

/// Runs until `stop` steps are taken (or to the end).
fn run_until(trainer: &mut Trainer, run: &RunDir, stop: u64) -> Outcome {
    let mut observer = |event: Event<'_>| match event {
        Event::Step { step, .. } if step == stop => Control::Stop,
        _ => Control::Continue,
    };
    trainer.run(Some(run), &mut observer).unwrap()
}

/// All that must be equal in two directories of the same run; figures of the clock are taken out of the log.
fn contents(run: &RunDir) -> BTreeMap<&'static str, Vec<u8>> {
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

fn assert_same(got: &RunDir, want: &RunDir, when: &str) {
    let (got, want) = (contents(got), contents(want));
    for (name, bytes) in &want {
        assert!(got[name] == *bytes, "{name} differs: {when}");
    }
}

#[test]
fn resume_equals_never_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let whole = RunDir::create(dir.path().join("whole")).unwrap();
    let outcome = run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &whole, 0);
    assert!(!outcome.stopped && outcome.steps == 43);
    // Inside an epoch, at its end, at an evaluation, at a report, after the first step, before the last.
    for stop in [1, 8, 9, 13, 20, 26, 42] {
        let run = RunDir::create(dir.path().join(format!("stop-{stop}"))).unwrap();
        let stopped = run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &run, stop);
        assert!(stopped.stopped && stopped.steps == stop);
        let mut trainer = Trainer::resume(&RunDir::open(run.path()).unwrap(), &corpus(), &cpu()).unwrap();
        assert_eq!(trainer.plan().steps_done, stop);
        let resumed = run_until(&mut trainer, &run, 0);
        assert_eq!((resumed.train_loss, resumed.val_loss), (outcome.train_loss, outcome.val_loss));
        assert_eq!((resumed.best_val_loss, resumed.best_step), (outcome.best_val_loss, outcome.best_step));
        assert!(resumed.seconds > stopped.seconds);
        assert_same(&run, &whole, &format!("stopped after {stop}"));
    }
}

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
        trainer.run(Some(&run), &mut go_on).unwrap();
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

#[test]
fn a_crash_loses_nothing_but_the_time_since_the_last_save() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, crashed) = (dir.path().join("whole"), dir.path().join("crashed"));
    let whole = RunDir::create(whole).unwrap();
    let mut trainer = Trainer::new(config(), &corpus(), &cpu()).unwrap();
    // What a crash after step 31 leaves: the directory as it is then. The last save was at step 22.
    let mut observer = |event: Event<'_>| {
        if matches!(event, Event::Step { step: 31, .. }) {
            copy(whole.path(), &crashed);
        }
        Control::Continue
    };
    trainer.run(Some(&whole), &mut observer).unwrap();
    fs::write(crashed.join("model.safetensors.tmp"), "half a mod").unwrap();
    let crashed = RunDir::open(crashed).unwrap();
    let log = fs::read_to_string(crashed.log()).unwrap();
    fs::write(crashed.log(), log + "{\"step\":32,\"epo").unwrap();
    let mut trainer = Trainer::resume(&crashed, &corpus(), &cpu()).unwrap();
    assert_eq!(trainer.plan().steps_done, 22);
    run_until(&mut trainer, &crashed, 0);
    assert_same(&crashed, &whole, "after a crash");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn same_seed_same_bytes_in_any_directory_and_no_other_seed() {
    let dir = tempfile::tempdir().unwrap();
    let train = |name: &str, seed| {
        let run = RunDir::create(dir.path().join(name)).unwrap();
        let config = Config { seed, ..config() };
        run_until(&mut Trainer::new(config, &corpus(), &cpu()).unwrap(), &run, 0);
        run
    };
    let (one, two, other) = (train("one", 1), train("deeper/two", 1), train("other", 2));
    assert_same(&one, &two, "two directories");
    assert_ne!(fs::read(one.model()).unwrap(), fs::read(other.model()).unwrap());
}

#[test]
fn a_run_reports_samples_and_saves_when_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let mut trainer = Trainer::new(config(), &corpus(), &cpu()).unwrap();
    let vocab_size = trainer.plan().vocab_size;
    let (mut steps, mut samples, mut saves) = (vec![], vec![], vec![]);
    let mut observer = |event: Event<'_>| {
        match event {
            Event::Step { step, .. } => steps.push(step),
            Event::Sample { step, text } => samples.push((step, text.chars().count())),
            Event::Saved { step, .. } => saves.push(step),
            Event::Report(_) => {}
        }
        Control::Continue
    };
    let outcome = trainer.run(Some(&run), &mut observer).unwrap();
    assert_eq!(steps, (1..=43).collect::<Vec<_>>());
    assert_eq!(samples, [(15, 30), (30, 30), (43, 30)]);
    assert_eq!(saves, [11, 22, 33, 43]);
    let reports = run.reports().unwrap();
    let when: Vec<u64> = reports.iter().map(|r| r.step).collect();
    assert_eq!(when, [1, 4, 8, 9, 12, 16, 18, 20, 24, 27, 28, 32, 36, 40, 43]);
    for report in &reports {
        assert_eq!(report.val_loss.is_some(), report.step % 9 == 0 || report.step == 43, "{report:?}");
    }
    for report in &reports {
        let steps_per_epoch = trainer.plan().steps_per_epoch;
        let at = elman::optim::Place { step: report.step, steps: 43, steps_per_epoch, halvings: 0 };
        let want = elman::optim::learning_rate(trainer.config(), &at);
        assert_eq!(report.lr, want, "step {}", report.step);
    }
    // A model of 12 units has a larger spread at its start than one of a useful size.
    let uniform = (vocab_size as f64).ln();
    assert!((reports[0].train_loss - uniform).abs() < 0.05 * uniform, "{} {uniform}", reports[0].train_loss);
    assert!(outcome.train_loss < 0.97 * reports[0].train_loss, "{}", outcome.train_loss);

    // The files say what the outcome says, and the validation loss is what `eval` measures on the tail.
    let file = ModelFile::load(run.path()).unwrap();
    assert_eq!((file.results.step, file.results.val_loss), (43, outcome.val_loss));
    assert_eq!(file.config, *trainer.config());
    let corpus = corpus();
    let tail = corpus.split(config().val_frac).1;
    let loss = |file: &ModelFile| {
        let mut tape = elman::tape::Tape::new(&cpu());
        elman::evaluate::evaluate(&file.model, &file.vocab, tail, &mut tape).unwrap().loss
    };
    assert_eq!(Some(loss(&file)), outcome.val_loss);
    let best = ModelFile::load(run.best()).unwrap();
    assert_eq!((best.results.best_step, Some(best.results.step)), (outcome.best_step, outcome.best_step));
    assert_eq!(Some(loss(&best)), outcome.best_val_loss);
    let lowest = reports.iter().filter_map(|r| r.val_loss).fold(f64::INFINITY, f64::min);
    assert_eq!(outcome.best_val_loss, Some(lowest));
}

#[test]
fn never_means_never() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let config =
        Config { eval_every: Some(0), print_every: Some(0), sample_every: Some(0), save_every: Some(0), ..config() };
    let mut saves = 0;
    let mut observer = |event: Event<'_>| {
        saves += u32::from(matches!(event, Event::Saved { .. }));
        Control::Continue
    };
    Trainer::new(config, &corpus(), &cpu()).unwrap().run(Some(&run), &mut observer).unwrap();
    assert_eq!(saves, 1);
    assert!(!run.best().exists() && !run.samples().exists());
    let when: Vec<u64> = run.reports().unwrap().iter().map(|r| r.step).collect();
    assert_eq!(when, [1, 43]);
}

#[test]
fn divergence_is_an_error_and_the_last_save_stays() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    let config = Config { lr: 1e38, warmup: 0, save_every: Some(1), clip: 0.0, ..config() };
    let mut last = None;
    let mut observer = |event: Event<'_>| {
        if let Event::Saved { step, path } = event {
            last = Some((step, fs::read(path).unwrap()));
        }
        Control::Continue
    };
    let error = Trainer::new(config, &corpus(), &cpu()).unwrap().run(Some(&run), &mut observer).unwrap_err();
    let (saved, bytes) = last.expect("the first step is finite");
    assert!(matches!(error, Error::Diverged { step, .. } if step == saved + 1), "{error}");
    assert!(error.to_string().contains("diverged: loss "), "{error}");
    assert_eq!(fs::read(run.model()).unwrap(), bytes);
}

#[test]
fn another_text_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &run, 2);
    let other = Corpus::from_text("other.txt", corpus().text().replace("mill", "hill"));
    let error = Trainer::resume(&run, &other, &cpu()).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("the text other.txt ("), "{error}");
    assert!(error.contains("is not the one this run was trained on: mill.txt ("), "{error}");
    let renamed = Corpus::from_text("renamed.txt", corpus().text().to_string());
    assert!(Trainer::resume(&run, &renamed, &cpu()).is_ok());
    assert_eq!(elman::text_of(&run).unwrap().name, "mill.txt");
}

#[test]
fn damaged_states_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(dir.path().join("run")).unwrap();
    run_until(&mut Trainer::new(config(), &corpus(), &cpu()).unwrap(), &run, 2);
    let error = |what: &str| {
        let error = Trainer::resume(&run, &corpus(), &cpu()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let loaded = ModelFile::load(run.state()).map(|_| ()).unwrap_err().to_string();
    assert!(loaded.starts_with("not a model of elman"), "{loaded}");
    let bytes = fs::read(run.state()).unwrap();
    fs::write(run.state(), &bytes[..bytes.len() - 1]).unwrap();
    error("cut short: ");
    fs::copy(run.model(), run.state()).unwrap();
    error("not a run's state: its metadata has no key `elman_state`");
}

#[test]
fn small_texts_shrink_the_batch_and_smaller_ones_are_refused() {
    let plan = |characters: usize, val_frac| {
        let text: String = corpus().text().chars().take(characters).collect();
        let config = Config { val_frac, ..config() };
        Trainer::new(config, &Corpus::from_text("short.txt", text), &cpu()).map(|t| t.plan().clone())
    };
    let small = plan(100, 0.1).unwrap();
    assert_eq!((small.batch, small.train_tokens, small.val_tokens), (4, 90, 10));
    assert_eq!(small.notes, ["batch is 4 instead of 7: 90 training characters give no more rows of seq_len = 20"]);
    let tiny = plan(22, 0.03).unwrap();
    assert_eq!((tiny.train_tokens, tiny.val_tokens), (21, 0));
    assert_eq!(
        tiny.notes[1],
        "nothing is validated: val_frac = 0.03 leaves too little text (characters: 1, expected at least 2)"
    );
    let message = |n| plan(n, 0.0).unwrap_err().to_string();
    assert_eq!(message(20), "short.txt has 20 characters to train on, expected at least seq_len + 1 = 21");
    assert_eq!(message(1), "short.txt has 1 character to train on, expected at least seq_len + 1 = 21");
    assert_eq!(message(0), "short.txt has 0 characters to train on, expected at least seq_len + 1 = 21");
}

#[test]
fn without_a_directory_nothing_is_written() {
    let outcome = Trainer::new(config(), &corpus(), &cpu()).unwrap().run(None, &mut go_on).unwrap();
    assert!(outcome.best_val_loss.is_some() && outcome.steps == 43);
}

/// The loss of each step of two epochs at a learning rate too small to change an f32, and the tokens of each window.
fn losses_without_learning(dropout: f64, batch: usize) -> (Trainer, Vec<f64>) {
    let config = Config {
        lr: 1e-30,
        warmup: 0,
        batch,
        dropout,
        steps: None,
        epochs: Some(2),
        output_dropout: 0.0,
        eval_every: Some(0),
        sample_every: Some(0),
        ..config()
    };
    let mut trainer = Trainer::new(config, &corpus(), &cpu()).unwrap();
    let mut losses = vec![];
    let mut observer = |event: Event<'_>| {
        if let Event::Step { loss, .. } = event {
            losses.push(loss);
        }
        Control::Continue
    };
    trainer.run(None, &mut observer).unwrap();
    (trainer, losses)
}

#[test]
fn an_epoch_reads_the_split_as_one_stream_and_begins_anew() {
    let (trainer, losses) = losses_without_learning(0.0, 1);
    let (first, second) = losses.split_at(losses.len() / 2);
    assert_eq!(first.len() as u64, trainer.plan().steps_per_epoch);
    assert_eq!(first, second, "the carried state is reset between epochs");

    // One row with its state carried from window to window is what evaluation reads.
    let corpus = corpus();
    let train = corpus.split(config().val_frac).0;
    let mut tape = elman::tape::Tape::new(&cpu());
    let whole = elman::evaluate::evaluate(trainer.model(), trainer.vocab(), train, &mut tape).unwrap();
    let predictions = whole.tokens - 1;
    let in_last = predictions - (first.len() - 1) * config().seq_len;
    assert!((1..config().seq_len).contains(&in_last), "the last window is a shorter one");
    let (last, full) = first.split_last().unwrap();
    let nats = full.iter().sum::<f64>() * config().seq_len as f64 + last * in_last as f64;
    assert!((nats / predictions as f64 - whole.loss).abs() < 1e-6, "{} {}", nats / predictions as f64, whole.loss);
}

#[test]
fn dropout_masks_change_from_step_to_step_and_stay_out_of_evaluation() {
    let (trainer, losses) = losses_without_learning(0.5, 7);
    let (first, second) = losses.split_at(losses.len() / 2);
    assert!(first.iter().zip(second).all(|(a, b)| a != b));
    assert_eq!(losses, losses_without_learning(0.5, 7).1);
    let loss = |trainer: &Trainer| {
        let mut tape = elman::tape::Tape::new(&cpu());
        elman::evaluate::evaluate(trainer.model(), trainer.vocab(), corpus().text(), &mut tape).unwrap().loss
    };
    assert_eq!(loss(&trainer), loss(&losses_without_learning(0.0, 7).0));
}

#[test]
fn clipping_changes_the_step_and_not_the_norm_that_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let train = |clip: f64| {
        let run = RunDir::create(dir.path().join(clip.to_string())).unwrap();
        let config = Config { clip, steps: Some(3), ..config() };
        Trainer::new(config, &corpus(), &cpu()).unwrap().run(Some(&run), &mut go_on).unwrap();
        let model = ModelFile::load(run.model()).unwrap().model;
        (run.reports().unwrap()[0].grad_norm, model.params().get("decoder.bias").unwrap())
    };
    let (free, tight) = (train(0.0), train(1e-6));
    assert_eq!(free.0, tight.0);
    assert!(free.0 > 1e-3);
    // At 1e-6 the gradients come down to the size of Adam's eps, so that its steps are shorter.
    assert_ne!(free.1, tight.1);
    assert_eq!(free.1, train(1e6).1, "a limit that is not reached changes nothing");
}

#[test]
fn samples_of_one_run_are_different_draws() {
    let config = Config { lr: 1e-30, sample_every: Some(1), steps: Some(2), ..config() };
    let mut samples = vec![];
    let mut observer = |event: Event<'_>| {
        if let Event::Sample { text, .. } = event {
            samples.push(text.to_string());
        }
        Control::Continue
    };
    Trainer::new(config, &corpus(), &cpu()).unwrap().run(None, &mut observer).unwrap();
    assert_eq!(samples.len(), 2);
    assert_ne!(samples[0], samples[1]);
}
