//! The distributions of forecasts, whose loss is the negative logarithm of the density or the pinball loss: a table, and a
//! file for each. All arithmetic is in f64, with the crate `libm`. Not here: networks.

mod gaussian;
mod quantile;
mod student;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::rng::uniform;

pub use quantile::LEVELS;

/// Makes the enum of distributions and their dispatch; each has a file of its own with `PARAMETERS`, `loss` and `quantile`.
macro_rules! distributions {
    ($($(#[$doc:meta])* $output:ident $name:literal $file:ident;)*) => {
        /// What a forecast's numbers are the parameters of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Output {
            $($(#[$doc])* #[serde(rename = $name)] $output,)*
        }

        $(const _: () = assert!($file::PARAMETERS <= MOST_PARAMETERS);)*

        impl Output {
            /// Every distribution.
            pub const ALL: &'static [Output] = &[$(Output::$output),*];

            /// The name in configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(Output::$output => $name,)*
                }
            }

            /// Numbers that a net gives for each value to be forecast.
            pub fn parameters(self) -> usize {
                match self {
                    $(Output::$output => $file::PARAMETERS,)*
                }
            }

            /// The loss of `raw` at a value `y`, and its gradient by `raw`, which is overwritten: the negative logarithm
            /// of the density, or the sum of the pinball losses of all levels.
            pub fn loss(self, raw: &[f64], y: f64, grad: &mut [f64]) -> f64 {
                match self {
                    $(Output::$output => $file::loss(raw, y, grad),)*
                }
            }

            /// The value below which `raw`'s distribution lies with probability `level`, 0 < level < 1. Between learned
            /// quantiles the value is interpolated; beyond the outermost it is those.
            pub fn quantile(self, raw: &[f64], level: f64) -> f64 {
                match self {
                    $(Output::$output => $file::quantile(raw, level),)*
                }
            }
        }
    };
}

distributions! {
    /// A normal distribution: mean, and a number whose softplus is the deviation.
    Gaussian "gaussian" gaussian;
    /// Student's t: location, a number whose softplus is the scale, and one whose softplus is the degrees of freedom
    /// less 2.
    Student "student" student;
    /// The quantiles of [`LEVELS`].
    Quantile "quantile" quantile;
}

/// Parameters of a distribution at most.
pub(crate) const MOST_PARAMETERS: usize = 8;

/// The least deviation or scale: a loss has a bottom.
const LEAST_SCALE: f64 = 1e-4;

impl Output {
    /// A draw. Quantiles draw from the line through them.
    pub fn draw(self, raw: &[f64], rng: &mut ChaCha8Rng) -> f64 {
        self.quantile(raw, uniform(rng).clamp(1e-12, 1.0 - 1e-12))
    }
}

/// What a forecast q of the quantile `level` costs when y comes: level (y - q) above it, (1 - level)(q - y) below.
pub fn pinball(level: f64, q: f64, y: f64) -> f64 {
    if y > q { level * (y - q) } else { (1.0 - level) * (q - y) }
}

/// ln(1 + e^x).
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// The scale that a raw number encodes, and its slope.
fn scale(raw: f64) -> (f64, f64) {
    (LEAST_SCALE + softplus(raw), sigmoid(raw))
}

/// The derivative of ln Gamma at x > 0: the recurrence up to 10, then the asymptotic series.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let s = 1.0 / (x * x);
    let series = s * (1.0 / 12.0 - s * (1.0 / 120.0 - s * (1.0 / 252.0 - s * (1.0 / 240.0 - s / 132.0))));
    sum + libm::log(x) - 0.5 / x - series
}

