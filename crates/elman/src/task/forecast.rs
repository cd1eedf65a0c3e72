//! Forecasting as a task: series on their time line, a forecaster, its loss, forecasts, and the backtest by rolling
//! origins against naive forecasts. A series that is too short for the settings is an error.

mod interval;
mod memory;

use elman_kernels::Element;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Loss;
use super::supervised::{Batch, Objective, Supervised};
use crate::autodiff::tape::Tape;
use crate::available_memory::needs;
use crate::config::{Config, Forecast, Memory, Strategy};
use crate::data::Fingerprint;
use crate::data::series::timeline::{Prepared, Timeline};
use crate::data::series::{Series, SeriesSet};
use crate::data::table::sequences::{Padded, Sequences};
use crate::error::Error;
use crate::files::model_file::Stored;
use crate::metrics::forecast::{self as measure, Errors, ForecastFigures};
use crate::nn::losses::Likelihood;
use crate::nn::model::{Input, Model, Predictor, predictor::Layers};
use crate::rng::{ChaCha8Rng, Purpose, generator};
use crate::train::report::Shape;

pub use interval::Point;
use interval::widening;

/// Origins that are forecast side by side.
const AT_ONCE: usize = 64;

/// What comes next in time series.
pub type ForecastTask<E> = Supervised<E, TrainedForecast<E>>;

/// The series on their time line.
#[derive(Clone, Debug)]
pub struct Data {
    set: SeriesSet,
    /// Rows of each series to train on.
    cuts: Vec<usize>,
    prepared: Vec<Prepared>,
    /// The windows to train on: a series, and the t its last input belongs to.
    windows: Vec<(usize, usize)>,
}

/// What a model file holds of it: all that a forecast needs.
#[derive(Clone, Debug)]
pub struct TrainedForecast<E> {
    /// The settings.
    pub settings: Forecast,
    /// Steps that are read before a forecast, at most.
    pub context: usize,
    /// Seed of the paths that are drawn.
    pub seed: u64,
    /// What was fitted.
    pub timeline: Timeline,
    /// The network.
    pub model: Predictor<E>,
}

/// A backtest: the model's measures and the naive ones.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Backtest {
    /// Places that were forecast from.
    pub origins: usize,
    /// The model.
    pub model: ForecastFigures,
    /// The last value again and again.
    pub naive: ForecastFigures,
    /// The last season again and again, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seasonal_naive: Option<ForecastFigures>,
}

impl<E: Element> ForecastTask<E> {
    /// The task of `config` on series, the last `val_frac` of each held out.
    ///
    /// Errors: a series too short for a window, or whose held-out part is shorter than the horizon; values that have no
    /// logarithm; an impossible configuration.
    pub fn new(config: &Config, set: SeriesSet, fingerprint: Fingerprint) -> Result<ForecastTask<E>, Error> {
        let settings = config.forecast()?.clone();
        let name = set.name.clone();
        let mut notes = Vec::new();
        let cut = |series: &Series| ((1.0 - config.val_frac) * series.times.len() as f64) as usize;
        let cuts: Vec<usize> = set.series.iter().map(cut).collect();
        let timeline = Timeline::fit(&settings, &set, &cuts)?;
        let first = timeline.first(&settings);
        for (series, &cut) in set.series.iter().zip(&cuts) {
            let (rows, needed) = (series.times.len(), first + settings.steps_at_once());
            let of =
                if series.group.is_empty() { "the series".to_string() } else { format!("series {}", series.group) };
            if cut < needed + 1 {
                let problem = format!("{of} has {cut} rows to train on, expected at least {}", needed + 1);
                return Err(Error::Data { name, problem });
            }
            if rows > cut && rows - cut < settings.horizon {
                let problem =
                    format!("{of} has {} rows held out, expected at least horizon = {}", rows - cut, settings.horizon);
                return Err(Error::Data { name, problem });
            }
        }
        if set.gaps > 0 {
            notes.push(format!("rows further apart than the usual step, read as if they followed: {}", set.gaps));
        }
        let prepared = set.series.iter().map(|series| timeline.prepare(&settings, series));
        let prepared: Vec<Prepared> = prepared.collect::<Result<_, Error>>()?;
        let windows: Vec<(usize, usize)> =
            cuts.iter().enumerate().flat_map(|(at, &cut)| (first..cut).map(move |t| (at, t))).collect();
        let width = timeline.width(&settings);
        let model = Predictor::new(config, (Input::Vectors(width), settings.steps_at_once() * set.columns.len()))?;
        let train_tokens = cuts.iter().sum();
        let shape = Shape {
            train_tokens,
            val_tokens: prepared.iter().map(Prepared::len).sum::<usize>() - train_tokens,
            vocab_size: set.columns.len(),
            seq_len: 1,
            notes,
            ..Shape::default()
        };
        let trained = TrainedForecast { settings, context: config.seq_len, seed: config.seed, timeline, model };
        let lengths = vec![1; windows.len()];
        let data = Data { set, cuts, prepared, windows };
        Ok(Supervised::of(config, fingerprint, (trained, data), lengths, shape))
    }

