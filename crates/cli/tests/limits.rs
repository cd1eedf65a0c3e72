//! Tests the program with limited resources: a memory limit, a file size limit, and a memory estimate close to the memory
//! used. `ELMAN_ESTIMATES=10` measures all ten configurations.
#![cfg(target_os = "linux")]

mod place;

use std::process::{Command, Output};

use place::{Place, json, stderr};

/// The program under a shell's limit.
fn limited(place: &Place, limit: &str, args: &[&str]) -> Output {
    let program = place.command(&[]).get_program().to_os_string();
    let script = format!("trap '' XFSZ; ulimit {limit} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).arg(program).args(args).current_dir(place.path("."));
    shell.output().unwrap()
}

#[test]
fn more_memory_than_a_limit_allows_is_refused_with_both_numbers() {
    let place = Place::with_text();
    let before = place.files();
    let args = ["train", "text.txt", "--threads", "1", "--out", "run", "--hidden", "2048", "--layers", "2"];
    let output = limited(&place, "-v 524288", &args);
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{messages}");
    let words: Vec<&str> = messages.split_whitespace().collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap_or_else(|_| panic!("{messages}"));
    assert!(messages.starts_with("error: this takes ") && messages.contains(" bytes of memory, but "), "{messages}");
    let (takes, left) = (number(3), number(8));
    assert!(takes > 536_870_912 && left < 536_870_912 && left > 100_000_000, "{messages}");
    assert!(place.files() == before);
    // A small model trains under the same limit.
    let tiny = [&["train", "text.txt", "--threads", "1", "--out", "run", "--steps", "2"], &place::TINY[..]].concat();
    let output = limited(&place, "-v 524288", &tiny);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_file_that_may_not_grow_is_an_error_and_the_old_ones_stay_whole() {
    let place = Place::with_run();
    let before = ["model", "best", "state"].map(|name| place.read(&format!("run/{name}.safetensors")));
    // In blocks of 1024 bytes: less than the size of a state.
    let output = limited(&place, "-f 4", &["train", "--resume", "run", "--force", "--steps", "40"]);
    let messages = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains("error: cannot write run/") && !messages.contains("saved"), "{messages}");
    let after = ["model", "best", "state"].map(|name| place.read(&format!("run/{name}.safetensors")));
    assert!(before == after);
    place.done(&["train", "--resume", "run", "--force", "--steps", "40"]);
    assert!(place::run_files(&place.path("run")).iter().all(|name| !name.ends_with(".tmp")));
}

/// Sizes of ten different kinds, of 50 MiB and more.
const CONFIGURATIONS: [&str; 10] = [
    "--hidden 256 --layers 2 --batch 64 --seq-len 64",
    "--hidden 640 --layers 1 --batch 16 --seq-len 32 --dropout 0 --output-dropout 0",
    "--cell gru --hidden 256 --layers 2 --batch 64 --seq-len 64",
    "--cell gru --hidden 512 --layers 2 --batch 16 --seq-len 32 --optimizer sgd --lr 0.1",
    "--cell rnn --hidden 512 --layers 3 --batch 64 --seq-len 64 --lr 0.001",
    "--cell rnn --hidden 1024 --layers 2 --batch 8 --seq-len 16 --optimizer rmsprop --lr 0.0001",
    "--hidden 128 --layers 4 --batch 128 --seq-len 64 --dropout 0.5",
    "--hidden 512 --layers 1 --embed 256 --batch 32 --seq-len 100 --optimizer adagrad",
    "--tokenizer byte --hidden 200 --layers 2 --batch 100 --seq-len 50 --optimizer momentum --lr 0.01",
    "--hidden 1024 --layers 1 --batch 32 --seq-len 32",
];

/// Peak memory of a training run, and the program's estimate for it.
fn peak(place: &Place, name: &str, flags: &[&str]) -> (f64, f64) {
    let out = format!("run-{name}");
    let base = ["train", "--threads", "2", "--steps", "2", "--json", "--sample-length", "10", "--out", &out];
    let output = place.done(&[&base, flags].concat());
    let json = json(&output);
    let number = |key: &str| json[key].as_f64().unwrap_or_else(|| panic!("{json}"));
    (number("peak_memory_bytes"), number("estimated_memory_bytes"))
}

#[test]
fn the_estimate_is_near_the_peak() {
    let count: usize = std::env::var("ELMAN_ESTIMATES").map_or(1, |text| text.parse().unwrap());
    let place = Place::new();
    let (start, small) = peak(&place, "small", &place::TINY);
    for (at, flags) in CONFIGURATIONS.iter().take(count).enumerate() {
        let flags: Vec<&str> = flags.split(' ').collect();
        let (peak, estimate) = peak(&place, &at.to_string(), &flags);
        let (used, estimate) = (peak - start, estimate - small);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        println!(
            "{:6.1} MiB estimated, {:6.1} MiB used, {:+.1} %: {}",
            mib(estimate),
            mib(used),
            100.0 * (estimate / used - 1.0),
            flags.join(" ")
        );
        assert!(used > 50.0 * f64::from(1 << 20), "too small to tell");
        assert!((estimate / used - 1.0).abs() < 0.15, "{flags:?}: {estimate} {used}");
    }
}
