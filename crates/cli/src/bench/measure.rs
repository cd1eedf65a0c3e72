//! Times a row of the benchmark on this machine. Not here: the parts of a step (`parts.rs`).

use std::time::{Duration, Instant};

use elman::Cpu;
use elman_bench::{Row, Runner, Work};
use elman_kernels::peak;
use serde::Serialize;

use super::machine::{BURST, forget_peak, median, moment, peak_megabytes};
use super::parts::Part;

/// The figures of a row.
#[derive(Serialize)]
pub struct Measured {
    pub row: String,
    /// Median of all timed steps; a step of sampling is a token of each stream.
    pub ms_median: f64,
    pub ms_min: f64,
    pub tokens_per_sec: f64,
    /// Of the products that are computed.
    pub gflops: f64,
    /// Including the product with one-hot vectors, which elman does not compute but others count.
    pub gflops_with_one_hot: f64,
    /// Of the peak of all threads: the median of short measurements between the steps.
    pub peak_share: f64,
    /// GB of weights a second, for rows where each weight is read once a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_gb_per_sec: Option<f64>,
    /// Share of the bandwidth of reading a buffer of that size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_share: Option<f64>,
    /// Peak resident memory of the row, MB, if the system reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_mb: Option<f64>,
    pub losses: Vec<f64>,
    /// With `--parts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

pub fn measure(row: &Row, cpu: &Cpu, time: Duration) -> anyhow::Result<Measured> {
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
            // The measurement of the peak has evicted the caches: warm them again.
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
