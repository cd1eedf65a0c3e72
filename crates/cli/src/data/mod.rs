//! Holds the verb `data`: texts to learn from, with address, size, terms and hash; fetching one, or checking a copy.
//! Refuses a text whose hash is another, and to write over a file.

mod catalogue;
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
    /// Tell name, size, terms and address of each text
    List {
        /// Print one JSON object on stdout
        #[arg(long)]
        json: bool,
    },
    /// Fetch a text and check it
    Get {
        /// Which, as `elman data list` names it
        #[arg(value_name = "NAME")]
        name: String,
        /// The folder to put it in
        #[arg(long, value_name = "DIR", default_value = "data")]
        to: PathBuf,
        /// Take this copy instead of fetching one; it is checked all the same
        #[arg(long, value_name = "FILE", conflicts_with = "url")]
        from: Option<PathBuf>,
        /// Fetch it from here instead; it is checked all the same
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
