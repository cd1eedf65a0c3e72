//! The fit of one model to a series by maximum likelihood: the initial states by least squares within, the smoothing
//! parameters by Nelder and Mead's method without. Not here: the choice among models.

use super::model::{Errors, Model, Season, Smoothing, Trend};
use super::nelder_mead::minimum;
use super::solve::solve;
use super::states::{Walk, walk};
use crate::metrics::baselines::decomposition::effects;
use crate::metrics::baselines::line::Line;

/// Starts of alpha, beta and gamma, in parts of what their bounds allow, and of phi.
const ALPHA: [f64; 4] = [0.02, 0.2, 0.55, 0.9];
const BETA: [f64; 2] = [0.02, 0.4];
const GAMMA: [f64; 3] = [0.005, 0.3, 0.9];
const PHI: [f64; 2] = [0.7, 1.0];
/// Searches, from the best starts: the likelihood may have several maxima.
const SEARCHES: usize = 3;
/// Calls of the likelihood for each smoothing parameter, at most: in each of these searches, and in the last from the
/// best of them.
const SHORT: usize = 25;
const LONG: usize = 100;
/// Steps of least squares at most, and the relative gain of one that ends them.
const STEPS: usize = 30;
const GAIN: f64 = 1e-11;

/// A fitted model.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The smoothing parameters.
    pub smoothing: Smoothing,
    /// The initial states.
    pub states: Vec<f64>,
    /// The errors and the last states.
    pub walk: Walk,
}

/// The fit of a model. None where the series has no place at which the likelihood is defined.
pub fn fit(model: Model, period: usize, values: &[f64]) -> Option<Fitted> {
    let start = start(model, period, values);
    let mut best: Option<Fitted> = None;
    let mut deviance = |place: &[f64]| {
        let smoothing = model.smoothing_at(place);
        let warm = best.as_ref().map(|best| best.states.as_slice());
        let starts = [warm, Some(start.as_slice())];
        let found = starts.into_iter().flatten().find_map(|from| least_squares(model, smoothing, period, from, values));
        let Some((states, walk)) = found else { return f64::INFINITY };
        let deviance = walk.deviance;
        if best.as_ref().is_none_or(|best| deviance < best.walk.deviance) {
            best = Some(Fitted { smoothing, states, walk });
        }
        deviance
    };
    let mut tried: Vec<(f64, Vec<f64>)> = starts(model).into_iter().map(|place| (deviance(&place), place)).collect();
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    let searches = tried.into_iter().take(SEARCHES);
    let searches = searches.map(|(_, place)| minimum(&place, 0.1, SHORT * place.len(), &mut deviance));
    let (place, _) = searches.min_by(|a, b| a.1.total_cmp(&b.1))?;
    // A simplex can flatten before it is at the minimum: a new one.
    minimum(&place, 0.03, LONG * place.len(), &mut deviance);
    best
}

/// The places that are tried first.
fn starts(model: Model) -> Vec<Vec<f64>> {
    let mut starts: Vec<Vec<f64>> = ALPHA.iter().map(|&alpha| vec![alpha]).collect();
    let with = |starts: Vec<Vec<f64>>, values: &[f64]| -> Vec<Vec<f64>> {
        starts.iter().flat_map(|start| values.iter().map(|&x| [start.as_slice(), &[x]].concat())).collect()
    };
    if model.trend != Trend::None {
        starts = with(starts, &BETA);
    }
    if model.season != Season::None {
        starts = with(starts, &GAMMA);
    }
    if model.trend == Trend::Damped {
        starts = with(starts, &PHI);
    }
    starts
}

/// Initial states from a decomposition, and a line through the first values of what is left of the season.
fn start(model: Model, period: usize, values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let (season, adjusted) = decomposed(model.season, period, values);
    let first = &adjusted[..n.min((2 * period).max(10))];
    let mean = first.iter().sum::<f64>() / first.len() as f64;
    let mut states = match (model.trend, Line::through(first)) {
        (Trend::None, _) => vec![mean],
        (_, Some(line)) if model.errors == Errors::Additive || line.at(0) - line.slope > 0.0 => {
            vec![line.at(0) - line.slope, line.slope]
        }
        _ => vec![mean, 0.0],
    };
    states.extend(season.iter().take(period - 1).filter(|_| model.season != Season::None));
    states
}

/// The effects of the season, and the values without them.
fn decomposed(season: Season, period: usize, values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    if season == Season::None {
        return (Vec::new(), values.to_vec());
    }
    let is_factor = season == Season::Multiplicative;
    let of = |y: f64, trend: f64| if is_factor { y / trend } else { y - trend };
    let mut season = if values.len() / 2 >= period {
        effects(values, period, of)
    } else {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (0..period).map(|place| of(values[place], mean)).collect()
    };
    if is_factor {
        season.iter_mut().for_each(|effect| *effect = effect.max(0.01));
    }
    let mean = season.iter().sum::<f64>() / period as f64;
    season.iter_mut().for_each(|effect| *effect = of(*effect, mean));
    let adjusted = values.iter().enumerate().map(|(t, &y)| of(y, season[t % period])).collect();
    (season, adjusted)
}

/// The initial states of the greatest likelihood for given smoothing parameters, by Levenberg's and Marquardt's method;
/// a single step where the residuals are linear in them. None where the likelihood is not defined at the start.
fn least_squares(
    model: Model,
    smoothing: Smoothing,
    period: usize,
    start: &[f64],
    values: &[f64],
) -> Option<(Vec<f64>, Walk)> {
    let mut states = start.to_vec();
    let mut now = walk(model, smoothing, period, &states, values)?;
    let mut damping = 1e-9;
    for _ in 0..STEPS {
        let mut matrix = now.products.clone();
        for i in 0..states.len() {
            let diagonal = &mut matrix[i * states.len() + i];
            *diagonal += damping * *diagonal + f64::MIN_POSITIVE;
        }
        let step = solve(&matrix, &now.gradient);
        let gain = step.as_ref().map_or(f64::NAN, |step| step.iter().zip(&now.gradient).map(|(x, g)| x * g).sum());
        if gain <= GAIN * now.squared {
            break;
        }
        let moved: Option<Vec<f64>> = step.map(|step| states.iter().zip(step).map(|(x, step)| x - step).collect());
        let next = moved.and_then(|moved| Some((walk(model, smoothing, period, &moved, values)?, moved)));
        match next {
            Some((next, moved)) if next.deviance < now.deviance => {
                (now, states) = (next, moved);
                damping *= 0.1;
            }
            _ if damping > 1e6 => break,
            _ => damping = (10.0 * damping).max(1e-4),
        }
    }
    Some((states, now))
}
