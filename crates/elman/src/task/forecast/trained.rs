//! A trained forecaster: all that a forecast needs, and forecasts from any place of a series. Not here: paths that are
//! drawn (`paths.rs`), training.

use std::collections::HashMap;

use elman_kernels::Element;
use serde::Deserialize;

use super::forecasts::Forecasts;
use super::interval::{score, widening};
use crate::autodiff::tape::Tape;
use crate::available_memory::needs;
use crate::config::{Forecast, Strategy};
use crate::data::series::fitted::{Fitted, check_values};
use crate::data::series::{Known, Origin, Read, Roles, SeriesSet, Timeline};
use crate::data::table::Table;
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::nn::model::Forecaster;

/// Origins that are forecast side by side.
pub(super) const AT_ONCE: usize = 256;

/// What a model file holds of a forecaster.
#[derive(Clone, Debug)]
pub struct TrainedForecast<E> {
    /// Settings, context and what was fitted.
    pub timeline: Timeline,
    /// Seed of the paths that are drawn.
    pub seed: u64,
    /// The network.
    pub model: Forecaster<E>,
}

/// What is asked of a forecaster.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Steps; the direct strategy has no more than it was trained on.
    pub horizon: usize,
    /// Probabilities of the quantiles, rising; the median is among them.
    pub levels: Vec<f64>,
}

impl Asked {
    /// The horizon and the interval of the settings.
    pub fn of(settings: &Forecast) -> Asked {
        Asked::with(settings.horizon, &[0.5 * (1.0 - settings.level), 0.5 * (1.0 + settings.level)])
    }

    /// A horizon and quantiles; the median is added.
    pub fn with(horizon: usize, quantiles: &[f64]) -> Asked {
        let mut levels = [quantiles, &[0.5]].concat();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        Asked { horizon, levels }
    }
}

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    series: Fitted,
}