    /// The series.
    pub fn series(&self) -> &SeriesSet {
        &self.data.set
    }

    /// Forecasts from every place in the held-out part that has a whole horizon before it; None once `continues` says
    /// no, or where nothing is held out. The model is not trained again on the future.
    pub fn backtest(&self, tape: &mut Tape<E>, continues: &mut dyn FnMut() -> bool) -> Result<Option<Backtest>, Error> {
        let settings = &self.trained.settings;
        let (mut model, mut naive, mut seasonal) = (Errors::default(), Errors::default(), Errors::default());
        let origins = self.data.origins(settings.horizon);
        for chunk in origins.chunks(AT_ONCE) {
            if !continues() {
                return Ok(None);
            }
            let pairs: Vec<(&Prepared, usize)> = chunk.iter().map(|&(at, t)| (&self.data.prepared[at], t)).collect();
            let all = self.trained.forecast(tape, &pairs)?;
            for (&(at, t), forecasts) in chunk.iter().zip(&all) {
                let series = &self.data.set.series[at];
                for (d, column) in forecasts.iter().enumerate() {
                    let scale = self.trained.timeline.naive_error(&series.group, d);
                    let (known, to_come) = series.values[d].split_at(t);
                    for (h, point) in column.iter().enumerate() {
                        let interval = Some((point.low, point.high));
                        let forecast = measure::Forecast { point: point.middle, interval };
                        model.add(to_come[h], forecast, scale, settings.level);
                        for (errors, season) in [(&mut naive, 1), (&mut seasonal, settings.season)] {
                            if let Some(point) = measure::seasonal_naive(known, season, h) {
                                let forecast = measure::Forecast { point, interval: None };
                                errors.add(to_come[h], forecast, scale, settings.level);
                            }
                        }
                    }
                }
            }
        }
        let has_season = settings.season > 1;
        Ok(model.figures().zip(naive.figures()).map(|(model, naive)| Backtest {
            origins: origins.len(),
            model,
            naive,
            seasonal_naive: seasonal.figures().filter(|_| has_season),
        }))
    }
}

impl Data {
    /// The series and rows that are forecast from.
    fn origins(&self, horizon: usize) -> Vec<(usize, usize)> {
        let of = |(at, &cut): (usize, &usize)| (cut..=self.prepared[at].len() - horizon).map(move |t| (at, t));
        let has_part = |(at, cut): &(usize, &usize)| self.prepared[*at].len() >= **cut + horizon;
        self.cuts.iter().enumerate().filter(has_part).flat_map(of).collect()
    }
}

fn is_same(a: &(&Prepared, usize), b: &(&Prepared, usize)) -> bool {
    std::ptr::eq(a.0, b.0) && a.1 == b.1
}

fn range(n: usize) -> Vec<usize> {
    (0..n).collect()
}

/// The entry `task` of a model file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    timeline: Timeline,
}

