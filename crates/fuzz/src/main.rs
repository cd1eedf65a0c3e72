//! Runs the fuzz targets for a long time without a special compiler: `elman-fuzz TARGET INPUTS [SEED]`. It stops after
//! the first input that breaks a target, and writes it to a file. `elman-fuzz seeds` makes the valid files of the corpora,
//! `elman-fuzz replay TARGET [FOLDER]` runs a target once on each input of its corpus and of a folder.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use elman_fuzz::{Mutator, TARGETS, corpora, corpus, inputs_of, seeds};

/// An input that takes longer has hung.
const TOO_LONG: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["seeds"] {
        return match seeds::write(corpora()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if args.first().is_some_and(|verb| verb == "replay") {
        return replay(&args[1..]);
    }
    let number = |at: usize, default: u64| args.get(at).map_or(Some(default), |text| text.parse().ok());
    let target = args.first().and_then(|name| TARGETS.into_iter().find(|(target, _)| target == name));
    let (Some((name, target)), Some(inputs), Some(seed)) = (target, number(1, 1_000_000), number(2, 1)) else {
        let names = TARGETS.map(|(name, _)| name).join("|");
        eprintln!("error: expected {names} [INPUTS] [SEED], seeds, or replay TARGET [FOLDER]");
        return ExitCode::from(2);
    };
    let inputs_of = match corpus(name) {
        Ok(corpus) if !corpus.is_empty() => corpus.into_iter().map(|(_, bytes)| bytes).collect(),
        _ => {
            eprintln!("error: no corpus of {name}");
            return ExitCode::FAILURE;
        }
    };
    let (mut mutator, started, mut slowest) = (Mutator::new(inputs_of, seed), Instant::now(), Duration::ZERO);
    let mut accepted = 0;
    for count in 0..inputs {
        let bytes = mutator.next_input();
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
        accepted += u64::from(matches!(outcome, Ok(true)));
        let held = outcome.is_ok();
        let mut took = begun.elapsed();
        if held && took > TOO_LONG {
            // The machine may have been busy elsewhere: a hang hangs again.
            let again = Instant::now();
            target(&bytes);
            took = again.elapsed();
        }
        slowest = slowest.max(took);
        if !held || took > TOO_LONG {
            let path = format!("{name}-{seed}-{count}.bin");
            let written = std::fs::write(&path, &bytes);
            eprintln!("error: input {count} of {name} {}: {path} {written:?}", if held { "hangs" } else { "panics" });
            return ExitCode::FAILURE;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let memory = peak_memory().map_or("unknown".to_string(), |bytes| format!("{} MB", bytes / 1_000_000));
    println!(
        "{name}: {inputs} inputs of seed {seed} in {seconds:.0} s, none broke it; {:.1} % were accepted; the slowest took {slowest:?}, {memory} at most",
        100.0 * accepted as f64 / inputs.max(1) as f64
    );
    ExitCode::SUCCESS
}

/// Runs a target on its corpus and on the files of a folder: `TARGET [FOLDER]`.
fn replay(args: &[String]) -> ExitCode {
    let target = args.first().and_then(|name| TARGETS.into_iter().find(|(target, _)| target == name));
    let Some((name, target)) = target else {
        eprintln!("error: expected replay TARGET [FOLDER]");
        return ExitCode::from(2);
    };
    let more = args.get(1).map_or(Ok(Vec::new()), |folder| inputs_of(folder.as_ref()));
    let (Ok(own), Ok(more)) = (corpus(name), more) else {
        eprintln!("error: cannot read the inputs of {name}");
        return ExitCode::FAILURE;
    };
    let accepted = own.iter().chain(&more).filter(|(_, bytes)| target(bytes)).count();
    println!("{name}: {} inputs, {accepted} accepted", own.len() + more.len());
    ExitCode::SUCCESS
}

/// The most memory this process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
