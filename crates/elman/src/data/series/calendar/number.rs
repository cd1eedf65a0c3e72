//! Steps of numbers: sums and differences in units of the last decimal that the column writes, which are exact. Not
//! here: dates.

use super::differences::Differences;
use super::write;

/// From here on not every whole number is an f64.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Rounded steps are told from other irregular ones if a step has at least this many units.
const LEAST_UNITS: i128 = 10;

/// `steps` steps after a number; None where the result is not finite.
pub(super) fn add(decimals: Option<u8>, from: f64, step: f64, steps: i64) -> Option<f64> {
    if let (Some(a), Some(b), Some(decimals)) = (units(decimals, from), units(decimals, step), decimals) {
        let sum = (a + b * i128::from(steps)) as f64;
        if sum.abs() < EXACT {
            return Some(sum / power(decimals));
        }
    }
    let sum = from + steps as f64 * step;
    sum.is_finite().then_some(sum)
}

/// The steps between two numbers, each of which may be rounded to the decimals; None where they are not whole.
pub(super) fn steps(decimals: Option<u8>, from: f64, to: f64, step: f64) -> Option<i64> {
    if let (Some(a), Some(b), Some(step)) = (units(decimals, from), units(decimals, to), units(decimals, step)) {
        return if step > 0 && (b - a) % step == 0 { i64::try_from((b - a) / step).ok() } else { None };
    }
    let count = libm::round((to - from) / step);
    let fits = count.abs() < EXACT && libm::fabs(from + count * step - to) <= tolerance(decimals, from, to, step);
    fits.then_some(count as i64)
}

/// How far a number may lie beside the grid: the rounding of both to the decimals, and that of f64.
fn tolerance(decimals: Option<u8>, from: f64, to: f64, step: f64) -> f64 {
    let rounding = match decimals {
        Some(0) => 0.0,
        Some(decimals) => 1.0 / power(decimals),
        None => 1e-9 * step,
    };
    rounding + 8.0 * f64::EPSILON * libm::fmax(libm::fabs(from), libm::fabs(to))
}

/// The step of rising numbers. Errors: the first row that fits none.
pub(super) fn detect(decimals: Option<u8>, numbers: &[f64]) -> Result<f64, (usize, String)> {
    let whole: Option<Vec<i128>> = numbers.iter().map(|&n| units(decimals, n)).collect();
    let exact = whole.and_then(|whole| Differences::new(whole.into_iter())).zip(decimals);
    let Some((differences, decimals)) = exact else {
        return rounded(None, numbers, smallest(numbers)).ok_or_else(|| refusal(None, numbers));
    };
    let all = differences.all();
    let (least, most) = all.iter().fold((i128::MAX, 0), |(least, most), &n| (least.min(n), most.max(n)));
    let step = |units: i128| units as f64 / power(decimals);
    let mean = (numbers[numbers.len() - 1] - numbers[0]) / all.len() as f64;
    // Steps of a third have differences of .3 and .4 in turn: not a step of .1 with gaps.
    let rounded_evenly = (decimals > 0 && most == least + 1 && least > 1 && all.len() >= 4)
        .then(|| rounded(Some(decimals), numbers, mean))
        .flatten();
    let by_rounding = || {
        (decimals > 0 && least >= LEAST_UNITS).then(|| rounded(Some(decimals), numbers, smallest(numbers))).flatten()
    };
    rounded_evenly
        .or_else(|| differences.step().map(step))
        .or_else(by_rounding)
        .ok_or_else(|| refusal(Some(decimals), numbers))
}

/// The step near `near` that explains all rows within their rounding.
fn rounded(decimals: Option<u8>, numbers: &[f64], near: f64) -> Option<f64> {
    let counts = numbers.windows(2).map(|pair| libm::round((pair[1] - pair[0]) / near));
    let counts: Vec<i128> = counts.map(|count| count as i128).collect();
    let total = counts.iter().fold(0_i128, |sum, &count| sum.saturating_add(count));
    let first = numbers[0];
    let step = (numbers[numbers.len() - 1] - first) / total as f64;
    let mut places = vec![0];
    places.extend(counts.iter().scan(0_i128, |at, &count| {
        *at = at.saturating_add(count);
        Some(*at)
    }));
    let fits =
        |(&n, &at): (&f64, &i128)| libm::fabs(first + at as f64 * step - n) <= tolerance(decimals, first, n, step);
    let is_dense = Differences::new(places.iter().copied()).is_some_and(|places| places.step().is_some());
    (step.is_finite() && step > 0.0 && is_dense && numbers.iter().zip(&places).all(fits)).then_some(step)
}

