//! Forecasts by paths that are drawn step by step: their quantiles at each step. The draws depend on the seed and on the
//! row of the origin. Not here: forecasts of all steps at once (`trained.rs`).

use elman_kernels::Element;

use super::forecasts::Forecasts;
use super::trained::{Asked, TrainedForecast};
use crate::autodiff::tape::Tape;
use crate::available_memory::needs;
use crate::data::series::{Origin, Read, SeriesSet, Window};
use crate::error::Error;
use crate::nn::state::State;
use crate::rng::{ChaCha8Rng, Purpose, generator};

/// Paths that are drawn side by side, of whole origins.
const PATHS_AT_ONCE: usize = 2048;

/// A path: the past of an origin and what was drawn after it.
struct Path {
    /// The place of its origin.
    origin: usize,
    window: Window,
    rng: ChaCha8Rng,
}

impl<E: Element> TrainedForecast<E> {
    /// The levels of forecasts by paths.
    pub(super) fn recursive(
        &self,
        tape: &mut Tape<E>,
        set: &SeriesSet,
        origins: &[Origin],
        asked: &Asked,
    ) -> Result<Vec<Forecasts>, Error> {
        let at_once = (PATHS_AT_ONCE / self.timeline.settings.paths).max(1);
        let mut all = Vec::with_capacity(origins.len());
        for chunk in origins.chunks(at_once) {
            all.extend(self.some_recursive(tape, set, chunk, asked)?);
        }
        Ok(all)
    }

    fn some_recursive(
        &self,
        tape: &mut Tape<E>,
        set: &SeriesSet,
        origins: &[Origin],
        asked: &Asked,
    ) -> Result<Vec<Forecasts>, Error> {
        let (paths, columns) = (self.timeline.settings.paths, set.roles.values.len());
        needs(self.memory_of(paths.saturating_mul(origins.len()), columns, asked))?;
        let (batch, read) = self.timeline.batch::<E>(set, origins, asked.horizon)?;
        // [origin, column, step] -> the levels of all paths.
        let mut draws = vec![Vec::with_capacity(paths); origins.len() * columns * asked.horizon];
        let networks = self.model.ensemble_size();
        for network in 0..networks {
            tape.start(false);
            let mut state = None;
            let raw = self.model.advance(network, tape, &batch, &mut state, None)?;
            let raw = tape.dense_value(raw);
            let mut of_network = self.paths(&read, origins, (network, networks));
            let from: Vec<usize> = of_network.iter().map(|path| path.origin).collect();
            let state = state.map(|state: State<E>| state.pick(&from)).transpose()?;
            let raw: Vec<E> = from.iter().flat_map(|&at| raw[at * self.width()..][..self.width()].to_vec()).collect();
            self.draw(tape, (network, &read, origins), (state, raw), &mut of_network, (asked, &mut draws))?;
        }
        let of = |at: usize| {
            Forecasts::new(columns, asked.horizon, &asked.levels, |[d, h], level| {
                let drawn = &mut draws[(at * columns + d) * asked.horizon + h];
                drawn.sort_by(f64::total_cmp);
                quantile(drawn, level)
            })
        };
        Ok((0..origins.len()).map(of).collect())
    }

    fn width(&self) -> usize {
        self.model.distribution().width()
    }

    /// The paths of one of several networks, which share those of each origin.
    fn paths(&self, read: &[Read<'_>], origins: &[Origin], (network, networks): (usize, usize)) -> Vec<Path> {
        let paths = self.timeline.settings.paths;
        let of = |(at, read): (usize, &Read<'_>)| {
            let key = |path: usize| (origins[at].t as u64).wrapping_mul(paths as u64).wrapping_add(path as u64);
            let path = |path: usize| {
                let rng = generator(self.seed, Purpose::Sample, key(path));
                Path { origin: at, window: read.window.clone(), rng }
            };
            (network..paths).step_by(networks).map(path).collect::<Vec<_>>()
        };
        read.iter().enumerate().flat_map(of).collect()
    }

    /// Draws every step of some paths, and feeds it back.
    fn draw(
        &self,
        tape: &mut Tape<E>,
        (network, read, origins): (usize, &[Read<'_>], &[Origin]),
        (mut state, mut raw): (Option<State<E>>, Vec<E>),
        paths: &mut [Path],
        (asked, draws): (&Asked, &mut [Vec<f64>]),
    ) -> Result<(), Error> {
        let (timeline, distribution) = (&self.timeline, self.model.distribution());
        let columns = distribution.columns();
        let (mut x, mut levels) = (vec![0.0; columns], vec![0.0; columns]);
        for h in 0..asked.horizon {
            for (path, raw) in paths.iter_mut().zip(raw.chunks_exact(self.width())) {
                let t = origins[path.origin].t + h;
                let raw: Vec<f64> = raw.iter().map(|x| x.to_f64()).collect();
                let units: Vec<_> = (0..columns).map(|d| timeline.unit(&path.window, d, t)).collect();
                let scales: Vec<f64> = units.iter().map(|unit| unit.scale).collect();
                distribution.draw(&raw, &scales, &mut path.rng, &mut x);
                for d in 0..columns {
                    levels[d] = timeline.level(&path.window, units[d], d, [t, 0], x[d]);
                    draws[(path.origin * columns + d) * asked.horizon + h].push(levels[d]);
                }
                path.window.push(&timeline.settings, &levels);
            }
            if h + 1 < asked.horizon {
                let places = paths.iter().map(|path| (&read[path.origin].view, &path.window));
                let batch = timeline.next_batch::<E>(places);
                tape.start(false);
                let values = self.model.advance(network, tape, &batch, &mut state, None)?;
                raw = tape.dense_value(values);
            }
        }
        Ok(())
    }

    /// Bytes that so many paths take at most. Saturates.
    fn memory_of(&self, paths: usize, columns: usize, asked: &Asked) -> usize {
        let rows = self.timeline.reach().saturating_mul(2).saturating_add(asked.horizon);
        // Levels, bases and steps; a list that grows takes up to twice its length. Then the inputs and the draws.
        let window = rows.saturating_mul(columns).saturating_mul(2 * 3);
        let path =
            window.saturating_add(self.timeline.widths().input).saturating_add(columns.saturating_mul(asked.horizon));
        paths.saturating_mul(path).saturating_mul(size_of::<f64>())
    }
}

/// The quantile of sorted numbers, between two of them on the line through them.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let (below, share) = (place as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + share * (sorted[above] - sorted[below])
}
