//! The binary of the program `elman`. Not here: anything else (`lib.rs`).
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    elman_cli::run()
}
