//! Forecasts what follows the last row of each series, as CSV on standard output and optionally as a picture. Not here: the
//! network (`elman::task::forecast`), the drawing (`crate::forecast`).

use elman::autodiff::tape::Tape;
use elman::data::series::{Columns, Series, SeriesSet, time};
use elman::data::table::csv_of;
use elman::files::model_file::Stored;
use elman::task::forecast::TrainedForecast;
use elman::{Cpu, Element};

use super::args::Args;
use super::input;
use crate::columns::{self, Column};
use crate::progress::Work;
use crate::stream::Stream;
use crate::{forecast, terminal};

/// Forecasts what follows every series of the input.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let trained = TrainedForecast::<E>::load(stored)?;
    let (settings, timeline) = (&trained.settings, &trained.timeline);
    let columns = Columns {
        time: Some(timeline.time.clone()),
        values: timeline.columns.clone(),
        group: settings.group.clone(),
        covariates: timeline.covariates.clone(),
    };
    let set = SeriesSet::new(&input::table(args, args.open()?, settings.header)?, &columns)?;
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let has_columns = timeline.columns.len() > 1;
    let (mut rows, mut first) = (Vec::new(), None);
    let work = Work::new();
    for (at, series) in set.series.iter().enumerate() {
        work.at("series", at as u64, Some(set.series.len() as u64));
        let forecasts = trained.next(&mut tape, &args.name(), series)?;
        let last = series.times.last().copied().unwrap_or_default();
        for (column, points) in timeline.columns.iter().zip(&forecasts) {
            for (h, point) in points.iter().enumerate() {
                let at = time::text(timeline.scale, last + (h + 1) as f64 * timeline.step);
                let group = set.group.as_ref().map(|_| series.group.clone());
                let numbers = [point.middle, point.low, point.high].map(|x| x.to_string());
                let names = group.into_iter().chain([at]).chain(has_columns.then(|| column.clone()));
                rows.push(names.chain(numbers).collect::<Vec<_>>());
            }
        }
        first.get_or_insert(forecasts);
    }
    drop(work);
    if let (Some(path), Some(forecasts)) = (&args.svg, first) {
        let (series, column) = (&set.series[0], &timeline.columns[0]);
        let title = if series.group.is_empty() { column.clone() } else { format!("{column}, {}", series.group) };
        // The same forecast without the last rows, to show beside them. A short series has too few rows for it.
        let earlier =
            trained.next(&mut tape, &args.name(), &without_last(series, forecasts[0].len())).unwrap_or_default();
        let picture = forecast::Picture {
            title: &title,
            names: [&timeline.time, column],
            series,
            clock: (timeline.scale, timeline.step),
            level: settings.level,
            points: &forecasts[0],
            earlier: earlier.first().map_or(&[], |points| &points[..]),
        };
        forecast::draw(&picture, path)?;
    }
    let bound = |level: f64| format!("quantile_{}", (1000.0 * level).round() / 1000.0);
    let bounds = [bound(0.5 * (1.0 - settings.level)), bound(0.5 * (1.0 + settings.level))];
    let names = set.group.iter().cloned().chain([timeline.time.clone()]).chain(has_columns.then(|| "column".into()));
    let head: Vec<String> = names.chain(["forecast".into()]).chain(bounds).collect();
    match Stream::Out.width() {
        None => terminal::print(csv_of(&head, rows.iter()).trim_end()),
        // A table for readers; a pipe or file gets CSV.
        Some(width) => terminal::print(&table(&head, &rows, width)),
    }
}

/// A series without its last rows.
fn without_last(series: &Series, rows: usize) -> Series {
    let left = series.times.len().saturating_sub(rows);
    let values = series.values.iter().map(|values| values[..left].to_vec()).collect();
    Series { group: series.group.clone(), times: series.times[..left].to_vec(), values }
}

/// The forecasts in columns: each after the group, time and name of its column, if there are such.
fn table(head: &[String], rows: &[Vec<String>], width: usize) -> String {
    let keys = head.len() - 3;
    let columns: Vec<Column> = head.iter().enumerate().map(|(at, name)| Column::of(name.clone(), at >= keys)).collect();
    columns::table(&columns, keys, rows, Some(width), 0).join("\n")
}
