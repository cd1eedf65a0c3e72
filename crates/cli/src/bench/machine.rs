//! Measures the peak of the machine, and the memory of this process. Not here: rows (`measure.rs`).

use std::time::Duration;

use elman::Cpu;
use elman_kernels::peak;
use serde::Serialize;

/// Time between two measurements of the peak.
pub const BURST: Duration = Duration::from_millis(200);

/// The machine and its peak.
#[derive(Serialize)]
pub struct Machine {
    pub backend: &'static str,
    pub threads: usize,
    /// Multiply-adds on registers, each counted as two operations, in billions a second: one core, all threads.
    pub peak_gflops: [f64; 2],
}

pub fn machine(cpu: &Cpu) -> Machine {
    // The best of several measurements: other work on the machine only makes them slower.
    let best = |threads| {
        let tries = (0..5).map(|_| peak::multiply_adds(cpu.backend(), threads, Duration::from_millis(60)));
        tries.fold(0.0, f64::max) / 1e9
    };
    Machine { backend: cpu.backend_name(), threads: cpu.threads(), peak_gflops: [best(1), best(cpu.threads())] }
}

/// The peak of all threads now. The clock rate changes from second to second, so a row is compared with the median of the
/// peaks measured between its steps. The best of several measurements: new threads may share a core at first.
pub fn moment(cpu: &Cpu) -> f64 {
    let tries = (0..4).map(|_| peak::multiply_adds(cpu.backend(), cpu.threads(), Duration::from_millis(6)));
    tries.fold(0.0, f64::max)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Resets the system's record of peak resident memory; returns whether it could.
pub fn forget_peak() -> bool {
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Peak resident memory since [`forget_peak`], MB.
pub fn peak_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
