//! Simple exponential smoothing with its factor and its first level fitted by least squares. Not here: trend and season.

/// Factors that are tried at the same time.
const TRIED: usize = 16;
/// Each round narrows the range of the factor to 2 / 15 of it: to about 1e-6 after all.
const ROUNDS: usize = 7;
/// The bounds of the factor, as in R's package forecast.
const BOUNDS: (f64, f64) = (1e-4, 0.9999);

/// What is left of a series for one factor.
#[derive(Clone, Copy)]
struct Fit {
    error: f64,
    level: f64,
}

/// The last level of a series, which is the forecast of all that follows: l[t] = l[t-1] + a (y[t] - l[t-1]), with a and
/// l[0] of the least sum of squared errors of one step. None of no values.
pub fn last_level(values: &[f64]) -> Option<f64> {
    // Differences to the first value keep the digits of the sums.
    let first = *values.first()?;
    let shifted: Vec<f64> = values.iter().map(|y| y - first).collect();
    let (mut low, mut high) = BOUNDS;
    let mut best = Fit { error: f64::INFINITY, level: f64::NAN };
    for _ in 0..ROUNDS {
        let width = (high - low) / (TRIED - 1) as f64;
        let factors: [f64; TRIED] = std::array::from_fn(|k| low + width * k as f64);
        let fits = fit(&shifted, &factors);
        let (at, round) = fits
            .iter()
            .enumerate()
            .fold((0, fits[0]), |best, (k, fit)| if fit.error < best.1.error { (k, *fit) } else { best });
        if round.error < best.error {
            best = round;
        }
        (low, high) = (factors[at.saturating_sub(1)], factors[(at + 1).min(TRIED - 1)]);
    }
    Some(first + best.level)
}

/// The errors are linear in the first level: e[t] = u[t] - l[0] (1-a)^t, where u are those from a first level of 0. So the
/// best first level is that of a regression on one variable.
fn fit(values: &[f64], factors: &[f64; TRIED]) -> [Fit; TRIED] {
    let (mut level, mut weight) = ([0.0; TRIED], [1.0; TRIED]);
    let (mut squared, mut product, mut weights) = ([0.0; TRIED], [0.0; TRIED], [0.0; TRIED]);
    for &y in values {
        for k in 0..TRIED {
            let error = y - level[k];
            squared[k] += error * error;
            product[k] += error * weight[k];
            weights[k] += weight[k] * weight[k];
            level[k] += factors[k] * error;
            weight[k] *= 1.0 - factors[k];
        }
    }
    std::array::from_fn(|k| {
        let first = product[k] / weights[k];
        Fit { error: squared[k] - first * product[k], level: level[k] + first * weight[k] }
    })
}
