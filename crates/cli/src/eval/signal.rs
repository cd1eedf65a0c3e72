//! Measures a network of signals on recordings: each is read from its beginning, as `predict` does. Not here: the network
//! (`elman::task::signal`).

use elman::data::signal::Pairs;
use elman::files::model_file::Stored;
use elman::metrics::signal::{SignalErrors, SignalFigures};
use elman::task::signal::{Stream, TrainedSignal};
use elman::{Cpu, Element, Error};
use serde::Serialize;

use super::args::Args;
use crate::figures::Form;
use crate::figures::signal::lines;
use crate::progress::Work;
use crate::terminal::{self, counted, row, say};

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    recordings: usize,
    #[serde(flatten)]
    figures: Option<SignalFigures>,
}

/// Measures the network.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (config, trained) = TrainedSignal::<E>::load(stored)?;
    let settings = config.signal()?;
    let pairs = Pairs::read(&args.text, settings)?;
    refuse_rate(&pairs.fingerprint.name, pairs.rate, trained.rate)?;
    let (cpu, work, mut blocks) = (Cpu::new(None)?, Work::new(), 0);
    let mut all = SignalErrors::new(settings.pre_emphasis);
    for pair in &pairs.pairs {
        if let Some(shift) = pair.shift.filter(|shift| shift.removed != 0) {
            let how = if shift.late > 0 { "late" } else { "early" };
            say!("note: {} is {} samples {how}, which is made up for", pair.name, shift.late.unsigned_abs());
        }
        let (mut stream, mut errors) =
            (Stream::new(&trained, &cpu, &pair.knobs)?, SignalErrors::new(settings.pre_emphasis));
        let mut out = Vec::new();
        let blocks_of = pair.input.chunks(Stream::<E>::BLOCK).zip(pair.target.chunks(Stream::<E>::BLOCK));
        for (input, target) in blocks_of {
            work.at("block", blocks, None);
            blocks += 1;
            stream.process(input, &mut out)?;
            out.iter().zip(target).for_each(|(&y, &truth)| errors.add(f64::from(y), f64::from(truth)));
        }
        all.join(&errors);
    }
    drop(work);
    let figures = all.figures();
    if args.json {
        return terminal::print_json(&Json { recordings: pairs.pairs.len(), figures });
    }
    let name = &pairs.fingerprint.name;
    let head = row("data", &format!("{name}: {}", counted(pairs.pairs.len() as u64, "recording")));
    let of_figures = figures.iter().flat_map(|figures| lines("error", figures, Form::of_results()));
    terminal::print(&std::iter::once(head).chain(of_figures).collect::<Vec<_>>().join("\n"))
}

/// Errors: samples come at another rate than in training.
pub fn refuse_rate(name: &str, rate: u32, trained: u32) -> Result<(), Error> {
    if rate == trained {
        return Ok(());
    }
    let problem = format!("there are {rate} samples a second, expected {trained} as in training");
    Err(Error::Data { name: name.to_string(), problem })
}