impl<E: Element> TrainedForecast<E> {
    /// The forecaster in a model file. Errors: a model of another task; one at odds with itself.
    pub fn load(stored: &Stored) -> Result<TrainedForecast<E>, Error> {
        let config = stored.config();
        let settings = config.forecast().map_err(|error| stored.refusal(error))?.clone();
        let Meta { timeline } = stored.task()?;
        if !timeline.is_fair() {
            return Err(stored.refusal("task.timeline has no fair scaler for its columns"));
        }
        let targets = settings.steps_at_once() * timeline.columns.len();
        let model = stored.model((Input::Vectors(timeline.width(&settings)), targets))?;
        Ok(TrainedForecast { settings, context: config.seq_len, seed: config.seed, timeline, model })
    }

    /// The windows that end at some places, and the targets at each of their steps; NaN beyond `end`.
    fn batch(
        &self,
        prepared: &[Prepared],
        places: &[(usize, usize)],
        end: impl Fn(usize) -> usize,
        last_only: bool,
    ) -> Result<(Padded<E>, Vec<f64>), Error> {
        let TrainedForecast { settings, timeline, .. } = self;
        let (count, at_once) = (timeline.columns.len(), settings.steps_at_once());
        let batch = self.windows(&places.iter().map(|&(at, t)| (&prepared[at], t)).collect::<Vec<_>>())?;
        let mut targets = vec![f64::NAN; batch.steps * batch.rows * at_once * count];
        for (b, &(at, last)) in places.iter().enumerate() {
            let (length, end) = (batch.lengths[b], end(at));
            for step in if last_only { length - 1 } else { 0 }..length {
                let t = last + 1 + step - length;
                for (h, d) in (0..at_once).flat_map(|h| (0..count).map(move |d| (h, d))) {
                    let place = ((step * batch.rows + b) * at_once + h) * count + d;
                    let target = timeline.target(settings, &prepared[at], t, h, d, end);
                    targets[place] = target.unwrap_or(f64::NAN);
                }
            }
        }
        Ok((batch, targets))
    }

    /// The inputs that are read before a forecast, of each of some places.
    fn windows(&self, places: &[(&Prepared, usize)]) -> Result<Padded<E>, Error> {
        let rows = places.iter().map(|&(series, t)| self.window(series, t)).collect();
        Padded::new(&Sequences::Vectors { width: self.timeline.width(&self.settings), rows }, &range(places.len()), 0)
    }

    /// The inputs that are read before a forecast at t: at most `context`, of the window model the last alone.
    fn window(&self, series: &Prepared, t: usize) -> Vec<f64> {
        let first = self.timeline.first(&self.settings);
        let context = if self.settings.memory == Memory::Window { 1 } else { self.context };
        let mut row = Vec::new();
        for t in (t + 1).saturating_sub(context).max(first)..=t {
            self.timeline.input(&self.settings, series, t, &mut row);
        }
        row
    }

    /// What comes after the last row of a series: column by column, step by step.
    ///
    /// Errors: fewer rows than an input needs; covariates whose future is not given; values that have no logarithm;
    /// paths that take more memory than there is.
    pub fn next(&self, tape: &mut Tape<E>, name: &str, series: &Series) -> Result<Vec<Vec<Point>>, Error> {
        let first = self.timeline.first(&self.settings);
        let rows = series.times.len();
        if rows < first {
            let of =
                if series.group.is_empty() { "the series".to_string() } else { format!("series {}", series.group) };
            let problem = format!("{of} has {rows} rows, expected at least {first} to forecast from");
            return Err(Error::Data { name: name.to_string(), problem });
        }
        if !self.timeline.covariates.is_empty() {
            let problem = format!(
                "the model needs {} of future steps, which is not supported",
                self.timeline.covariates.join(", ")
            );
            return Err(Error::Data { name: name.to_string(), problem });
        }
        let prepared = self.timeline.prepare(&self.settings, series)?;
        let forecasts = self.forecast(tape, &[(&prepared, rows)])?.remove(0);
        let values = forecasts.iter().flatten().flat_map(|point| [point.middle, point.low, point.high]);
        values.into_iter().try_for_each(|value| Error::unless_finite(name, "a forecast", value))?;
        Ok(forecasts)
    }

