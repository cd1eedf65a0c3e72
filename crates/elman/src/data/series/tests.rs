//! What must hold of series, windows and inputs whatever the network: what goes in comes back, nothing depends on what
//! comes later, missing values and several scales.

use super::fitted::check_values;
use super::*;
use crate::config::{Forecast, Missing, Output, Scale, Transform};
use crate::data::table::Format;
use crate::data::table::Table;

fn set(text: &str, settings: &Forecast) -> SeriesSet {
    read(text, settings).unwrap()
}

fn read(text: &str, settings: &Forecast) -> Result<SeriesSet, String> {
    let table = Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap();
    let known = Known { frequency: settings.freq.as_deref(), zone: settings.zone.as_deref(), ..Known::default() };
    SeriesSet::new(&table, &Roles::of(settings), &known).map_err(|error| error.to_string())
}

/// Rows of a table with counted times.
fn rows(values: &[f64]) -> String {
    let row = |(t, y): (usize, &f64)| if y.is_nan() { format!("{t},\n") } else { format!("{t},{y}\n") };
    format!("t,y\n{}", values.iter().enumerate().map(row).collect::<String>())
}

/// Growing, with a season of 4.
fn growing() -> Vec<f64> {
    (0..40).map(|t| 10.0 * libm::pow(1.03, f64::from(t)) * [1.0, 1.5, 0.7, 2.0][t as usize % 4]).collect()
}

fn settings(transform: &[Transform], scale: Scale) -> Forecast {
    Forecast { transform: transform.to_vec(), scale: Some(scale), season: 4, horizon: 6, ..Forecast::default() }
}

fn timeline(settings: &Forecast, set: &SeriesSet) -> Timeline {
    let cuts: Vec<usize> = set.series.iter().map(|series| series.known * 4 / 5).collect();
    Timeline::new(settings, 12, set, &cuts).unwrap()
}

const TRANSFORMS: [&[Transform]; 8] = [
    &[],
    &[Transform::Log],
    &[Transform::BoxCox],
    &[Transform::Diff],
    &[Transform::Seasonal],
    &[Transform::Log, Transform::Seasonal],
    &[Transform::Log, Transform::Diff],
    &[Transform::Log, Transform::Seasonal, Transform::Diff],
];

const SCALES: [Scale; 6] = [Scale::MeanAbs, Scale::Mean, Scale::Standard, Scale::Robust, Scale::Global, Scale::None];

#[test]
fn what_goes_in_comes_back_whatever_transform_and_scale() {
    for (transform, scale) in TRANSFORMS.iter().flat_map(|&t| SCALES.map(|scale| (t, scale))) {
        let settings = settings(transform, scale);
        let set = set(&rows(&growing()), &settings);
        let timeline = timeline(&settings, &set);
        let all = timeline.window(&set, &set.series[0], 0, 40);
        for (t, h) in (9..34).flat_map(|t| (0..6).map(move |h| (t, h))) {
            let unit = timeline.unit(&all, 0, t);
            let x = timeline.target(&all, unit, 0, [t, h], 40).unwrap();
            let y = timeline.value(timeline.level(&all, unit, 0, [t, h], x));
            let want = growing()[t + h];
            assert!((y / want - 1.0).abs() < 1e-12, "{transform:?} {scale:?} {t} {h}: {y} {want}");
            assert_eq!(timeline.target(&all, unit, 0, [t, h], t + h), None, "the value is not known yet");
        }
    }
}

/// The numbers of a batch from one origin, and what a scaled answer of 0.3 means there.
fn read_at(text: &str, settings: &Forecast, fitted_on: &str, t: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let timeline = timeline(settings, &set(fitted_on, settings));
    let set = set(text, settings);
    let (batch, read) = timeline.batch::<f64>(&set, &[Origin { series: 0, t }], settings.horizon).unwrap();
    let value = |h: usize| timeline.level(&read[0].window, read[0].units[0], 0, [t, h], 0.3);
    (batch.input, batch.future, (0..settings.horizon).map(value).collect())
}

