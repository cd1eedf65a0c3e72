//! Some rows of a series with their transforms: logarithms or powers, seasonal differences, differences. Missing values
//! are NaN, or are filled from the rows of the window that are known. Not here: scaling and the inputs of a network
//! (`inputs.rs`).

use super::set::Series;
use crate::config::{Forecast, Missing, Transform};

/// Seasons that are looked back for one that is known.
const MOST_SEASONS: usize = 4;

/// The known rows `first..first + rows` of a series, column by column.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The row of the series that is the first here.
    first: usize,
    rows: usize,
    /// Values after the logarithm or power.
    level: Vec<Vec<f64>>,
    /// Levels, or their differences to a season before.
    base: Vec<Vec<f64>>,
    /// Bases, or their differences to the row before.
    step: Vec<Vec<f64>>,
}

/// What a forecast of a row is relative to: the known level to which it is added, and how many steps and seasons lie
/// between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    /// Added to a forecast.
    pub level: f64,
    /// Steps whose mean change a forecast contains; 1 without differences.
    pub steps: f64,
}

impl Window {
    /// The rows `from..to` of a series of `width` cells a row.
    pub fn new(
        settings: &Forecast,
        series: &Series,
        (columns, width): (usize, usize),
        from: usize,
        to: usize,
    ) -> Window {
        let mut window = Window {
            first: from,
            rows: 0,
            level: vec![Vec::with_capacity(to - from); columns],
            base: vec![Vec::with_capacity(to - from); columns],
            step: vec![Vec::with_capacity(to - from); columns],
        };
        for d in 0..columns {
            let mut values: Vec<f64> = (from..to).map(|row| series.value(width, row, d)).collect();
            fill(settings.missing, &mut values, || last_before(series, width, from, d));
            window.level[d].extend(values.into_iter().map(|y| level(settings, y)));
        }
        for _ in from..to {
            window.derive(settings);
        }
        window
    }

    /// Appends a row of levels.
    pub fn push(&mut self, settings: &Forecast, levels: &[f64]) {
        self.level.iter_mut().zip(levels).for_each(|(column, &level)| column.push(level));
        self.derive(settings);
    }

    /// Base and step of the first row that has none yet.
    fn derive(&mut self, settings: &Forecast) {
        let at = self.rows;
        self.rows += 1;
        for d in 0..self.level.len() {
            let before = |list: &[f64], distance: usize| at.checked_sub(distance).map_or(f64::NAN, |at| list[at]);
            let level = self.level[d][at];
            let base = match settings.has(Transform::Seasonal) {
                true => level - before(&self.level[d], settings.season),
                false => level,
            };
            self.base[d].push(base);
            let step = if settings.has(Transform::Diff) { base - before(&self.base[d], 1) } else { base };
            self.step[d].push(step);
        }
    }

    /// The row after the last.
    pub fn end(&self) -> usize {
        self.first + self.rows
    }

    /// The level of a row; NaN where it is missing or not here.
    pub fn level(&self, d: usize, row: usize) -> f64 {
        self.at(&self.level[d], row)
    }

    /// The step of a row: its level after all differences.
    pub fn step(&self, d: usize, row: usize) -> f64 {
        self.at(&self.step[d], row)
    }

    /// The steps of the rows `from..to`, as far as they are here.
    pub fn steps(&self, d: usize, from: usize, to: usize) -> &[f64] {
        let clip = |row: usize| row.saturating_sub(self.first).min(self.rows);
        &self.step[d][clip(from)..clip(to)]
    }

    fn at(&self, list: &[f64], row: usize) -> f64 {
        row.checked_sub(self.first).and_then(|at| list.get(at)).copied().unwrap_or(f64::NAN)
    }

    /// The last value of a list before `row` that is no NaN, with its row.
    fn last(&self, list: &[f64], row: usize) -> Option<(usize, f64)> {
        let end = row.saturating_sub(self.first).min(self.rows);
        list[..end].iter().rposition(|value| !value.is_nan()).map(|at| (self.first + at, list[at]))
    }

    /// The last step before `row` that is known.
    pub fn last_step(&self, d: usize, row: usize) -> Option<f64> {
        self.last(&self.step[d], row).map(|(_, step)| step)
    }

    /// What a forecast of row t + h is relative to, of the rows before t alone. Without a known season the last level
    /// stands for it, without any known value 0.
    pub fn anchor(&self, settings: &Forecast, d: usize, t: usize, h: usize) -> Anchor {
        let (mut anchor, mut seasons) = (Anchor { level: 0.0, steps: 1.0 }, 1.0);
        if settings.has(Transform::Seasonal) {
            let nearest = h / settings.season + 1;
            let candidates = (nearest..nearest + MOST_SEASONS).filter_map(|k| {
                let before = self.level(d, (t + h).checked_sub(k * settings.season)?);
                (!before.is_nan()).then_some((k, before))
            });
            match candidates.into_iter().next() {
                Some((k, before)) => (anchor.level, seasons) = (before, k as f64),
                None => {
                    let level = self.last(&self.level[d], t).map_or(0.0, |(_, level)| level);
                    return Anchor { level, steps: 0.0 };
                }
            }
        }
        if settings.has(Transform::Diff) {
            if let Some((row, base)) = self.last(&self.base[d], t) {
                anchor.level += seasons * base;
                anchor.steps = (t + h - row) as f64;
            } else if let Some((_, level)) = self.last(&self.level[d], t).filter(|_| !settings.has(Transform::Seasonal))
            {
                anchor.level = level;
            }
        }
        anchor
    }
}

/// The last value of a column before a row; NaN where there is none.
fn last_before(series: &Series, width: usize, row: usize, d: usize) -> f64 {
    (0..row).rev().map(|row| series.value(width, row, d)).find(|value| !value.is_nan()).unwrap_or(f64::NAN)
}

/// Puts values in the place of missing ones; `before` is the last one before the first.
fn fill(missing: Missing, values: &mut [f64], before: impl Fn() -> f64) {
    if missing == Missing::Mask || !values.iter().any(|value| value.is_nan()) {
        return;
    }
    let mut last = (0, if missing == Missing::Zero { 0.0 } else { before() });
    for at in 0..values.len() {
        if !values[at].is_nan() {
            last = (at, values[at]);
            continue;
        }
        let next = values[at..].iter().position(|value| !value.is_nan()).map(|steps| (at + steps, values[at + steps]));
        values[at] = match (missing, next) {
            (Missing::Zero, _) => 0.0,
            (Missing::Interpolate, Some((to, y))) if !last.1.is_nan() => {
                let share = (at - last.0) as f64 / (to - last.0) as f64;
                last.1 + share * (y - last.1)
            }
            _ => last.1,
        };
    }
}

/// The level of a value: its logarithm or power.
pub fn level(settings: &Forecast, y: f64) -> f64 {
    if settings.has(Transform::Log) || (settings.has(Transform::BoxCox) && settings.box_cox == 0.0) {
        libm::log(y)
    } else if settings.has(Transform::BoxCox) {
        (libm::pow(y, settings.box_cox) - 1.0) / settings.box_cox
    } else {
        y
    }
}

/// The value of a level; the least value, 0, of a power that no value has.
pub fn inverse(settings: &Forecast, level: f64) -> f64 {
    let y = if settings.has(Transform::Log) || (settings.has(Transform::BoxCox) && settings.box_cox == 0.0) {
        libm::exp(level)
    } else if settings.has(Transform::BoxCox) {
        libm::pow((settings.box_cox * level + 1.0).max(0.0), 1.0 / settings.box_cox)
    } else {
        level
    };
    if settings.non_negative { y.max(0.0) } else { y }
}
