//! The verb `data`: lists texts to train on, and fetches one or checks a copy. Not here: the texts (`catalogue.rs`) and
//! fetching (`get.rs`, `download.rs`).

mod catalogue;
#[cfg(feature = "download")]
mod download;
mod get;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

pub use catalogue::{TEXTS, Text};

use crate::failure::Refusal;
use crate::terminal::{self, grouped};

/// List and fetch texts to learn from
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List name, size, licence and address of each text
    List {
        /// Print one JSON object on stdout
        #[arg(long)]
        json: bool,
    },
    /// Fetch a text and check it
    Get {
        /// The name that `elman data list` prints
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder to put it in
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
        /// Take this copy instead of a download; it is checked, too
        #[arg(long, value_name = "FILE", conflicts_with = "url")]
        from: Option<PathBuf>,
        /// Download from this address instead; the text is checked, too
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::List { json: true } => terminal::print_json(&serde_json::json!({ "texts": TEXTS }))?,
        What::List { json: false } => terminal::print(&list())?,
        What::Get { name, to, from, url } => {
            let Some(text) = Text::named(name) else {
                let message = format!("no text is called {name}");
                return Err(Refusal::new(message).hint("'elman data list' names them").into());
            };
            get::get(&text, to, from.as_deref(), url.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list() -> String {
    let shown = TEXTS.iter().map(|text| {
        format!(
            "{}\n  {}\n  {} bytes, {}\n  {}\n  SHA-256 {}",
            text.name,
            text.about,
            grouped(text.bytes),
            text.licence,
            text.url,
            text.sha256
        )
    });
    shown.collect::<Vec<_>>().join("\n\n")
}