#[test]
fn a_forecast_depends_on_nothing_that_comes_later() {
    let (t, mut other) = (20, growing());
    other[t..].iter_mut().for_each(|y| *y += 100.0);
    let (plain, other, cut) = (rows(&growing()), rows(&other), rows(&growing()[..t]));
    let missing = [Missing::Mask, Missing::Ffill, Missing::Interpolate, Missing::Zero];
    for transform in TRANSFORMS {
        for (scale, missing) in SCALES.into_iter().flat_map(|scale| missing.map(|missing| (scale, missing))) {
            let settings = Forecast { lags: Some(3), missing, ..settings(transform, scale) };
            let of = |text: &str| read_at(text, &settings, &plain, t);
            assert_eq!(of(&plain), of(&other), "{transform:?} {scale:?}");
            assert_eq!(of(&plain), of(&cut), "{transform:?} {scale:?}: a truncated file");
            assert_ne!(of(&plain).0, read_at(&plain, &settings, &plain, t + 1).0);
        }
    }
}

#[test]
fn a_gap_is_filled_from_the_rows_before_the_origin_alone() {
    let mut values = growing();
    values[17..23].fill(f64::NAN);
    let settings = |missing| Forecast { missing, ..settings(&[], Scale::None) };
    for missing in [Missing::Mask, Missing::Ffill, Missing::Interpolate, Missing::Zero] {
        let settings = settings(missing);
        let of = |values: &[f64]| read_at(&rows(values), &settings, &rows(&growing()), 20);
        assert_eq!(of(&values), of(&values[..20]), "{missing:?}");
    }
    // Input: the last value, whether it is missing, the value a season before.
    let last = |missing, t| {
        let settings = settings(missing);
        let input = read_at(&rows(&values), &settings, &rows(&growing()), t).0;
        input[input.len() - 3..].to_vec()
    };
    let known = growing();
    assert_eq!(last(Missing::Mask, 20), [known[16], 1.0, known[16]].map(soft_by_hand));
    assert_eq!(last(Missing::Ffill, 20), [known[16], 0.0, known[16]].map(soft_by_hand));
    assert_eq!(last(Missing::Zero, 20)[..2], [0.0, 0.0]);
    let between = known[16] + 4.0 / 7.0 * (known[23] - known[16]);
    let got = last(Missing::Interpolate, 24)[2];
    assert!((got - soft_by_hand(between)).abs() < 1e-12, "{got} {between}");
}

/// Scaled numbers beyond 10 grow by their logarithm.
fn soft_by_hand(x: f64) -> f64 {
    if x <= 10.0 { x } else { 10.0 * (1.0 + libm::log(x / 10.0)) }
}

#[test]
fn scales_are_those_of_the_context_by_hand() {
    let values = [9.0, 1.0, 3.0, -4.0, 8.0];
    let unit = |scale| {
        let settings = Forecast { scale: Some(scale), ..Forecast::default() };
        let set = set(&rows(&values), &settings);
        // Few numbers have a scale of a tenth of their size at least; these have more.
        let timeline = Timeline::new(&settings, 4, &set, &[5]).unwrap();
        let unit = timeline.unit(&timeline.window(&set, &set.series[0], 0, 5), 0, 5);
        [unit.location, unit.scale]
    };
    assert_eq!(unit(Scale::MeanAbs), [0.0, 4.0]);
    assert_eq!(unit(Scale::Mean), [2.0, 3.5]);
    assert_eq!(unit(Scale::Standard), [2.0, libm::sqrt(18.5)]);
    // -4, 1, 3, 8: quartiles at -0.25 and 4.25 and a median of 2.
    assert_eq!(unit(Scale::Robust), [2.0, 4.5]);
    assert_eq!(unit(Scale::None), [0.0, 1.0]);
}

#[test]
fn a_series_without_spread_has_a_scale() {
    let settings = Forecast { scale: Some(Scale::Standard), ..Forecast::default() };
    for (value, want) in [(0.0, 1.0), (0.1, 1.0), (1e7, 1.0)] {
        let set = set(&rows(&[value; 30]), &settings);
        let timeline = Timeline::new(&settings, 12, &set, &[30]).unwrap();
        let window = timeline.window(&set, &set.series[0], 0, 30);
        assert_eq!(timeline.unit(&window, 0, 30).scale, want);
        // Of a few values nothing is known yet.
        assert_eq!(timeline.unit(&window, 0, 3).scale, if value > 0.0 { 0.1 * value } else { 1.0 });
    }
}

#[test]
fn a_drift_is_a_forecast_of_zero() {
    let settings = Forecast { transform: vec![Transform::Diff], ..Forecast::default() };
    let values: Vec<f64> = (0..30).map(|t| 100.0 + 5.0 * f64::from(t) + f64::from(t % 2)).collect();
    let set = set(&rows(&values), &settings);
    let timeline = timeline(&settings, &set);
    let window = timeline.window(&set, &set.series[0], 0, 25);
    let unit = timeline.unit(&window, 0, 25);
    // An even number of differences of 6 and 4.
    assert_eq!((unit.location, unit.scale), (5.0, 1.0));
    for h in 0..12 {
        assert_eq!(timeline.level(&window, unit, 0, [25, h], 0.0), values[24] + 5.0 * (h + 1) as f64);
    }
}

