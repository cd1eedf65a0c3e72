//! The numbers that a network reads of a series, and what its answers mean: values scaled by the values before them,
//! covariates, calendar. No input at t depends on a value at t or later. Not here: the network.

use super::calendar::Stamp;
use super::columns::Kind;
use super::fitted::{Fitted, fit};
use super::set::{Series, SeriesSet};
use super::window::{self, Window};
use crate::config::{Forecast, Scale};
use crate::data::table::scale::Scaler;
use crate::error::Error;

/// Scaled values beyond this grow by their logarithm: a jump of a series by orders of magnitude is no infinity.
const MOST_SCALED: f64 = 10.0;

/// Numbers whose spread says little.
const FEW: usize = 8;

/// What values at a step are scaled by: (y - location) / scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Subtracted.
    pub location: f64,
    /// Divides.
    pub scale: f64,
}

/// Settings and what was fitted: all that the inputs of a series follow from.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The settings.
    pub settings: Forecast,
    /// Values before a step that it is scaled by, and steps that are read before a forecast.
    pub context: usize,
    /// What was fitted.
    pub fitted: Fitted,
}

/// The widths of what a network reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Widths {
    /// Numbers at a step.
    pub input: usize,
    /// Categories at a step: how many there are of each column, one more for those that are not known.
    pub categories: Vec<usize>,
    /// Numbers that are known of a step of the horizon.
    pub future: usize,
    /// Categories that are known of a step of the horizon.
    pub future_categories: Vec<usize>,
    /// Values of a step.
    pub columns: usize,
}

/// Rows of a series that inputs are computed of: what is known beforehand of rows `first..`, and its calendar.
pub struct View<'a> {
    series: &'a Series,
    width: usize,
    first: usize,
    /// Sines and cosines of the turns, row after row.
    calendar: Vec<f64>,
    /// Numbers of a row of the calendar.
    turns: usize,
}

/// The numbers and categories of some steps.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Numbers, step after step.
    pub numbers: Vec<f64>,
    /// Categories of each column, 0 where they are not known.
    pub ids: Vec<Vec<u32>>,
}

impl Steps {
    /// No steps of so many columns of categories.
    pub fn new(categories: usize) -> Steps {
        Steps { numbers: Vec::new(), ids: vec![Vec::new(); categories] }
    }
}

impl Timeline {
    /// Fits the scaling of covariates and of units on the first `cuts` rows of each series. Errors: a time beyond
    /// the calendar.
    pub fn new(settings: &Forecast, context: usize, set: &SeriesSet, cuts: &[usize]) -> Result<Timeline, Error> {
        let fitted = Fitted::new(settings, set, cuts)?;
        let mut timeline = Timeline { settings: settings.clone(), context, fitted };
        timeline.fit_global(set, cuts);
        timeline.fit_unit_scaler(set, cuts);
        Ok(timeline)
    }

    /// Fits mean and deviation of all values, after their transforms.
    fn fit_global(&mut self, set: &SeriesSet, cuts: &[usize]) {
        if self.settings.scale() != Scale::Global {
            return;
        }
        let columns = set.roles.values.len();
        let rows = set.series.iter().zip(cuts).flat_map(|(series, &cut)| {
            let window = self.window(set, series, 0, cut);
            (0..cut).map(move |row| (0..columns).map(|d| window.step(d, row)).collect::<Vec<f64>>())
        });
        self.fitted.global = fit(columns, rows);
    }

    /// Fits mean and deviation of the inputs that describe a unit, at some rows of each series.
    fn fit_unit_scaler(&mut self, set: &SeriesSet, cuts: &[usize]) {
        let columns = set.roles.values.len();
        let rows = set.series.iter().zip(cuts).flat_map(|(series, &cut)| {
            [1, 2, 3, 4].map(|share| {
                let t = cut * share / 4;
                let window = self.window(set, series, t.saturating_sub(self.reach()), t);
                (0..columns).flat_map(|d| unit_inputs(self.unit(&window, d, t))).collect::<Vec<f64>>()
            })
        });
        self.fitted.unit_scaler = fit(UNIT_NUMBERS * columns, rows);
    }

    /// The widths of what a network reads.
    pub fn widths(&self) -> Widths {
        let Timeline { settings, fitted, .. } = self;
        let (columns, future, past) = (fitted.columns.len(), settings.covariates.len(), settings.past_covariates.len());
        let numbers = |kinds: &[Kind]| kinds.iter().filter(|kind| **kind == Kind::Number).count();
        let counts = |kinds: &[Kind]| -> Vec<usize> {
            kinds
                .iter()
                .filter_map(|kind| if let Kind::Category(all) = kind { Some(all.len() + 1) } else { None })
                .collect()
        };
        let (of_future, of_past) = (&fitted.kinds[..future], &fitted.kinds[..future + past]);
        let calendar = 2 * fitted.turns.iter().filter(|turn| **turn).count();
        let lags = settings.season_lags().len();
        let scales = if settings.has_own_scale() { UNIT_NUMBERS } else { 0 };
        let statics = numbers(&fitted.kinds) - numbers(of_past);
        Widths {
            input: columns * (settings.lags() + 1 + scales + lags) + numbers(of_past) + calendar + statics,
            categories: counts(&fitted.kinds),
            future: columns * lags + numbers(of_future) + calendar,
            future_categories: counts(of_future),
            columns,
        }
    }

