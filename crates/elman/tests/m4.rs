//! The baselines and the figures of forecasts against those published for the hourly series of the M4 competition. Not
//! here: other data.

#[path = "../../../.ci/not_run.rs"]
mod not_run;

use std::path::Path;

use elman::metrics::baselines::Baseline;
use elman::metrics::forecast::{Figures, Scored, Scores, Units};

/// Steps of a season and of a forecast.
const SEASON: usize = 24;
const HORIZON: usize = 48;

/// The values of each series; a row ends with empty cells.
fn read(path: &Path) -> Vec<Vec<f64>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let row = |row: csv::StringRecord| {
        row.iter().skip(1).filter(|cell| !cell.is_empty()).map(|cell| cell.parse().unwrap()).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn figures(method: Baseline, train: &[Vec<f64>], test: &[Vec<f64>]) -> Figures {
    let mut scores = Scores::new();
    for (at, (known, actual)) in train.iter().zip(test).enumerate() {
        let point = method.forecast(known, SEASON, HORIZON).unwrap();
        scores.add(at, &Scored { actual, point: &point, quantiles: &[], units: Units::of(known, SEASON) });
    }
    scores.figures()
}

#[test]
fn figures_of_the_hourly_series_are_the_published_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/m4");
    if !folder.is_dir() {
        return not_run::not_run("the baselines on M4 Hourly: no data");
    }
    let (train, test) = (read(&folder.join("Hourly-train.csv")), read(&folder.join("Hourly-test.csv")));
    assert_eq!((train.len(), test.len()), (414, 414));
    let rounded = |figure: f64| (1000.0 * figure).round() / 1000.0;
    let naive2 = figures(Baseline::Naive2, &train, &test);
    // From github.com/Mcompetitions/M4-methods.
    let published = [
        (Baseline::Naive, 43.003, 11.608),
        (Baseline::SeasonalNaive, 13.912, 1.193),
        (Baseline::Naive2, 18.383, 2.395),
        (Baseline::Theta, 18.138, 2.455),
    ];
    for (method, smape, mase) in published {
        let found = figures(method, &train, &test).relative_to(&naive2);
        let name = method.name();
        assert_eq!((found.points, found.excluded), (414 * HORIZON as u64, 0), "{name}");
        assert_eq!((rounded(found.smape), rounded(found.mase.unwrap())), (smape, mase), "{name}: {found:?}");
        let owa = 0.5 * (found.smape / naive2.smape + found.mase.unwrap() / naive2.mase.unwrap());
        assert_eq!(found.owa, Some(owa), "{name}");
    }
}
