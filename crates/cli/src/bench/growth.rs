//! `bench --growth`: time and memory per token as each size grows, and the cost of a subnormal state, as a table and a
//! picture. Not here: the sizes; `elman_bench::growth` defines them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use elman::Cpu;
use elman::files::atomic_file::write_atomic;
use elman::train::{Control, Event};
use elman_bench::growth::{DECAY_CELLS, DECAY_STEPS, Decay, NORMAL, SUBNORMAL, TEXTS, curves, on_text, write_text};
use elman_kernels::recurrent::Cell;
use serde::Serialize;

use super::args::{Args, refuse_none};
use super::machine::{Machine, forget_peak, machine, peak_megabytes};
use super::measure::measure;
use crate::columns::{Layout, number, words};
use crate::picture::chart::{Axis, Chart, Curve, Stroke};
use crate::picture::{Area, BLUE, INK, MARGIN, ORANGE, Svg, WIDTH};
use crate::progress::wait_for;
use crate::stream::Stream;
use crate::terminal::{self, say};
use crate::ticks::logarithmic;

/// The cost of a token at one value of a size.
#[derive(Serialize)]
struct Point {
    size: u64,
    ns_per_token_median: f64,
    ns_per_token_min: f64,
    tokens_per_step: usize,
    /// Of the products that are computed; None for a growing text.
    gflops: Option<f64>,
    /// Peak resident memory, including the preparation of the model or text.
    peak_mb: Option<f64>,
    /// For a text: to hash it, to make its vocabulary and to write its tokens.
    seconds_to_prepare: Option<f64>,
}

#[derive(Serialize)]
struct Grown {
    letter: &'static str,
    what: &'static str,
    points: Vec<Point>,
}

/// The cost of a layer's step with a subnormal and with a normal state: the least of several times.
#[derive(Serialize)]
struct Decayed {
    cell: &'static str,
    steps: usize,
    us_per_step_normal: f64,
    us_per_step_subnormal: f64,
    ratio: f64,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    curves: Vec<Grown>,
    subnormal: Vec<Decayed>,
}

/// Measures what `args` selects, and prints it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let is_asked = |name: &str| args.rows.is_empty() || args.rows.iter().any(|word| name.contains(word.as_str()));
    let mut grown = curves();
    grown.iter_mut().for_each(|curve| curve.points.retain(|(_, row)| is_asked(&row.name)));
    grown.retain(|curve| !curve.points.is_empty());
    let texts: Vec<u64> =
        TEXTS.into_iter().filter(|bytes| is_asked(&format!("text {} MB", bytes / 1_000_000))).collect();
    let cells: Vec<Cell> = DECAY_CELLS.into_iter().filter(|c| is_asked(&format!("subnormal {}", c.name()))).collect();
    if grown.is_empty() && texts.is_empty() && cells.is_empty() {
        return refuse_none(args);
    }
    let (cpu, time) = (Cpu::new(args.threads)?, Duration::from_secs_f64(args.seconds));
    let machine = wait_for("measuring the machine", || machine(&cpu));
    let mut report = Report { machine, curves: Vec::new(), subnormal: Vec::new() };
    let print = |line: String| if args.json { Ok(()) } else { terminal::print(&line) };
    for curve in grown {
        print(head(curve.letter, curve.what))?;
        let mut points = Vec::new();
        for (value, row) in &curve.points {
            let figures = wait_for("timing", || measure(row, &cpu, time))?;
            let tokens = row.tokens();
            let point = Point {
                size: *value as u64,
                ns_per_token_median: figures.ms_median * 1e6 / tokens as f64,
                ns_per_token_min: figures.ms_min * 1e6 / tokens as f64,
                tokens_per_step: tokens,
                gflops: Some(figures.gflops),
                peak_mb: figures.peak_mb,
                seconds_to_prepare: None,
            };
            print(line(&point))?;
            points.push(point);
        }
        report.curves.push(Grown { letter: curve.letter, what: curve.what, points });
    }
    if !texts.is_empty() {
        let (letter, what) = ("text", "bytes of a text on the disk (LSTM 128, B 64, T 32)");
        print(head(letter, what))?;
        let mut points = Vec::new();
        for bytes in texts {
            let point = wait_for("timing", || text(bytes, &cpu, time))?;
            print(line(&point))?;
            points.push(point);
        }
        report.curves.push(Grown { letter, what, points });
    }
    if !cells.is_empty() {
        print(format!("\n{}", decays().head().unwrap_or_default()))?;
    }
    for cell in cells {
        let figures = wait_for("timing", || decay(cell, &cpu))?;
        let Decayed { us_per_step_normal: normal, us_per_step_subnormal: subnormal, ratio, .. } = figures;
        let numbers = [normal, subnormal, ratio].map(|x| format!("{x:.2}"));
        print(decays().row(&[&[cell.name().to_string()][..], &numbers].concat()))?;
        report.subnormal.push(figures);
    }
    if let Some(path) = &args.figure {
        write_atomic(path, draw(&report.curves).as_bytes())?;
    }
    if args.json {
        terminal::print_json(&report)?;
    } else {
        say!("training steps; MB: most memory resident; subnormal: {DECAY_STEPS} steps forward of 128 units, 8 rows");
    }
    Ok(())
}

