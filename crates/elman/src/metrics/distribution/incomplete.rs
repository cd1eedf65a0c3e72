//! The incomplete gamma and beta functions, regularised: distribution functions of counts and of Student's t. By continued
//! fractions where a parameter is small, by quadrature where they are large. Not here: their inverses.

use super::special::{ln_binomial, ln_poisson};

/// From here on, the densities are so near to the normal one that quadrature over 10 deviations has all digits.
const LARGE: f64 = 500.0;

/// Terms of a series or a continued fraction at most, far more than parameters below [`LARGE`] need.
const TERMS: u32 = 2000;

/// Q(a, x) for a > 0 and x >= 0: the probability that a Poisson variable of mean x is below a, where a is whole. Source:
/// DLMF 8.11.4 and 8.9.2.
pub fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 || x.is_infinite() {
        return if x <= 0.0 { 1.0 } else { 0.0 };
    }
    if a > LARGE {
        let density = |t: f64| libm::exp(ln_poisson(a - 1.0, t));
        return tail([x, a, libm::sqrt(a)], f64::INFINITY, density).1;
    }
    let front = libm::exp(ln_poisson(a, x));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 1..TERMS {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < 1e-17 * sum {
                break;
            }
        }
        return 1.0 - front * sum;
    }
    let term = |n: f64| (-n * (n - a), x + 2.0 * n + 1.0 - a);
    a * front / fraction(x + 1.0 - a, term)
}

/// I_x(a, b) for a, b > 0, where y is 1 - x.
pub fn incomplete_beta([a, b]: [f64; 2], [x, y]: [f64; 2]) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let n = a + b;
    if a.min(b) > LARGE {
        // In the smaller of the two variables, whose complement has all digits.
        return if a <= b { nearly_normal([a, b], x).0 } else { nearly_normal([b, a], y).1 };
    }
    if x > (a + 1.0) / (n + 2.0) { 1.0 - beta_fraction([b, a], [y, x]) } else { beta_fraction([a, b], [x, y]) }
}

/// What of the beta density lies below and above x.
fn nearly_normal([a, b]: [f64; 2], x: f64) -> (f64, f64) {
    let (n, [left, right]) = (a + b, [a - 1.0, b - 1.0]);
    let density = |t: f64| {
        let difference = left - (left + right) * t;
        (n - 1.0) * libm::exp(ln_binomial([left, right], [t, 1.0 - t], difference))
    };
    tail([x, a / n, libm::sqrt(a / n * (b / n) / (n + 1.0))], 1.0, density)
}

/// By the continued fraction of Didonato and Morris 1992, which takes no difference of x and 1.
fn beta_fraction([a, b]: [f64; 2], [x, y]: [f64; 2]) -> f64 {
    let difference = a * y - b * x;
    let front = a * b / (a + b) * libm::exp(ln_binomial([a, b], [x, y], difference));
    let term = |n: f64| {
        let (below, above) = (a + (2.0 * n - 1.0), a + (2.0 * n + 1.0));
        let product = ((a + (n - 1.0)) / below * x) * ((a + b + (n - 1.0)) / below * x) * n * (b - n);
        (product, n + n * (b - n) * x / below + (a + n) / above * (difference + 1.0 + n * (1.0 + y)))
    };
    front / fraction(a / (a + 1.0) * (difference + 1.0), term)
}

/// `start` + a1 / (b1 + a2 / (b2 + ...)) by the method of Lentz; `terms` gives the next (a, b) for 1, 2, ...
fn fraction(start: f64, terms: impl Fn(f64) -> (f64, f64)) -> f64 {
    let away_from_0 = |x: f64| if x.abs() < 1e-300 { 1e-300 } else { x };
    let mut f = away_from_0(start);
    let (mut c, mut d) = (f, 0.0);
    for n in 1..TERMS {
        let (a, b) = terms(f64::from(n));
        d = 1.0 / away_from_0(b + a * d);
        c = away_from_0(b + a / c);
        let change = c * d;
        f *= change;
        if (change - 1.0).abs() <= 2.0 * f64::EPSILON {
            break;
        }
    }
    f
}

/// Nodes and weights of Gauss and Legendre's rule of 10 points, those above 0. Source: DLMF table 3.5.2.
const RULE: [(f64, f64); 5] = [
    (0.148_874_338_981_631_2, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];

/// What of a density that is nearly normal lies below and above x; it is 0 below 0 and above `end`.
fn tail([x, mean, deviation]: [f64; 3], end: f64, density: impl Fn(f64) -> f64) -> (f64, f64) {
    const PARTS: u32 = 6;
    let above = x > mean;
    let to = if above { (x + 10.0 * deviation).min(end) } else { (x - 10.0 * deviation).max(0.0) };
    let half_width = 0.5 * (to - x) / f64::from(PARTS);
    let part = |at: u32| {
        let middle = x + half_width * (2.0 * f64::from(at) + 1.0);
        RULE.iter()
            .map(|(node, weight)| weight * (density(middle - half_width * node) + density(middle + half_width * node)))
            .sum::<f64>()
    };
    let share = (half_width.abs() * (0..PARTS).map(part).sum::<f64>()).min(1.0);
    if above { (1.0 - share, share) } else { (share, 1.0 - share) }
}
