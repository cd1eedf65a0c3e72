//! Tests `kill -9` on a run that saves at every step: the next start repairs everything. Short by default;
//! `ELMAN_KILLS=1000` runs the long form.
#![cfg(unix)]

mod place;

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use elman::config::{OnNan, Schedule};
use elman::train::{Control, Event};
use elman::{Config, Corpus, Cpu, ModelFile, RunDir, Trainer};
use place::{Place, TINY};

/// Every file of the run is written often, and no result depends on the number of steps.
const FLAGS: [&str; 17] = [
    "--steps",
    "1000000",
    "--save-every",
    "1",
    "--eval-every",
    "7",
    "--sample-every",
    "11",
    "--sample-length",
    "9",
    "--print-every",
    "3",
    "--keep",
    "3",
    "--on-nan",
    "rollback",
    "--schedule=constant",
];

/// The last step whose save was announced.
fn announced(messages: &Path) -> Option<u64> {
    let messages = fs::read_to_string(messages).unwrap();
    // An incomplete last line does not count.
    let whole = messages.rsplit_once('\n')?.0;
    whole.lines().rev().find_map(|line| line.strip_prefix("step ")?.strip_suffix("/1000000  saved")?.parse().ok())
}

fn strays(run: &Path) -> Vec<String> {
    let names = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

#[test]
fn a_killed_run_loses_at_most_the_step_after_its_last_announced_save() {
    let kills: u64 = std::env::var("ELMAN_KILLS").map_or(12, |text| text.parse().unwrap());
    let place = Place::with_text();
    let (run, messages) = (place.path("run"), place.path("messages"));
    let corpus = Corpus::read(&[place.path("text.txt")]).unwrap();
    let cpu = Cpu::new(Some(1)).unwrap();
    let (mut random, mut last, mut before_any, mut torn, mut unannounced) = (7_u64, 0, 0, 0, 0);
    for kill in 0..kills {
        let resumes = run.join("state.safetensors").is_file();
        let args = match resumes {
            true => vec!["train", "--threads", "1", "--resume", "run"],
            false => {
                let _ = fs::remove_dir_all(&run);
                [&["train", "--threads", "1", "text.txt", "--out", "run"], &TINY[..], &FLAGS].concat()
            }
        };
        let mut child =
            place.command(&args).stderr(File::create(&messages).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Half of the kills happen at a random time after the start, half during saves.
        if random >> 63 == 0 {
            while announced(&messages).is_none() && child.try_wait().unwrap().is_none() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        thread::sleep(Duration::from_micros((random >> 40) % 40_000));
        assert!(child.try_wait().unwrap().is_none(), "it ended: {}", fs::read_to_string(&messages).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();

        let told = announced(&messages);
        last = told.unwrap_or(last);
        if !run.join("state.safetensors").is_file() {
            assert!(told.is_none() && !resumes, "kill {kill}");
            before_any += 1;
            continue;
        }
        torn += u64::from(!strays(&run).is_empty());
        let opened = RunDir::open(&run).unwrap();
        let trainer = Trainer::resume(&opened, &corpus, &cpu).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let step = trainer.plan().steps_done;
        assert!((last..=last + 1).contains(&step), "kill {kill}: {step} after {last} was announced");
        unannounced += u64::from(step > last);
        last = step;
        assert_eq!(strays(&run), [""; 0], "kill {kill}");
        for model in [opened.model(), opened.best(), opened.model_of(step)] {
            if model.exists() {
                ModelFile::load(&model).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
            }
        }
    }
    println!(
        "{kills} kills: {last} steps kept, {before_any} before the first state, {torn} in the middle of a write, \
         {unannounced} between a save and its announcement"
    );
    assert!(last > 0, "nothing was ever saved");

    // The result after all kills equals that of one run without them.
    let quiet = RunDir::create(place.path("quiet")).unwrap();
    let config = Config {
        hidden_size: 8,
        num_layers: 1,
        batch: 4,
        seq_len: 8,
        steps: Some(1_000_000),
        save_every: Some(1),
        eval_every: Some(7),
        sample_every: Some(11),
        sample_length: 9,
        print_every: Some(3),
        keep: 3,
        on_nan: OnNan::Rollback,
        schedule: Some(Schedule::Constant),
        ..Config::default()
    };
    let mut until_saved = |event: Event<'_>| match event {
        Event::Saved { step, .. } if step == last => Control::Stop,
        _ => Control::Continue,
    };
    let mut trainer = Trainer::new(config, &corpus, &cpu).unwrap();
    trainer.run(Some(&quiet), &mut until_saved).unwrap();
    // One more step without a kill.
    let mut one_step = |event: Event<'_>| match event {
        Event::Step { .. } => Control::Stop,
        _ => Control::Continue,
    };
    trainer.run(Some(&quiet), &mut one_step).unwrap();
    let killed = RunDir::open(&run).unwrap();
    Trainer::resume(&killed, &corpus, &cpu).unwrap().run(Some(&killed), &mut one_step).unwrap();
    for name in ["model.safetensors", "state.safetensors"] {
        assert!(fs::read(run.join(name)).unwrap() == fs::read(quiet.path().join(name)).unwrap(), "{name}");
    }
}
