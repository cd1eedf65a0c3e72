//! Tests a signal during training: the current step ends, everything is saved, and the resumed run equals one that never
//! stopped.
#![cfg(unix)]

mod place;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use place::{Place, TINY, json, stderr};

const LONG: [&str; 8] = ["--steps", "4000", "--print-every", "20", "--sample-every", "0", "--eval-every", "20"];

/// Trains until the first report, sends the signal, and returns the messages and the exit code.
fn interrupted(place: &Place, signal: &str) -> (String, Option<i32>) {
    signalled(place.command(&training()), signal)
}

/// The arguments of a long run.
fn training() -> Vec<&'static str> {
    [&["train", "text.txt", "--out", "run"], &TINY[..], &LONG].concat()
}

/// Runs a command that trains until the first report, sends the signal, and returns the messages and the exit code.
fn signalled(mut command: Command, signal: &str) -> (String, Option<i32>) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut messages = String::new();
    while !messages.contains("step 20/") {
        assert!(lines.read_line(&mut messages).unwrap() > 0, "{messages}");
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    lines.read_to_string(&mut messages).unwrap();
    (messages, child.wait().unwrap().code())
}

#[test]
fn after_ctrl_c_a_resumed_run_equals_one_that_never_stopped() {
    let place = Place::with_text();
    let (messages, code) = interrupted(&place, "-INT");
    assert_eq!(code, Some(130), "{messages}");
    assert!(messages.contains("stopped after step") && messages.contains("train --resume run"), "{messages}");
    let resumed = place.done(&["train", "--resume", "run", "--json"]);
    assert_eq!(json(&resumed)["steps"], 4000);
    assert!(stderr(&resumed).contains("resumed after step"), "{}", stderr(&resumed));

    place.done(&[&["train", "text.txt", "--out", "whole"], &TINY[..], &LONG].concat());
    for file in ["model.safetensors", "best.safetensors", "config.toml"] {
        assert!(place.read(&format!("run/{file}")) == place.read(&format!("whole/{file}")), "{file} differs");
    }
    let steps = |run: &str| -> Vec<serde_json::Value> {
        let log = String::from_utf8(place.read(&format!("{run}/log.jsonl"))).unwrap();
        log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].clone()).collect()
    };
    let whole = steps("whole");
    assert!(steps("run").len() >= whole.len() && whole.iter().all(|step| steps("run").contains(step)));
}

#[test]
fn sigterm_too() {
    let place = Place::with_text();
    let (messages, code) = interrupted(&place, "-TERM");
    assert_eq!(code, Some(143), "{messages}");
    assert!(place.path("run/state.safetensors").is_file() && place.path("run/loss.svg").is_file());
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    if !cfg!(target_os = "linux") {
        println!("not run: ignored signals are known on Linux only");
        return;
    }
    for (name, signal) in [("HUP", "-HUP"), ("INT", "-INT"), ("TERM", "-TERM")] {
        let place = Place::with_text();
        let program = place.command(&training());
        let mut shell = Command::new("sh");
        shell.current_dir(place.path("")).arg("-c").arg(format!("trap '' {name}; exec \"$0\" \"$@\""));
        shell.arg(program.get_program()).args(program.get_args());
        let (messages, code) = signalled(shell, signal);
        assert_eq!(code, Some(0), "{name}: {messages}");
        assert!(messages.contains("step 4000/4000"), "{name}: {messages}");
    }
}
