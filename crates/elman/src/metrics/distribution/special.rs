//! Functions beside those of `libm` that densities and their gradients take: written so that no digits cancel for large
//! arguments. Not here: distribution functions and their inverses (`incomplete.rs`, `quantiles.rs`).

use std::f64::consts::PI;

/// ln(1 + e^x), and its derivative.
pub fn softplus(x: f64) -> (f64, f64) {
    let small = libm::exp(-x.abs());
    let share = 1.0 / (1.0 + small);
    (x.max(0.0) + libm::log1p(small), if x >= 0.0 { share } else { small * share })
}

/// x ln(x / m) + m - x for x >= 0 and m > 0, where `difference` is x - m: 0 at x = m, and above it elsewhere.
pub fn deviance(x: f64, m: f64, difference: f64) -> f64 {
    if x == 0.0 {
        return m;
    }
    let sum = x + m;
    if difference.abs() > 0.1 * sum {
        return x * (libm::log(x) - libm::log(m)) - difference;
    }
    // With v = (x - m) / (x + m): ln(x / m) = 2 (v + v^3/3 + v^5/5 + ...), and 2 x v - (x - m) = (x - m) v.
    let v = difference / sum;
    let (square, mut power, mut series) = (v * v, 2.0 * x * v, 0.0);
    // The rest after 9 terms is below 0.01^9 of the first.
    for odd in [3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0] {
        power *= square;
        series += power / odd;
    }
    difference * v + series
}

/// ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi) / 2) for x > 0. Source: DLMF 5.11.1.
pub fn stirling_error(x: f64) -> f64 {
    if x < 10.0 {
        return libm::lgamma(x) - ((x - 0.5) * libm::log(x) - x + 0.5 * libm::log(2.0 * PI));
    }
    let s = 1.0 / (x * x);
    let series = 1.0 / 1260.0 - s * (1.0 / 1680.0 - s * (1.0 / 1188.0 - s * 691.0 / 360_360.0));
    (1.0 / 12.0 - s * (1.0 / 360.0 - s * series)) / x
}

/// The logarithm of e^-m m^x / Gamma(x + 1) for x >= 0 and m > 0: the Poisson probability of x.
pub fn ln_poisson(x: f64, m: f64) -> f64 {
    if x == 0.0 {
        return -m;
    }
    -stirling_error(x) - deviance(x, m, x - m) - 0.5 * libm::log(2.0 * PI * x)
}

/// The logarithm of Gamma(a + b + 1) / (Gamma(a + 1) Gamma(b + 1)) p^a q^b for a, b > 0 and p + q = 1, where `difference` is
/// a - (a + b) p: the binomial probability of a in a + b. Source: the saddle-point form of Loader 2000.
pub fn ln_binomial([a, b]: [f64; 2], [p, q]: [f64; 2], difference: f64) -> f64 {
    let n = a + b;
    let errors = stirling_error(n) - stirling_error(a) - stirling_error(b);
    errors
        - deviance(a, n * p, difference)
        - deviance(b, n * q, -difference)
        - 0.5 * (libm::log(2.0 * PI * a) + libm::log(b / n))
}

/// ln Gamma(x + 1/2) - ln Gamma(x), and its derivative, for x >= 1, the first as [s, f] where it is s + ln(f)/2, so that a
/// caller takes one logarithm of a product and no root. Source: the recurrence of Gamma up to 10, then the series DLMF 5.11.8, whose
/// coefficients are -(2 - 2^(1-n)) B_n / (n (n - 1)).
pub fn gamma_ratio(mut x: f64) -> ([f64; 2], f64) {
    // The products of x and of x + 1/2, and `part` / (above * below) is the sum of 1/2 / (x (x + 1/2)): one division for all.
    let (mut above, mut below, mut part) = (1.0, 1.0, 0.0);
    while x < 10.0 {
        part = part * (x * (x + 0.5)) + 0.5 * (above * below);
        above *= x;
        below *= x + 0.5;
        x += 1.0;
    }
    let (u, s) = (1.0 / x, 1.0 / (x * x));
    let value = [
        -1.0 / 8.0,
        1.0 / 192.0,
        -1.0 / 640.0,
        17.0 / 14_336.0,
        -31.0 / 18_432.0,
        691.0 / 180_224.0,
        -5461.0 / 425_984.0,
    ];
    let (mut sum, mut derivative) = (0.0, 0.0);
    for (at, c) in value.into_iter().enumerate().rev() {
        sum = sum * s + c;
        derivative = derivative * s - c * (2 * at + 1) as f64;
    }
    let ratio = above / below;
    ([sum * u, x * ratio * ratio], part / (above * below) + 0.5 * u + derivative * s)
}

/// The sum of k / (1 + a k) over whole k from 0 to y - 1, for a > 0: the derivative by a of ln Gamma(y + 1/a) - ln
/// Gamma(1/a) + y ln a. Source: the sum until k + 1/a is 10, then the formula of Euler and Maclaurin, DLMF 2.10.1.
pub fn sum_of_shares(a: f64, y: f64) -> f64 {
    let r = 1.0 / a;
    let share = |k: f64| k / (1.0 + a * k);
    let n = libm::ceil(10.0 - r).max(0.0);
    let first: f64 = (0..n.min(y) as u32).map(|k| share(f64::from(k))).sum();
    if y <= n {
        return first;
    }
    // The integral of k r / (r + k) from n to y.
    let w = (y - n) / (r + n);
    let rest = deviance(1.0, 1.0 + w, -w); // w - ln(1 + w)
    let integral = r * ((r + n) * rest + n * libm::log1p(w));
    let corrections = |k: f64| {
        let (q, t) = (r / (r + k), 1.0 / ((r + k) * (r + k)));
        q * q * (1.0 / 12.0 - t * (1.0 / 120.0 - t * (1.0 / 252.0 - t * (1.0 / 240.0 - t / 132.0))))
    };
    first + integral - 0.5 * (share(y) - share(n)) + corrections(y) - corrections(n)
}
