//! Draws losses over steps: `loss.svg` with training and validation loss of one run, and the validation losses of several.
//! Not here: losses that are not finite; the picture omits them.

use std::path::Path;

use anyhow::anyhow;
use elman::files::atomic_file::write_atomic;
use elman::train::Report;
use plotters::prelude::*;

/// Width and height in pixels.
const SIZE: (u32, u32) = (800, 480);
const FONT: &str = "sans-serif";
const TRAIN: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const VALIDATION: RGBColor = RGBColor(0xd6, 0x5f, 0x00);
/// Colours of several runs, which colour-blind readers can tell apart.
const COLOURS: [RGBColor; 5] =
    [TRAIN, VALIDATION, RGBColor(0x2c, 0x8c, 0x4a), RGBColor(0x7b, 0x4f, 0xa3), RGBColor(0x55, 0x55, 0x55)];
/// Most points of a curve; of a longer one, neighbours are averaged.
const MAX_POINTS: usize = 800;
/// A validation curve of fewer points shows each as a dot.
const MAX_DOTS: usize = 60;

/// Draws the reports of a run into the file `picture`, atomically; `unit` is the name of a token. Errors: it cannot be written.
pub fn draw(reports: &[Report], picture: &Path, title: &str, unit: &str) -> anyhow::Result<()> {
    let svg = svg(reports, title, unit).map_err(|error| anyhow!("cannot draw {}: {error}", picture.display()))?;
    Ok(write_atomic(picture, svg.as_bytes())?)
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
        Curve { name: name.clone(), colour: COLOURS[at % COLOURS.len()], dots: false, points }
    };
    let curves: Vec<Curve> = runs.iter().enumerate().map(curve).collect();
    let svg = chart("Validation loss", unit, curves);
    let svg = svg.map_err(|error| anyhow!("cannot draw {}: {error}", picture.display()))?;
    Ok(write_atomic(picture, svg.as_bytes())?)
}

/// A line of the picture.
struct Curve {
    name: String,
    colour: RGBColor,
    /// Whether each point is drawn as a dot.
    dots: bool,
    points: Vec<(f64, f64)>,
}

fn svg(reports: &[Report], title: &str, unit: &str) -> Result<String, Box<dyn std::error::Error>> {
    let train = points(reports, |report| Some(report.train_loss));
    let validation = points(reports, |report| report.val_loss);
    let dots = validation.len() < MAX_DOTS;
    let curves = vec![
        Curve { name: "training".into(), colour: TRAIN, dots: false, points: train },
        Curve { name: "validation".into(), colour: VALIDATION, dots, points: validation },
    ];
    chart(title, unit, curves)
}

/// Losses over steps.
fn chart(title: &str, unit: &str, curves: Vec<Curve>) -> Result<String, Box<dyn std::error::Error>> {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let last = all().map(|&(step, _)| step).fold(1.0, f64::max);
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), &(_, loss)| (low.min(loss), high.max(loss)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = ((high - low) * 0.06).max(0.01);

    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_right(28)
        .caption(title, (FONT, 20))
        .x_label_area_size(46)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..last, (low - margin).max(0.0)..high + margin)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(format!("loss (nats per {unit})"))
        .x_label_formatter(&|step| format!("{step:.0}"))
        .x_labels(8)
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .draw()?;
    let is_shown = all().next().is_some();
    for Curve { name, colour, dots, points } in curves.into_iter().filter(|curve| !curve.points.is_empty()) {
        let size = if dots || points.len() == 1 { 3 } else { 0 };
        chart
            .draw_series(LineSeries::new(points, colour.filled().stroke_width(2)).point_size(size))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    if is_shown {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font((FONT, 14))
            .background_style(WHITE)
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    root.present()?;
    drop(chart);
    drop(root);
    Ok(svg)
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
        let svg = svg(&lines, "tales & <more>", "character").unwrap();
        for words in ["training", "validation", "loss (nats per character)", "step", "tales &amp; &lt;more&gt;"] {
            assert!(svg.contains(words), "{words} in {svg}");
        }
        for colour in ["#1F77B4", "#D65F00"] {
            let lines = svg.matches(&format!("stroke=\"{colour}\" stroke-width=\"2\"")).count();
            assert_eq!(lines, 2, "a curve and its line in the legend, {colour} in {svg}");
        }
    }

    #[test]
    fn nothing_to_show_is_no_failure() {
        assert!(!svg(&[], "empty", "word").unwrap().contains("training"));
        assert!(svg(&[line(1, f64::NAN, None), line(2, 1.0, None)], "one point", "word").unwrap().contains("training"));
    }
}