    /// Rows before a step that its input depends on.
    pub fn reach(&self) -> usize {
        self.settings.reach(self.context)
    }

    /// The known rows `from..to` of a series.
    pub fn window(&self, set: &SeriesSet, series: &Series, from: usize, to: usize) -> Window {
        Window::new(&self.settings, series, (set.roles.values.len(), set.width()), from, to)
    }

    /// The rows `from..to` of a series, as far as they are known beforehand. Errors: a time beyond the calendar.
    pub fn view<'a>(&self, set: &SeriesSet, series: &'a Series, from: usize, to: usize) -> Result<View<'a>, Error> {
        let mut calendar = Vec::new();
        if self.fitted.turns.contains(&true) {
            let frequency = &set.frequencies[series.frequency];
            for row in from..to {
                let at: Stamp = set.time(series, row)?;
                let turns = frequency.turns(&set.clock, at).into_iter().zip(self.fitted.turns);
                for turn in turns.filter(|(_, is_input)| *is_input).map(|(turn, _)| turn) {
                    let angle = |turn: f64| 2.0 * std::f64::consts::PI * turn;
                    calendar.extend(turn.map_or([0.0; 2], |turn| [libm::sin(angle(turn)), libm::cos(angle(turn))]));
                }
            }
        }
        let turns = 2 * self.fitted.turns.iter().filter(|turn| **turn).count();
        Ok(View { series, width: set.width(), first: from, calendar, turns })
    }

    /// What the values of column d at step t are scaled by: a function of the `context` rows before t.
    pub fn unit(&self, window: &Window, d: usize, t: usize) -> Unit {
        if self.settings.scale() == Scale::Global {
            let Scaler { mean, deviation } = &self.fitted.global;
            return Unit { location: mean[d], scale: deviation[d] };
        }
        let known = window.steps(d, t.saturating_sub(self.context), t);
        unit(self.settings.scale(), known.iter().copied().filter(|x| !x.is_nan()))
    }

    /// Appends the input at t, for t up to the end of the window.
    pub fn input(&self, view: &View<'_>, window: &Window, t: usize, units: &[Unit], to: &mut Steps) {
        let settings = &self.settings;
        for (d, unit) in units.iter().enumerate() {
            let scaled = |step: f64| soft((step - unit.location) / unit.scale);
            let last = window.last_step(d, t).map_or(0.0, scaled);
            for lag in 1..=settings.lags() {
                let step = t.checked_sub(lag).map_or(f64::NAN, |row| window.step(d, row));
                to.numbers.push(if step.is_nan() { last } else { scaled(step) });
            }
            let is_missing = t.checked_sub(1).is_none_or(|row| window.step(d, row).is_nan());
            to.numbers.push(f64::from(u8::from(is_missing)));
            if settings.has_own_scale() {
                for (at, x) in unit_inputs(*unit).into_iter().enumerate() {
                    to.numbers.push(self.fitted.unit_scaler.scale(UNIT_NUMBERS * d + at, x).clamp(-5.0, 5.0));
                }
            }
            for lag in settings.season_lags() {
                let step = t.checked_sub(lag).map_or(f64::NAN, |row| window.step(d, row));
                to.numbers.push(if step.is_nan() { 0.0 } else { scaled(step) });
            }
        }
        let (future, past) = (settings.covariates.len(), settings.past_covariates.len());
        let mut ids = 0;
        for at in 0..self.fitted.kinds.len() {
            let x = match at {
                at if at < future => view.covariate(t, units.len() + at),
                at if at < future + past => {
                    t.checked_sub(1).map_or(f64::NAN, |row| view.covariate(row, units.len() + at))
                }
                at => view.series.statics.get(at - future - past).copied().unwrap_or(f64::NAN),
            };
            self.put(at, x, to, &mut ids);
        }
        to.numbers.extend_from_slice(view.calendar_of(t));
    }

    /// Appends what is known at t of step t + h of the horizon.
    pub fn future(&self, view: &View<'_>, window: &Window, [t, h]: [usize; 2], units: &[Unit], to: &mut Steps) {
        for (d, &unit) in units.iter().enumerate() {
            for lag in self.settings.season_lags() {
                let shift = lag * (h / lag + 1);
                let x = t.checked_sub(shift).and_then(|before| self.target(window, unit, d, [before, h], t));
                to.numbers.push(x.map_or(0.0, soft));
            }
        }
        let mut ids = 0;
        for at in 0..self.settings.covariates.len() {
            self.put(at, view.covariate(t + h, units.len() + at), to, &mut ids);
        }
        to.numbers.extend_from_slice(view.calendar_of(t + h));
    }

    /// Appends a covariate: a number, scaled, or the place of a category.
    fn put(&self, at: usize, x: f64, to: &mut Steps, ids: &mut usize) {
        match &self.fitted.kinds[at] {
            Kind::Number => to.numbers.push(if x.is_nan() { 0.0 } else { soft(self.fitted.scaler.scale(at, x)) }),
            Kind::Category(_) => {
                to.ids[*ids].push(if x.is_nan() { 0 } else { x as u32 + 1 });
                *ids += 1;
            }
        }
    }

    /// What the network is to say at t of column d, h steps on: scaled. None where the value is missing, or is in row
    /// `end` or later.
    pub fn target(&self, window: &Window, unit: Unit, d: usize, [t, h]: [usize; 2], end: usize) -> Option<f64> {
        let level = if t + h < end { window.level(d, t + h) } else { f64::NAN };
        let anchor = window.anchor(&self.settings, d, t, h);
        let x = (level - anchor.level - anchor.steps * unit.location) / unit.scale;
        (!x.is_nan()).then_some(x)
    }

    /// The level of a scaled answer at t, h steps on.
    pub fn level(&self, window: &Window, unit: Unit, d: usize, [t, h]: [usize; 2], x: f64) -> f64 {
        let anchor = window.anchor(&self.settings, d, t, h);
        let level = anchor.level + anchor.steps * unit.location + unit.scale * x;
        // A path continues from values that exist.
        let existing =
            if self.settings.non_negative { window::level(&self.settings, self.value(level)) } else { level };
        if existing.is_finite() { existing } else { level }
    }

    /// The value of a level.
    pub fn value(&self, level: f64) -> f64 {
        window::inverse(&self.settings, level)
    }
}

