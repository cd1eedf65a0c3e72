//! Draws the end of a series and its forecast with the interval. Not here: the forecast itself; the library computes it.

use std::path::Path;

use anyhow::anyhow;
use elman::data::series::Series;
use elman::data::series::time::{self, Scale};
use elman::files::atomic_file::write_atomic;
use elman::task::forecast::Point;
use plotters::prelude::*;

const TRUTH: RGBColor = RGBColor(0x33, 0x33, 0x33);
const FORECAST: RGBColor = RGBColor(0x1f, 0x77, 0xb4);

/// Draws into the file `path`; `clock` is the scale of the times and the time between two rows. Errors: it cannot be written.
pub fn draw(
    series: &Series,
    points: &[Point],
    clock: (Scale, f64),
    level: f64,
    title: &str,
    path: &Path,
) -> anyhow::Result<()> {
    let svg = svg(series, points, clock, level, title);
    let svg = svg.map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    Ok(write_atomic(path, svg.as_bytes())?)
}

fn svg(
    series: &Series,
    points: &[Point],
    (scale, step): (Scale, f64),
    level: f64,
    title: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    // Only four horizons of the past, so that the forecast is large enough to see.
    let start = series.times.len().saturating_sub(4 * points.len().max(12));
    let past: Vec<(f64, f64)> =
        series.times[start..].iter().copied().zip(series.values[0][start..].iter().copied()).collect();
    let last = *past.last().ok_or("the series is empty")?;
    let at = |h: usize| last.0 + (h + 1) as f64 * step;
    let middle = std::iter::once(last).chain(points.iter().enumerate().map(|(h, p)| (at(h), p.middle)));
    let upper = points.iter().enumerate().map(|(h, p)| (at(h), p.high));
    let lower = points.iter().enumerate().rev().map(|(h, p)| (at(h), p.low));
    let band: Vec<(f64, f64)> = std::iter::once(last).chain(upper).chain(lower).collect();
    let all = || past.iter().chain(&band).map(|point| point.1).filter(|y| y.is_finite());
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
    let margin = ((high - low) * 0.06).max(1e-6);
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (800, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .margin_right(28)
        .caption(title, ("sans-serif", 20))
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(past[0].0..at(points.len() - 1), low - margin..high + margin)?;
    chart
        .configure_mesh()
        .x_label_formatter(&|&x| time::text(scale, if scale == Scale::Number { x } else { x.round() }))
        .x_labels(7)
        .label_style(("sans-serif", 13))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .draw()?;
    let interval = format!("{:.0} % interval", 100.0 * level);
    let pale = FORECAST.mix(0.25);
    chart
        .draw_series(std::iter::once(Polygon::new(band, pale)))?
        .label(interval)
        .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 20, y + 5)], pale.filled()));
    chart
        .draw_series(LineSeries::new(past.iter().copied(), TRUTH.stroke_width(2)))?
        .label("known")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], TRUTH.stroke_width(2)));
    chart
        .draw_series(LineSeries::new(middle, FORECAST.stroke_width(2)))?
        .label("forecast")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], FORECAST.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 14))
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    drop(chart);
    drop(root);
    Ok(svg)
}
