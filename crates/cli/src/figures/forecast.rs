//! The figures of a backtest as a table. Not here: computing them (`elman::task::forecast`).

use elman::task::forecast::{Backtest, Method};

use crate::columns::{self, number, words};
use crate::stream::Stream;
use crate::terminal::{counted, grouped};

/// The figures of the model and of the simple methods, over all values.
pub fn table_of(backtest: &Backtest, stream: Stream) -> String {
    let row = |method: &Method| {
        let f = &method.figures;
        let numbers = [Some(f.mae), Some(f.rmse), Some(f.smape), f.mase, f.owa, f.weighted_quantile_loss];
        let numbers = numbers.map(|x| x.map_or("-".to_string(), |x| format!("{x:.4}")));
        let coverage = f.coverage.map_or("-".to_string(), |share| format!("{:.1} %", 100.0 * share));
        [method.name.replace('_', " ")].into_iter().chain(numbers).chain([coverage]).collect::<Vec<_>>()
    };
    let mut columns = vec![words("")];
    columns.extend(["MAE", "RMSE", "sMAPE", "MASE", "OWA", "wQL", "coverage"].map(number));
    let rows: Vec<Vec<String>> = backtest.methods.iter().map(row).collect();
    let points = backtest.methods.first().map_or(0, |method| method.figures.points);
    let (origins, series) =
        (counted(backtest.origins as u64, "origin"), format!("{} series", grouped(backtest.series as u64)));
    let head = format!(
        "backtest of {series} from {origins}, {} values; intervals of {:.0} %",
        grouped(points),
        100.0 * backtest.level
    );
    let lines = columns::table(&columns, 1, &rows, stream.width(), 0);
    [vec![head], lines, notes(backtest)].concat().join("\n")
}

/// What the figures do not say.
fn notes(backtest: &Backtest) -> Vec<String> {
    let mut notes = Vec::new();
    let excluded = backtest.methods.first().map_or(0, |method| method.figures.excluded);
    if excluded > 0 {
        notes.push(format!(
            "note       MASE leaves out {} series, whose naive forecast has no error",
            grouped(excluded)
        ));
    }
    for method in backtest.methods.iter().filter(|method| method.by_naive > 0) {
        let (name, count) = (method.name.replace('_', " "), counted(method.by_naive, "forecast"));
        notes.push(format!("note       {count} of {name} are naive: the series is too short for that method"));
    }
    let mase = |method: &Method| method.figures.mase.unwrap_or(f64::INFINITY);
    let best = backtest.methods.iter().skip(1).min_by(|a, b| mase(a).total_cmp(&mase(b)));
    let pair = backtest.methods.first().zip(best);
    if let Some((_, best)) = pair.filter(|(model, best)| mase(model) > mase(best)) {
        notes.push(format!(
            "note       the {} forecast is better: try --transform (seasonal, diff, log), --season or more --steps",
            best.name.replace('_', " ")
        ));
    }
    notes
}
