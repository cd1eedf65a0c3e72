//! The methods against values by hand and in their special cases. Published figures are in `tests/m4.rs`.

use super::Baseline::{Drift, Naive, Naive2, SeasonalNaive, Theta};
use super::decomposition::Adjusted;
use super::missing::filled;
use super::smoothing::last_level;
use super::*;

const NAN: f64 = f64::NAN;

fn close(found: Option<Vec<f64>>, want: &[f64], digits: f64) {
    let found = found.unwrap();
    assert_eq!(found.len(), want.len());
    for (found, want) in found.iter().zip(want) {
        assert!((found - want).abs() <= digits * want.abs(), "{found}, expected {want}");
    }
}

#[test]
fn naive_forecasts_repeat_what_was_known_last() {
    let known = [1.0, 2.0, 3.0, 10.0, 20.0, NAN];
    assert_eq!(Naive.forecast(&known, 3, 2), Some(vec![20.0; 2]));
    assert_eq!(SeasonalNaive.forecast(&known, 3, 5), Some(vec![10.0, 20.0, 3.0, 10.0, 20.0]));
    assert_eq!(SeasonalNaive.forecast(&known, 4, 5), Some(vec![3.0, 10.0, 20.0, 2.0, 3.0]));
    assert_eq!(SeasonalNaive.forecast(&known, 1, 2), Some(vec![20.0; 2]));
    assert_eq!(SeasonalNaive.forecast(&known[..5], 5, 1), Some(vec![1.0]));
    assert_eq!(SeasonalNaive.forecast(&known, 7, 1), None, "a season longer than the series");
    assert_eq!(SeasonalNaive.forecast(&[1.0, NAN, 3.0, NAN], 2, 1), None, "a place that was never known");
}

#[test]
fn drift_is_the_line_through_the_ends() {
    assert_eq!(Drift.forecast(&[1.0, 9.0, 4.0, 7.0], 1, 2), Some(vec![9.0, 11.0]));
    // 2 a step from 3 at t = 1 to 7 at t = 3; the forecast starts at t = 5.
    assert_eq!(Drift.forecast(&[NAN, 3.0, NAN, 7.0, NAN], 1, 2), Some(vec![11.0, 13.0]));
    assert_eq!(Drift.forecast(&[NAN, 3.0, NAN], 1, 2), None);
}

#[test]
fn missing_values_are_on_the_line_between_their_neighbours() {
    let series = [NAN, 1.0, NAN, NAN, 4.0, 2.0, NAN, 3.0, NAN, NAN];
    assert_eq!(filled(&series), Some(vec![1.0, 2.0, 3.0, 4.0, 2.0, 2.5, 3.0, 3.0, 3.0]));
    assert_eq!((filled(&[NAN]), filled(&[])), (None, None));
}

/// Twelve seasons of 3 with factors .5, 1 and 1.5, level 8.
fn factors() -> Vec<f64> {
    (0..36).map(|t| [4.0, 8.0, 12.0][t % 3]).collect()
}

#[test]
fn a_season_of_constant_factors_is_found_exactly() {
    let adjusted = Adjusted::new(factors(), 3);
    assert_eq!(adjusted.values, [8.0; 36]);
    assert_eq!(adjusted.with_season(vec![10.0; 4]), [5.0, 10.0, 15.0, 5.0]);
    assert_eq!(Naive2.forecast(&factors()[..35], 3, 4), Some(vec![12.0, 4.0, 8.0, 12.0]));
    assert_eq!(Theta.forecast(&factors(), 3, 4), Some(vec![4.0, 8.0, 12.0, 4.0]));
    let mut missing = factors();
    missing[0] = NAN;
    assert_eq!(Naive2.forecast(&missing, 3, 3), Some(vec![4.0, 8.0, 12.0]), "the season is counted from the end");
}

#[test]
fn a_season_with_values_that_are_not_positive_is_additive() {
    // Summands -1, 0 and 1 around 0; 4 steps a season, the outermost two of five with a weight of 0.5.
    let known: Vec<f64> = (0..32).map(|t| [-1.0, 0.0, 1.0, 0.0][t % 4]).collect();
    assert_eq!(Naive2.forecast(&known, 4, 5), Some(vec![-1.0, 0.0, 1.0, 0.0, -1.0]));
    assert_eq!(Theta.forecast(&known, 4, 3), Some(vec![-1.0, 0.0, 1.0]));
    let shifted: Vec<f64> = known.iter().map(|y| y - 10.0).collect();
    assert_eq!(Naive2.forecast(&shifted, 4, 3), Some(vec![-11.0, -10.0, -9.0]));
}

