//! The arguments of the verb `bench`. Not here: measurements.

use std::path::PathBuf;

use crate::failure::Refusal;

/// Time training and sampling, and compare the speed with the peak of this machine
#[derive(clap::Args)]
pub struct Args {
    /// Only the rows whose name contains one of these, separated by commas: `lstm`, `2x256`, `sample`, `int8`
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub rows: Vec<String>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seconds to time each row for
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    pub seconds: f64,
    /// For rows that train, print the time of each part of a step, and how much of it exceeds its products at the peak
    #[arg(long, conflicts_with = "growth")]
    pub parts: bool,
    /// Time the cost of a token as steps, units, rows, vocabulary and text grow, and a state of subnormal numbers, instead;
    /// names for --rows are then `T 16`, `H`, `text 1 MB`, `subnormal` and the like
    #[arg(long)]
    pub growth: bool,
    /// With --growth: draw the results into this file
    #[arg(long, value_name = "FILE", requires = "growth")]
    pub figure: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Errors: always, because no row matches `--rows`.
pub fn refuse_none<T>(args: &Args) -> anyhow::Result<T> {
    let refusal = Refusal::new(format!("no row's name contains {}", args.rows.join(" or ")));
    Err(refusal.hint("without --rows all rows are timed and listed").into())
}