/// The table of a curve, whose points are printed one by one.
fn layout() -> Layout {
    let columns =
        [number("size"), number("ns/token"), number("least"), number("GF/s"), number("MB"), number("prepared")];
    Layout::new(&columns, 1, &[13, 9, 9, 6, 6, 8], Stream::Out.width())
}

fn head(letter: &str, what: &str) -> String {
    format!("\n{letter}: {what}\n{}", layout().head().unwrap_or_default())
}

fn line(point: &Point) -> String {
    let or_dash = |x: Option<String>| x.unwrap_or_else(|| "-".to_string());
    layout().row(&[
        terminal::grouped(point.size),
        format!("{:.0}", point.ns_per_token_median),
        format!("{:.0}", point.ns_per_token_min),
        or_dash(point.gflops.map(|x| format!("{x:.1}"))),
        or_dash(point.peak_mb.map(|x| format!("{x:.0}"))),
        or_dash(point.seconds_to_prepare.map(|x| format!("{x:.1} s"))),
    ])
}

/// The table of subnormal states.
fn decays() -> Layout {
    let columns = [words("state"), number("us/step normal").or("normal"), number("subnormal"), number("ratio")];
    Layout::new(&columns, 1, &[12, 10, 10, 6], Stream::Out.width())
}

/// A directory of its own, removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("elman-growth-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Steps before timing.
const WARM_UP: usize = 3;

/// Times training on a text of `bytes`, and its preparation.
fn text(bytes: u64, cpu: &Cpu, time: Duration) -> anyhow::Result<Point> {
    let scratch = Scratch::new()?;
    let path = scratch.0.join("text.txt");
    write_text(&path, bytes)?;
    let (tells, begin) = (forget_peak(), Instant::now());
    let mut trainer = on_text(&path, &scratch.0.join("tokens.bin"), cpu)?;
    let prepared = begin.elapsed();
    let (begin, mut last, mut steps) = (Instant::now(), Instant::now(), Vec::new());
    trainer.run(None, &mut |event| {
        if let Event::Step { .. } = event {
            steps.push(last.elapsed().as_secs_f64());
            last = Instant::now();
        }
        if begin.elapsed() < time || steps.len() < WARM_UP + 3 { Control::Continue } else { Control::Stop }
    })?;
    steps.drain(..WARM_UP);
    steps.sort_by(f64::total_cmp);
    let tokens = trainer.plan().batch * trainer.plan().seq_len;
    Ok(Point {
        size: bytes,
        ns_per_token_median: steps[steps.len() / 2] * 1e9 / tokens as f64,
        ns_per_token_min: steps[0] * 1e9 / tokens as f64,
        tokens_per_step: tokens,
        gflops: None,
        peak_mb: tells.then(peak_megabytes).flatten(),
        seconds_to_prepare: Some(prepared.as_secs_f64()),
    })
}

