//! Trains a forecaster: prints the series first, then the backtest against naive forecasts. Not here: the network
//! (`elman::task::forecast`).

use std::process::ExitCode;

use elman::config::Forecast;
use elman::data::series::{Columns, SeriesSet};
use elman::data::table::{Format, Table};
use elman::metrics::forecast::ForecastFigures;
use elman::task::ForecastTask;
use elman::task::forecast::Backtest;
use elman::{Corpus, Cpu, Element};
use serde::Serialize;

use super::job::{Job, announce, measured};
use crate::failure::Refusal;
use crate::terminal::{self, bold, counted, grouped, say};
use crate::train::{self, Summary};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    #[serde(flatten)]
    summary: Summary,
    backtest: Option<Backtest>,
}

/// The columns that the settings name.
pub fn columns(settings: &Forecast) -> Columns {
    Columns {
        time: settings.time.clone(),
        values: settings.values.clone(),
        group: settings.group.clone(),
        covariates: settings.covariates.clone(),
    }
}

pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let (args, (data, validation)) = (job.args, job.places()?);
    if validation.is_some() {
        let message = "--val-file is given with --task forecast, which holds out the end of each series (--val-frac)";
        return Err(Refusal::new(message).into());
    }
    let settings = job.config.forecast()?.clone();
    let corpus = Corpus::read_raw(std::slice::from_ref(&data))?;
    let format = Format::of_path(&data).unwrap_or(Format::Csv);
    let table = Table::from_bytes(corpus.name(), corpus.bytes(), format, settings.header)?;
    let set = SeriesSet::new(&table, &columns(&settings))?;
    let (fingerprint, cpu) = (corpus.fingerprint(), Cpu::new(args.threads)?);
    let (mut trainer, run) =
        job.begin(&fingerprint, &cpu, |config| ForecastTask::<E>::new(config, set, fingerprint.clone()))?;
    let plan = trainer.plan().clone();
    if !args.quiet {
        let set = trainer.task().series();
        let data = format!(
            "{}: {} of {}, {} to train on, {} held out",
            plan.text,
            counted(set.series.len() as u64, "series").replace("seriess", "series"),
            set.columns.join(", "),
            counted(plan.train_tokens as u64, "row"),
            grouped(plan.val_tokens as u64)
        );
        announce(&trainer, &cpu, &run, "window", &[("data", data), ("forecast", described(&settings))]);
    }
    let driven = train::drive(args, &mut trainer, &run, "value")?;
    let backtest = measured(&mut trainer, &driven, |task, tape| task.backtest(tape, &mut || true))?;
    if let (Some(backtest), false) = (&backtest, args.quiet) {
        say!("");
        say!("{}", table_of(backtest, settings.level));
    }
    driven.conclude(args, trainer.config(), &plan, &run, "value");
    if !args.quiet && !driven.outcome.stopped {
        let command = format!("{} predict {} {}", terminal::this_program(), train::path_word(&run), data.display());
        say!("\nTo forecast what comes next:\n\n    {}\n", bold(&command));
    }
    if args.json {
        terminal::print_json(&Json { summary: driven.summary(&plan, &run), backtest })?;
    }
    Ok(driven.exit())
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