    /// The forecasts from some places of series, by column and step. Each is what it would be alone.
    fn forecast(&self, tape: &mut Tape<E>, origins: &[(&Prepared, usize)]) -> Result<Vec<Vec<Vec<Point>>>, Error> {
        let Forecast { recent, .. } = self.settings;
        if recent == 0 {
            return self.raw_forecasts(tape, origins);
        }
        let first = self.timeline.first(&self.settings);
        let mut needed: Vec<(&Prepared, usize)> = Vec::new();
        for &(series, t) in origins {
            let places = (t.saturating_sub(recent).max(first)..=t).map(|t| (series, t));
            needed.extend(
                places.filter(|place| !needed.iter().rev().any(|known| is_same(known, place))).collect::<Vec<_>>(),
            );
        }
        let mut raw = Vec::with_capacity(needed.len());
        for chunk in needed.chunks(AT_ONCE) {
            raw.extend(self.raw_forecasts(tape, chunk)?);
        }
        let at = |place: &(&Prepared, usize)| needed.iter().zip(&raw).rev().find(|known| is_same(known.0, place));
        let of = |&(series, t): &(&Prepared, usize)| {
            let past = (t.saturating_sub(recent).max(first)..t).filter_map(|t| Some((t, at(&(series, t))?.1)));
            let past: Vec<(usize, &Vec<Vec<Point>>)> = past.collect();
            let now = at(&(series, t)).map(|known| known.1.clone()).unwrap_or_default();
            now.into_iter().enumerate().map(|(d, points)| self.widened(series, t, d, points, &past)).collect()
        };
        Ok(origins.iter().map(of).collect())
    }

    /// A forecast from t of column d, its intervals widened by how `past` forecasts did on values known at t
    /// that were not trained on.
    fn widened(
        &self,
        series: &Prepared,
        t: usize,
        d: usize,
        points: Vec<Point>,
        past: &[(usize, &Vec<Vec<Point>>)],
    ) -> Vec<Point> {
        let mut scores = Vec::new();
        for (from, raw) in past {
            // The errors on training values are too small to tell anything.
            let known = raw[d].iter().enumerate().take(t - from).filter(|(h, _)| series.is_new(from + h));
            for (h, point) in known {
                scores.extend(point.levels(&self.settings).score(series.level(d, from + h)));
            }
        }
        let factor = widening(&mut scores, self.settings.level);
        points.into_iter().map(|point| point.levels(&self.settings).times(factor).values(&self.settings)).collect()
    }

    /// What the model itself says.
    fn raw_forecasts(&self, tape: &mut Tape<E>, origins: &[(&Prepared, usize)]) -> Result<Vec<Vec<Vec<Point>>>, Error> {
        match self.settings.strategy {
            Strategy::Direct => self.direct(tape, origins),
            Strategy::Recursive => origins.iter().map(|&(series, t)| self.recursive(tape, series, t)).collect(),
        }
    }

    fn direct(&self, tape: &mut Tape<E>, origins: &[(&Prepared, usize)]) -> Result<Vec<Vec<Vec<Point>>>, Error> {
        let Forecast { horizon, level, output, .. } = self.settings;
        let batch = self.windows(origins)?;
        tape.start(false);
        let raw = self.model.advance(tape, &batch, &mut None)?;
        let (raw, columns) = (tape.dense_value(raw), self.timeline.columns.len());
        let (cells, parameters) = (horizon * columns, output.parameters());
        let mut all = Vec::with_capacity(origins.len());
        for (b, &(series, t)) in origins.iter().enumerate() {
            let row = ((batch.lengths[b] - 1) * batch.rows + b) * cells * parameters;
            let point = |d: usize, h: usize| {
                let at: Vec<f64> = (0..parameters).map(|p| raw[row + p * cells + h * columns + d].to_f64()).collect();
                let value = |level: f64| {
                    self.timeline.value(&self.settings, series, [t, h, d], output.quantile(&at, level), &[])
                };
                Point { middle: value(0.5), low: value(0.5 * (1.0 - level)), high: value(0.5 * (1.0 + level)) }
            };
            all.push((0..columns).map(|d| (0..horizon).map(|h| point(d, h)).collect()).collect());
        }
        Ok(all)
    }

