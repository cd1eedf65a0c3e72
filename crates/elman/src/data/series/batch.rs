//! Steps of several series side by side, as a network reads them, with what it is to answer. Not here: the numbers of a
//! step (`inputs.rs`), the choice of places.

use elman_kernels::Element;

use super::inputs::{Steps, Timeline, Unit, View};
use super::set::{Origin, Series, SeriesSet};
use super::window::Window;
use crate::config::Memory;
use crate::error::Error;

/// Steps that are read, and those of them that forecast.
#[derive(Clone, Debug, Default)]
pub struct Batch<E> {
    /// B.
    pub rows: usize,
    /// T.
    pub steps: usize,
    /// `[T*B, input]`; 0 where a row has ended.
    pub input: Vec<E>,
    /// `[T*B]` of each column of categories.
    pub ids: Vec<Vec<u32>>,
    /// `[T*B]`: where a row has a step.
    pub mask: Vec<bool>,
    /// N places in `[T*B]` that forecast, row after row.
    pub origins: Vec<usize>,
    /// `[N*H, future]`: what is known of the horizon; none where the next step alone is forecast.
    pub future: Vec<E>,
    /// `[N*H]` of each column of categories.
    pub future_ids: Vec<Vec<u32>>,
    /// `[N*H, D]`: the scaled values that come; NaN where there are none.
    pub targets: Vec<f64>,
    /// `[N*H, D]`: the scales.
    pub units: Vec<f64>,
}

/// What a row of a batch was made of.
pub struct Read<'a> {
    /// The known rows.
    pub window: Window,
    /// What is known beforehand.
    pub view: View<'a>,
    /// The units at the origin.
    pub units: Vec<Unit>,
}

/// A row of a batch before it is laid out.
struct Row {
    steps: Steps,
    count: usize,
    future: Steps,
    targets: Vec<f64>,
    units: Vec<f64>,
    /// Steps at the end that forecast.
    forecasting: usize,
}

