//! The verb `bench`: times training and sampling and compares them with the measured peak of the machine. A row whose losses
//! are wrong ends the run. Not here: the rows; `elman_bench` defines them.

mod args;
mod growth;
mod machine;
mod measure;
mod parts;

use std::process::ExitCode;
use std::time::Duration;

use elman::Cpu;
use elman_bench::{Row, Work, rows};
use serde::Serialize;

use crate::columns::{Column, Layout, number, words};
use crate::failure::Refusal;
use crate::progress::wait_for;
use crate::stream::Stream;
use crate::terminal::{self, say, short};
use args::refuse_none;
use machine::{Machine, machine};
use measure::{Measured, measure};

pub use args::Args;

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rows: Vec<Measured>,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !(args.seconds.is_finite() && args.seconds > 0.0) {
        return Err(Refusal::new(format!("--seconds is {}, expected a finite number above 0", args.seconds)).into());
    }
    if args.growth {
        args.figure.as_deref().map(growth::check_figure).transpose()?;
        return growth::run(args).map(|()| ExitCode::SUCCESS);
    }
    let is_asked = |row: &Row| args.rows.is_empty() || args.rows.iter().any(|word| row.name.contains(word.as_str()));
    let mut asked: Vec<Row> = rows().into_iter().filter(is_asked).collect();
    if asked.is_empty() {
        return refuse_none(args);
    }
    let cpu = Cpu::new(args.threads)?;
    let before = asked.len();
    asked.retain(|row| row.is_for(&cpu));
    if asked.len() < before {
        say!(
            "not timed: rows in bf16, {} of {before}; {} has no instruction for it",
            before - asked.len(),
            cpu.backend_name()
        );
    }
    let machine = wait_for("measuring the machine", || machine(&cpu));
    let mut layout = layout(&asked);
    if !args.json {
        let [one, all] = machine.peak_gflops;
        let threads = terminal::counted(machine.threads as u64, "thread");
        let words = format!("{}, {threads}; peak {one:.0} GF/s on one, {all:.0} on all", machine.backend);
        terminal::print(&format!("{words}\n{}", layout.head().map_or(String::new(), |head| format!("\n{head}"))))?;
    }
    let mut measured = Vec::new();
    for row in &asked {
        let time = Duration::from_secs_f64(args.seconds);
        let mut figures = wait_for("timing", || measure(row, &cpu, time))?;
        if args.parts && matches!(row.work, Work::Train { .. }) {
            figures.parts = wait_for("timing its parts", || parts::measure(row, &cpu, time))?;
        }
        if !args.json {
            terminal::print(&layout.row(&cells(&figures)))?;
            figures.parts.iter().try_for_each(|part| terminal::print(&part.line()))?;
        }
        measured.push(figures);
    }
    if args.json {
        terminal::print_json(&Report { machine, rows: measured })?;
    } else {
        say!(
            "share: of the peak, measured between the steps; bandwidth: of reading the weights' bytes with the same threads"
        );
        if args.parts {
            say!("lost: time beyond that of the products at the peak, as a share of the step");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn columns() -> [Column; 8] {
    [
        words("row"),
        number("ms median").or("median"),
        number("ms min").or("min"),
        number("tokens/s"),
        number("GF/s"),
        number("share"),
        number("bandwidth").or("bandw."),
        number("MB"),
    ]
}

/// The table of these rows, which are printed one by one.
fn layout(rows: &[Row]) -> Layout {
    let name = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    Layout::new(&columns(), 1, &[name, 9, 9, 6, 6, 5, 5, 4], Stream::Out.width())
}

fn cells(m: &Measured) -> [String; 8] {
    let percent = |x: f64| format!("{:.0} %", 100.0 * x);
    let or_dash = |x: Option<String>| x.unwrap_or_else(|| "-".to_string());
    [
        m.row.clone(),
        format!("{:.4}", m.ms_median),
        format!("{:.4}", m.ms_min),
        short(m.tokens_per_sec),
        format!("{:.1}", m.gflops),
        percent(m.peak_share),
        or_dash(m.bandwidth_share.map(percent)),
        or_dash(m.peak_mb.map(|mb| format!("{mb:.0}"))),
    ]
}