    /// Paths that are drawn step by step: their quantiles at each. The draws depend on the seed and on t.
    fn recursive(&self, tape: &mut Tape<E>, series: &Prepared, t: usize) -> Result<Vec<Vec<Point>>, Error> {
        let Forecast { horizon, level, output, paths, .. } = self.settings;
        let (columns, parameters) = (self.timeline.columns.len(), output.parameters());
        let width = self.timeline.width(&self.settings);
        let steps = self.context.min(t + 1);
        let covariates = self.timeline.covariates.len();
        needs(memory::of_paths(&self.settings, [columns, covariates, width], [t, series.len(), steps]))?;
        let mut rngs: Vec<ChaCha8Rng> =
            (0..paths).map(|path| generator(self.seed, Purpose::Sample, (t * paths + path) as u64)).collect();
        let mut futures: Vec<Prepared> = vec![series.until(t); paths];
        let mut state = self.model.initial_state(paths);
        let mut draws = vec![vec![Vec::with_capacity(paths); horizon]; columns];
        for h in 0..horizon {
            let row = |future: &Prepared| match h {
                0 => self.window(future, t),
                _ => {
                    let mut row = Vec::new();
                    self.timeline.input(&self.settings, future, t + h, &mut row);
                    row
                }
            };
            let rows: Vec<Vec<f64>> = futures.iter().map(row).collect();
            let batch: Padded<E> = Padded::new(&Sequences::Vectors { width, rows }, &range(paths), 0)?;
            tape.start(false);
            let raw = self.model.advance(tape, &batch, &mut state)?;
            let raw = tape.dense_value(raw);
            let last = (batch.steps - 1) * paths;
            for (path, (future, rng)) in futures.iter_mut().zip(&mut rngs).enumerate() {
                let mut levels = Vec::with_capacity(columns);
                for (d, column) in draws.iter_mut().enumerate() {
                    let start = (last + path) * columns * parameters;
                    let at: Vec<f64> = (0..parameters).map(|p| raw[start + p * columns + d].to_f64()).collect();
                    let x = output.draw(&at, rng);
                    levels.push(self.timeline.level(&self.settings, future, [t + h, 0, d], x, &[]));
                    column[h].push(self.timeline.value(&self.settings, future, [t + h, 0, d], x, &[]));
                }
                future.push(&self.settings, &levels, self.timeline.step);
            }
        }
        let point = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let at = |level: f64| {
                let place = level * (values.len() - 1) as f64;
                let (below, share) = (place as usize, place.fract());
                let above = (below + 1).min(values.len() - 1);
                values[below] + share * (values[above] - values[below])
            };
            Point { middle: at(0.5), low: at(0.5 * (1.0 - level)), high: at(0.5 * (1.0 + level)) }
        };
        Ok(draws.into_iter().map(|column| column.into_iter().map(point).collect()).collect())
    }
}

impl<E: Element> Objective<E> for TrainedForecast<E> {
    type Layers = Layers<E>;
    type Data = Data;

