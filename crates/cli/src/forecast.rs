//! Draws the end of a series and its forecast with the interval, and beside the last known values the forecast of them that was
//! made without them. Not here: the forecasts; the library computes them.

use std::path::Path;

use elman::data::series::Series;
use elman::data::series::time::Scale;
use elman::files::atomic_file::write_atomic;
use elman::task::forecast::Point;

use crate::picture::chart::{Axis, Chart, Curve, LARGE, Stroke, alone};
use crate::picture::{BLUE, INK, ORANGE};
use crate::terminal::counted;
use crate::ticks::{linear, of_time};

/// Height in pixels.
const HEIGHT: f64 = 440.0;

/// What is drawn.
pub struct Picture<'a> {
    pub title: &'a str,
    /// The names of the time and of the values.
    pub names: [&'a str; 2],
    pub series: &'a Series,
    /// The scale of the times and the time between two rows.
    pub clock: (Scale, f64),
    /// Of the interval, 0 to 1.
    pub level: f64,
    /// The forecast after the last row.
    pub points: &'a [Point],
    /// The forecast of the last rows, made without them; empty if there are too few rows.
    pub earlier: &'a [Point],
}

/// Draws into the file `path`. Errors: it cannot be written.
pub fn draw(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    Ok(write_atomic(path, svg(picture).as_bytes())?)
}

/// Middle and interval of the steps after a known value.
fn curves(from: (f64, f64), step: f64, points: &[Point]) -> [Vec<(f64, f64)>; 2] {
    let at = |h: usize| from.0 + (h + 1) as f64 * step;
    let all = || points.iter().enumerate();
    let start = || std::iter::once(from);
    let upper = all().map(|(h, point)| (at(h), point.high));
    let lower = all().rev().map(|(h, point)| (at(h), point.low));
    [
        start().chain(all().map(|(h, point)| (at(h), point.middle))).collect(),
        start().chain(upper).chain(lower).collect(),
    ]
}

fn svg(picture: &Picture) -> String {
    let Picture { title, names, series, clock: (scale, step), level, points, earlier } = *picture;
    // Only four horizons of the past, so that the forecast is large enough to see.
    let start = series.times.len().saturating_sub(4 * points.len().max(12));
    let known: Vec<(f64, f64)> =
        series.times[start..].iter().copied().zip(series.values[0][start..].iter().copied()).collect();
    let last = known.last().copied().unwrap_or_default();
    let interval = |of: &str| format!("{:.0} % interval{of}", 100.0 * level);
    let mut all = Vec::new();
    let mut add = |name: String, colour, stroke, points| all.push(Curve { name, colour, stroke, points });
    if let Some(from) = known.len().checked_sub(earlier.len() + 1).filter(|_| !earlier.is_empty()) {
        let [middle, band] = curves(known[from], step, earlier);
        add(String::new(), ORANGE, Stroke::Band, band);
        let name = format!("forecast made {} before the end", counted(earlier.len() as u64, "step"));
        add(name, ORANGE, Stroke::Dashed, middle);
    }
    let [middle, band] = curves(last, step, points);
    add(interval(""), BLUE, Stroke::Band, band);
    add("forecast".into(), BLUE, Stroke::Plain, middle);
    let first = known.first().copied().unwrap_or_default().0;
    add("known values".into(), INK, Stroke::Plain, known);
    all.rotate_right(1);

    let values = || all.iter().flat_map(|curve| &curve.points).map(|point| point.1).filter(|y| y.is_finite());
    let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
    let margin = ((high - low) * 0.06).max(1e-6);
    let (low, high, end) = (low - margin, high + margin, last.0 + points.len() as f64 * step);
    let most = if scale == Scale::Second { 5 } else { 8 };
    let x =
        Axis { name: names[0].into(), low: first, high: end, is_log: false, ticks: of_time(scale, first, end, most) };
    let y = Axis { name: names[1].into(), low, high, is_log: false, ticks: linear(low, high, 10) };
    alone(&Chart { title: title.into(), size: LARGE, x, y, curves: all }, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_stand_beside_what_was_forecast_for_them() {
        let point = |middle: f64| Point { middle, low: middle - 1.0, high: middle + 1.0 };
        let times: Vec<f64> = (0..30).map(|month| f64::from(1960 * 12 + month)).collect();
        let values = vec![(0..30).map(f64::from).collect()];
        let series = Series { group: String::new(), times, values };
        let (points, earlier) = ([point(30.0), point(31.0)], [point(27.0), point(26.0)]);
        let picture = |earlier| Picture {
            title: "sales",
            names: ["Month", "sales of a day"],
            series: &series,
            clock: (Scale::Month, 1.0),
            level: 0.8,
            points: &points,
            earlier,
        };
        let with = svg(&picture(&earlier));
        for words in [
            "known values",
            "80 % interval",
            "forecast made 2 steps before the end",
            "Month",
            "sales of a day",
            "1961-01",
        ] {
            assert!(with.contains(&format!(">{words}<")), "{words} in {with}");
        }
        assert!(!svg(&picture(&[])).contains("before the end"));
        assert_eq!(curves((5.0, 1.0), 2.0, &[point(3.0)])[1], [(5.0, 1.0), (7.0, 4.0), (7.0, 2.0)]);
    }
}
