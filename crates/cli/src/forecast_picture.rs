//! Draws forecasts: of each series and column the end of what is known, the forecast with its interval, and the values
//! that came; calibration by step of the horizon. Not here: the forecasts; the library computes them.

use elman::data::series::{Series, SeriesSet};
use elman::task::forecast::{Forecasts, Method};

use crate::picture::chart::{Axis, Chart, Curve, LARGE, SMALL, Stroke};
use crate::picture::{Area, BLUE, INK, ORANGE, Svg, WIDTH};
use crate::terminal::counted;
use crate::ticks::{linear, of_time};

/// Height of a panel that has the page for itself, and of one of several, in pixels.
const ALONE: f64 = 440.0;
const SMALL_PANEL: f64 = 250.0;
/// Panels of a page at most.
pub const MOST_PANELS: usize = 16;

/// A forecast of one column of a series.
pub struct Panel<'a> {
    pub set: &'a SeriesSet,
    pub series: &'a Series,
    pub column: usize,
    /// Probability of the interval.
    pub level: f64,
    /// The row that is forecast first, and the forecast.
    pub forecast: (usize, &'a Forecasts),
    /// The same of a forecast that was made without the last known rows.
    pub earlier: Option<(usize, &'a Forecasts)>,
}

/// The whole file: one panel, or several in two columns.
pub fn page(panels: &[Panel]) -> String {
    let mut svg = Svg::default();
    if let [only] = panels {
        let area = Area { x: 0.0, y: 0.0, width: WIDTH, height: ALONE };
        only.chart(LARGE, 8, true).draw(&mut svg, area);
        return svg.finish(WIDTH, ALONE);
    }
    let rows = panels.len().div_ceil(2);
    for (at, panel) in panels.iter().enumerate() {
        let (x, y) = ((at % 2) as f64 * WIDTH / 2.0, (at / 2) as f64 * SMALL_PANEL);
        let area = Area { x, y, width: WIDTH / 2.0, height: SMALL_PANEL };
        // One legend says what all panels show.
        panel.chart(SMALL, 4, at == 0).draw(&mut svg, area);
    }
    svg.finish(WIDTH, rows as f64 * SMALL_PANEL)
}

/// Points, none where a value is not known.
type Points = Vec<(f64, f64)>;

impl Panel<'_> {
    fn time(&self, row: usize) -> f64 {
        self.set.time(self.series, row).map_or(f64::NAN, |stamp| stamp.axis())
    }

    fn value(&self, row: usize) -> f64 {
        self.series.value(self.set.width(), row, self.column)
    }

    /// The last known value before a row.
    fn last_before(&self, row: usize) -> Option<(f64, f64)> {
        (0..row).rev().map(|row| (row, self.value(row))).find(|(_, y)| !y.is_nan()).map(|(row, y)| (self.time(row), y))
    }

    /// Known values of some rows, in runs without a gap.
    fn runs(&self, rows: std::ops::Range<usize>) -> Vec<Points> {
        let points: Points = rows.map(|row| (self.time(row), self.value(row))).collect();
        points.split(|point| point.1.is_nan()).filter(|run| !run.is_empty()).map(<[(f64, f64)]>::to_vec).collect()
    }

    /// Median and interval of a forecast, from the last known value on.
    fn of_forecast(&self, (t, forecasts): (usize, &Forecasts)) -> [Points; 2] {
        let start = self.last_before(t);
        let at = |h: usize| self.time(t + h);
        let all = || 0..forecasts.horizon();
        let bounds = |h: usize| {
            let steps = forecasts.at(self.column, h);
            (steps[0], steps[steps.len() - 1])
        };
        let median = forecasts.median(self.column);
        let upper = all().map(|h| (at(h), bounds(h).1));
        let lower = all().rev().map(|h| (at(h), bounds(h).0));
        [
            start.into_iter().chain(all().map(|h| (at(h), median[h]))).collect(),
            start.into_iter().chain(upper).chain(lower).collect(),
        ]
    }

    fn chart(&self, size: f64, most: usize, has_legend: bool) -> Chart {
        let (t, forecasts) = self.forecast;
        // Only a few horizons of the past, so that the forecast is large enough to see.
        let start = t.saturating_sub(4 * forecasts.horizon().max(12));
        let end = (t + forecasts.horizon()).min(self.series.known).max(t);
        let named = |name: String| if has_legend { name } else { String::new() };
        let mut all = Vec::new();
        let mut add = |name: String, colour, stroke, points| all.push(Curve { name, colour, stroke, points });
        if let Some(earlier) = self.earlier {
            let [middle, band] = self.of_forecast(earlier);
            add(String::new(), ORANGE, Stroke::Band, band);
            let before = counted((t - earlier.0) as u64, "step");
            add(named(format!("forecast made {before} before the end")), ORANGE, Stroke::Dashed, middle);
        }
        let [middle, band] = self.of_forecast(self.forecast);
        add(named(format!("{:.0} % interval", 100.0 * self.level)), BLUE, Stroke::Band, band);
        add(named("forecast".into()), BLUE, Stroke::Plain, middle);
        for (at, run) in self.runs(start..end.max(t)).into_iter().enumerate() {
            add(if at == 0 { named("known values".into()) } else { String::new() }, INK, Stroke::Plain, run);
        }
        let points = || all.iter().flat_map(|curve| &curve.points).filter(|(_, y)| y.is_finite());
        let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p.1), high.max(p.1)));
        let margin = ((high - low) * 0.06).max(1e-6);
        let (first, last) = (self.time(start), self.time(t + forecasts.horizon() - 1));
        let is_number = self.set.time(self.series, start).is_ok_and(|stamp| stamp.is_number());
        let ticks = if is_number { linear(first, last, most) } else { of_time(first, last, most) };
        let time = self.set.roles.time.clone().unwrap_or_default();
        let x = Axis { name: time, low: first, high: last, is_log: false, ticks };
        let (low, high) = (low - margin, high + margin);
        let name = self.set.roles.values[self.column].clone();
        let title = if self.series.group.is_empty() { name.clone() } else { format!("{name}, {}", self.series.group) };
        let y = Axis { name, low, high, is_log: false, ticks: linear(low, high, most + 2) };
        Chart { title, size, x, y, curves: all }
    }
}

