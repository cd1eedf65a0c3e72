//! Trains a forecaster: prints the series first, then the backtest against naive forecasts. Not here: the network
//! (`elman::task::forecast`).

use std::fmt::Debug;
use std::path::Path;
use std::process::ExitCode;

use elman::config::Forecast;
use elman::data::series::{self, Known, Roles, SeriesSet};
use elman::data::table::{Format, Table};
use elman::data::{Fingerprint, TextEncoding};
use elman::task::ForecastTask;
use elman::task::forecast::Backtest;
use elman::{Corpus, Element, Error};
use serde::Serialize;

use super::job::split;
use crate::figures::forecast::table_of;
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
    let (set, fingerprint) = read(&data, &settings, job.config.encoding)?;
    let session = job.begin(&fingerprint, |config| ForecastTask::<E>::new(config, set, fingerprint.clone()))?;
    let set = session.trainer.task().series();
    let what = format!("{} series of {}, ", grouped(set.series.len() as u64), set.roles.values.join(", "));
    let words = Words {
        example: "window".into(),
        unit: "value",
        facts: [split(session.trainer.plan(), &what, " rows"), ("forecast", described(&settings))],
        usage: ("To forecast what comes next", format!("predict {} {}", path_word(&session.run), data.display())),
    };
    session.train(words, |session, driven| {
        let (task, tape) = session.trainer.task_and_tape();
        let backtest = if driven.is_measurable { task.backtest(tape, &mut || true)? } else { None };
        let lines = backtest.iter().flat_map(|backtest| [String::new(), table_of(backtest, Stream::Err)]).collect();
        Ok((lines, Json { backtest }))
    })
}

/// The series of a file, in CSV unless its ending says otherwise. The text is gone once they are read.
fn read(path: &Path, settings: &Forecast, encoding: TextEncoding) -> Result<(SeriesSet, Fingerprint), Error> {
    let (table, fingerprint) = table(path, settings, encoding)?;
    let known = Known { frequency: settings.freq.as_deref(), zone: settings.zone.as_deref(), ..Known::default() };
    Ok((SeriesSet::new(&table, &Roles::of(settings), &known)?, fingerprint))
}

/// The table of a file, in CSV unless its ending says otherwise.
pub fn table(path: &Path, settings: &Forecast, encoding: TextEncoding) -> Result<(Table, Fingerprint), Error> {
    let corpus = Corpus::read_table(&[path.to_path_buf()], encoding)?;
    let format = Format::of_path(path).unwrap_or(Format::Csv);
    Ok((series::table(settings, corpus.name(), corpus.bytes(), format)?, corpus.fingerprint()))
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
