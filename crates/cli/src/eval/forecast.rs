//! Measures a forecaster on series whose values are known, beside simple methods, and exports its forecasts. Not here: the
//! backtest (`elman::task::forecast`), its table (`figures::forecast`).

use std::path::Path;

use elman::autodiff::tape::Tape;
use elman::config::Forecast;
use elman::data::series::{Origin, SeriesSet};
use elman::data::table::{Table, csv_of};
use elman::files::atomic_file::write_atomic;
use elman::files::model_file::Stored;
use elman::metrics::baselines::Baseline;
use elman::task::forecast::{Asked, Backtest, Forecasts, TrainedForecast, Watch, default_baselines};
use elman::{Cpu, Element};

use super::args::Args;
use super::forecast_args::ForecastArgs;
use crate::figures::forecast::table_of;
use crate::forecast_picture::{MOST_PANELS, Panel, by_step, page};
use crate::forecast_rows::Written;
use crate::progress::Work;
use crate::stream::Stream;
use crate::tasks::series_table;
use crate::terminal;

/// Measures the forecaster.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let trained = TrainedForecast::<E>::load(stored)?;
    let (settings, flags) = (&trained.timeline.settings, &args.forecast);
    let read = |path: &Path| -> anyhow::Result<SeriesSet> { Ok(trained.read(&table(args, path, settings)?)?) };
    let mut set = read(args.data()?)?;
    let ends = set.ends();
    if let Some(path) = &flags.future {
        set.append(&read(path)?)?;
    }
    let held_out = flags.held_out(settings, stored.config().val_frac, (&set, ends))?;
    let mut tape = Tape::new(&Cpu::new(None)?);
    let asked = Asked::of(settings);
    let written = Written::new(&set, &asked);
    let (mut rows, mut last) = (Vec::new(), Vec::new());
    let mut baselines = default_baselines(settings.season);
    baselines.extend(flags.ets.then_some(Baseline::Ets));
    let work = Work::new();
    let mut watch = Watch {
        continues: &mut || true,
        progress: &mut |done, all| work.at("origin", done, Some(all)),
        forecast: &mut |origin, forecasts| {
            if flags.svg.is_some() && last.len() < MOST_PANELS {
                last.retain(|(known, _): &(Origin, Forecasts)| known.series != origin.series);
                last.push((origin, forecasts.clone()));
            }
            match &flags.forecasts {
                Some(_) => export(&set, &written, (origin, forecasts), &mut rows),
                None => Ok(()),
            }
        },
    };
    let measured = trained.evaluate(&mut tape, (&set, &held_out), &baselines, &mut watch)?;
    drop(work);
    let Some(backtest) = measured else {
        let message = format!("no series has more than horizon = {} rows, expected one to measure", settings.horizon);
        return Err(crate::failure::Refusal::new(message).into());
    };
    if let Some(path) = &flags.forecasts {
        let head: Vec<String> = std::iter::once("origin".to_string()).chain(written.head.iter().cloned()).collect();
        write_atomic(path, csv_of(&head, rows.iter()).as_bytes())?;
    }
    draw(flags, &set, &backtest, &last)?;
    if args.json {
        return terminal::print_json(&backtest);
    }
    terminal::print(&table_of(&backtest, Stream::Out))
}

/// The table in a file, in CSV unless its ending says otherwise.
fn table(args: &Args, path: &Path, settings: &Forecast) -> anyhow::Result<Table> {
    Ok(series_table(path, settings, args.encoding.unwrap_or_default())?.0)
}

/// Appends the rows of the forecasts from an origin: the time of the last row that is known there, then those of `predict`.
fn export(
    set: &SeriesSet,
    written: &Written<'_>,
    (origin, forecasts): (Origin, &Forecasts),
    rows: &mut Vec<Vec<String>>,
) -> Result<(), elman::Error> {
    let from = set.time_text(&set.series[origin.series], origin.t - 1)?;
    let mut own = Vec::new();
    written.rows(origin, forecasts, &mut own)?;
    rows.extend(own.into_iter().map(|row| [vec![from.clone()], row].concat()));
    Ok(())
}

fn draw(
    flags: &ForecastArgs,
    set: &SeriesSet,
    backtest: &Backtest,
    last: &[(Origin, Forecasts)],
) -> anyhow::Result<()> {
    if let Some(path) = &flags.svg {
        let columns = set.roles.values.len();
        let all = last.iter().flat_map(|forecast| (0..columns).map(move |column| (forecast, column)));
        let panels = all.take(MOST_PANELS).map(|((origin, forecasts), column)| Panel {
            set,
            series: &set.series[origin.series],
            column,
            level: backtest.level,
            forecast: (origin.t, forecasts),
            earlier: None,
        });
        write_atomic(path, page(&panels.collect::<Vec<_>>()).as_bytes())?;
    }
    if let Some((path, model)) = flags.by_step.as_ref().zip(backtest.methods.first()) {
        write_atomic(path, by_step(model, backtest.level).as_bytes())?;
    }
    Ok(())
}
