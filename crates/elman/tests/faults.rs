//! What happens to a run whose disk fails: at each operation on a file, with each kind of failure. Only the disk's
//! fault function, the files and the public API are used.

mod runs;

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use elman::{
    Config, Error, RunDir, Trainer,
    config::OnNan,
    files::disk::{Disk, Fault, Operation},
    train::{Control, Event},
};
use runs::{assert_same, corpus, cpu, quick_dir, strays};

/// Saves at every step, writes every kind of file there is.
fn config() -> Config {
    Config {
        hidden_size: 4,
        num_layers: 1,
        steps: Some(4),
        warmup: 0,
        save_every: Some(1),
        eval_every: Some(2),
        sample_every: Some(2),
        print_every: Some(1),
        sample_length: 5,
        keep: 2,
        on_nan: OnNan::Rollback,
        ..runs::config()
    }
}

/// Trains a new run, noting each announced save with the files as they are then.
fn train(run: &RunDir, saved: &mut BTreeMap<u64, Files>) -> Result<(), Error> {
    let mut observer = |event: Event<'_>| {
        if let Event::Saved { step, .. } = event {
            saved.insert(step, files(run));
        }
        Control::Continue
    };
    Trainer::new(config(), &corpus(), &cpu())?.run(Some(run), &mut observer).map(|_| ())
}

type Files = BTreeMap<&'static str, Vec<u8>>;

fn files(run: &RunDir) -> Files {
    let paths = [("model", run.model()), ("best", run.best()), ("state", run.state()), ("rollback", run.rollback())];
    paths.into_iter().filter_map(|(name, path)| Some((name, fs::read(path).ok()?))).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Full,
    Broken,
    /// A write takes a byte, and there is no space for the next.
    ShortThenFull,
    /// A write takes a byte, and the next the rest.
    Short,
}

/// A disk whose operation `n`, from 1, fails; with what it was, once it has.
fn failing(n: u64, kind: Kind) -> (Disk, Arc<Mutex<Option<Operation>>>) {
    let (count, hit) = (AtomicU64::new(0), Arc::new(Mutex::new(None)));
    let told = Arc::clone(&hit);
    let gate = move |operation: Operation, _: &Path| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let error = |kind: ErrorKind| Some(Fault::Error(kind.into()));
        let is_short = matches!(kind, Kind::Short | Kind::ShortThenFull) && operation == Operation::Write;
        if number == n {
            *told.lock().unwrap() = Some(operation);
            return match kind {
                _ if is_short => Some(Fault::Short(1)),
                Kind::Full => error(ErrorKind::StorageFull),
                Kind::Broken => error(ErrorKind::Other),
                Kind::Short | Kind::ShortThenFull => None,
            };
        }
        let continues =
            kind == Kind::ShortThenFull && number == n + 1 && *told.lock().unwrap() == Some(Operation::Write);
        continues.then(|| error(ErrorKind::StorageFull))?
    };
    (Disk::gated(gate), hit)
}

