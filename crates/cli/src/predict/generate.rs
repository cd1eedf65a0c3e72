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
    let mut given = Vec::new();
    for pair in &args.given {
        let refusal = || Refusal::new(format!("--given is {pair}, expected NAME=VALUE"));
        let (name, value) = pair.split_once('=').ok_or_else(refusal)?;
        given.push((name.to_string(), value.to_string()));
    }
    let condition = trained.condition(&given, &config.generate()?.source.label)?;
    let settings = Settings { temperature: args.temperature, ..Settings::default() };
    let mut tape = Tape::new(&Cpu::new(args.threads)?);
    let write = || trained.write(&mut tape, &condition, args.samples, settings, args.seed, config.seq_len);
    let texts = wait_for("writing texts", write)?;
    terminal::print(&texts.join("\n"))
}
