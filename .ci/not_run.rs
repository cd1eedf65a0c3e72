//! Reports what a test skipped because data, rights or instructions are missing: on standard error, and in the file that
//! `ELMAN_NOT_RUN` names, which `.ci/run` prints last. Not here: the decision to skip it.

use std::io::Write;

/// Writes directly to standard error: libtest shows captured output only if the test fails.
pub fn not_run(what: &str) {
    let line = format!("not run: {what}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("ELMAN_NOT_RUN") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // A single write, so that lines of concurrent tests do not mix.
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