#[test]
fn a_disk_that_fails_at_any_moment_costs_no_file_and_no_false_word() {
    let dir = quick_dir();
    let whole = RunDir::create(dir.path().join("whole")).unwrap();
    let mut states = BTreeMap::new();
    train(&whole, &mut states).unwrap();
    assert_eq!(states.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    let models: Vec<&Vec<u8>> = states.values().map(|files| &files["model"]).collect();

    let mut faults = 0;
    for kind in [Kind::Full, Kind::Broken, Kind::ShortThenFull, Kind::Short] {
        for n in 1.. {
            let (disk, hit) = failing(n, kind);
            let run = RunDir::create(dir.path().join("run")).unwrap().with_disk(disk);
            let mut saved = BTreeMap::new();
            let result = train(&run, &mut saved);
            let Some(operation) = *hit.lock().unwrap() else {
                assert!(result.is_ok() && n > 100, "{n}");
                fs::remove_dir_all(run.path()).unwrap();
                break;
            };
            faults += 1;
            let when = format!("{kind:?} at {n}, {operation:?}: {result:?}");
            let must_fail = match kind {
                Kind::Full | Kind::Broken => true,
                Kind::ShortThenFull => operation == Operation::Write,
                Kind::Short => false,
            };
            assert_eq!(result.is_err(), must_fail, "{when}");

            // Nothing was announced that was not there; what is there now is whole, and at most one step further.
            let announced = saved.keys().last().copied().unwrap_or(0);
            for (step, files) in &saved {
                assert!(*files == states[step], "{when}: announced after step {step}");
            }
            match RunDir::open(run.path()) {
                Ok(run) => {
                    let now = files(&run);
                    assert!(now.get("model").is_none_or(|model| models.contains(&model)), "{when}");
                    let mut trainer = Trainer::resume(&run, &corpus(), &cpu()).unwrap();
                    let step = trainer.plan().steps_done;
                    assert!((announced..=announced + 1).contains(&step), "{when}: {step} {announced}");
                    assert_eq!(strays(&run), [""; 0], "{when}");
                    trainer.run(Some(&run), &mut runs::keep_training).unwrap();
                    assert_same(&run, &whole, &when);
                    for step in 1..=4 {
                        assert_eq!(run.model_of(step).exists(), step > 2, "{when}");
                    }
                }
                Err(error) => {
                    assert_eq!(announced, 0, "{when}");
                    assert!(!run.state().exists(), "{when}: {error}");
                }
            }
            fs::remove_dir_all(dir.path().join("run")).unwrap();
        }
    }
    println!("{faults} faults");
}

#[test]
fn a_disk_without_space_is_refused_before_anything_is_written() {
    let dir = quick_dir();
    let mut asked = 0;
    let space = Arc::new(Mutex::new(u64::MAX));
    let left = Arc::clone(&space);
    let disk = Disk::gated(move |operation, _| {
        (operation == Operation::AskSpace).then(|| Fault::Short(*left.lock().unwrap()))
    });
    let run = RunDir::create(dir.path().join("run")).unwrap().with_disk(disk);
    let mut before = Files::new();
    let mut observer = |event: Event<'_>| {
        if let Event::Saved { step: 2, .. } = event {
            asked += 1;
            before = files(&run);
            *space.lock().unwrap() = 1000;
        }
        Control::Continue
    };
    let error = Trainer::new(config(), &corpus(), &cpu()).unwrap().run(Some(&run), &mut observer).unwrap_err();
    assert!(matches!(error, Error::DiskSpace { available: 1000, needed, .. } if needed > 1000), "{error}");
    let after = files(&run);
    assert!(["model", "state", "best"].iter().all(|name| after[name] == before[name]));
    assert!(strays(&run).is_empty() && asked == 1);
}

/// A state counts the lines of the log: after a power cut it must not be there without them.
#[test]
fn log_and_samples_are_flushed_before_the_state_that_counts_their_lines() {
    let dir = quick_dir();
    let unflushed = Arc::new(Mutex::new(BTreeMap::<String, bool>::new()));
    let renamed = Arc::new(Mutex::new(Vec::new()));
    let (seen, states) = (Arc::clone(&unflushed), Arc::clone(&renamed));
    let disk = Disk::gated(move |operation, path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_log = name.ends_with(".jsonl") || name.ends_with(".txt");
        match operation {
            Operation::Write | Operation::Flush if is_log => {
                seen.lock().unwrap().insert(name, operation == Operation::Write);
            }
            Operation::Rename if name == "state.safetensors" => {
                states.lock().unwrap().push(seen.lock().unwrap().clone());
            }
            _ => {}
        }
        None
    });
    let run = RunDir::create(dir.path().join("run")).unwrap().with_disk(disk);
    train(&run, &mut BTreeMap::new()).unwrap();
    let renamed = renamed.lock().unwrap();
    assert!(renamed.len() >= 4, "a state at every step");
    assert_eq!(renamed.last().unwrap().keys().collect::<Vec<_>>(), ["log.jsonl", "samples.txt"]);
    assert!(renamed.iter().all(|files| files.values().all(|unflushed| !unflushed)), "{renamed:?}");
}
