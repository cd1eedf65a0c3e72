//! Trains a network that makes a waveform of a waveform: prints the recordings first, then the error-to-signal ratio of the
//! held-out parts. Not here: the network (`elman::task::signal`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use elman::Element;
use elman::data::signal::{Format, Pairs, WavWriter};
use elman::task::SignalTask;
use elman::task::signal::Figures;

use super::job::split;
use crate::figures::Form;
use crate::figures::signal::lines;
use crate::progress::Work;
use crate::terminal::{counted, fact, span};
use crate::train::session::{Job, Session, Words, path_word};

/// Trains a network on recordings.
pub fn train<E: Element>(job: Job<'_>) -> anyhow::Result<ExitCode> {
    let paths = job.recordings()?;
    let pairs = Pairs::read(&paths, job.config.signal()?)?;
    let fingerprint = pairs.fingerprint.clone();
    let session = job.begin(&fingerprint, |config| SignalTask::<E>::new(config, pairs))?;
    let (plan, task) = (session.trainer.plan(), session.trainer.task());
    let (rate, count) = (task.trained().rate, task.pairs().pairs.len());
    let seconds =
        |samples: usize| span(Duration::try_from_secs_f64(samples as f64 / f64::from(rate)).unwrap_or_default());
    let samples: usize = task.pairs().pairs.iter().map(|pair| pair.input.len()).sum();
    let recordings = format!("{} of {} at {rate} Hz, samples: ", counted(count as u64, "recording"), seconds(samples));
    let knobs: Vec<String> =
        task.trained().knobs.iter().map(|knob| format!("{} from {} to {}", knob.name, knob.low, knob.high)).collect();
    let knobs = if knobs.is_empty() { "none".to_string() } else { knobs.join(", ") };
    let knob_flags: String =
        task.trained().knobs.iter().map(|knob| format!(" --knob {}={}", knob.name, knob.high)).collect();
    let words = Words {
        example: "window".into(),
        unit: "sample",
        facts: [split(plan, &recordings, ""), ("knobs", knobs)],
        usage: ("To use it on a file", format!("predict {} IN.wav --out OUT.wav{knob_flags}", path_word(&session.run))),
    };
    session.train(words, |session, driven| {
        if driven.outcome.stopped {
            return Ok((Vec::new(), Figures::default()));
        }
        measured(session)
    })
}

/// The figures of the held-out parts, and the files to listen to.
fn measured<E: Element>(session: &mut Session<'_, SignalTask<E>>) -> anyhow::Result<(Vec<String>, Figures)> {
    let (task, work, mut blocks) = (session.trainer.task(), Work::new(), 0);
    let rate = task.trained().rate;
    let most = (session.args.listen.unwrap_or(0.0) * f64::from(rate)) as usize;
    let mut heard: [Vec<f32>; 3] = [const { Vec::new() }; 3];
    let figures = task.measure(
        &session.cpu,
        &mut || {
            work.at("block", blocks, None);
            blocks += 1;
            true
        },
        &mut |x, truth, y| {
            if heard[0].len() < most {
                heard.iter_mut().zip([x, truth, y]).for_each(|(list, sample)| list.push(sample));
            }
        },
    )?;
    let figures = figures.unwrap_or_default();
    let form = Form::of_training();
    let mut told = vec![String::new()];
    told.extend(figures.validation.iter().flat_map(|figures| lines("validation", figures, form)));
    told.extend(figures.test.iter().flat_map(|figures| lines("test", figures, form)));
    if !heard[0].is_empty() {
        let names = ["input.wav", "truth.wav", "prediction.wav"].map(|name| session.run.path().join(name));
        for (path, samples) in names.iter().zip(&heard) {
            write(path, rate, samples)?;
        }
        told.push(fact("to hear", &names.map(|path| path.display().to_string()).join(", ")));
    }
    Ok((told, figures))
}

/// Writes floats: a file to listen to holds what there is.
fn write(path: &Path, rate: u32, samples: &[f32]) -> anyhow::Result<()> {
    let mut writer = WavWriter::create(path, Format { rate, bits: None })?;
    writer.write(samples)?;
    writer.finish()?;
    Ok(())
}

impl Job<'_> {
    /// The files of the recordings. Errors: as [`Job::paths`]; validation data is given.
    fn recordings(&self) -> anyhow::Result<Vec<PathBuf>> {
        let (paths, validation) = self.paths()?;
        let message = "--val-file is given with --task signal, which holds out the end of each recording (--val-frac)";
        anyhow::ensure!(validation.is_none(), crate::failure::Refusal::new(message));
        if paths.is_empty() {
            let hint = "elman train INPUT.wav OUTPUT.wav --task signal, or a table of recordings";
            return Err(crate::failure::Refusal::new("no data is given").hint(hint).into());
        }
        Ok(paths)
    }
}
