//! The behaviour of whole runs: what a run leaves on disk, what a resume makes of it, what stops it. Everything uses
//! the public API.

mod runs;

use std::{fs, path::Path};

use elman::{
    Config, Corpus, Error, ModelFile, RunDir, Trainer,
    train::{Control, Event},
};
use runs::{assert_same, config, corpus, cpu, keep_training, run_until};

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
        // The clock continues from the last report, however long the save after it took.
        let reported = run.reports().unwrap().last().map_or(0.0, |report| report.seconds);
        let resumed = run_until(&mut trainer, &run, 0);
        assert_eq!((resumed.train_loss, resumed.val_loss), (outcome.train_loss, outcome.val_loss));
        assert_eq!((resumed.best_val_loss, resumed.best_step), (outcome.best_val_loss, outcome.best_step));
        assert!(resumed.seconds > reported && stopped.seconds >= reported);
        let seconds: Vec<f64> = run.reports().unwrap().iter().map(|report| report.seconds).collect();
        assert!(seconds.is_sorted() && seconds.len() > 1, "the clock goes back: {seconds:?}");
        assert_same(&run, &whole, &format!("stopped after {stop}"));
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
            _ => {}
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
        let at = elman::config::Place { step: report.step, steps: 43, steps_per_epoch, halvings: 0 };
        let want = elman::train::optim::learning_rate(trainer.config(), &at);
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
        let mut tape = elman::autodiff::tape::Tape::new(&cpu());
        elman::task::evaluate::evaluate(&file.model, &file.vocab, tail, &mut tape).unwrap().loss
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
    let config = Config { lr: 1e37, warmup: 0, save_every: Some(1), clip: 0.0, ..config() };
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
    assert_eq!(error, "the text is other.txt (1897 characters), expected that of the run, mill.txt (1897 characters)");
    let renamed = Corpus::from_text("renamed.txt", corpus().text().to_string());
    assert!(Trainer::resume(&run, &renamed, &cpu()).is_ok());
    assert_eq!(elman::origin_of(&run).unwrap().text.name, "mill.txt");
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
    let outcome = Trainer::new(config(), &corpus(), &cpu()).unwrap().run(None, &mut keep_training).unwrap();
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
    let mut tape = elman::autodiff::tape::Tape::new(&cpu());
    let whole = elman::task::evaluate::evaluate(trainer.model(), trainer.vocab(), train, &mut tape).unwrap();
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
        let mut tape = elman::autodiff::tape::Tape::new(&cpu());
        elman::task::evaluate::evaluate(trainer.model(), trainer.vocab(), corpus().text(), &mut tape).unwrap().loss
    };
    assert_eq!(loss(&trainer), loss(&losses_without_learning(0.0, 7).0));
}

#[test]
fn clipping_changes_the_step_and_not_the_norm_that_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let train = |clip: f64| {
        let run = RunDir::create(dir.path().join(clip.to_string())).unwrap();
        let config = Config { clip, steps: Some(3), ..config() };
        Trainer::new(config, &corpus(), &cpu()).unwrap().run(Some(&run), &mut keep_training).unwrap();
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
