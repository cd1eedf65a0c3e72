//! The verb `compare`: a table of several runs and a picture of their validation losses. Not here: training and measuring;
//! the figures come from the logs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use elman::RunDir;
use elman::train::Report;
use serde::Serialize;

use crate::columns::{self, Column, number, words};
use crate::curves::draw_runs;
use crate::settings::config_of;
use crate::stream::Stream;
use crate::terminal::{self, say, span};

/// Compare runs in a table
#[derive(clap::Args)]
pub struct Args {
    /// Run directories
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Draw their validation losses into this file
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    run: String,
    cell: &'static str,
    hidden_sizes: Vec<usize>,
    steps: u64,
    best_val_loss: Option<f64>,
    best_step: Option<u64>,
    seconds: f64,
}

#[derive(Serialize)]
struct Table {
    runs: Vec<Row>,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (mut rows, mut curves, mut unit) = (Vec::new(), Vec::new(), "token");
    for path in &args.runs {
        let run = RunDir::open(path)?;
        let config = config_of(&run)?;
        let reports = run.reports()?;
        let last = reports.last().with_context(|| format!("{} has no log yet", path.display()))?;
        let better =
            |a: &&Report, b: &&Report| a.val_loss.unwrap_or(f64::MAX).total_cmp(&b.val_loss.unwrap_or(f64::MAX));
        // What was validated on other data cannot be compared.
        let since = reports.iter().rposition(|report| report.validation_changed).unwrap_or(0);
        let best = reports[since..].iter().filter(|report| report.val_loss.is_some()).min_by(better);
        rows.push(Row {
            run: path.display().to_string(),
            cell: config.cell.name(),
            hidden_sizes: config.hidden_sizes(),
            steps: last.step,
            best_val_loss: best.and_then(|report| report.val_loss),
            best_step: best.map(|report| report.step),
            seconds: last.seconds,
        });
        unit = config.tokenizer.unit();
        let name = rows.iter().filter(|row| row.cell == config.cell.name()).count();
        let name = if name > 1 { path.display().to_string() } else { config.cell.name().to_string() };
        curves.push((name, reports));
    }
    if let Some(picture) = &args.svg {
        draw_runs(&curves, picture, unit)?;
        say!("{}", picture.display());
    }
    match args.json {
        true => terminal::print_json(&Table { runs: rows })?,
        false => terminal::print(&table(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn columns() -> [Column; 6] {
    [
        words("run"),
        words("cell"),
        words("hidden"),
        number("steps"),
        number("best validation").or("best"),
        number("time"),
    ]
}

fn table(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let hidden = row.hidden_sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let best = row.best_val_loss.map_or("-".to_string(), |loss| format!("{loss:.4}"));
        let time = span(Duration::try_from_secs_f64(row.seconds).unwrap_or_default());
        vec![row.run.clone(), row.cell.to_string(), hidden, row.steps.to_string(), best, time]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    columns::table(&columns(), 1, &rows, Stream::Out.width(), 0).join("\n")
}
