//! Trains a forecaster: prints the series first, then the backtest against naive forecasts. Not here: the network
//! (`elman::task::forecast`).

use std::process::ExitCode;

use elman::Element;
use elman::config::Forecast;
use elman::data::series::{Columns, SeriesSet};
use elman::metrics::forecast::ForecastFigures;
use elman::task::ForecastTask;
use elman::task::forecast::Backtest;
use serde::Serialize;

use super::{Job, measured, split, table};
use crate::terminal::{counted, grouped};
use crate::train::{Words, path_word};

/// The figures in the object of `--json`.
#[derive(Serialize)]
struct Json {
    backtest: Option<Backtest>,
}

pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (data, settings) = (job.place("the end of each series")?, job.config.forecast()?.clone());
    let Forecast { time, values, group, covariates, .. } = settings.clone();
    let (table, fingerprint) = table(&data, settings.header)?;
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
        let backtest = measured(session, driven, |task, tape| task.backtest(tape, &mut || true))?;
        let lines = backtest.iter().flat_map(|backtest| [String::new(), table_of(backtest, settings.level)]).collect();
        Ok((lines, Json { backtest }))
    })
}

fn described(settings: &Forecast) -> String {
    let small = |what: String| what.to_lowercase();
    let mut words = format!(
        "{} ahead, {}, {}",
        counted(settings.horizon as u64, "step"),
        small(format!("{:?}", settings.strategy)),
        small(format!("{:?}", settings.output)),
    );
    if settings.season > 1 {
        words += &format!(", season of {}", settings.season);
    }
    if !settings.transform.is_empty() {
        let all: Vec<String> = settings.transform.iter().map(|t| small(format!("{t:?}"))).collect();
        words += &format!(", after {}", all.join(", "));
    }
    words
}

/// The figures of the model and of the naive forecasts.
fn table_of(backtest: &Backtest, level: f64) -> String {
    let row = |name: &str, f: &ForecastFigures| {
        let shown = |x: Option<f64>| x.map_or("-".to_string(), |x| format!("{x:.4}"));
        let figures = [f.mae, f.rmse, f.smape, f.mase].map(|x| format!("{x:>10.4}")).join("");
        format!("{name:<16}{figures}{:>10}{:>10}", shown(f.pinball), shown(f.coverage))
    };
    let head = ["MAE", "RMSE", "sMAPE", "MASE", "pinball", "coverage"].map(|name| format!("{name:>10}")).join("");
    let mut lines = vec![
        format!(
            "backtest from {} origins, {} values; intervals of {:.0} %",
            backtest.origins,
            backtest.model.points,
            100.0 * level
        ),
        format!("{:<16}{head}", ""),
        row("the model", &backtest.model),
        row("naive", &backtest.naive),
    ];
    lines.extend(backtest.seasonal_naive.as_ref().map(|figures| row("seasonal naive", figures)));
    lines.join("\n")
}