    fn model(&self) -> &Model<E, Layers<E>> {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model<E, Layers<E>> {
        &mut self.model
    }

    fn learn(&self, data: &Data, tape: &mut Tape<E>, batch: Batch<'_, E>) -> Result<Loss, Error> {
        let places: Vec<(usize, usize)> = batch.places.iter().map(|&at| data.windows[at]).collect();
        let (read, targets) = self.batch(&data.prepared, &places, |at| data.cuts[at], false)?;
        let (loss, dropout) = (Likelihood(self.settings.output), Some(batch.draws(Purpose::Dropout)));
        let (_, of) = self.model.loss_and_grads(tape, &read, &loss, &targets, dropout, batch.grads)?;
        Ok(Loss { mean: of.sum / of.counted.max(1) as f64, predictions: of.counted, rows: read.rows })
    }

    /// The mean loss of the held-out values, each horizon from its own origin.
    fn held_loss(
        &self,
        data: &Data,
        tape: &mut Tape<E>,
        continues: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Error> {
        let (mut sum, mut count) = (0.0, 0);
        for places in data.origins(self.settings.horizon).chunks(AT_ONCE) {
            if !continues() {
                return Ok(None);
            }
            let (batch, targets) = self.batch(&data.prepared, places, |at| data.prepared[at].len(), true)?;
            let of = self.model.loss(tape, &batch, &Likelihood(self.settings.output), &targets)?;
            sum += of.sum;
            count += of.counted;
        }
        Ok(Some(sum / count.max(1) as f64))
    }

    fn meta(&self, _: &Config) -> Map<String, Value> {
        Map::from_iter([("task".to_string(), json!({ "timeline": self.timeline }))])
    }
}

#[cfg(test)]
mod tests {
    use elman_kernels::Cpu;

    use super::*;
    use crate::config::{TaskSettings, Transform};
    use crate::data::Corpus;
    use crate::data::series::Columns;
    use crate::data::table::{Format, Table};

    #[test]
    fn intervals_grow_with_earlier_misses_and_know_nothing_of_what_comes() {
        let value = |t: usize| 50.0 + 5.0 * libm::sin(t as f64) + (t * t % 11) as f64;
        let text: String = (0..60).map(|t| format!("{t},{}\n", value(t))).collect();
        let table = Table::from_bytes("t.csv", format!("t,y\n{text}").as_bytes(), Format::Csv, true).unwrap();
        let set = SeriesSet::new(&table, &Columns::default()).unwrap();
        let series = set.series[0].clone();
        for strategy in [Strategy::Direct, Strategy::Recursive] {
            let forecast = |recent, transform: &[Transform]| {
                // An untrained network predicts about 0: half of all values are within its intervals, where 90 % should
                // be.
                let settings = Forecast { horizon: 3, level: 0.9, recent, strategy, paths: 20, ..Forecast::default() };
                let settings = Forecast { transform: transform.to_vec(), ..settings };
                let config = Config::of_task(Some(TaskSettings::Forecast(settings)));
                let config = Config { hidden_size: 4, seq_len: 8, val_frac: 0.5, ..config };
                let fingerprint = Corpus::from_text("t.csv", text.clone()).fingerprint();
                ForecastTask::<f64>::new(&config, set.clone(), fingerprint).unwrap()
            };
            for transform in [&[][..], &[Transform::Log]] {
                let (plain, wide) = (forecast(0, transform), forecast(10, transform));
                let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
                let origins: Vec<(&Prepared, usize)> = (20..50).map(|t| (&wide.data.prepared[0], t)).collect();
                let all = wide.trained.forecast(&mut tape, &origins).unwrap();
                let raw = plain.trained.forecast(&mut tape, &origins).unwrap();
                let mut grown = [0, 0];
                for ((&(_, t), wide_points), points) in origins.iter().zip(&all).zip(&raw) {
                    let mut until = series.clone();
                    until.times.truncate(t);
                    until.values[0].truncate(t);
                    assert_eq!(wide.trained.next(&mut tape, "t", &until).unwrap(), *wide_points, "at {t}");
                    for (wide, point) in wide_points[0].iter().zip(&points[0]) {
                        let near = |a: f64, b: f64| (a - b).abs() < 1e-12 * b.abs();
                        assert!(near(wide.middle, point.middle));
                        let (low, high) = (point.low - wide.low, wide.high - point.high);
                        assert!(low > -1e-12 * point.low.abs() && high > -1e-12 * point.high.abs(), "never narrower");
                        grown[usize::from(t > 30)] += usize::from(high > 1e-6 * point.high);
                    }
                }
                assert!(grown[0] == 0 && grown[1] > 0, "{strategy:?} {transform:?}: rows from 30 on are new");
            }
        }
    }
}