impl Timeline {
    /// The batch from which to forecast a horizon at some places, and what its rows were made of. Errors: a time beyond the
    /// calendar.
    pub fn batch<'a, E: Element>(
        &self,
        set: &'a SeriesSet,
        origins: &[Origin],
        horizon: usize,
    ) -> Result<(Batch<E>, Vec<Read<'a>>), Error> {
        let (mut rows, mut read) = (Vec::new(), Vec::new());
        for origin in origins {
            let (row, made_of) = self.row(set, *origin, [1, origin.t, horizon])?;
            rows.push(row);
            read.push(made_of);
        }
        let steps = rows.iter().map(|row: &Row| row.count).max().unwrap_or(0);
        Ok((self.lay_out(&rows, [steps, 1]), read))
    }

    /// The batch to train on or to validate with: the last steps of each window forecast values of the rows before
    /// `end` of their series. Its shape is that of every batch of as many origins on series of at most `longest` rows, so
    /// that memory is used again: steps without a target stand for those that a short row lacks. Errors: a time beyond
    /// the calendar.
    pub fn training_batch<E: Element>(
        &self,
        set: &SeriesSet,
        origins: &[Origin],
        (forecasting, longest): (usize, usize),
        end: impl Fn(usize) -> usize,
    ) -> Result<Batch<E>, Error> {
        let horizon = self.settings.steps_at_once();
        let row = |origin: &Origin| Ok(self.row(set, *origin, [forecasting, end(origin.series), horizon])?.0);
        let steps = self.steps_read(forecasting).min(longest);
        Ok(self.lay_out(&origins.iter().map(row).collect::<Result<Vec<_>, Error>>()?, [steps, forecasting.min(steps)]))
    }

    /// The batch of a single step of each path: the one after the last row of its window.
    pub fn next_batch<'a, 'b: 'a, E: Element>(
        &self,
        paths: impl Iterator<Item = (&'a View<'b>, &'a Window)>,
    ) -> Batch<E> {
        let widths = self.widths();
        let row = |(view, window): (&View<'_>, &Window)| {
            let t = window.end();
            let units: Vec<Unit> = (0..widths.columns).map(|d| self.unit(window, d, t)).collect();
            let mut steps = Steps::new(widths.categories.len());
            self.input(view, window, t, &units, &mut steps);
            Row { steps, count: 1, future: Steps::new(0), targets: Vec::new(), units: Vec::new(), forecasting: 1 }
        };
        self.lay_out(&paths.map(row).collect::<Vec<_>>(), [1, 1])
    }

    /// Steps that are read before a forecast.
    fn steps_read(&self, forecasting: usize) -> usize {
        match self.settings.memory {
            Memory::Recurrent => self.context,
            Memory::Window => forecasting.min(self.context),
        }
    }

    fn row<'a>(
        &self,
        set: &'a SeriesSet,
        origin: Origin,
        [forecasting, end, horizon]: [usize; 3],
    ) -> Result<(Row, Read<'a>), Error> {
        let (series, t): (&Series, usize) = (&set.series[origin.series], origin.t);
        let at_once = self.settings.steps_at_once();
        let first = (t + 1).saturating_sub(self.steps_read(forecasting)).max(1);
        let from = first.saturating_sub(self.reach());
        let window = self.window(set, series, from, (t + at_once).min(end));
        let view = self.view(set, series, from, t + horizon.max(at_once))?;
        let widths = self.widths();
        let (mut steps, mut future) = (Steps::new(widths.categories.len()), Steps::new(widths.future_categories.len()));
        let (mut targets, mut scales, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let count = t + 1 - first;
        let forecasting = forecasting.min(count);
        for step in first..=t {
            units = (0..widths.columns).map(|d| self.unit(&window, d, step)).collect::<Vec<_>>();
            self.input(&view, &window, step, &units, &mut steps);
            if step + forecasting <= t {
                continue;
            }
            for h in 0..at_once {
                if at_once > 1 {
                    self.future(&view, &window, [step, h], &units, &mut future);
                }
                for (d, &unit) in units.iter().enumerate() {
                    targets.push(self.target(&window, unit, d, [step, h], end).unwrap_or(f64::NAN));
                    scales.push(unit.scale);
                }
            }
        }
        let row = Row { steps, count, future, targets, units: scales, forecasting };
        Ok((row, Read { window, view, units }))
    }

    /// The rows side by side, time-major: so many steps of each, the last of which forecast.
    fn lay_out<E: Element>(&self, rows: &[Row], [steps, forecasting]: [usize; 2]) -> Batch<E> {
        let (width, b, steps) = (self.widths().input, rows.len(), steps.max(1));
        let mut input = vec![E::ZERO; steps * b * width];
        let categories = rows.first().map_or(0, |row| row.steps.ids.len());
        let mut ids = vec![vec![0; steps * b]; categories];
        let mut mask = vec![false; steps * b];
        let mut origins = Vec::with_capacity(b * forecasting);
        for (at, row) in rows.iter().enumerate() {
            for (step, numbers) in row.steps.numbers.chunks_exact(width).enumerate() {
                let place = step * b + at;
                mask[place] = true;
                let to = &mut input[place * width..(place + 1) * width];
                to.iter_mut().zip(numbers).for_each(|(to, &x)| *to = E::from_f64(x));
                ids.iter_mut().zip(&row.steps.ids).for_each(|(to, from)| to[place] = from[step]);
            }
            origins.extend((row.count - row.forecasting..row.count).map(|step| step * b + at));
            origins.resize(origins.len() + forecasting - row.forecasting, (row.count - 1) * b + at);
        }
        // What a row has for each step that forecasts, then nothing for those that it lacks.
        let filled = |of: fn(&Row) -> &Vec<f64>, nothing: f64| -> Vec<f64> {
            rows.iter().flat_map(|row| padded(of(row), nothing, (row.forecasting, forecasting))).collect()
        };
        let future_categories = rows.first().map_or(0, |row| row.future.ids.len());
        let future_ids = |column: usize| {
            rows.iter().flat_map(|row| padded(&row.future.ids[column], 0, (row.forecasting, forecasting))).collect()
        };
        Batch {
            rows: b,
            steps,
            input,
            ids,
            mask,
            origins,
            future: filled(|row| &row.future.numbers, 0.0).into_iter().map(E::from_f64).collect(),
            future_ids: (0..future_categories).map(future_ids).collect(),
            targets: filled(|row| &row.targets, f64::NAN),
            units: filled(|row| &row.units, 1.0),
        }
    }
}

/// What belongs to `has` steps, and after it one number again and again, as if there were `wanted` steps.
fn padded<T: Copy + 'static>(some: &[T], again: T, (has, wanted): (usize, usize)) -> impl Iterator<Item = T> + '_ {
    let count = some.len() / has.max(1) * wanted;
    some.iter().copied().chain(std::iter::repeat_n(again, count.saturating_sub(some.len())))
}
