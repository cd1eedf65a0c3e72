//! The distributions against values of mpmath and scipy (`testdata/make_distributions.py`), and what must hold of each
//! other: gradients and differences, quantiles and distribution functions, draws and their moments.

use serde_json::Value;

use super::*;
use crate::rng::{Purpose, generator};

const TABLE: &str = include_str!("../../../../../testdata/distributions.json");

fn table(part: &str) -> Vec<Value> {
    let table: Value = serde_json::from_str(TABLE).unwrap();
    table[part].as_array().unwrap().clone()
}

/// The numbers of a list; null is NaN.
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn output(case: &Value) -> Output {
    serde_json::from_value(case["output"].clone()).unwrap()
}

fn loss_and_grad(distribution: &Distribution, raw: &[f64], targets: &[f64], units: &[f64]) -> (f64, usize, Vec<f64>) {
    let mut grad = vec![f64::NAN; raw.len()];
    let (loss, counted) = distribution.loss(raw, targets, units, &mut grad, &mut Scratch::default());
    (loss, counted, grad)
}

#[track_caller]
fn near(got: f64, want: f64, bound: f64, what: &Value) {
    assert!((got - want).abs() <= bound, "{got} {want}: {:e} {what}", got - want);
}

#[test]
fn losses_and_gradients_are_those_of_the_table() {
    let mut seen = Vec::new();
    for case in table("losses") {
        let (output, targets, units) = (output(&case), numbers(&case["targets"]), numbers(&case["units"]));
        let distribution = Distribution::new(output, &numbers(&case["levels"]), targets.len()).unwrap();
        let raw = numbers(&case["raw"]);
        assert_eq!(raw.len(), distribution.width());
        let (loss, counted, grad) = loss_and_grad(&distribution, &raw, &targets, &units);
        assert_eq!(counted, targets.iter().filter(|y| !y.is_nan()).count());
        let want = case["loss"].as_f64().unwrap();
        near(loss, want, 2e-14 * want.abs().max(1.0), &case);
        // By the dispersion, the gradient is a difference of terms that are larger by as much as the count.
        let count = if output == Output::NegativeBinomial { targets[0] * units[0] } else { 0.0 };
        for (got, want) in grad.into_iter().zip(numbers(&case["grad"])) {
            near(got, want, (1e-13 + f64::EPSILON * count) * want.abs().max(1.0), &case);
        }
        seen.push(output);
    }
    assert!(Output::ALL.iter().all(|output| seen.contains(output)));
}

#[test]
fn functions_have_the_values_of_the_table() {
    for case in table("functions") {
        let of = numbers(&case["arguments"]);
        let got = match case["name"].as_str().unwrap() {
            "upper gamma" => incomplete::upper_gamma(of[0], of[1]),
            "incomplete beta" => incomplete::incomplete_beta([of[0], of[1]], [of[2], of[3]]),
            "normal quantile" => normal_quantile(of[0]),
            "student quantile" => student_quantile(of[0], of[1]),
            name => panic!("{name}"),
        };
        let want = case["value"].as_f64().unwrap();
        near(got, want, 1e-13 * want.abs().max(1e-3), &case);
    }
}

#[test]
fn quantiles_are_those_of_the_table() {
    for case in table("quantiles") {
        let (output, raw, unit) = (output(&case), numbers(&case["raw"]), case["unit"].as_f64().unwrap());
        let distribution = Distribution::new(output, &[], 1).unwrap();
        for pair in case["quantiles"].as_array().unwrap() {
            let (level, want) = (pair[0].as_f64().unwrap(), pair[1].as_f64().unwrap());
            let got = distribution.quantile(&raw, 0, level, unit);
            let bound = if output.is_count() { 0.0 } else { 1e-13 * want.abs().max(1.0) };
            near(got, want, bound, &case);
        }
    }
}

#[test]
fn between_two_levels_a_quantile_lies_on_the_line_through_theirs() {
    let distribution = Distribution::new(Output::Quantile, &[0.05, 0.1, 0.5, 0.9, 0.95], 2).unwrap();
    // Those of the second column cross.
    let raw = [0.0, -1.0, 0.0, 1.0, 0.0, 0.5, 0.0, 2.0, 0.0, 3.0];
    for (level, want) in [(0.01, -1.0), (0.1, 0.5), (0.3, 0.75), (0.7, 1.5), (0.8, 1.75), (0.92, 2.4), (0.99, 3.0)] {
        let got = distribution.quantile(&raw, 1, level, 1.0);
        assert!((got - want).abs() < 1e-12, "{level} {got} {want}");
        assert_eq!(distribution.quantile(&raw, 0, level, 1.0), 0.0);
    }
}

