//! Trains a forecaster: prints the series first, then the backtest against naive forecasts. Not here: the network
//! (`elman::task::forecast`).

use std::fmt::Debug;
use std::process::ExitCode;

use elman::Element;
use elman::config::Forecast;
use elman::data::series::{Columns, SeriesSet};
use elman::metrics::forecast::ForecastFigures;
use elman::task::ForecastTask;
use elman::task::forecast::Backtest;
use serde::Serialize;

use super::job::{split, table};
use crate::columns::{self, number, words};
use crate::stream::Stream;
use crate::terminal::{counted, grouped};
use crate::train::session::{Job, Words, path_word};

/// The figures in the object of `--json`.
#[derive(Serialize)]
struct Json {
    backtest: Option<Backtest>,
}

/// Trains a forecaster.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (data, settings) = (job.place("the end of each series")?, job.config.forecast()?.clone());
    let Forecast { time, values, group, covariates, .. } = settings.clone();
    let (table, fingerprint) = table(&data, settings.header, job.config.encoding)?;
    let set = SeriesSet::new(&table, &Columns { time, values, group, covariates })?;
    let session = job.begin(&fingerprint, |config| ForecastTask::<E>::new(config, set, fingerprint.clone()))?;
    let set = session.trainer.task().series();
    let what = format!("{} series of {}, ", grouped(set.series.len() as u64), set.columns.join(", "));
    let words = Words {
        example: "window".into(),
        unit: "value",
        facts: [split(session.trainer.plan(), &what, " rows"), ("forecast", described(&settings))],
        usage: ("To forecast what comes next", format!("predict {} {}", path_word(&session.run), data.display())),
    };
    session.train(words, |session, driven| {
        let (task, tape) = session.trainer.task_and_tape();
        let backtest = if driven.is_measurable { task.backtest(tape, &mut || true)? } else { None };
        let lines = backtest.iter().flat_map(|backtest| [String::new(), table_of(backtest, settings.level)]).collect();
        Ok((lines, Json { backtest }))
    })
}

/// The settings of a forecast in a line.
fn described(settings: &Forecast) -> String {
    let small = |what: &dyn Debug| format!("{what:?}").to_lowercase();
    let transforms: Vec<String> = settings.transform.iter().map(|transform| small(transform)).collect();
    let horizon = counted(settings.horizon as u64, "step");
    let season = if settings.season > 1 { format!(", season of {}", settings.season) } else { String::new() };
    let after = if transforms.is_empty() { String::new() } else { format!(", after {}", transforms.join(", ")) };
    format!("{horizon} ahead, {}, {}{season}{after}", small(&settings.strategy), small(&settings.output))
}

/// The figures of the model and of the naive forecasts.
fn table_of(backtest: &Backtest, level: f64) -> String {
    let Backtest { origins, model, naive, seasonal_naive } = backtest;
    let row = |name: &str, f: &ForecastFigures| {
        let numbers = [Some(f.mae), Some(f.rmse), Some(f.smape), Some(f.mase), f.pinball];
        let numbers = numbers.map(|x| x.map_or("-".to_string(), |x| format!("{x:.4}")));
        let coverage = f.coverage.map_or("-".to_string(), |share| format!("{:.1} %", 100.0 * share));
        [name.to_string()].into_iter().chain(numbers).chain([coverage]).collect::<Vec<_>>()
    };
    let mut columns = vec![words("")];
    columns.extend(["MAE", "RMSE", "sMAPE", "MASE", "pinball", "coverage"].map(number));
    let forecasts = [("the model", Some(model)), ("naive", Some(naive)), ("seasonal naive", seasonal_naive.as_ref())];
    let rows: Vec<Vec<String>> = forecasts.iter().filter_map(|(name, f)| f.map(|f| row(name, f))).collect();
    let (values, level) = (model.points, 100.0 * level);
    let head = format!("backtest from {origins} origins, {values} values; intervals of {level:.0} %");
    let lines = columns::table(&columns, 1, &rows, Stream::Err.width(), 0);
    let best_naive = seasonal_naive.as_ref().map_or(naive.mase, |f| f.mase.min(naive.mase));
    let advice = (model.mase > best_naive).then(|| {
        "note       a naive forecast is better: try --transform (seasonal, diff, log), --season or more --steps"
            .to_string()
    });
    [vec![head], lines].concat().into_iter().chain(advice).collect::<Vec<_>>().join("\n")
}