#[test]
fn series_are_told_apart_by_their_group_and_rows_after_the_last_value_are_to_come() {
    let settings = Forecast {
        group: Some("shop".into()),
        covariates: vec!["open".into()],
        statics: vec!["kind".into()],
        ..Forecast::default()
    };
    let text = "day,shop,sold,open,kind\n1981-01-01,b,1,1,x\n1981-01-01,a,5,0,y\n1981-01-02,b,,1,x\n\
                1981-01-02,a,6,1,y\n1981-01-04,b,3,1,x\n1981-01-05,b,NaN,0,x\n1981-01-06,b,,0,x\n";
    let set = set(text, &settings);
    assert_eq!((set.roles.values.clone(), set.gaps, set.missing), (vec!["sold".to_string()], 1, 1));
    let [b, a] = &set.series[..] else { panic!("{:?}", set.series) };
    assert_eq!((b.group.as_str(), b.known, b.rows, a.known, a.rows), ("b", 4, 6, 2, 2));
    assert_eq!(b.column(2, 1, 6).iter().map(|x| x.to_bits()).collect::<Vec<_>>(), {
        [1.0, 1.0, f64::NAN, 1.0, 0.0, 0.0].map(f64::to_bits)
    });
    assert_eq!(set.kinds, [Kind::Number, Kind::Category(vec!["x".into(), "y".into()])]);
    assert_eq!((b.statics.clone(), a.statics.clone()), (vec![0.0], vec![1.0]));
    assert_eq!(set.time_text(b, 6).unwrap(), "1981-01-07");
}

#[test]
fn bad_rows_and_columns_are_named() {
    let plain = Forecast::default();
    let message = |text: &str, settings: &Forecast| read(text, settings).unwrap_err();
    assert_eq!(
        message("t,y\n1,2\n2,inf\n", &plain),
        "line 3, column y: \"inf\" is given, expected a finite number or an empty cell (t.csv)"
    );
    assert_eq!(
        message("t,y\n1949-02,2\n1949-02,2\n", &plain),
        "line 3, column t: the time \"1949-02\" occurs twice in its series (t.csv)"
    );
    assert_eq!(
        message("t,y\n1949-02,2\n1949-01,2\n", &plain),
        "line 3, column t: the time \"1949-01\" comes after 1949-02, expected rising times (t.csv)"
    );
    assert_eq!(message("t\n1\n", &plain), "the only column is t, expected a column of values beside the time (t.csv)");
    assert_eq!(message("t,y\n", &plain), "the table has no rows, expected at least 1 (t.csv)");
    let of = |values: &str| Forecast { values: vec![values.into()], ..Forecast::default() };
    assert_eq!(message("t,y\n1,1\n", &of("t")), "column t is named for two things, expected one (t.csv)");
    assert_eq!(message("t,y\n1,1\n", &of("z")), "no column is called z, expected one of t, y (t.csv)");
    let statics = Forecast { statics: vec!["k".into()], ..Forecast::default() };
    assert_eq!(
        message("t,y,k\n1,1,a\n2,1,b\n", &statics),
        "line 3, column k: \"b\" is given, expected \"a\" as in the first row of its series (t.csv)"
    );
    let single = "line 2, column t: the time is the only row of its series, and no series has two, expected --freq, \
                  such as day (t.csv)";
    assert_eq!(message("t,y\n1981-01-02,1\n", &plain), single);
}

#[test]
fn values_that_an_output_or_transform_does_not_have_are_named() {
    let message =
        |settings: &Forecast, text: &str| check_values(settings, &set(text, settings)).unwrap_err().to_string();
    let log = Forecast { transform: vec![Transform::Log], ..Forecast::default() };
    assert_eq!(
        message(&log, "t,y\n2000-01,1\n2000-02,0\n"),
        "y of the series is 0 at 2000-02, expected values above 0 for a logarithm or power (t.csv)"
    );
    let counts = Forecast { output: Output::Poisson, ..Forecast::default() };
    assert_eq!(
        message(&counts, "t,y\n2000-01,1\n2000-02,1.5\n"),
        "y of the series is 1.5 at 2000-02, expected counts: whole numbers from 0 on (t.csv)"
    );
}