/// Row of each distribution, of two columns.
fn rows() -> Vec<(Distribution, Vec<f64>)> {
    let rows: [(Output, &[f64]); 10] = [
        (Output::Gaussian, &[-1.0, 0.5, 1.0, -2.0]),
        (Output::Student, &[-1.0, 0.5, 1.0, -2.0, 3.0, 4.0]),
        (Output::Quantile, &[-1.0, 0.5, 0.0, 1.0, 3.0, 1.5]),
        (Output::NegativeBinomial, &[1.0, 3.0, -1.0, 0.5]),
        (Output::Poisson, &[1.0, 3.0]),
        (Output::Joint, &[-1.0, 0.5, 1.0, -1.5, 0.25]),
        (Output::Squared, &[-1.0, 0.5]),
        (Output::Absolute, &[-1.0, 0.5]),
        (Output::Huber, &[-1.0, 0.5]),
        (Output::Bernoulli, &[-1.0, 0.5]),
    ];
    let of = |(output, raw): (Output, &[f64])| (Distribution::new(output, &[0.1, 0.5, 0.9], 2).unwrap(), raw.to_vec());
    rows.into_iter().map(of).collect()
}

const UNITS: [f64; 2] = [2.0, 5.0];
const DRAWS: usize = 20_000;

fn draws(distribution: &Distribution, raw: &[f64]) -> Vec<[f64; 2]> {
    let mut rng = generator(5, Purpose::Sample, 0);
    let draw = |_| {
        let mut out = [f64::NAN; 2];
        distribution.draw(raw, &UNITS, &mut rng, &mut out);
        out
    };
    (0..DRAWS).map(draw).collect()
}

#[test]
fn draws_have_the_mean_and_the_quantiles_that_are_told() {
    for (distribution, raw) in rows() {
        let draws = draws(&distribution, &raw);
        for (d, unit) in UNITS.into_iter().enumerate() {
            let column = || draws.iter().map(|draw| draw[d]);
            let n = DRAWS as f64;
            let mean = column().sum::<f64>() / n;
            let deviation = libm::sqrt(column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n);
            if let Some(want) = distribution.mean(&raw, d, unit) {
                assert!((mean - want).abs() <= 5.0 * deviation / libm::sqrt(n), "{distribution:?} {d} {mean} {want}");
            }
            // Of counts, at least 0.7 are at the quantile or below and at most 0.7 below it.
            let bound = distribution.quantile(&raw, d, 0.7, unit);
            let below = column().filter(|&x| x < bound).count() as f64 / n;
            let until = column().filter(|&x| x <= bound).count() as f64 / n;
            let error = 5.0 * libm::sqrt(0.21 / n);
            assert!(below < 0.7 + error && until > 0.7 - error, "{distribution:?} {d} {below} {until}");
            assert!(distribution.output.kind() != Kind::Real || below == until);
            if distribution.output.is_count() {
                assert!(column().all(|x| x >= 0.0 && x * unit == libm::round(x * unit)));
            }
        }
    }
}

#[test]
fn joint_draws_have_the_covariance_of_the_triangle() {
    let columns = 3;
    let joint = Distribution::new(Output::Joint, &[], columns).unwrap();
    let raw = [0.5, -1.0, 2.0, 0.5, -1.5, 0.25, 0.75, -0.5, 1.0];
    let lower = [[scale(0.5).0, 0.0, 0.0], [-1.5, scale(0.25).0, 0.0], [0.75, -0.5, scale(1.0).0]];
    let mut rng = generator(7, Purpose::Sample, 0);
    let (mut sums, mut out) = ([[0.0; 3]; 3], [0.0; 3]);
    for _ in 0..DRAWS {
        joint.draw(&raw, &[1.0; 3], &mut rng, &mut out);
        for (i, j) in (0..9).map(|at| (at / 3, at % 3)) {
            sums[i][j] += (out[i] - raw[i]) * (out[j] - raw[j]) / DRAWS as f64;
        }
    }
    let want = |i: usize, j: usize| (0..3).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
    for (i, j) in (0..9).map(|at| (at / 3, at % 3)) {
        // The variance of the product of two normal variables.
        let error = libm::sqrt((want(i, i) * want(j, j) + want(i, j) * want(i, j)) / DRAWS as f64);
        assert!((sums[i][j] - want(i, j)).abs() < 5.0 * error, "{i} {j}: {} {}", sums[i][j], want(i, j));
        let quantile = joint.quantile(&raw, i, 0.9, 1.0);
        assert!((quantile - raw[i] - libm::sqrt(want(i, i)) * normal_quantile(0.9)).abs() < 1e-14);
    }
}