/// The whole file of a backtest: coverage and MASE of the model by step of the horizon.
pub fn by_step(model: &Method, level: f64) -> String {
    let mut svg = Svg::default();
    let of = |figure: &dyn Fn(&elman::metrics::forecast::Figures) -> Option<f64>| -> Points {
        let all = model.by_step.iter().enumerate();
        all.filter_map(|(h, figures)| Some(((h + 1) as f64, figure(figures)?))).collect()
    };
    let steps = model.by_step.len() as f64;
    let axis = |name: &str, low: f64, high: f64, most: usize| Axis {
        name: name.into(),
        low,
        high,
        is_log: false,
        ticks: linear(low, high, most),
    };
    let x = || axis("step of the horizon", 1.0, steps.max(2.0), 9);
    let curve = |name: &str, colour, stroke, points| Curve { name: name.into(), colour, stroke, points };
    let wanted = vec![(1.0, 100.0 * level), (steps.max(2.0), 100.0 * level)];
    let coverage: Points = of(&|figures| figures.coverage).into_iter().map(|(h, share)| (h, 100.0 * share)).collect();
    let calibration = Chart {
        title: "values within their interval".into(),
        size: LARGE,
        x: x(),
        y: axis("percent", 0.0, 100.0, 6),
        curves: vec![curve("wanted", INK, Stroke::Dashed, wanted), curve("the model", BLUE, Stroke::Plain, coverage)],
    };
    let errors = of(&|figures| figures.mase.or(Some(figures.mae)));
    let high = errors.iter().map(|point| point.1).fold(0.0, f64::max) * 1.1;
    let name = if model.figures.mase.is_some() { "MASE" } else { "MAE" };
    let error = Chart {
        title: format!("{name} by step of the horizon"),
        size: LARGE,
        x: x(),
        y: axis(name, 0.0, high.max(1e-6), 6),
        curves: vec![curve("the model", BLUE, Stroke::Plain, errors)],
    };
    for (at, chart) in [calibration, error].into_iter().enumerate() {
        chart.draw(&mut svg, Area { x: 0.0, y: at as f64 * 300.0, width: WIDTH, height: 300.0 });
    }
    svg.finish(WIDTH, 600.0)
}