impl View<'_> {
    fn covariate(&self, row: usize, column: usize) -> f64 {
        self.series.value(self.width, row, column)
    }

    fn calendar_of(&self, row: usize) -> &[f64] {
        let start = row.saturating_sub(self.first) * self.turns;
        self.calendar.get(start..start + self.turns).unwrap_or_default()
    }
}

/// Inputs that describe a unit.
const UNIT_NUMBERS: usize = 2;

/// The inputs that describe a unit: the logarithm of the scale, and the location divided by the scale.
fn unit_inputs(unit: Unit) -> [f64; UNIT_NUMBERS] {
    [libm::log(unit.scale), soft(unit.location / unit.scale)]
}

/// x, and beyond [`MOST_SCALED`] its logarithm.
fn soft(x: f64) -> f64 {
    if x.abs() <= MOST_SCALED { x } else { x.signum() * MOST_SCALED * (1.0 + libm::log(x.abs() / MOST_SCALED)) }
}

/// Location and scale of some numbers. Of few numbers the scale is at least a tenth of their size; it is 1 where all are
/// equal or there are none.
fn unit(scale: Scale, known: impl Iterator<Item = f64> + Clone) -> Unit {
    let size = mean(known.clone().map(f64::abs));
    let mut unit = match scale {
        Scale::None | Scale::Global => return Unit { location: 0.0, scale: 1.0 },
        Scale::MeanAbs => Unit { location: 0.0, scale: size },
        Scale::Mean => {
            let location = mean(known.clone());
            Unit { location, scale: mean(known.clone().map(|x| (x - location).abs())) }
        }
        Scale::Standard => {
            let location = mean(known.clone());
            Unit { location, scale: libm::sqrt(mean(known.clone().map(|x| (x - location) * (x - location)))) }
        }
        Scale::Robust => robust(known.clone().collect()),
    };
    if known.count() < FEW {
        unit.scale = unit.scale.max(0.1 * size);
    }
    // What rounding leaves of equal numbers is no scale.
    let is_scale = unit.scale.is_finite() && unit.scale > 1e-12 * size;
    if is_scale { unit } else { Unit { scale: 1.0, ..unit } }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Median and interquartile range.
fn robust(mut values: Vec<f64>) -> Unit {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * values.len().saturating_sub(1) as f64;
        let (below, above) = (libm::floor(place) as usize, libm::ceil(place) as usize);
        let pair = values.get(below).zip(values.get(above));
        pair.map_or(0.0, |(low, high)| low + (place - below as f64) * (high - low))
    };
    Unit { location: at(0.5), scale: at(0.75) - at(0.25) }
}
