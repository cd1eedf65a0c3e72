//! Commands that must not wait for ever, and FIFOs, at which a careless reader waits. Not here: what is tested with them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any of the commands takes, shorter than what waits for ever.
const LONGEST: Duration = Duration::from_secs(20);
/// The exit code and messages of a command, which must end in time.
pub fn within_time(mut command: Command) -> (Option<i32>, String) {
    let words = format!("{command:?}");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("{words} still runs");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Makes a FIFO that nobody writes to.
pub fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