impl<E: Element> TrainedForecast<E> {
    /// The forecaster in a model file. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<TrainedForecast<E>, Error> {
        let config = stored.config();
        let settings = config.forecast().map_err(|error| stored.refusal(error))?.clone();
        let Meta { series: fitted } = stored.task()?;
        if !fitted.is_fair(&settings) {
            return Err(stored.refusal("task.series does not fit the columns of the settings"));
        }
        let timeline = Timeline { settings, context: config.seq_len, fitted };
        let model = stored.model(timeline.widths())?;
        Ok(TrainedForecast { timeline, seed: config.seed, model })
    }

    /// The series of a table of new data: columns, categories and frequencies as in training. Errors: as
    /// [`SeriesSet::new`]; values that have no logarithm or are no counts, where such are wanted.
    pub fn read(&self, table: &Table) -> Result<SeriesSet, Error> {
        let Timeline { settings, fitted, .. } = &self.timeline;
        let known = Known {
            frequency: None,
            zone: settings.zone.as_deref(),
            trained: &fitted.frequencies,
            kinds: Some(&fitted.kinds),
        };
        let roles: Roles = fitted.roles(settings);
        let set = SeriesSet::new(table, &roles, &known)?;
        check_values(settings, &set)?;
        Ok(set)
    }

    /// What comes after the last known row of each series. Errors: as [`TrainedForecast::forecast`].
    pub fn next(&self, tape: &mut Tape<E>, set: &SeriesSet, asked: &Asked) -> Result<Vec<Forecasts>, Error> {
        self.forecast(tape, set, &set.ends(), asked)
    }

    /// The forecasts from some origins. Each depends on the rows before its origin and on what is known beforehand of
    /// the rows after it, and on nothing else: it is what it would be alone.
    ///
    /// Errors: a series without values; covariates whose future is not given; a horizon beyond that of a direct
    /// forecaster; paths that take more memory than there is; a forecast that is no finite number.
    pub fn forecast(
        &self,
        tape: &mut Tape<E>,
        set: &SeriesSet,
        origins: &[Origin],
        asked: &Asked,
    ) -> Result<Vec<Forecasts>, Error> {
        self.check(set, origins, asked)?;
        needs(self.memory_of_inputs(origins, asked))?;
        let settings = &self.timeline.settings;
        let mut all = Vec::with_capacity(origins.len());
        for some in origins.chunks(AT_ONCE) {
            all.extend(match settings.recent {
                0 => self.levels(tape, set, some, asked)?,
                _ => self.calibrated(tape, set, some, asked)?,
            });
        }
        let all: Vec<Forecasts> =
            all.into_iter().map(|levels| levels.map(|_, level| self.timeline.value(level))).collect();
        let values = all.iter().flat_map(|one| (0..one.horizon()).map(move |h| one.at(0, h)[0]));
        values.into_iter().try_for_each(|value| Error::unless_finite(&set.name, "a forecast", value))?;
        Ok(all)
    }

    /// Bytes that the inputs of forecasts take at most: of as many origins as are forecast side by side, as numbers of f64
    /// and then side by side. Saturates.
    fn memory_of_inputs(&self, origins: &[Origin], asked: &Asked) -> usize {
        let (widths, at_once) = (self.timeline.widths(), origins.len().min(AT_ONCE));
        let steps = origins.iter().map(|origin| origin.t).max().unwrap_or(0).min(self.timeline.context);
        let of_origin = steps.saturating_mul(widths.input).saturating_add(asked.horizon.saturating_mul(widths.future));
        of_origin.saturating_mul(at_once).saturating_mul(2 * size_of::<f64>())
    }

    /// Checks that forecasts can be made. Errors: those of [`TrainedForecast::forecast`] that do not depend on the network.
    pub fn check(&self, set: &SeriesSet, origins: &[Origin], asked: &Asked) -> Result<(), Error> {
        let settings = &self.timeline.settings;
        if settings.strategy == Strategy::Direct && asked.horizon > settings.horizon {
            let expected = format!("at most {}, the horizon of training, with direct forecasts", settings.horizon);
            return Err(Error::Setting { name: "horizon", got: asked.horizon.to_string(), expected });
        }
        let (columns, width) = (set.roles.values.len(), set.width());
        for &Origin { series, t } in origins {
            let series = &set.series[series];
            let refuse = |problem: String| Err(Error::Data { name: set.name.clone(), problem });
            let has_value = (0..t).rev().any(|row| (0..columns).any(|d| !series.value(width, row, d).is_nan()));
            if !has_value {
                return refuse(format!("{} has no value before the forecast, expected at least 1", series.title()));
            }
            for (at, row) in
                (0..settings.covariates.len()).flat_map(|at| (t..t + asked.horizon).map(move |row| (at, row)))
            {
                let is_known = matches!(self.timeline.fitted.kinds[at], crate::data::series::Kind::Category(_))
                    && row < series.rows;
                if !is_known && series.value(width, row, columns + at).is_nan() {
                    let (name, time) = (&settings.covariates[at], set.time_text(series, row)?);
                    return refuse(format!(
                        "{name} of {} is not given at {time}, expected its value for every step of the horizon",
                        series.title()
                    ));
                }
            }
        }
        Ok(())
    }

    /// The levels of the forecasts that the network itself gives.
    fn levels(
        &self,
        tape: &mut Tape<E>,
        set: &SeriesSet,
        origins: &[Origin],
        asked: &Asked,
    ) -> Result<Vec<Forecasts>, Error> {
        match self.timeline.settings.strategy {
            Strategy::Direct => self.direct(tape, set, origins, asked),
            Strategy::Recursive => self.recursive(tape, set, origins, asked),
        }
    }

    fn direct(
        &self,
        tape: &mut Tape<E>,
        set: &SeriesSet,
        origins: &[Origin],
        asked: &Asked,
    ) -> Result<Vec<Forecasts>, Error> {
        let (batch, read) = self.timeline.batch::<E>(set, origins, asked.horizon)?;
        let mut raws = Vec::with_capacity(self.model.ensemble_size());
        for network in 0..self.model.ensemble_size() {
            tape.start(false);
            let raw = self.model.advance(network, tape, &batch, &mut None, None)?;
            raws.push(tape.dense_value(raw).iter().map(|x| x.to_f64()).collect::<Vec<f64>>());
        }
        let distribution = self.model.distribution();
        let (width, steps) = (distribution.width(), self.timeline.settings.steps_at_once());
        let columns = distribution.columns();
        let of = |(at, read): (usize, &Read<'_>)| {
            Forecasts::new(columns, asked.horizon, &asked.levels, |[d, h], level| {
                let unit = read.units[d];
                let quantile = |raw: &Vec<f64>| {
                    distribution.quantile(&raw[(at * steps + h) * width..][..width], d, level, unit.scale)
                };
                let mean = raws.iter().map(quantile).sum::<f64>() / raws.len() as f64;
                self.timeline.level(&read.window, unit, d, [origins[at].t, h], mean)
            })
        };
        Ok(read.iter().enumerate().map(of).collect())
    }

    /// The forecasts with intervals widened by how those from earlier origins did on values that are known by then and
    /// were not trained on.
    fn calibrated(
        &self,
        tape: &mut Tape<E>,
        set: &SeriesSet,
        origins: &[Origin],
        asked: &Asked,
    ) -> Result<Vec<Forecasts>, Error> {
        let settings = &self.timeline.settings;
        let earlier = |origin: &Origin| origin.t.saturating_sub(settings.recent).max(1)..origin.t;
        let mut needed: Vec<Origin> = Vec::new();
        for origin in origins {
            needed.extend(earlier(origin).map(|t| Origin { t, ..*origin }));
        }
        needed.sort_by_key(|origin| (origin.series, origin.t));
        needed.dedup();
        let interval = Asked::of(&Forecast { horizon: asked.horizon, ..settings.clone() });
        let mut known: HashMap<(usize, usize), Forecasts> = HashMap::new();
        for chunk in needed.chunks(AT_ONCE) {
            let levels = self.levels(tape, set, chunk, &interval)?;
            known.extend(chunk.iter().map(|origin| (origin.series, origin.t)).zip(levels));
        }
        let all = self.levels(tape, set, origins, asked)?;
        let widened = |(origin, levels): (&Origin, Forecasts)| {
            let series = &set.series[origin.series];
            let trained = self.timeline.fitted.trained_rows(set, series);
            let window = self.timeline.window(set, series, 0, origin.t);
            let factors: Vec<f64> = (0..set.roles.values.len())
                .map(|d| {
                    let mut scores = Vec::new();
                    for from in earlier(origin) {
                        let past = &known[&(origin.series, from)];
                        // The errors on training values are too small to tell anything.
                        for row in (from.max(trained)..origin.t).take_while(|row| row - from < past.horizon()) {
                            let [low, middle, high] = past.at(d, row - from)[..] else { continue };
                            let level = window.level(d, row);
                            scores.extend((!level.is_nan()).then(|| score([low, middle, high], level)).flatten());
                        }
                    }
                    widening(&mut scores, settings.level)
                })
                .collect();
            levels.widened(|d| factors[d])
        };
        Ok(origins.iter().zip(all).map(widened).collect())
    }
}
