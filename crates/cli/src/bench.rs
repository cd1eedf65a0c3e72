//! Holds the verb `bench`: what training and sampling take on this machine, beside what the machine can do at best.
//! Refuses to time what it has not checked: a row whose losses are not as they should be ends the run.

mod growth;
mod parts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use elman::Cpu;
use elman_bench::{Row, Runner, Work, rows};
use elman_kernels::peak;
use serde::Serialize;

use crate::failure::Refusal;
use crate::progress::wait_for;
use crate::terminal::{self, say, short};

/// Time training and sampling on this machine, and say how close they come to what it can do
#[derive(clap::Args)]
pub struct Args {
    /// Only the rows whose name holds one of these, separated by commas: `lstm`, `2x256`, `sample`, `int8`
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    rows: Vec<String>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Seconds to time each row for
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
    /// Say of rows that train where the time of a step goes, and what of it products at the peak would not take
    #[arg(long, conflicts_with = "growth")]
    parts: bool,
    /// Time instead what a token costs as steps, units, rows, vocabulary and text grow, and a state of subnormal numbers;
    /// --rows then knows names like `T 16`, `H`, `text 1 MB` and `subnormal`
    #[arg(long)]
    growth: bool,
    /// With --growth: draw it, too
    #[arg(long, value_name = "FILE", requires = "growth")]
    figure: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Time between two looks at the peak.
const BURST: Duration = Duration::from_millis(200);

/// What the machine can do.
#[derive(Serialize)]
struct Machine {
    backend: &'static str,
    threads: usize,
    /// Billions of multiply-adds on registers a second, each counted as two operations: one core, all threads.
    peak_gflops: [f64; 2],
}

/// What a row took.
#[derive(Serialize)]
struct Measured {
    row: String,
    /// By step, of all timed steps; a step of sampling is a token of each stream.
    ms_median: f64,
    ms_min: f64,
    tokens_per_sec: f64,
    /// Of the products that are done.
    gflops: f64,
    /// With the one-hot product that is not, as others count.
    gflops_with_one_hot: f64,
    /// Of the peak of all threads: the median of short measurements between the steps.
    peak_share: f64,
    /// GB of weights a second, where each is read once a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights_gb_per_sec: Option<f64>,
    /// Of what reading a memory of that size gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth_share: Option<f64>,
    /// Most memory that was resident during the row, MB, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_mb: Option<f64>,
    losses: Vec<f64>,
    /// With `--parts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<parts::Part>,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rows: Vec<Measured>,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !(args.seconds.is_finite() && args.seconds > 0.0) {
        return Err(Refusal::new(format!("--seconds is {}, expected a finite number above 0", args.seconds)).into());
    }
    if args.growth {
        args.figure.as_deref().map(growth::check_figure).transpose()?;
        return growth::run(args).map(|()| ExitCode::SUCCESS);
    }
    let is_asked = |row: &Row| args.rows.is_empty() || args.rows.iter().any(|word| row.name.contains(word.as_str()));
    let mut asked: Vec<Row> = rows().into_iter().filter(is_asked).collect();
    if asked.is_empty() {
        return refuse_none(args);
    }
    let cpu = Cpu::new(args.threads)?;
    let before = asked.len();
    asked.retain(|row| row.is_for(&cpu));
    if asked.len() < before {
        say!(
            "not timed: rows in bf16, {} of {before}; {} has no instruction for it",
            before - asked.len(),
            cpu.backend_name()
        );
    }
    let machine = wait_for("measuring the machine", || machine(&cpu));
    if !args.json {
        let [one, all] = machine.peak_gflops;
        let threads = terminal::counted(machine.threads as u64, "thread");
        let words = format!("{}, {threads}; peak {one:.0} GF/s on one, {all:.0} on all", machine.backend);
        terminal::print(&format!("{words}\n\n{}", head()))?;
    }
    let mut measured = Vec::new();
    for row in &asked {
        let time = Duration::from_secs_f64(args.seconds);
        let mut figures = wait_for("timing", || measure(row, &cpu, time))?;
        if args.parts && matches!(row.work, Work::Train { .. }) {
            figures.parts = wait_for("timing its parts", || parts::measure(row, &cpu, time))?;
        }
        if !args.json {
            terminal::print(&line(&figures))?;
            figures.parts.iter().try_for_each(|part| terminal::print(&part.line()))?;
        }
        measured.push(figures);
    }
    if args.json {
        terminal::print_json(&Report { machine, rows: measured })?;
    } else {
        say!(
            "share: of the peak between the steps; bandwidth: of reading as many bytes as the weights have, on as many threads"
        );
        if args.parts {
            say!("lost: what products at the peak would not take, of the step");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Errors: always, for no row has any of the names that were asked for.
fn refuse_none<T>(args: &Args) -> anyhow::Result<T> {
    let refusal = Refusal::new(format!("no row's name holds {}", args.rows.join(" or ")));
    Err(refusal.hint("without --rows all rows are timed, and named").into())
}

fn machine(cpu: &Cpu) -> Machine {
    // The best of some tries: other work on the machine only ever takes away.
    let best = |threads| {
        let tries = (0..5).map(|_| peak::multiply_adds(cpu.backend(), threads, Duration::from_millis(60)));
        tries.fold(0.0, f64::max) / 1e9
    };
    Machine { backend: cpu.backend_name(), threads: cpu.threads(), peak_gflops: [best(1), best(cpu.threads())] }
}

/// The peak of all threads in this moment: a machine's rate changes from second to second, so what is timed between such
/// moments is compared with their median. The best of some tries: threads that were just begun may share a core at first.
fn moment(cpu: &Cpu) -> f64 {
    let tries = (0..4).map(|_| peak::multiply_adds(cpu.backend(), cpu.threads(), Duration::from_millis(6)));
    tries.fold(0.0, f64::max)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(row: &Row, cpu: &Cpu, time: Duration) -> anyhow::Result<Measured> {
    let tells = forget_peak();
    let (mut runner, losses) = Runner::new(row, cpu)?;
    let mut steps = Vec::new();
    // Steps too short for the clock are timed together.
    let together = if matches!(row.work, Work::Sample { .. }) { 32 } else { 1 };
    (0..together).try_for_each(|_| runner.step())?;
    let (begin, mut peaks) = (Instant::now(), vec![moment(cpu)]);
    let mut next = BURST;
    while begin.elapsed() < time || steps.len() < 3 {
        let start = Instant::now();
        (0..together).try_for_each(|_| runner.step())?;
        steps.push(start.elapsed().as_secs_f64() / f64::from(together));
        if begin.elapsed() > next {
            peaks.push(moment(cpu));
            next = begin.elapsed() + BURST;
            // What the moment took out of the caches.
            (0..together).try_for_each(|_| runner.step())?;
        }
    }
    let min = steps.iter().copied().fold(f64::INFINITY, f64::min);
    let (median, peak) = (median(steps), median(peaks));
    let peak_mb = tells.then(peak_megabytes).flatten();
    let (done, with_one_hot) = row.flops();
    let gflops = done / median / 1e9;
    let bytes = runner.bytes();
    let bandwidth = bytes.map(|bytes| {
        let threads = runner.threads().unwrap_or(1);
        let tries = (0..5).map(|_| peak::reading(cpu.backend(), threads, bytes, Duration::from_millis(40)));
        tries.fold(0.0, f64::max)
    });
    let per_sec = bytes.map(|bytes| bytes as f64 / median);
    Ok(Measured {
        row: row.name.clone(),
        ms_median: median * 1e3,
        ms_min: min * 1e3,
        tokens_per_sec: row.tokens() as f64 / median,
        gflops,
        gflops_with_one_hot: with_one_hot / median / 1e9,
        peak_share: gflops * 1e9 / peak,
        weights_gb_per_sec: per_sec.map(|rate| rate / 1e9),
        bandwidth_share: per_sec.zip(bandwidth).map(|(rate, best)| rate / best),
        peak_mb,
        losses,
        parts: Vec::new(),
    })
}

/// Makes the system forget how much memory was resident at most; whether it can.
fn forget_peak() -> bool {
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory resident since [`forget_peak`], MB.
fn peak_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn head() -> String {
    format!(
        "{:<28} {:>10} {:>10} {:>9} {:>7} {:>6} {:>9} {:>7}",
        "row", "ms median", "ms min", "tokens/s", "GF/s", "share", "bandwidth", "MB"
    )
}

fn line(m: &Measured) -> String {
    let percent = |x: f64| format!("{:.0} %", 100.0 * x);
    let or_dash = |x: Option<String>| x.unwrap_or_else(|| "-".to_string());
    format!(
        "{:<28} {:>10.4} {:>10.4} {:>9} {:>7.1} {:>6} {:>9} {:>7}",
        m.row,
        m.ms_median,
        m.ms_min,
        short(m.tokens_per_sec),
        m.gflops,
        percent(m.peak_share),
        or_dash(m.bandwidth_share.map(percent)),
        or_dash(m.peak_mb.map(|mb| format!("{mb:.0}")))
    )
}
