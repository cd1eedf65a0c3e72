//! The parts of a training step that the kernels' profiler times, each compared with the time of its products at the peak.
//! Not here: sampling, which is a single part.

use std::time::{Duration, Instant};

use elman::Cpu;
use elman_bench::{Row, Runner};
use elman_kernels::Profiler;
use serde::Serialize;

use super::machine::{BURST, median, moment};

/// A part of a step.
#[derive(Serialize)]
pub struct Part {
    part: &'static str,
    /// Mean over the steps.
    ms: f64,
    /// Share of the step.
    share: f64,
    /// Rate of its products as a share of the peak; None if it has no products.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_share: Option<f64>,
    /// Time beyond that of its products at the peak, as a share of the step.
    lost: f64,
}

impl Part {
    /// The part as a line under its row.
    pub fn line(&self) -> String {
        let percent = |x: f64| format!("{:.1} %", 100.0 * x);
        let of_peak = self.peak_share.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
        let (share, lost) = (percent(self.share), percent(self.lost));
        format!(
            "  {:<34} {:>8.4} ms {share:>8} of the step  at {of_peak:>5} of the peak  lost {lost:>7}",
            self.part, self.ms
        )
    }
}

/// Times the parts of a row that trains, sorted by lost time; the time between the parts comes last.
pub fn measure(row: &Row, cpu: &Cpu, time: Duration) -> anyhow::Result<Vec<Part>> {
    let cpu = cpu.clone().with_profiler();
    let Some(profiler) = cpu.profiler() else { unreachable!("a processor with a profiler") };
    let (mut runner, _) = Runner::new(row, &cpu)?;
    let (begin, mut peaks) = (Instant::now(), vec![moment(&cpu)]);
    let (mut steps, mut all) = (0, 0.0);
    let timed = Profiler::default();
    profiler.take();
    while steps == 0 || begin.elapsed() < time {
        let burst = Instant::now();
        while burst.elapsed() < BURST {
            runner.step()?;
            steps += 1;
        }
        all += burst.elapsed().as_secs_f64();
        profiler.take().into_iter().for_each(|(name, time)| timed.add(name, time));
        peaks.push(moment(&cpu));
        // The measurement of the peak has evicted the caches: warm them again.
        runner.step()?;
        profiler.take();
    }
    let (peak, each) = (median(peaks), 1.0 / f64::from(steps));
    let flops = row.flops_by_part();
    let part = |name: &'static str, seconds: f64| {
        let at_peak = flops.iter().find(|part| part.0 == name).map_or(0.0, |part| part.1 / peak);
        let peak_share = (at_peak > 0.0).then(|| at_peak / (seconds * each));
        let (share, lost) = (seconds / all, (seconds - at_peak / each) / all);
        Part { part: name, ms: seconds * each * 1e3, share, peak_share, lost }
    };
    let timed = timed.take();
    let between = all - timed.iter().map(|(_, time)| time.as_secs_f64()).sum::<f64>();
    let mut parts: Vec<Part> = timed.into_iter().map(|(name, time)| part(name, time.as_secs_f64())).collect();
    parts.sort_by(|a, b| b.lost.total_cmp(&a.lost));
    parts.push(part("between them", between));
    Ok(parts)
}