#[test]
fn there_is_no_season_where_the_test_finds_none() {
    assert_eq!(Naive2.forecast(&factors()[..8], 3, 2), Some(vec![8.0; 2]), "fewer than three seasons");
    // Autocorrelations of -1/3, -1/2 and 2/3 with a limit of .72; -3/8, -1/2 and 3/4 with one of .63.
    assert_eq!(Naive2.forecast(&factors()[..9], 3, 2), Some(vec![12.0; 2]), "not significant");
    assert_eq!(Naive2.forecast(&factors()[..12], 3, 2), Some(vec![4.0, 8.0]));
    // A line: the autocorrelation at lag 3 of 12 values is .28, the limit .77.
    let line: Vec<f64> = (1..=12).map(f64::from).collect();
    assert_eq!(Naive2.forecast(&line, 3, 1), Some(vec![12.0]));
    assert_eq!(Naive2.forecast(&[0.3; 40], 4, 1), Some(vec![0.3]), "equal values");
}

#[test]
fn theta_is_the_mean_of_a_line_and_a_smoothed_level() {
    // A line: doubled distances are 0, its smoothed level is close to the last value, for a factor close to 1.
    let line: Vec<f64> = (1..=100).map(f64::from).collect();
    close(Theta.forecast(&line, 1, 3), &[100.5, 101.0, 101.5], 1e-5);
    // 1 and 3: the squared errors are 4 / (1 + (1 - a)^2) for the best l[0], so a is 1e-4 and the level their mean.
    close(Theta.forecast(&[1.0, 3.0], 1, 1), &[3.5], 1e-4);
    let falling = [4.0, 2.0, 1.0, 0.5];
    assert_eq!(Theta.forecast(&falling, 1, 9).unwrap()[8], 0.0, "positive series have no negative forecasts");
    let negative: Vec<f64> = falling.iter().map(|y| y - 3.0).collect();
    assert!(Theta.forecast(&negative, 1, 9).unwrap()[8] < -5.0);
    assert_eq!(Theta.forecast(&[0.7; 9], 4, 2), Some(vec![0.7; 2]), "equal values");
    assert_eq!(Theta.forecast(&[3.0], 1, 2), None, "one value has no line");
}

#[test]
fn smoothing_minimises_the_squared_errors() {
    assert_eq!((last_level(&[]), last_level(&[2.5]), last_level(&[2.5; 9])), (None, Some(2.5), Some(2.5)));
    // Noise around a level: the least factor, so the level is almost the mean.
    let noise: Vec<f64> = (0..50).map(|t| if t % 2 == 0 { 1.0 } else { 3.0 }).collect();
    assert!((last_level(&noise).unwrap() - 2.0).abs() < 1e-3);
    // No point of a fine grid is better than the level found.
    let known: Vec<f64> = (0..40).map(|t| f64::from(t).sin() + f64::from(t * t % 7)).collect();
    let errors = |factor: f64, first: f64| {
        let (mut level, mut sum) = (first, 0.0);
        for y in &known {
            sum += (y - level) * (y - level);
            level += factor * (y - level);
        }
        (sum, level)
    };
    let grid = (0..=400).flat_map(|a| (0..=400).map(move |l| (1e-4 + 0.0024995 * f64::from(a), 0.02 * f64::from(l))));
    let best = grid.map(|(a, l)| errors(a, l)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!((last_level(&known).unwrap() - best.1).abs() < 0.02, "{best:?}");
}

#[test]
fn special_cases_have_the_right_value_and_nothing_panics() {
    for &method in Baseline::ALL {
        let name = method.name();
        assert_eq!(method.forecast(&[], 1, 3), None, "{name}");
        assert_eq!(method.forecast(&[NAN; 5], 2, 3), None, "{name}");
        assert_eq!(method.forecast(&[2.0; 12], 2, 0), Some(Vec::new()), "{name}: a horizon of 0");
        assert_eq!(method.forecast(&[2.0; 12], 3, 2), Some(vec![2.0; 2]), "{name}: equal values");
        assert_eq!(method.forecast(&[f64::INFINITY; 12], 3, 2), None, "{name}: no finite number");
        assert_eq!(serde_json::to_value(method).unwrap(), name);
        let one = if matches!(method, Naive | SeasonalNaive | Naive2) { Some(vec![5.0]) } else { None };
        assert_eq!(method.forecast(&[5.0], 1, 1), one, "{name}: one value");
        let long = if method == SeasonalNaive { None } else { Some(vec![5.0]) };
        assert_eq!(method.forecast(&[5.0; 11], 12, 1), long, "{name}: a season longer than the series");
        assert_eq!(method.forecast(&[5.0; 11], usize::MAX, 1), long, "{name}");
        for values in [[f64::MAX, f64::MIN].repeat(9), [5e-324, 0.0, 1.0].repeat(9), [0.0, -0.0, f64::MAX].repeat(9)] {
            (0..5).for_each(|season| drop(method.forecast(&values, season, 3)));
        }
    }
}
