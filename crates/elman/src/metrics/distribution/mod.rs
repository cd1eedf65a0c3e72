//! What a network's numbers say of values: distributions, whose loss is the negative logarithm of the density or probability;
//! learned quantiles and points, whose loss is a distance. A table, and a file for each. All arithmetic is in f64, with the crate
//! `libm`. Not here: networks.

mod absolute;
mod bernoulli;
mod counts;
mod gaussian;
mod huber;
mod incomplete;
mod independent;
mod joint;
mod negative_binomial;
mod point;
mod poisson;
mod quantile;
mod quantiles;
mod special;
mod squared;
mod student;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use quantiles::{normal_quantile, student_quantile};
pub use special::softplus;

/// Makes the enum of distributions and their dispatch; each has a file of its own with `KIND`, `width`, `loss`, `quantile`, `mean`
/// and `draw`.
macro_rules! distributions {
    ($($(#[$doc:meta])* $output:ident $name:literal $file:ident;)*) => {
        /// What a network's numbers are the parameters of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Output {
            $($(#[$doc])* #[serde(rename = $name)] $output,)*
        }

        impl Output {
            /// Every distribution.
            pub const ALL: &'static [Output] = &[$(Output::$output),*];

            /// The name in configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(Output::$output => $name,)*
                }
            }

            /// What its values are.
            pub fn kind(self) -> Kind {
                match self {
                    $(Output::$output => $file::KIND,)*
                }
            }
        }

        impl Distribution {
            /// Numbers of a row. The parameters of column d are `raw[p * columns + d]`; a joint distribution has `columns` means,
            /// then the rows of the lower triangle.
            pub fn width(&self) -> usize {
                match self.output {
                    $(Output::$output => $file::width(self),)*
                }
            }

            fn loss_of(&self, row: Row<'_>, grad: &mut [f64], scratch: &mut Scratch) -> (f64, usize) {
                match self.output {
                    $(Output::$output => $file::loss(self, row, grad, scratch),)*
                }
            }

            /// The value below which column `d` lies with probability `level`, or the least count that no larger one exceeds with
            /// that probability, divided by the unit. A level is taken as at least 1e-12 and at most 1 - 1e-12. Learned quantiles
            /// that cross are sorted; between two the value is interpolated, beyond the outermost it is those.
            pub fn quantile(&self, raw: &[f64], d: usize, level: f64, unit: f64) -> f64 {
                let level = inside(level);
                match self.output {
                    $(Output::$output => $file::quantile(self, raw, d, level, unit),)*
                }
            }

            /// The mean of column `d`; None of learned quantiles and of points that are no mean.
            pub fn mean(&self, raw: &[f64], d: usize, unit: f64) -> Option<f64> {
                match self.output {
                    $(Output::$output => $file::mean(self, raw, d, unit),)*
                }
            }

            /// One draw of all columns. Learned quantiles draw from the line through them; a point is its own draw.
            pub fn draw(&self, raw: &[f64], units: &[f64], rng: &mut ChaCha8Rng, out: &mut [f64]) {
                match self.output {
                    $(Output::$output => $file::draw(self, raw, units, rng, out),)*
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
    /// Learned quantiles: a value for each level.
    Quantile "quantile" quantile;
    /// A negative binomial distribution of counts: a number whose softplus is the mean of the scaled value, and one whose
    /// softplus is the dispersion a of the count, whose variance is m + a m^2.
    NegativeBinomial "negative-binomial" negative_binomial;
    /// A Poisson distribution of counts: a number whose softplus is the mean of the scaled value.
    Poisson "poisson" poisson;
    /// A normal distribution of all columns at once: means, and the Cholesky factor of the covariance.
    Joint "joint" joint;
    /// A point: the loss is the square of its distance to the value.
    Squared "squared" squared;
    /// A point: the loss is its distance to the value.
    Absolute "absolute" absolute;
    /// A point: the loss is half the square of its distance to the value up to a distance of 1, beyond that a line.
    Huber "huber" huber;
    /// A label that is there or not: a number whose sigmoid is the probability.
    Bernoulli "bernoulli" bernoulli;
}

/// What the values of a distribution are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, with a distribution.
    Real,
    /// Whole numbers, not below 0, with a distribution.
    Count,
    /// Numbers, of which one point is known.
    Point,
    /// 0 or 1.
    Label,
}

impl Output {
    /// Whether the values are counts.
    pub fn is_count(self) -> bool {
        self.kind() == Kind::Count
    }

    /// Whether it says how likely other numbers are than the likeliest.
    pub fn has_quantiles(self) -> bool {
        matches!(self.kind(), Kind::Real | Kind::Count)
    }

    /// The names of those that `is_meant` says.
    pub fn names(is_meant: impl Fn(Output) -> bool) -> Vec<&'static str> {
        Output::ALL.iter().filter(|output| is_meant(**output)).map(|output| output.name()).collect()
    }
}

/// Columns of a joint distribution at most.
const MOST_JOINT: usize = 64;

/// The least deviation or scale: a loss has a bottom.
const LEAST_SCALE: f64 = 1e-4;

/// A distribution of `columns` values at one step, whose parameters are the numbers of one row of a network.
///
/// Counts are `value * unit`, where the unit is above 0: the network sees scaled values, and its mean is that of the scaled
/// value. Other distributions ignore units.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    output: Output,
    levels: Vec<f64>,
    columns: usize,
}

/// Memory that [`Distribution::loss`] uses again: a warm call allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch(pub(crate) Vec<f64>);

impl Scratch {
    /// Parts of these lengths, with anything in them.
    fn parts<const N: usize>(&mut self, lengths: [usize; N]) -> [&mut [f64]; N] {
        let needed = lengths.iter().sum();
        if self.0.len() < needed {
            self.0.resize(needed, 0.0);
        }
        let mut rest = &mut self.0[..];
        lengths.map(|length| {
            let (part, others) = std::mem::take(&mut rest).split_at_mut(length);
            rest = others;
            part
        })
    }
}

/// A row of a network with its targets.
#[derive(Clone, Copy)]
struct Row<'a> {
    raw: &'a [f64],
    /// NaN where one does not count.
    targets: &'a [f64],
    /// What counts are divided by to give targets.
    units: &'a [f64],
}

impl Distribution {
    /// `levels`: the probabilities of learned quantiles; the others ignore them.
    ///
    /// Errors: no column; more than 64 columns of a joint distribution; no levels, or levels that do not rise or are not
    /// between 0 and 1.
    pub fn new(output: Output, levels: &[f64], columns: usize) -> Result<Distribution, Error> {
        let most = if output == Output::Joint { MOST_JOINT } else { usize::MAX };
        if !(1..=most).contains(&columns) {
            let expected = if output == Output::Joint { format!("1 to {MOST_JOINT}") } else { "at least 1".into() };
            return Err(Error::Setting { name: "columns", got: columns.to_string(), expected });
        }
        let levels = if output == Output::Quantile { levels } else { &[] };
        let are_inside = levels.iter().all(|&level| level > 0.0 && level < 1.0);
        let are_rising = levels.is_sorted_by(|a, b| a < b);
        let is_empty = output == Output::Quantile && levels.is_empty();
        if !are_inside || !are_rising || is_empty {
            let expected = "at least one, each above 0 and below 1 and above the one before it".into();
            return Err(Error::Setting { name: "levels", got: format!("{levels:?}"), expected });
        }
        // The width of each output is a product of these at most, or that of 64 columns.
        if columns.checked_mul(levels.len().max(3)).is_none() {
            let expected = "a number of columns whose parameters can be counted".into();
            return Err(Error::Setting { name: "columns", got: columns.to_string(), expected });
        }
        Ok(Distribution { output, levels: levels.to_vec(), columns })
    }

    /// Which distribution it is.
    pub fn output(&self) -> Output {
        self.output
    }

    /// Values of a step.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The probabilities of learned quantiles; none of other distributions.
    pub fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// The loss of `raw` at the targets, in nats (a pinball loss: in units of the values, the sum over the levels), and how many
    /// targets counted. A target of NaN does not count: of a joint distribution the loss is that of the other columns' own.
    /// `grad` is overwritten with the gradient by `raw`.
    ///
    /// Shapes: `raw` and `grad` have [`Distribution::width`] numbers, `targets` and `units` one for each column; other lengths
    /// panic. Precision: finite for all numbers and targets of at most 1e30; a joint distribution of more than 4 columns may
    /// overflow where numbers below the diagonal are far above the scales.
    pub fn loss(
        &self,
        raw: &[f64],
        targets: &[f64],
        units: &[f64],
        grad: &mut [f64],
        scratch: &mut Scratch,
    ) -> (f64, usize) {
        self.loss_of(Row { raw, targets, units }, grad, scratch)
    }
}

/// What a forecast q of the quantile `level` costs when y comes: level (y - q) above it, (1 - level)(q - y) below.
pub fn pinball(level: f64, q: f64, y: f64) -> f64 {
    if y > q { level * (y - q) } else { (1.0 - level) * (q - y) }
}

/// The scale that a raw number encodes, and its slope.
fn scale(raw: f64) -> (f64, f64) {
    let (above, slope) = special::softplus(raw);
    (LEAST_SCALE + above, slope)
}

/// A level as it is taken.
fn inside(level: f64) -> f64 {
    level.clamp(1e-12, 1.0 - 1e-12)
}

#[cfg(test)]
mod tests;
