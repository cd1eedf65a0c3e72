//! Writes texts for a class or a vector, a text a line. Not here: the network (`elman::task::generate`).

use elman::autodiff::tape::Tape;
use elman::files::model_file::Stored;
use elman::task::generate::TrainedWriter;
use elman::{Cpu, Element, Settings};

use super::args::Args;
use crate::failure::Refusal;
use crate::progress::wait_for;
use crate::terminal;

/// Writes texts for the condition of `--given`.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    if !args.is_stdin() {
        let message = format!("{} is given, but a writer reads no data", args.name());
        return Err(Refusal::new(message).hint("name the condition: --given NAME=VALUE[,NAME=VALUE..]").into());
    }
    let (config, trained) = TrainedWriter::<E>::load(stored)?;
    let given = pairs(&args.given)?;
    let condition = trained.condition(&given, &config.generate()?.source.label)?;
    let settings = Settings { temperature: args.temperature, ..Settings::default() };
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let write = || trained.write(&mut tape, &condition, args.samples, settings, args.seed, config.seq_len);
    let texts = wait_for("writing texts", write)?;
    terminal::print(&texts.join("\n"))
}

/// Names and values of conditions. A part without `=` belongs to the value before it: classes may have commas in their names.
fn pairs(parts: &[String]) -> Result<Vec<(String, String)>, Refusal> {
    let mut given: Vec<(String, String)> = Vec::new();
    for part in parts {
        match (part.split_once('='), given.last_mut()) {
            (Some((name, value)), _) => given.push((name.to_string(), value.to_string())),
            (None, Some((_, value))) => *value += &format!(",{part}"),
            (None, None) => return Err(Refusal::new(format!("--given is {part}, expected NAME=VALUE"))),
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_commas() {
        let of = |parts: &[&str]| {
            pairs(&parts.iter().map(|part| part.to_string()).collect::<Vec<_>>()).map_err(|e| e.to_string())
        };
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        assert_eq!(of(&["width=3", "height=0.5"]), Ok(vec![pair("width", "3"), pair("height", "0.5")]));
        assert_eq!(of(&["label=a", " b"]), Ok(vec![pair("label", "a, b")]));
        assert_eq!(of(&["a"]), Err("--given is a, expected NAME=VALUE".to_string()));
    }
}
