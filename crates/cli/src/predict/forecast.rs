//! Forecasts what follows the last row of each series, as CSV on standard output and optionally as a picture. Not here: the
//! network (`elman::task::forecast`), the drawing (`forecast_picture.rs`), the columns of the output (`forecast_rows.rs`).

//! Forecasts what follows the last row of each series, as CSV on standard output and optionally as a picture. Not here: the
//! network (`elman::task::forecast`), the drawing (`crate::forecast`).

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use elman::autodiff::tape::Tape;
use elman::config::Forecast;
use elman::data::series::{self, Origin, SeriesSet};
use elman::data::table::{Format, Table, csv_of, csv_rows};
use elman::files::atomic_file::write_atomic;
use elman::files::model_file::Stored;
use elman::task::forecast::{Asked, TrainedForecast};
use elman::{Cpu, Element};

use super::args::Args;
use crate::columns::{self, Column};
use crate::forecast_picture::{MOST_PANELS, Panel, page};
use crate::forecast_rows::Written;
use crate::progress::Work;
use crate::stream::Stream;
use crate::tasks::series_table;
use crate::{control, terminal};

/// Forecasts what follows every series of the input.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let trained = TrainedForecast::<E>::load(stored)?;
    let settings = &trained.timeline.settings;
    let mut set = trained.read(&table_of(args, settings)?)?;
    if let Some(path) = &args.future {
        set.append(&trained.read(&series_table(path, settings, args.encoding.unwrap_or_default())?.0)?)?;
    }
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let (asked, origins) = (asked(args, settings), set.ends());
    // What can be refused is, before anything is written.
    trained.check(&set, &origins, &asked)?;
    if let Some(path) = &args.svg {
        draw(&trained, &mut tape, (&set, &origins), &asked, path)?;
    }
    let written = Written::new(&set, &asked);
    let width = Stream::Out.width();
    let (mut out, mut rows) = (control::stdout(), Vec::new());
    if width.is_none() {
        out.write_all(csv_of(&written.head, std::iter::empty::<&[String]>()).as_bytes())?;
    }
    let work = Work::beside_output();
    for (done, chunk) in origins.chunks(AT_ONCE).enumerate() {
        work.at("series", (done * AT_ONCE) as u64, Some(origins.len() as u64));
        for (origin, forecasts) in chunk.iter().zip(trained.forecast(&mut tape, &set, chunk, &asked)?) {
            written.rows(*origin, &forecasts, &mut rows)?;
        }
        if width.is_none() {
            out.write_all(csv_rows(rows.drain(..)).as_bytes())?;
        }
    }
    drop(work);
    drop(out);
    // A table for readers; a pipe or file got CSV.
    width.map_or(Ok(()), |width| terminal::print(&table(&written, &rows, width)))
}

/// Series that are forecast between two updates of the progress.
const AT_ONCE: usize = 512;

/// The input as a table; lines are read as CSV.
fn table_of(args: &Args, settings: &Forecast) -> anyhow::Result<Table> {
    let mut bytes = Vec::new();
    args.open()?.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", args.name()))?;
    Ok(series::table(settings, &args.name(), &bytes, args.format().unwrap_or(Format::Csv))?)
}

fn asked(args: &Args, settings: &Forecast) -> Asked {
    let default = Asked::of(settings);
    let horizon = args.horizon.unwrap_or(default.horizon);
    args.quantiles.as_ref().map_or(Asked { horizon, ..default }, |quantiles| Asked::with(horizon, quantiles))
}

/// Draws the first series, each with the forecast that was made without its last rows.
fn draw<E: Element>(
    trained: &TrainedForecast<E>,
    tape: &mut Tape<E>,
    (set, origins): (&SeriesSet, &[Origin]),
    asked: &Asked,
    path: &Path,
) -> anyhow::Result<()> {
    let columns = set.roles.values.len();
    let shown = origins.len().min(MOST_PANELS.div_ceil(columns));
    // The interval is that of the settings, whatever quantiles are printed.
    let asked = Asked { horizon: asked.horizon, ..Asked::of(&trained.timeline.settings) };
    let forecasts = trained.forecast(tape, set, &origins[..shown], &asked)?;
    let mut earlier = Vec::new();
    for (at, forecasts) in forecasts.iter().enumerate() {
        // A short series has too few rows for it.
        let t = set.series[at].known.saturating_sub(forecasts.horizon());
        let made = trained.forecast(tape, set, &[Origin { series: at, t }], &asked).ok();
        earlier.push(made.and_then(|made| Some((t, made.into_iter().next()?))));
    }
    let panel = |at: usize, column| Panel {
        set,
        series: &set.series[at],
        column,
        level: trained.timeline.settings.level,
        forecast: (set.series[at].known, &forecasts[at]),
        earlier: earlier[at].as_ref().map(|(t, forecasts)| (*t, forecasts)),
    };
    let all = (0..shown).flat_map(|at| (0..columns).map(move |column| (at, column)));
    let panels: Vec<Panel> = all.map(|(at, column)| panel(at, column)).collect();
    Ok(write_atomic(path, page(&panels).as_bytes())?)
}

/// The forecasts in columns: each after the group, time and name of its column, if there are such.
fn table(written: &Written, rows: &[Vec<String>], width: usize) -> String {
    let of = |(at, name): (usize, &String)| Column::of(name.clone(), at >= written.keys);
    let columns: Vec<Column> = written.head.iter().enumerate().map(of).collect();
    let short = |(at, cell): (usize, &String)| match cell.parse::<f64>() {
        Ok(number) if at >= written.keys => short_number(number),
        _ => cell.clone(),
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().enumerate().map(short).collect()).collect();
    columns::table(&columns, written.keys, &rows, Some(width), 0).join("\n")
}

/// A number for readers: six digits.
fn short_number(number: f64) -> String {
    let whole = number.abs().max(1.0).log10().floor() as usize + 1;
    let decimals = 6_usize.saturating_sub(whole);
    format!("{number:.decimals$}")
}