fn smallest(numbers: &[f64]) -> f64 {
    numbers.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min)
}

/// The row that does not fit, and the step of most others.
fn refusal(decimals: Option<u8>, numbers: &[f64]) -> (usize, String) {
    let text = |n: f64| write::number(n, decimals);
    let mut sorted: Vec<f64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let differences = sorted.clone();
    sorted.sort_by(f64::total_cmp);
    let runs = sorted.chunk_by(|a, b| text(*a) == text(*b));
    let common = runs.fold((0.0, 0), |best, run| if run.len() > best.1 { (run[0], run.len()) } else { best }).0;
    let is_other = |difference: &f64| steps(decimals, 0.0, *difference, common).is_none();
    let other = differences.iter().position(is_other);
    let is_uncommon = |difference: &f64| text(*difference) != text(common);
    let at = other.or_else(|| differences.iter().position(is_uncommon)).unwrap_or(0);
    let (before, this) = (text(numbers[at]), text(numbers[at + 1]));
    let (by, common) = (text(differences[at]), text(common));
    let wanted = match other {
        Some(_) => format!("expected a multiple of {common}, the commonest step"),
        None => format!("in steps of {common} most rows would be missing"),
    };
    (at + 1, format!("{this} follows {before} by {by}, {wanted}"))
}

/// A number in units of the last decimal; None where it is not a whole number of them that is exact.
pub(super) fn units(decimals: Option<u8>, n: f64) -> Option<i128> {
    let power = power(decimals?);
    let units = libm::round(n * power);
    (units.abs() < EXACT && units / power == n).then_some(units as i128)
}

/// 10 to the number of decimals, of which there are at most 15.
fn power(decimals: u8) -> f64 {
    10_i64.pow(u32::from(decimals.min(15))) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_a_tenth_do_not_drift() {
        let mut numbers = vec![0.0];
        for at in 1..100 {
            numbers.push(add(Some(1), numbers[at - 1], 0.1, 1).unwrap());
            assert_eq!(numbers[at], format!("{}.{}", at / 10, at % 10).parse::<f64>().unwrap());
        }
        assert_eq!(detect(Some(1), &numbers), Ok(0.1));
        assert_eq!(steps(Some(1), 0.0, 9.9, 0.1), Some(99));
        assert_eq!(steps(Some(2), 0.0, 0.15, 0.1), None);
    }

    #[test]
    fn rounded_steps_are_found() {
        let third = detect(Some(2), &[0.33, 0.67, 1.0, 1.33, 1.67, 2.0]).unwrap();
        assert!((third - 1.0 / 3.0).abs() < 0.01 / 5.0, "{third}"); // the rounding of both ends over 5 steps
        let third = detect(Some(1), &[0.3, 0.7, 1.0, 1.3, 1.7, 2.0]).unwrap();
        assert!((third - 1.0 / 3.0).abs() < 0.1 / 5.0, "{third}");
        assert_eq!(steps(Some(2), 0.33, 2.33, 1.0 / 3.0), Some(6));
        let free: Vec<f64> = (1..9).map(|n| f64::from(n) / 3.0).collect();
        assert!((detect(None, &free).unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(detect(Some(1), &[0.2, 0.4, 0.7]), Ok(0.1));
    }

    #[test]
    fn irregular_numbers_are_refused_with_their_row() {
        let (row, problem) = detect(Some(1), &[0.0, 1.0, 2.0, 3.4, 4.4, 5.4]).unwrap_err();
        let expected = "3.4 follows 2.0 by 1.4, expected a multiple of 1.0, the commonest step";
        assert_eq!((row, problem.as_str()), (3, expected));
        let (row, _) = detect(None, &[0.0, 1.0, 2.0, 3.24159265358979, 4.5]).unwrap_err();
        assert_eq!(row, 3);
        assert_eq!(add(Some(0), f64::MAX, f64::MAX, 3), None);
        assert_eq!(add(Some(0), 3.0, 2.0, -2), Some(-1.0));
    }
}
