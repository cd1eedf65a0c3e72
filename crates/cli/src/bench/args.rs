//! The arguments of the verb `bench`. Not here: measurements.

use std::path::PathBuf;

use crate::failure::Refusal;

/// Time training and sampling on this machine, and say how close they come to what it can do
#[derive(clap::Args)]
pub struct Args {
    /// Only the rows whose name holds one of these, separated by commas: `lstm`, `2x256`, `sample`, `int8`
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub rows: Vec<String>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seconds to time each row for
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    pub seconds: f64,
    /// Say of rows that train where the time of a step goes, and what of it products at the peak would not take
    #[arg(long, conflicts_with = "growth")]
    pub parts: bool,
    /// Time instead what a token costs as steps, units, rows, vocabulary and text grow, and a state of subnormal numbers;
    /// --rows then knows names like `T 16`, `H`, `text 1 MB` and `subnormal`
    #[arg(long)]
    pub growth: bool,
    /// With --growth: draw it, too
    #[arg(long, value_name = "FILE", requires = "growth")]
    pub figure: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Errors: always, for no row has any of the names that were asked for.
pub fn refuse_none<T>(args: &Args) -> anyhow::Result<T> {
    let refusal = Refusal::new(format!("no row's name holds {}", args.rows.join(" or ")));
    Err(refusal.hint("without --rows all rows are timed, and named").into())
}