/// The inverse of a distribution function that rises from 0 to 1, by bisection within its bounds: as exact as the
/// function.
fn inverse(level: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (-1.0, 1.0);
    while cdf(low) > level {
        low *= 2.0;
    }
    while cdf(high) < level {
        high *= 2.0;
    }
    while high - low > 1e-14 * low.abs().max(high.abs()).max(1e-2) {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if cdf(middle) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The quantile of the standard normal distribution.
pub fn normal_quantile(level: f64) -> f64 {
    inverse(level, |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2))
}

/// The quantile of Student's t with `v` degrees of freedom, above 0.
pub fn student_quantile(v: f64, level: f64) -> f64 {
    inverse(level, |x| {
        let tail = 0.5 * incomplete_beta(0.5 * v, 0.5, v / (v + x * x));
        if x > 0.0 { 1.0 - tail } else { tail }
    })
}

/// The regularised incomplete beta function. Source: its continued fraction, DLMF 8.17.22, by Lentz's method.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front =
        libm::exp(libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x)) / a;
    let away_from_0 = |x: f64| if x.abs() < 1e-300 { 1e-300 } else { x };
    let (mut c, mut d) = (1.0, 1.0 / away_from_0(1.0 - (a + b) * x / (a + 1.0)));
    let mut f = d;
    for m in 1..500 {
        let n = f64::from(m);
        let even = n * (b - n) * x / ((a + 2.0 * n - 1.0) * (a + 2.0 * n));
        let odd = -(a + n) * (a + b + n) * x / ((a + 2.0 * n) * (a + 2.0 * n + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_0(1.0 + term * d);
            c = away_from_0(1.0 + term / c);
            change = c * d;
            f *= change;
        }
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * f
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, generator};

    const RAWS: [[f64; 5]; 3] = [[0.3, -0.5, 0.7, 1.0, 1.2], [-2.0, 1.5, -3.0, 0.1, 0.2], [1.0, -4.0, 4.0, 5.0, 6.0]];

    #[test]
    fn gradients_are_those_of_the_losses() {
        for &output in Output::ALL {
            for raw in RAWS {
                for y in [-1.7, 0.25, 3.0] {
                    let n = output.parameters();
                    let (mut grad, mut none) = ([0.0; 5], [0.0; 5]);
                    output.loss(&raw[..n], y, &mut grad[..n]);
                    for i in 0..n {
                        let at = |h: f64| {
                            let mut moved = raw;
                            moved[i] += h;
                            moved
                        };
                        let h = 1e-5;
                        let mut loss = |raw: [f64; 5]| output.loss(&raw[..n], y, &mut none[..n]);
                        let want = (loss(at(h)) - loss(at(-h))) / (2.0 * h);
                        assert!(
                            (grad[i] - want).abs() < 1e-7 * (1.0 + want.abs() * 10.0),
                            "{output:?} {i}: {} {want}",
                            grad[i]
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn quantiles_and_losses_are_those_of_the_tables() {
        // Tables of the quantiles; digamma and the density by PyTorch 2.15 in f64.
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "{got} {want}");
        near(normal_quantile(0.9), 1.2815515655446004);
        near(normal_quantile(0.5), 0.0);
        near(normal_quantile(1e-6), -4.753424308822899);
        near(student_quantile(3.0, 0.9), 1.63774435369621);
        near(student_quantile(30.0, 0.025), -2.0422724563012378);
        near(digamma(0.5), -1.9635100260214235);
        near(digamma(7.25), 1.910453526883736);
        let raw = [0.5, libm::log(libm::expm1(2.0 - LEAST_SCALE)), libm::log(libm::expm1(1.0))];
        let mut grad = [0.0; 3];
        near(Output::Gaussian.loss(&raw[..2], 1.5, &mut grad[..2]), 0.9189385332046727 + 2.0_f64.ln() + 0.125);
        near(Output::Student.loss(&raw, 1.5, &mut grad), 1.854121445530528); // t(3, 0.5, 2)
    }

    #[test]
    fn between_two_levels_a_quantile_lies_on_the_line_through_theirs() {
        // Levels 0.05, 0.1, 0.5, 0.9, 0.95, crossed.
        let raw = [-1.0, 1.0, 0.5, 2.0, 3.0];
        for (level, want) in [(0.01, -1.0), (0.1, 0.5), (0.3, 0.75), (0.7, 1.5), (0.8, 1.75), (0.92, 2.4), (0.99, 3.0)]
        {
            let got = Output::Quantile.quantile(&raw, level);
            assert!((got - want).abs() < 1e-12, "{level} {got} {want}");
        }
    }

    #[test]
    fn draws_lie_below_a_quantile_as_often_as_it_says() {
        let mut rng = generator(5, Purpose::Sample, 0);
        for &output in Output::ALL {
            let raw = [-1.0, 0.5, 1.0, 2.0, 3.0];
            let raw = &raw[..output.parameters()];
            let bound = output.quantile(raw, 0.7);
            let below = (0..4000).filter(|_| output.draw(raw, &mut rng) < bound).count() as f64 / 4000.0;
            // The standard error of a share of 4000 is 0.0072.
            assert!((below - 0.7).abs() < 0.03, "{output:?} {below}");
        }
    }
}
