//! The figures against values by hand, and against utilsforecast, GluonTS and NumPy.

use serde_json::Value;

use super::*;

fn units(absolute: Option<f64>) -> Units {
    Units { absolute, squared: absolute.map(|unit| unit * unit), mean: 0.0, deviation: absolute }
}

fn points<'a>(actual: &'a [f64], point: &'a [f64], units: Units) -> Scored<'a> {
    Scored { actual, point, quantiles: &[], units }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn figures_are_those_of_other_libraries() {
    let file: Value = serde_json::from_str(include_str!("../../../../../testdata/forecast_figures.json")).unwrap();
    let levels = numbers(&file["levels"]);
    let mut scores = Scores::new();
    for (at, series) in file["series"].as_array().unwrap().iter().enumerate() {
        let units = Units::of(&numbers(&series["train"]), file["season"].as_u64().unwrap() as usize);
        for origin in series["origins"].as_array().unwrap() {
            let values = origin["quantiles"].as_array().unwrap().iter().map(numbers);
            let quantiles: Vec<(f64, Vec<f64>)> = levels.iter().copied().zip(values).collect();
            let (actual, point) = (numbers(&origin["actual"]), numbers(&origin["point"]));
            scores.add(at, &Scored { actual: &actual, point: &point, quantiles: &quantiles, units });
        }
    }
    let found = serde_json::to_value(scores.figures()).unwrap();
    let want = file["figures"].as_object().unwrap();
    assert_eq!(found.as_object().unwrap().len(), want.len(), "{found}");
    for (name, want) in want {
        let (found, want) = (found[name].as_f64().unwrap(), want.as_f64().unwrap());
        // Sums of 180 terms in another order.
        assert!((found - want).abs() <= 1e-12 * want, "{name}: {found}, expected {want}");
    }
}

#[test]
fn figures_are_the_formulas_by_hand() {
    let mut scores = Scores::new();
    let quantiles = [(0.1, vec![5.0, -2.0]), (0.5, vec![8.0, 0.0]), (0.9, vec![9.0, 1.0])];
    let first = Scored { actual: &[10.0, -1.0], point: &[8.0, 0.0], quantiles: &quantiles, units: units(Some(4.0)) };
    scores.add(0, &first);
    scores.add(0, &points(&[0.0], &[0.0], units(Some(4.0))));
    let figures = scores.figures();
    assert_eq!((figures.points, figures.mae, figures.mase, figures.mse), (3, 1.0, Some(0.25), 5.0 / 3.0));
    assert_eq!((figures.rmse, figures.rmsse), ((5.0_f64 / 3.0).sqrt(), Some((5.0_f64 / 48.0).sqrt())));
    assert!((figures.smape - (400.0 / 18.0 + 200.0) / 3.0).abs() < 1e-12);
    assert_eq!((figures.standardised_mae, figures.standardised_mse), (Some(0.25), Some(5.0 / 48.0)));
    assert_eq!((figures.coverage, figures.excluded), (Some(0.5), 0));
    // .1 5 + .5 2 + .9 1 and .1 1 + .5 1 + .1 2, over 6; twice their sum over 3 (10 + 1).
    assert!((figures.pinball.unwrap() - (2.4 + 0.8) / 6.0).abs() < 1e-15);
    assert!((figures.weighted_quantile_loss.unwrap() - 2.0 * 3.2 / 33.0).abs() < 1e-15);
}

#[test]
fn relative_figures_are_means_over_series_and_absolute_ones_over_values() {
    let mut scores = Scores::new();
    // Errors of 1, 1, 1 with a unit of 1, and of 8 with a unit of 2; |y| + |f| of 2 (100 %) and of 16 (100 %).
    scores.add(1, &points(&[1.5; 3], &[0.5; 3], units(Some(1.0))));
    scores.add(3, &points(&[12.0], &[4.0], units(Some(2.0))));
    let figures = scores.figures();
    assert_eq!((figures.mae, figures.mse), (11.0 / 4.0, 67.0 / 4.0));
    assert_eq!((figures.smape, figures.mase, figures.rmsse), (100.0, Some(2.5), Some(2.5)));
    let series = scores.by_series();
    assert_eq!(series.iter().map(|of| of.points).collect::<Vec<_>>(), [0, 3, 0, 1]);
    assert_eq!((series[0].mase, series[1].mase, series[3].mase), (None, Some(1.0), Some(4.0)));
    let steps = scores.by_step();
    assert_eq!(steps.iter().map(|of| of.points).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!((steps[0].mae, steps[0].mase, steps[0].rmsse), (4.5, Some(2.5), Some(8.5_f64.sqrt())));
    assert_eq!((steps[2].mae, steps[2].mase), (1.0, Some(1.0)));
}

#[test]
fn a_series_without_a_unit_is_left_out_and_counted() {
    let mut scores = Scores::new();
    scores.add(0, &points(&[1.0, 1.0], &[2.0, 2.0], units(None)));
    assert_eq!((scores.figures().mase, scores.figures().rmsse, scores.figures().excluded), (None, None, 1));
    scores.add(1, &points(&[1.0, 1.0], &[4.0, 4.0], units(Some(2.0))));
    // Nothing of it is known.
    scores.add(2, &points(&[f64::NAN], &[4.0], units(None)));
    let figures = scores.figures();
    assert_eq!((figures.points, figures.mae, figures.mase, figures.rmsse), (4, 2.0, Some(1.5), Some(1.5)));
    assert_eq!((figures.standardised_mae, figures.standardised_mse, figures.excluded), (Some(1.5), Some(2.25), 1));
    assert_eq!(scores.by_step().iter().map(|of| of.excluded).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(scores.by_series().iter().map(|of| of.excluded).collect::<Vec<_>>(), [1, 0, 0]);
}

#[test]
fn unknown_values_do_not_count_and_unknown_forecasts_show() {
    let mut scores = Scores::new();
    let quantiles = [(0.1, vec![0.0; 3]), (0.9, vec![9.0])];
    let actual = [3.0, f64::NAN, 5.0, 7.0];
    scores.add(0, &Scored { actual: &actual, point: &[2.0; 3], quantiles: &quantiles, units: units(Some(1.0)) });
    let figures = scores.figures();
    // The step beyond the points does not count, nor that beyond a quantile in its loss.
    assert_eq!((figures.points, figures.mae, figures.coverage), (2, 2.0, Some(1.0)));
    assert!((figures.pinball.unwrap() - (0.3 + 0.6 + 0.5) / 3.0).abs() < 1e-15);
    assert_eq!(scores.by_step().iter().map(|of| of.points).collect::<Vec<_>>(), [1, 0, 1]);
    assert!(scores.by_step()[1].mae.is_nan() && scores.by_step()[1].mase.is_none());
    scores.add(0, &points(&[1.0], &[f64::NAN], units(Some(1.0))));
    let figures = scores.figures();
    assert!(figures.mae.is_nan() && figures.smape.is_nan() && figures.mase.unwrap().is_nan());
}

#[test]
fn no_forecasts_have_no_figures() {
    let figures = Scores::new().figures();
    assert_eq!((figures.points, figures.excluded, figures.mase, figures.coverage), (0, 0, None, None));
    assert!(figures.mae.is_nan() && figures.rmse.is_nan() && figures.smape.is_nan());
    assert!(Scores::new().by_step().is_empty() && Scores::new().by_series().is_empty());
    // A horizon of 0; a quantile loss without any size to divide by.
    let mut scores = Scores::new();
    scores.add(0, &points(&[], &[], units(None)));
    assert_eq!(scores.figures().points, 0);
    let quantiles = [(0.5, vec![1.0])];
    scores.add(0, &Scored { actual: &[0.0], point: &[1.0], quantiles: &quantiles, units: units(None) });
    let figures = scores.figures();
    assert_eq!((figures.weighted_quantile_loss, figures.pinball, figures.smape), (None, Some(0.5), 200.0));
    assert_eq!(figures.coverage, None, "a median is no interval");
}

#[test]
fn coverage_is_of_the_outermost_pair_or_of_the_level_asked_for() {
    let quantiles: Vec<(f64, Vec<f64>)> =
        [0.02, 0.1, 0.25, 0.75, 0.9].iter().zip([-9.0, -2.0, -1.0, 1.0, 1.5]).map(|(&q, x)| (q, vec![x])).collect();
    let coverage = |mut scores: Scores, y: f64| {
        scores.add(0, &Scored { actual: &[y], point: &[0.0], quantiles: &quantiles, units: units(None) });
        scores.figures().coverage
    };
    // 0.02 has no counterpart; bounds are inside.
    assert_eq!([-2.0, 1.5].map(|y| coverage(Scores::new(), y)), [Some(1.0); 2]);
    assert_eq!([(-2.0_f64).next_down(), 1.5_f64.next_up()].map(|y| coverage(Scores::new(), y)), [Some(0.0); 2]);
    assert_eq!([-1.0, -1.5].map(|y| coverage(Scores::of_interval(0.5), y)), [Some(1.0), Some(0.0)]);
    assert_eq!(coverage(Scores::of_interval(0.9), 0.0), None);
}

#[test]
fn owa_is_the_mean_of_both_ratios() {
    let of = |smape: f64, mase: Option<f64>| Figures { smape, mase, ..Scores::new().figures() };
    assert_eq!(of(10.0, Some(3.0)).relative_to(&of(20.0, Some(2.0))).owa, Some(1.0));
    assert_eq!(of(10.0, None).relative_to(&of(20.0, Some(2.0))).owa, None);
    assert_eq!(of(10.0, Some(3.0)).relative_to(&of(0.0, Some(2.0))).owa, None);
    assert_eq!(of(10.0, Some(3.0)).relative_to(&of(20.0, Some(0.0))).owa, None);
}

#[test]
fn units_are_of_pairs_that_are_known() {
    let known = [1.0, 2.0, 3.0, 10.0, f64::NAN, 30.0];
    let units = Units::of(&known, 3);
    assert_eq!((units.absolute, units.squared), (Some(18.0), Some((81.0 + 729.0) / 2.0)));
    // Mean 46/5; squared differences 67.24 + 51.84 + 38.44 + 0.64 + 432.64 = 590.8.
    assert_eq!(units.mean, 9.2);
    assert!((units.deviation.unwrap() - (590.8_f64 / 5.0).sqrt()).abs() < 1e-14);
    assert_eq!(Units::of(&[1.0, 3.0], 0), Units::of(&[1.0, 3.0], 1));
}

#[test]
fn what_cannot_be_divided_by_is_no_unit() {
    let none = |mean| Units { absolute: None, squared: None, mean, deviation: None };
    assert_eq!(Units::of(&[0.1; 7], 1), none(0.1), "equal values");
    assert_eq!(Units::of(&[5.0], 1), none(5.0));
    assert_eq!(Units::of(&[], 1), none(0.0));
    assert_eq!(Units::of(&[f64::NAN, 2.0, f64::NAN], 1), none(2.0), "no pair");
    let units = Units::of(&[1.0, 2.0], 7);
    assert_eq!((units.absolute, units.squared, units.deviation), (None, None, Some(0.5)), "a season longer than all");
    assert_eq!(Units::of(&[-1e308, 1e308], 1).absolute, None, "an overflow");
}
