//! Draws losses over steps: `loss.svg` with training and validation loss of one run, and the validation losses of several.
//! Not here: losses that are not finite; the picture omits them.

use std::path::Path;

use elman::files::atomic_file::write_atomic;
use elman::train::Report;

use crate::picture::chart::{Axis, Chart, Curve, LARGE, Stroke, alone};
use crate::picture::{BLUE, COLOURS, ORANGE};
use crate::ticks::linear;

/// Height in pixels.
const HEIGHT: f64 = 480.0;
/// Most points of a curve; of a longer one, neighbours are averaged.
const MAX_POINTS: usize = 800;
/// A validation curve of fewer points shows each as a dot.
const MAX_DOTS: usize = 60;

/// Draws the reports of a run into the file `picture`, atomically; `unit` is the name of a token. Errors: it cannot be written.
pub fn draw(reports: &[Report], picture: &Path, title: &str, unit: &str) -> anyhow::Result<()> {
    Ok(write_atomic(picture, svg(reports, title, unit).as_bytes())?)
}

/// A loss over the steps without values that are not finite, averaged to at most `MAX_POINTS`.
fn points(reports: &[Report], loss: impl Fn(&Report) -> Option<f64>) -> Vec<(f64, f64)> {
    let all: Vec<(f64, f64)> = reports
        .iter()
        .filter_map(|report| Some((report.step as f64, loss(report).filter(|loss| loss.is_finite())?)))
        .collect();
    let mean = |some: &[(f64, f64)]| {
        let n = some.len() as f64;
        (some.iter().map(|point| point.0).sum::<f64>() / n, some.iter().map(|point| point.1).sum::<f64>() / n)
    };
    all.chunks(all.len().div_ceil(MAX_POINTS).max(1)).map(mean).collect()
}

/// Draws the validation losses of several runs into the file `picture`. Errors: it cannot be written.
pub fn draw_runs(runs: &[(String, Vec<Report>)], picture: &Path, unit: &str) -> anyhow::Result<()> {
    let curve = |(at, (name, reports)): (usize, &(String, Vec<Report>))| {
        let points = points(reports, |report| report.val_loss);
        Curve { name: name.clone(), colour: COLOURS[at % COLOURS.len()], stroke: stroke(&points), points }
    };
    let curves: Vec<Curve> = runs.iter().enumerate().map(curve).collect();
    Ok(write_atomic(picture, chart("Validation loss", unit, curves).as_bytes())?)
}

/// How a curve of validation is drawn.
fn stroke(points: &[(f64, f64)]) -> Stroke {
    if points.len() < MAX_DOTS { Stroke::Dotted } else { Stroke::Plain }
}

fn svg(reports: &[Report], title: &str, unit: &str) -> String {
    let train = points(reports, |report| Some(report.train_loss));
    let validation = points(reports, |report| report.val_loss);
    let curves = vec![
        Curve { name: "training".into(), colour: BLUE, stroke: Stroke::Plain, points: train },
        Curve { name: "validation".into(), colour: ORANGE, stroke: stroke(&validation), points: validation },
    ];
    chart(title, unit, curves)
}

/// Losses over steps.
fn chart(title: &str, unit: &str, curves: Vec<Curve>) -> String {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let last = all().map(|&(step, _)| step).fold(1.0, f64::max);
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), &(_, loss)| (low.min(loss), high.max(loss)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = ((high - low) * 0.06).max(0.01);
    let (low, high) = ((low - margin).max(0.0).min(low), high + margin);
    let x = Axis { name: "step".into(), low: 0.0, high: last, is_log: false, ticks: linear(0.0, last, 9) };
    let y = Axis {
        name: format!(
            "loss ({})",
            match unit {
                "number" => "of the scaled numbers".to_string(),
                "sample" => "of the signal".to_string(),
                _ => format!("nats per {unit}"),
            }
        ),
        low,
        high,
        is_log: false,
        ticks: linear(low, high, 9),
    };
    alone(&Chart { title: title.into(), size: LARGE, x, y, curves }, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, train_loss: f64, val_loss: Option<f64>) -> Report {
        let (bpc, ppl) = (train_loss / std::f64::consts::LN_2, train_loss.exp());
        Report {
            step,
            epoch: 0.0,
            train_loss,
            val_loss,
            moving_loss: None,
            metrics: [("bpc".to_string(), bpc), ("ppl".to_string(), ppl)].into(),
            lr: 0.1,
            grad_norm: 1.0,
            tokens_per_sec: 1.0,
            seconds: 1.0,
            validation_changed: false,
            bad: None,
        }
    }

    #[test]
    fn long_runs_are_thinned_to_means() {
        let reports: Vec<Report> = (1..=4 * MAX_POINTS as u64).map(|step| line(step, step as f64, None)).collect();
        let points = points(&reports, |report| Some(report.train_loss));
        assert_eq!((points.len(), points[0]), (MAX_POINTS, (2.5, 2.5)));
    }

    #[test]
    fn both_curves_are_named() {
        let lines = [line(10, 3.0, None), line(20, 2.0, Some(2.5)), line(30, 1.5, Some(2.1))];
        let svg = svg(&lines, "tales & <more>", "character");
        for words in ["training", "validation", "loss (nats per character)", "step", "tales &amp; &lt;more&gt;"] {
            assert!(svg.contains(words), "{words} in {svg}");
        }
        for colour in [BLUE, ORANGE] {
            let lines = svg.matches(&format!("stroke=\"{colour}\" stroke-width=\"2\"")).count();
            assert_eq!(lines, 2, "a curve and its line in the legend, {colour} in {svg}");
        }
    }

    #[test]
    fn nothing_to_show_is_no_failure() {
        assert!(!svg(&[], "empty", "word").contains("training"));
        assert!(svg(&[line(1, f64::NAN, None), line(2, 1.0, None)], "one point", "word").contains("training"));
    }
}
