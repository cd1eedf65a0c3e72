//! The recursion of the states over a series: errors of one step, the likelihood, and how both depend on the initial
//! states. Source: Hyndman, Koehler, Ord and Snyder 2008, tables 2.2 and 2.3, chapter 5. Not here: what is fitted.
//!
//! With q = l + phi b and d = e / s for a multiplicative season s, else d = e:
//!
//! ```text
//! f = q, q + s or q s                 e = y - f
//! l' = q + alpha d     b' = phi b + beta d     s' = s + gamma e, or s + gamma e / q
//! ```
//!
//! For multiplicative errors the recursion is the same; only the likelihood divides the errors by f.

use super::model::{Model, Season, Smoothing, Trend};

/// The states after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    /// The level.
    pub level: f64,
    /// The slope; 0 without a trend.
    pub slope: f64,
    /// The effect of each place in the season; that of step t is at t modulo the length. Empty without a season.
    pub effects: Vec<f64>,
}

/// What a series says of a model, and how that depends on the initial states.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Minus twice the logarithm of the likelihood, without a constant.
    pub deviance: f64,
    /// The sum of squared errors, relative ones where they are multiplicative.
    pub squared: f64,
    /// The states after the last value.
    pub last: States,
    /// The products of the residuals' derivatives by the initial states, row by row; both over the common factor of the
    /// residuals.
    pub products: Vec<f64>,
    /// Those of the residuals and their derivatives.
    pub gradient: Vec<f64>,
}

impl States {
    /// The states of a vector of those that are fitted. The last effect makes their sum 0, or their mean 1.
    pub fn unpack(model: Model, period: usize, fitted: &[f64]) -> States {
        let (slope, rest) = if model.trend == Trend::None { (0.0, &fitted[1..]) } else { (fitted[1], &fitted[2..]) };
        let mut effects = rest.to_vec();
        match model.season {
            Season::None => {}
            Season::Additive => effects.push(-rest.iter().sum::<f64>()),
            Season::Multiplicative => effects.push(period as f64 - rest.iter().sum::<f64>()),
        }
        States { level: fitted[0], slope, effects }
    }

    /// The forecasts of a model after step `n`, whose states these are.
    pub fn forecast(&self, model: Model, phi: f64, n: usize, horizon: usize) -> Vec<f64> {
        let (mut level, mut slope) = (self.level, self.slope);
        let step = |h: usize| {
            slope *= phi;
            level += slope;
            let effect = |effects: &[f64]| effects[(n + h) % effects.len()];
            match model.season {
                Season::None => level,
                Season::Additive => level + effect(&self.effects),
                Season::Multiplicative => level * effect(&self.effects),
            }
        };
        (0..horizon).map(step).collect()
    }
}

/// The derivatives of the states by each of the initial states.
struct Slopes {
    level: Vec<f64>,
    slope: Vec<f64>,
    /// Row by row, one for each place in the season.
    effects: Vec<f64>,
    forecast: Vec<f64>,
}

impl Slopes {
    fn new(model: Model, period: usize) -> Slopes {
        let count = model.states(period);
        let trend = usize::from(model.trend != Trend::None);
        let unit = |at: usize| (0..count).map(|i| f64::from(u8::from(i == at))).collect::<Vec<f64>>();
        let slope = if trend == 1 { unit(1) } else { vec![0.0; count] };
        let mut effects = Vec::new();
        if model.season != Season::None {
            (0..period - 1).for_each(|place| effects.extend(unit(1 + trend + place)));
            effects.extend((0..count).map(|i| if i > trend { -1.0 } else { 0.0 }));
        }
        Slopes { level: unit(0), slope, effects, forecast: vec![0.0; count] }
    }

    /// One step, whose numbers are those of [`walk`].
    fn step(&mut self, season: Season, by: Smoothing, [q, s, e]: [f64; 3], place: usize) {
        let Smoothing { alpha, beta, gamma, phi } = by;
        let count = self.level.len();
        let none = &mut [][..];
        let effects = if season == Season::None { none } else { &mut self.effects[place * count..][..count] };
        let states = self.level.iter_mut().zip(&mut self.slope).zip(&mut self.forecast).enumerate();
        for (i, ((level, slope), forecast)) in states {
            let q_slope = *level + phi * *slope;
            let (f_slope, d_slope) = match season {
                Season::None => (q_slope, -q_slope),
                Season::Additive => {
                    let f_slope = q_slope + effects[i];
                    effects[i] -= gamma * f_slope;
                    (f_slope, -f_slope)
                }
                Season::Multiplicative => {
                    let f_slope = q_slope * s + q * effects[i];
                    let d_slope = -(f_slope + e / s * effects[i]) / s;
                    effects[i] -= gamma * (f_slope + e / q * q_slope) / q;
                    (f_slope, d_slope)
                }
            };
            *forecast = f_slope;
            *level = q_slope + alpha * d_slope;
            *slope = phi * *slope + beta * d_slope;
        }
    }
}