#[test]
fn a_missing_last_column_leaves_the_smaller_joint_distribution() {
    let raw = [0.5, -1.0, 2.0, 0.5, -1.5, 0.25, 0.75, -0.5, 1.0];
    let [two, three] = [2, 3].map(|columns| Distribution::new(Output::Joint, &[], columns).unwrap());
    let (all, counted, grad) = loss_and_grad(&three, &raw, &[0.3, 0.1, f64::NAN], &[1.0; 3]);
    let small = [0.5, -1.0, 0.5, -1.5, 0.25];
    let (want, want_counted, want_grad) = loss_and_grad(&two, &small, &[0.3, 0.1], &[1.0; 2]);
    assert_eq!((all, counted, want_counted), (want, 2, 2));
    assert_eq!(&grad[..2], &want_grad[..2]);
    assert_eq!(&grad[3..6], &want_grad[2..]);
    assert_eq!([grad[2], grad[6], grad[7], grad[8]], [0.0; 4]);
    assert_eq!(loss_and_grad(&three, &raw, &[f64::NAN; 3], &[1.0; 3]), (0.0, 0, vec![0.0; 9]));
}

#[test]
fn extreme_numbers_have_finite_losses_and_quantiles() {
    for (distribution, raw) in rows() {
        let extremes = [0.0, 1.0, -1.0, 1e3, -1e3, 1e30, -1e30];
        let all = extremes.len().pow(raw.len() as u32);
        // Every row of extremes, or as many as there is time for.
        for at in (0..all).step_by((all / 3000).max(1) | 1) {
            let row: Vec<f64> = (0..raw.len()).map(|p| extremes[at / extremes.len().pow(p as u32) % 7]).collect();
            for y in [0.0, 0.3, -7.0, 1e6, 1e30] {
                let (loss, _, grad) = loss_and_grad(&distribution, &row, &[y, 1.0], &UNITS);
                assert!(
                    loss.is_finite() && grad.iter().all(|g| g.is_finite()),
                    "{distribution:?} {row:?} {y}: {loss} {grad:?}"
                );
            }
            for level in [0.0, 0.001, 0.5, 0.9, 1.0] {
                let quantile = distribution.quantile(&row, 1, level, 5.0);
                assert!(quantile.is_finite(), "{distribution:?} {row:?} {level}: {quantile}");
            }
        }
    }
}

#[test]
fn settings_that_are_no_distribution_are_errors_that_say_what_is_wrong() {
    let error = |output, levels: &[f64], columns| Distribution::new(output, levels, columns).unwrap_err().to_string();
    assert_eq!(error(Output::Gaussian, &[], 0), "columns is 0, expected at least 1");
    assert_eq!(error(Output::Joint, &[], 65), "columns is 65, expected 1 to 64");
    for levels in [&[][..], &[0.5, 0.5], &[0.9, 0.1], &[0.0, 0.5], &[0.5, 1.0], &[f64::NAN], &[0.5, f64::NAN]] {
        let want = "expected at least one, each above 0 and below 1 and above the one before it";
        assert_eq!(error(Output::Quantile, levels, 1), format!("levels is {levels:?}, {want}"));
    }
    assert!(Distribution::new(Output::Student, &[], usize::MAX / 2).is_err());
    assert_eq!(Distribution::new(Output::Joint, &[9.0], 64).unwrap().width(), 64 + 64 * 65 / 2);
    for &output in Output::ALL {
        assert_eq!(serde_json::to_value(output).unwrap(), output.name());
    }
}
