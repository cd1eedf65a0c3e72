//! Seasonal adjustment as in the M4 competition: a test for a season, and the classical decomposition. Sources: the
//! competition's benchmark code (github.com/Mcompetitions/M4-methods, "Benchmarks and Evaluation.R") for the test; Hyndman
//! and Athanasopoulos, "Forecasting: Principles and Practice", section 3.4, for the decomposition.

/// A series without its season.
pub struct Adjusted {
    /// The values; those of the series where it has no season.
    pub values: Vec<f64>,
    season: Season,
}

/// The effect of each place in the season.
enum Season {
    None,
    /// Factors with a mean of 1.
    Factors(Vec<f64>),
    /// Summands with a mean of 0.
    Summands(Vec<f64>),
}

impl Adjusted {
    /// A series, none of whose values are missing. The season is multiplicative, as in the competition, or additive where
    /// the series has values that are not positive, for which the competition defines nothing.
    pub fn new(values: Vec<f64>, season: usize) -> Adjusted {
        if !is_seasonal(&values, season) {
            return Adjusted { values, season: Season::None };
        }
        if values.iter().all(|&y| y > 0.0) {
            let mut effects = effects(&values, season, |y, trend| y / trend);
            let mean = mean(&effects);
            effects.iter_mut().for_each(|effect| *effect /= mean);
            let values = values.iter().enumerate().map(|(t, y)| y / effects[t % season]).collect();
            return Adjusted { values, season: Season::Factors(effects) };
        }
        let mut effects = effects(&values, season, |y, trend| y - trend);
        let mean = mean(&effects);
        effects.iter_mut().for_each(|effect| *effect -= mean);
        let values = values.iter().enumerate().map(|(t, y)| y - effects[t % season]).collect();
        Adjusted { values, season: Season::Summands(effects) }
    }

    /// Forecasts of the series from those of the adjusted values.
    pub fn with_season(&self, mut forecast: Vec<f64>) -> Vec<f64> {
        let n = self.values.len();
        for (h, value) in forecast.iter_mut().enumerate() {
            match &self.season {
                Season::None => {}
                Season::Factors(effects) => *value *= effects[(n + h) % effects.len()],
                Season::Summands(effects) => *value += effects[(n + h) % effects.len()],
            }
        }
        forecast
    }
}

/// Whether the autocorrelation at the lag of the season is significant at 90 % and there are three seasons. The
/// competition's code computes autocorrelations up to lag 10 log10(n) only and so finds no season beyond it; here the lag
/// has no such bound.
fn is_seasonal(values: &[f64], season: usize) -> bool {
    if season < 2 || values.len() / 3 < season {
        return false;
    }
    let n = values.len() as f64;
    // Differences to the first value, so that equal values have a variance of exactly 0.
    let shifted: Vec<f64> = values.iter().map(|y| y - values[0]).collect();
    let mean = mean(&shifted);
    let centred: Vec<f64> = shifted.iter().map(|y| y - mean).collect();
    let product = |lag: usize| centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum::<f64>();
    let variance = product(0);
    let squares: f64 = (1..season).map(|lag| product(lag) / variance).map(|r| r * r).sum();
    let limit = 1.645 / libm::sqrt(n) * libm::sqrt(1.0 + 2.0 * squares);
    // False where the variance is 0.
    (product(season) / variance).abs() > limit
}

/// The mean effect of each place in the season, where `of` is the effect of a value and its trend. At least two seasons
/// of at least two steps.
pub fn effects(values: &[f64], season: usize, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; season], vec![0.0; season]);
    let reach = season / 2;
    for t in reach..values.len() - reach {
        sums[t % season] += of(values[t], centred_mean(values, season, t));
        counts[t % season] += 1.0;
    }
    sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
}

/// The moving mean over a season around t; the outermost two values have a weight of 0.5 where the season is even.
fn centred_mean(values: &[f64], season: usize, t: usize) -> f64 {
    let reach = season / 2;
    let window = &values[t - reach..=t + reach];
    let sum: f64 = window.iter().sum();
    let outer = if season.is_multiple_of(2) { 0.5 * (window[0] + window[2 * reach]) } else { 0.0 };
    (sum - outer) / season as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
