//! Forecasts of values that are known, beside those of simple methods from the same origins and of the same values.
//! Not here: the metrics (`metrics/forecast`), the methods (`metrics/baselines`).

use elman_kernels::Element;
use serde::Serialize;

use super::forecasts::Forecasts;
use super::held_out::HeldOut;
use super::trained::{AT_ONCE, Asked, TrainedForecast};
use crate::autodiff::tape::Tape;
use crate::data::series::{Origin, SeriesSet};
use crate::error::Error;
use crate::metrics::baselines::Baseline;
use crate::metrics::forecast::{Figures, Scored, Scores, Units};

/// The figures of the model and of simple methods.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backtest {
    /// Places that were forecast from.
    pub origins: usize,
    /// Series with such a place.
    pub series: usize,
    /// Series that are too short for one.
    pub too_short: usize,
    /// Probability of the intervals whose coverage is counted.
    pub level: f64,
    /// The model, then the simple methods.
    pub methods: Vec<Method>,
}

/// The figures of one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Forecasts that are those of the naive method, because the series is too short for this one.
    pub by_naive: u64,
    /// Over all values.
    pub figures: Figures,
    /// By step of the horizon.
    pub by_step: Vec<Figures>,
    /// By series: its name and column.
    pub by_series: Vec<(String, Figures)>,
}

/// Sums of one method.
struct Sums {
    name: &'static str,
    baseline: Option<Baseline>,
    scores: Scores,
    by_naive: u64,
}

impl Sums {
    fn new(name: &'static str, baseline: Option<Baseline>, level: f64) -> Sums {
        Sums { name, baseline, scores: Scores::of_interval(level), by_naive: 0 }
    }
}

/// How an evaluation is watched.
pub struct Watch<'a> {
    /// Whether it continues; asked again and again.
    pub continues: &'a mut dyn FnMut() -> bool,
    /// Is given the origins that are done and those there are.
    pub progress: &'a mut dyn FnMut(u64, u64),
    /// Is given every forecast.
    pub forecast: &'a mut dyn FnMut(Origin, &Forecasts) -> Result<(), Error>,
}

impl<E: Element> TrainedForecast<E> {
    /// Forecasts from the origins that are held out, and measures them, the model and the `baselines`; None once
    /// `continues` says no, or where nothing is held out. What errors are divided by is of the rows before the first
    /// origin of each series. Errors: as [`TrainedForecast::next`].
    pub fn evaluate(
        &self,
        tape: &mut Tape<E>,
        (set, held_out): (&SeriesSet, &HeldOut),
        baselines: &[Baseline],
        watch: &mut Watch<'_>,
    ) -> Result<Option<Backtest>, Error> {
        let settings = &self.timeline.settings;
        let asked = Asked::of(settings);
        let columns = set.roles.values.len();
        let units = units(set, &held_out.cuts, settings.season);
        let mut sums = vec![Sums::new("the model", None, settings.level)];
        sums.extend(baselines.iter().map(|&baseline| Sums::new(baseline.name(), Some(baseline), settings.level)));
        let mut done = 0;
        for chunk in held_out.origins.chunks(AT_ONCE) {
            if !(watch.continues)() {
                return Ok(None);
            }
            for (origin, forecasts) in chunk.iter().zip(self.forecast(tape, set, chunk, &asked)?) {
                (watch.forecast)(*origin, &forecasts)?;
                for d in 0..columns {
                    let at = origin.series * columns + d;
                    score(&mut sums, set, *origin, d, (&forecasts, units[at]), settings.season);
                }
            }
            done += chunk.len() as u64;
            (watch.progress)(done, held_out.origins.len() as u64);
        }
        if held_out.origins.is_empty() {
            return Ok(None);
        }
        let mut series: Vec<usize> = held_out.origins.iter().map(|origin| origin.series).collect();
        series.dedup();
        let methods = sums.into_iter().map(|sums| method(sums, set));
        Ok(Some(Backtest {
            origins: held_out.origins.len(),
            series: series.len(),
            too_short: held_out.too_short(set),
            level: settings.level,
            methods: with_owa(methods.collect()),
        }))
    }
}

/// What the errors of each series and column are divided by.
fn units(set: &SeriesSet, cuts: &[usize], season: usize) -> Vec<Units> {
    let (columns, width) = (set.roles.values.len(), set.width());
    let of = |(series, &cut): (&crate::data::series::Series, &usize)| {
        (0..columns).map(|d| Units::of(&series.column(width, d, cut), season)).collect::<Vec<_>>()
    };
    set.series.iter().zip(cuts).flat_map(of).collect()
}

/// Adds the forecasts of a column from an origin, the model's and the baselines'.
fn score(
    sums: &mut [Sums],
    set: &SeriesSet,
    origin: Origin,
    d: usize,
    (forecasts, units): (&Forecasts, Units),
    season: usize,
) {
    let (series, width) = (&set.series[origin.series], set.width());
    let known = series.column(width, d, origin.t);
    let horizon = forecasts.horizon();
    let actual: Vec<f64> = (0..horizon).map(|h| series.value(width, origin.t + h, d)).collect();
    let place = origin.series * set.roles.values.len() + d;
    for Sums { baseline, scores, by_naive, .. } in sums {
        let (point, quantiles) = match baseline {
            None => (forecasts.median(d), forecasts.by_level(d)),
            Some(baseline) => {
                let point = baseline.forecast(&known, season, horizon).or_else(|| {
                    *by_naive += 1;
                    Baseline::Naive.forecast(&known, season, horizon)
                });
                (point.unwrap_or_else(|| vec![f64::NAN; horizon]), Vec::new())
            }
        };
        scores.add(place, &Scored { actual: &actual, point: &point, quantiles: &quantiles, units });
    }
}

/// The figures of a method.
fn method(sums: Sums, set: &SeriesSet) -> Method {
    let Sums { name, scores, by_naive, .. } = sums;
    let columns = set.roles.values.len();
    let title = |place: usize| {
        let (group, column) = (&set.series[place / columns].group, &set.roles.values[place % columns]);
        match (group.is_empty(), columns) {
            (true, _) => column.clone(),
            (false, 1) => group.clone(),
            (false, _) => format!("{group} {column}"),
        }
    };
    let by_series = scores.by_series().into_iter().enumerate().filter(|(_, figures)| figures.points > 0);
    let by_series = by_series.map(|(place, figures)| (title(place), figures)).collect();
    Method { name, by_naive, figures: scores.figures(), by_step: scores.by_step(), by_series }
}

/// The same with OWA, relative to Naive2, where that is among them.
fn with_owa(mut methods: Vec<Method>) -> Vec<Method> {
    let naive2 = methods.iter().find(|method| method.name == Baseline::Naive2.name()).map(|method| method.figures);
    if let Some(naive2) = naive2 {
        methods.iter_mut().for_each(|method| method.figures = method.figures.relative_to(&naive2));
    }
    methods
}
