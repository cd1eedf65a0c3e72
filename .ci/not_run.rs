//! Tells what a test left out, for want of data, rights or instructions: on the standard error, and in the file that
//! `ELMAN_NOT_RUN` names, which `.ci/run` prints last. Not here: whether to leave it out.

use std::io::Write;

/// libtest shows what a test prints only where it fails, but not what a test writes past its capture.
pub fn not_run(what: &str) {
    let line = format!("not run: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("ELMAN_NOT_RUN") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // One write: lines of tests that run at the same time do not mix.
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
