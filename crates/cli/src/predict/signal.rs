//! Sends a WAV file through a network of signals, block by block: memory does not grow with the file. Not here: the network
//! (`elman::task::signal`).

use std::path::Path;
use std::time::Instant;

use elman::data::signal::{WavReader, WavWriter};
use elman::files::model_file::Stored;
use elman::task::signal::{Knob, Stream, TrainedSignal};
use elman::{Cpu, Element};

use super::args::Args;
use crate::eval::refuse_rate;
use crate::failure::Refusal;
use crate::progress::Work;
use crate::signals::Signals;
use crate::terminal::{counted, say};

/// Writes what the device makes of the input.
pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<()> {
    let (_, trained) = TrainedSignal::<E>::load(stored)?;
    let Some(out) = &args.out else {
        let message = "--out is not given, expected the WAV file to write";
        return Err(Refusal::new(message).hint("elman predict RUN IN.wav --out OUT.wav").into());
    };
    if args.is_stdin() {
        return Err(Refusal::new("the input is standard input, expected a WAV file").into());
    }
    refuse_target(args, out)?;
    let knobs = knobs(&args.knob, &trained.knobs)?;
    let mut reader = WavReader::open(&args.input)?;
    let format = reader.format();
    refuse_rate(&args.name(), format.rate, trained.rate)?;
    let cpu = Cpu::new(args.threads)?;
    let (mut stream, mut writer) = (Stream::new(&trained, &cpu, &knobs)?, WavWriter::create(out, format)?);
    let (work, begun, mut done) = (Work::new(), Instant::now(), 0);
    let (mut block, mut samples, signals) = (Vec::new(), Vec::new(), Signals::listen()?);
    loop {
        if let Some(code) = signals.exit_code() {
            // What was begun is deleted.
            drop(writer);
            std::process::exit(code.into());
        }
        reader.read(Stream::<E>::BLOCK, &mut block)?;
        if block.is_empty() {
            break;
        }
        stream.process(&block, &mut samples)?;
        writer.write(&samples)?;
        done += block.len() as u64;
        work.at("sample", done, Some(reader.samples()));
    }
    drop(work);
    let clipped = writer.finish()?;
    let (seconds, took) = (done as f64 / f64::from(format.rate), begun.elapsed().as_secs_f64());
    say!("{}: {seconds:.1} s of signal in {took:.1} s, {:.1} times real time", out.display(), seconds / took.max(1e-9));
    if clipped > 0 {
        say!("note: {} beyond full scale, cut there", counted(clipped, "sample"));
    }
    Ok(())
}

/// Errors: the file to write is the input or a file of the run, is no regular file, or is standard output.
fn refuse_target(args: &Args, out: &Path) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::new(format!("--out is {}, {what}", out.display())));
    if out == Path::new("-") {
        return refuse("expected a WAV file: its header has the length");
    }
    let Ok(there) = out.metadata() else { return Ok(()) };
    if !there.is_file() {
        return refuse("which is no regular file, expected a WAV file");
    }
    let whole = |path: &Path| path.canonicalize().ok();
    if whole(out) == whole(&args.input) {
        return refuse("the input itself, expected another file");
    }
    let folder = whole(out).and_then(|out| Some(out.parent()?.to_path_buf()));
    let is_of_run = args.trained.run.is_dir() && folder == whole(&args.trained.run);
    if is_of_run || whole(out) == whole(&args.trained.run) {
        return refuse("a file of the run, expected another");
    }
    Ok(())
}

/// Where each knob stands. Errors: one that is not given, given twice, unknown or no number. One outside the range of training
/// is noted.
fn knobs(given: &[String], known: &[Knob]) -> anyhow::Result<Vec<f64>> {
    let mut values: Vec<Option<f64>> = vec![None; known.len()];
    for text in given {
        let refuse = |expected: String| Refusal::new(format!("--knob is {text:?}, expected {expected}"));
        let names = || known.iter().map(|knob| knob.name.as_str()).collect::<Vec<_>>().join(", ");
        let expected = || {
            if known.is_empty() { "none: the model has no knobs".to_string() } else { format!("one of {}", names()) }
        };
        let (name, value) = text.split_once('=').ok_or_else(|| refuse("NAME=VALUE".into()))?;
        let at = known.iter().position(|knob| knob.name == name).ok_or_else(|| refuse(expected()))?;
        let value: f64 =
            value.trim().parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| refuse("a number".into()))?;
        anyhow::ensure!(values[at].is_none(), refuse("each knob once".into()));
        let Knob { low, high, .. } = known[at];
        if !(low..=high).contains(&value) {
            say!("note: {name} is {value}, in training it was from {low} to {high}");
        }
        values[at] = Some(value);
    }
    let pairs = values.iter().zip(known);
    let of = |(value, knob): (&Option<f64>, &Knob)| {
        value.ok_or_else(|| {
            let message = format!("the knob {} is not given", knob.name);
            Refusal::new(message).hint(format!("--knob {}={}", knob.name, knob.high)).into()
        })
    };
    pairs.map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_is_given_once_by_its_name() {
        let known = ["tone", "gain"].map(|name| Knob { name: name.into(), low: 0.0, high: 1.0 });
        let given = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            knobs(&words, &known).map_err(|error| error.to_string())
        };
        assert_eq!(given(&["gain=0.25", "tone=1"]), Ok(vec![1.0, 0.25]));
        assert_eq!(given(&["gain=0.25"]), Err("the knob tone is not given".into()));
        assert_eq!(given(&["gain=x"]), Err("--knob is \"gain=x\", expected a number".into()));
        assert_eq!(given(&["bass=1"]), Err("--knob is \"bass=1\", expected one of tone, gain".into()));
        assert_eq!(given(&["gain=1", "gain=1"]), Err("--knob is \"gain=1\", expected each knob once".into()));
        assert_eq!(given(&["gain"]), Err("--knob is \"gain\", expected NAME=VALUE".into()));
    }
}
