//! Paths that the user names: FIFOs and devices are refused at once, links are followed, and of a large file of another kind
//! only the beginning is read. Not here: what is in a run directory (`run_dirs.rs`).
#![cfg(unix)]

mod place;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use place::Place;

/// The program's exit code and messages; the test fails if it runs longer than a command may wait.
fn within_time(place: &Place, args: &[&str]) -> (Option<i32>, String) {
    let mut child =
        place.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("{args:?} still runs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_model_or_text_that_is_no_regular_file_is_refused_at_once() {
    let place = Place::with_run();
    fifo(&place.path("pipe"));
    for path in ["pipe", "/dev/zero"] {
        let want = format!("cannot read {path}: a FIFO, socket or device, expected a regular file");
        for verb in ["info", "sample", "eval"] {
            let args = [&[verb, path][..], if verb == "eval" { &["text.txt"] } else { &[] }].concat();
            let (code, messages) = within_time(&place, &args);
            assert!(code == Some(1) && messages.contains(&want), "{verb} {path}: {messages}");
        }
        let (code, messages) = within_time(&place, &["train", path, "--steps", "1"]);
        assert!(code == Some(1) && messages.contains(&want), "train {path}: {messages}");
    }
    // A link that the user names is followed.
    symlink(place.path("run/best.safetensors"), place.path("linked.safetensors")).unwrap();
    assert_eq!(within_time(&place, &["sample", "linked.safetensors", "-n", "3"]).0, Some(0));
}

#[test]
fn a_large_file_of_another_kind_is_refused_by_its_beginning() {
    let place = Place::new();
    // A sparse file, of which all would be read otherwise.
    fs::File::create(place.path("large.safetensors")).unwrap().set_len(1 << 36).unwrap();
    let (code, messages) = within_time(&place, &["info", "large.safetensors"]);
    assert!(code == Some(1) && messages.contains("not a safetensors file"), "{messages}");
}
