//! The verb `data`: lists data sets to train on, and fetches one or checks a copy. Not here: the data sets (`catalogue.rs`) and
//! fetching (`get.rs`, `download.rs`).

mod catalogue;
mod download;
mod get;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

pub use catalogue::DataSet;
use catalogue::{DATA_SETS, TO_SUPPLY};

use crate::failure::Refusal;
use crate::terminal::{self, grouped};

/// List and fetch data sets to learn from
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List name, size, licence, address and hash of each data set
    List {
        /// Print one JSON object on stdout
        #[arg(long)]
        json: bool,
    },
    /// Fetch a data set and check it
    Get {
        /// The name that `elman data list` prints
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder to put it in
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
        /// Take this copy, a file or a folder of files, instead of a download; it is checked, too
        #[arg(long, value_name = "PATH", conflicts_with = "url")]
        from: Option<PathBuf>,
        /// Download from this address instead, that of the file or of its folder; what comes is checked, too
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List { json: true } => terminal::print_json(&serde_json::json!({ "data_sets": DATA_SETS }))?,
        What::List { json: false } => terminal::print(&list())?,
        What::Get { name, to, from, url } => {
            let Some(set) = DataSet::named(name) else { return Err(unknown(name).into()) };
            get::get(set, to, from.as_deref(), url.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> Refusal {
    match TO_SUPPLY.iter().find(|(names, ..)| names.contains(&name)) {
        Some((_, reason, what_to_do)) => Refusal::new(*reason).hint(*what_to_do),
        None => Refusal::new(format!("no data set is called {name}")).hint("'elman data list' names them"),
    }
}

fn list() -> String {
    let shown = DATA_SETS.iter().map(|set| {
        let mut lines = vec![set.name.to_string(), format!("  {}", set.about), format!("  {}", set.licence)];
        match set.files {
            [file] => {
                lines.push(format!("  {} bytes", grouped(file.bytes)));
                lines.push(format!("  {}", set.address(file, None)));
                lines.push(format!("  SHA-256 {}", file.sha256));
            }
            files => {
                lines.push(format!("  {} bytes in {} files", grouped(set.bytes()), files.len()));
                lines.push(format!("  {} (--json: each file with its SHA-256)", set.url));
            }
        }
        lines.join("\n")
    });
    shown.collect::<Vec<_>>().join("\n\n")
}