/// Times all steps of a decay, alternately with a normal and a subnormal state.
fn decay(cell: Cell, cpu: &Cpu) -> anyhow::Result<Decayed> {
    let mut layer = Decay::new(cell);
    let mut least = [f64::INFINITY; 2];
    for _ in 0..3 {
        for (least, (start, range)) in least.iter_mut().zip([NORMAL, SUBNORMAL]) {
            let begin = Instant::now();
            layer.run(cpu, start, range)?;
            *least = least.min(begin.elapsed().as_secs_f64() * 1e6 / DECAY_STEPS as f64);
        }
    }
    let [normal, subnormal] = least;
    Ok(Decayed {
        cell: cell.name(),
        steps: DECAY_STEPS,
        us_per_step_normal: normal,
        us_per_step_subnormal: subnormal,
        ratio: subnormal / normal,
    })
}

/// Height of the panels of a size, in pixels.
const PANEL: f64 = 210.0;

/// Two panels for each size side by side: time per token and memory, all axes logarithmic.
fn draw(curves: &[Grown]) -> String {
    let mut svg = Svg::default();
    let mut y = MARGIN;
    for curve in curves {
        let of = |value: fn(&Point) -> Option<f64>| -> Vec<(f64, f64)> {
            curve.points.iter().filter_map(|point| Some((point.size as f64, value(point)?))).collect()
        };
        let head = Area { x: MARGIN, y, width: WIDTH - 2.0 * MARGIN, height: 0.0 };
        y += svg.title(head, 16.0, INK, curve.what);
        let panels = [
            ("ns per token", BLUE, of(|point| Some(point.ns_per_token_median))),
            ("MB resident", ORANGE, of(|p| p.peak_mb)),
        ];
        for (at, (unit, colour, points)) in panels.into_iter().enumerate() {
            let column = WIDTH / 2.0;
            panel(&mut svg, Area { x: column * at as f64, y, width: column, height: PANEL }, unit, colour, points);
        }
        y += PANEL + 8.0;
    }
    svg.finish(WIDTH, y)
}

/// One curve; its axis covers at least two decades, so that a flat curve looks flat.
fn panel(svg: &mut Svg, area: Area, unit: &str, colour: &'static str, points: Vec<(f64, f64)>) {
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return };
    let (low, high) = points.iter().fold((f64::MAX, 0.0), |(low, high), p| (p.1.min(low), p.1.max(high)));
    let margin = (100.0 * low / high).max(4.0).sqrt();
    let axis = |name: &str, low: f64, high: f64, most| Axis {
        name: name.into(),
        low,
        high,
        is_log: true,
        ticks: logarithmic(low, high, most),
    };
    let (x, y) = (axis("", first.0 / 1.2, last.0 * 1.2, 7), axis(unit, low / margin, high * margin, 5));
    let curves = vec![Curve { name: String::new(), colour, stroke: Stroke::Dotted, points }];
    Chart { title: String::new(), size: 0.0, x, y, curves }.draw(svg, area);
}

/// Checks before long work that a picture can be written. Errors: its directory does not exist.
pub fn check_figure(path: &Path) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(directory).map(|_| ()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_two_panels_for_each_size() {
        let point = |size, ns, peak_mb| Point {
            size,
            ns_per_token_median: ns,
            ns_per_token_min: ns,
            tokens_per_step: 1,
            gflops: None,
            peak_mb,
            seconds_to_prepare: None,
        };
        let points = || vec![point(16, 900.0, Some(20.0)), point(100_000, 950.0, Some(800.0))];
        let of = |letter, what, points| Grown { letter, what, points };
        let svg = draw(&[of("T", "steps <T>", points()), of("H", "units", vec![point(1, 5.0, None)])]);
        assert!(svg.contains("steps &lt;T&gt;") && svg.contains("units"));
        assert_eq!((svg.matches("ns per token").count(), svg.matches("MB resident").count()), (2, 1));
        assert_eq!(svg.matches("<circle").count(), 2 + 2 + 1, "{svg}");
        assert!(draw(&[]).ends_with("</svg>\n"));
    }
}