/// Follows a series from the initial states `fitted`. None where a model that divides by a forecast, a level or an effect
/// meets one that is not positive, or a number is not finite.
pub fn walk(model: Model, by: Smoothing, period: usize, fitted: &[f64], values: &[f64]) -> Option<Walk> {
    let mut now = States::unpack(model, period, fitted);
    let mut slopes = Slopes::new(model, period);
    let mut sums = Sums::new(fitted.len());
    for (t, &y) in values.iter().enumerate() {
        let place = if model.season == Season::None { 0 } else { t % period };
        let s = now.effects.get(place).copied().unwrap_or(0.0);
        let q = now.level + by.phi * now.slope;
        let f = match model.season {
            Season::None => q,
            Season::Additive => q + s,
            Season::Multiplicative => q * s,
        };
        let is_multiplicative = model.season == Season::Multiplicative;
        let is_divisor = |x: f64| x > 0.0;
        if !(model.is_additive() || is_divisor(f)) || is_multiplicative && !(is_divisor(q) && is_divisor(s)) {
            return None;
        }
        let e = y - f;
        slopes.step(model.season, by, [q, s, e], place);
        sums.add(model, [y, f], &slopes.forecast);
        let d = if is_multiplicative { e / s } else { e };
        now.level = q + by.alpha * d;
        now.slope = by.phi * now.slope + by.beta * d;
        match model.season {
            Season::None => {}
            Season::Additive => now.effects[place] = s + by.gamma * e,
            Season::Multiplicative => now.effects[place] = s + by.gamma * e / q,
        }
    }
    sums.walk(model, values, now)
}

/// Sums over the steps. A residual r is e; for multiplicative errors it is G e / f, where G is the geometric mean of the
/// f: the sum of the squares of either has its minimum where the likelihood has its maximum.
struct Sums {
    squared: f64,
    logarithms: f64,
    /// Sums of e / f times its derivatives, the derivatives of ln f, and products of derivatives of e / f.
    cross: Vec<f64>,
    growth: Vec<f64>,
    products: Vec<f64>,
}

impl Sums {
    fn new(count: usize) -> Sums {
        let zeros = || vec![0.0; count];
        Sums { squared: 0.0, logarithms: 0.0, cross: zeros(), growth: zeros(), products: vec![0.0; count * count] }
    }

    fn add(&mut self, model: Model, [y, f]: [f64; 2], slopes: &[f64]) {
        // The residual's derivative is `scale` times that of f.
        let (residual, scale) = if model.is_additive() { (y - f, -1.0) } else { ((y - f) / f, -y / (f * f)) };
        self.squared += residual * residual;
        if !model.is_additive() {
            self.logarithms += libm::log(f);
            self.growth.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope / f);
        }
        let count = slopes.len();
        for (i, slope) in slopes.iter().enumerate() {
            let derivative = scale * slope;
            self.cross[i] += residual * derivative;
            let row = &mut self.products[i * count..][..=i];
            let factor = scale * derivative;
            row.iter_mut().zip(slopes).for_each(|(sum, other)| *sum += factor * other);
        }
    }

    fn walk(mut self, model: Model, values: &[f64], last: States) -> Option<Walk> {
        let n = values.len() as f64;
        let count = self.cross.len();
        if !model.is_additive() {
            // The derivative of G e / f, over G, is that of e / f and e / f times that of ln G.
            let growth: Vec<f64> = self.growth.iter().map(|sum| sum / n).collect();
            for i in 0..count {
                for j in 0..=i {
                    self.products[i * count + j] +=
                        self.cross[i] * growth[j] + self.cross[j] * growth[i] + self.squared * growth[i] * growth[j];
                }
            }
            self.cross.iter_mut().zip(&growth).for_each(|(cross, growth)| *cross += self.squared * growth);
        }
        // Errors that rounding alone explains are all alike: a perfect fit has a likelihood.
        let size = if model.is_additive() { values.iter().fold(0.0, |size: f64, y| size.max(y.abs())) } else { 1.0 };
        let rounding = n * (size * 1e-14) * (size * 1e-14);
        let deviance = n * libm::log(self.squared.max(rounding)) + 2.0 * self.logarithms;
        let is_finite = deviance.is_finite() && last.level.is_finite();
        let (squared, products, gradient) = (self.squared, self.products, self.cross);
        is_finite.then_some(Walk { deviance, squared, last, products, gradient })
    }
}
