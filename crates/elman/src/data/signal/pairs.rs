//! Recordings of a device: what went in, what came out, and where its knobs stood; brought into step with each other and cut into
//! parts to train, validate and test on. Not here: how a file is read (`wav.rs`).

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::align::Shift;
use super::wav::WavReader;
use crate::config::Signal;
use crate::data::table::Table;
use crate::data::text::corpus::Fingerprint;
use crate::error::Error;

/// One recording.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The file of the output.
    pub name: String,
    /// What went in.
    pub input: Vec<f32>,
    /// What came out, of as many samples.
    pub target: Vec<f32>,
    /// Where each knob stood.
    pub knobs: Vec<f64>,
    /// What was found of the output beside the input; None where that was not asked for.
    pub shift: Option<Shift>,
}

/// Recordings of one device.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Samples a second.
    pub rate: u32,
    /// The recordings.
    pub pairs: Vec<Pair>,
    /// How the data is known again.
    pub fingerprint: Fingerprint,
}

/// A part of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The recording.
    pub pair: usize,
    /// Its first sample.
    pub start: usize,
    /// The first sample after it.
    pub end: usize,
}

/// The parts of recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// To train on.
    pub train: Vec<Span>,
    /// To validate on.
    pub validation: Vec<Span>,
    /// To test on.
    pub test: Vec<Span>,
}

impl Span {
    /// Samples.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

impl Pairs {
    /// Reads two WAV files, an input and its output, or a table with a row for each recording: the columns `input` and `target`
    /// name the files, from the table's own folder on, the others are knobs.
    ///
    /// Errors: another number of files; one that cannot be read; rates or lengths that differ (an output may be longer or
    /// shorter by 1 %, which is cut); a knob that is not there or no number.
    pub fn read(paths: &[PathBuf], settings: &Signal) -> Result<Pairs, Error> {
        let mut hash = Sha256::new();
        let (rows, name) = match paths {
            [input, target] => {
                if let Some(knob) = settings.knobs.first() {
                    let expected = "none with two WAV files: a table of recordings has a column for each";
                    return Err(Error::Setting { name: "knobs", got: knob.clone(), expected: expected.to_string() });
                }
                (vec![(input.clone(), target.clone(), Vec::new())], file_name(target))
            }
            [table] => (rows(table, settings)?, file_name(table)),
            several => {
                let expected =
                    "two WAV files, the input and the output of a device, or a table of recordings".to_string();
                return Err(Error::Setting { name: "data", got: format!("{} files", several.len()), expected });
            }
        };
        let (mut pairs, mut rate) = (Vec::with_capacity(rows.len()), None);
        for (input, target, knobs) in rows {
            let pair = read_pair([&input, &target], knobs, settings.align, &mut rate)?;
            for samples in [&pair.input, &pair.target] {
                samples.iter().for_each(|sample| hash.update(sample.to_le_bytes()));
            }
            pair.knobs.iter().for_each(|knob| hash.update(knob.to_le_bytes()));
            pairs.push(pair);
        }
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or(path.clone()).display().to_string();
        let fingerprint = Fingerprint {
            name,
            sources: paths.iter().map(absolute).collect(),
            characters: pairs.iter().map(|pair| pair.input.len()).sum(),
            sha256: hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            validation: None,
            test: None,
        };
        Ok(Pairs { rate: rate.unwrap_or_default(), pairs, fingerprint })
    }

    /// The parts of each recording: its end to test on, what comes before to validate on, the rest to train on.
    pub fn spans(&self, validation: f64, test: f64) -> Spans {
        let mut spans = Spans::default();
        for (pair, of) in self.pairs.iter().enumerate() {
            let samples = of.input.len();
            let share = |share: f64| libm::round(share * samples as f64) as usize;
            let to_test = samples - share(test).min(samples);
            let to_validate = to_test - share(validation).min(to_test);
            let parts = [
                (&mut spans.train, 0, to_validate),
                (&mut spans.validation, to_validate, to_test),
                (&mut spans.test, to_test, samples),
            ];
            for (list, start, end) in parts {
                list.extend((start < end).then_some(Span { pair, start, end }));
            }
        }
        spans
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

/// The files and knobs of each row of a table.
fn rows(path: &Path, settings: &Signal) -> Result<Vec<(PathBuf, PathBuf, Vec<f64>)>, Error> {
    let table = Table::read(path, true)?;
    if table.is_empty() {
        return Err(Error::file(path, "the table has no rows, expected at least 1"));
    }
    let [input, target] = ["input", "target"].map(|name| table.column(name));
    let (input, target) = (input?, target?);
    let knobs: Vec<usize> = settings.knobs.iter().map(|knob| table.column(knob)).collect::<Result<_, _>>()?;
    let known = |at: usize| at == input || at == target || knobs.contains(&at);
    if let Some(other) = (0..table.columns().len()).find(|&at| !known(at)) {
        let column = &table.columns()[other];
        return Err(Error::file(path, format!("the column {column} has no use, expected it among --knobs")));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let row = |row: usize| {
        let file = |column: usize| table.text(row, column).map(|name| folder.join(name));
        let numbers = knobs.iter().map(|&column| table.number(row, column)).collect::<Result<Vec<f64>, Error>>()?;
        Ok((file(input)?, file(target)?, numbers))
    };
    (0..table.len()).map(row).collect()
}

fn read_pair(
    [input_path, target_path]: [&Path; 2],
    knobs: Vec<f64>,
    align: bool,
    rate: &mut Option<u32>,
) -> Result<Pair, Error> {
    let ((mut input, of_input), (mut target, of_target)) =
        (WavReader::read_all(input_path)?, WavReader::read_all(target_path)?);
    for (path, format) in [(input_path, of_input), (target_path, of_target)] {
        let expected = *rate.get_or_insert(format.rate);
        if format.rate != expected {
            let problem =
                format!("the file has {} samples a second, expected {expected} as in the others", format.rate);
            return Err(Error::file(path, problem));
        }
    }
    let [longer, shorter] = [input.len().max(target.len()), input.len().min(target.len())];
    if longer - shorter > longer / 100 {
        let problem = format!("the output has {} samples, the input {}, expected as many", target.len(), input.len());
        return Err(Error::file(target_path, problem));
    }
    let shift = align.then(|| Shift::of(&input, &target));
    let removed = shift.map_or(0, |shift| shift.removed);
    if removed > 0 {
        target.drain(..removed as usize);
    } else {
        input.drain(..removed.unsigned_abs() as usize);
    }
    let len = input.len().min(target.len());
    input.truncate(len);
    target.truncate(len);
    Ok(Pair { name: target_path.display().to_string(), input, target, knobs, shift })
}
