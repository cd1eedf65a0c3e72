//! Sequences with numbers to predict: one row of them for each sequence, or one for each of its steps. An empty cell is a number
//! that is not known, which is neither learned nor measured. Not here: anything fitted, and how sequences become numbers.

use std::path::Path;

use crate::config::{Config, Numbers, Output};
use crate::data::table::held_out::{HeldOut, in_both};
use crate::data::table::items::Items;
use crate::data::table::reading::Reading;
use crate::data::table::vectors::Vectors;
use crate::data::table::{Format, Table, quoted};
use crate::data::text::corpus::{Corpus, Fingerprint};
use crate::data::text::text_encoding::TextEncoding;
use crate::error::Error;

/// Sequences with numbers to predict.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The sequences.
    pub items: Items,
    /// The numbers of each: a row of `columns`, or one for each of its steps, row after row. NaN is not known.
    pub targets: Vec<Vec<f64>>,
    /// What the numbers are called.
    pub columns: Vec<String>,
    /// How the data is known again.
    pub fingerprint: Fingerprint,
}

/// The parts of a data set.
#[derive(Clone, Debug)]
pub struct Split {
    /// To train on.
    pub train: Measured,
    /// Kept from training.
    pub held: Measured,
    /// What the user is told of the data, a sentence each.
    pub notes: Vec<String>,
}

impl Measured {
    /// Reads a table: CSV unless the file's ending says otherwise.
    ///
    /// Errors: what cannot be read; columns that are not there; a cell that is neither empty nor a number, or no label where
    /// those are wanted; numbers that change within a sequence that has one row of them; no number that is known.
    pub fn read(path: &Path, numbers: &Numbers<'_>, encoding: TextEncoding) -> Result<Measured, Error> {
        Measured::read_with(path, numbers, encoding, &mut Reading::default())
    }

    /// As [`Measured::read`], of what `reading` accepts. A sequence is left out as a whole.
    pub fn read_with(
        path: &Path,
        numbers: &Numbers<'_>,
        encoding: TextEncoding,
        reading: &mut Reading<'_>,
    ) -> Result<Measured, Error> {
        let corpus = Corpus::read_table(&[path.to_path_buf()], encoding)?;
        let format = Format::of_path(path).unwrap_or(Format::Csv);
        let bytes = corpus.bytes();
        let table = Table::of_source(corpus.name(), bytes, format, numbers.source, &mut |error| reading.bad(error))?;
        let source = format.source(numbers.source);
        // In such a file the label has no name of its own.
        let labels = if format == Format::Ts { vec![source.label.clone()] } else { numbers.labels.clone() };
        let read = Numbers { source: &source, labels, ..numbers.clone() };
        let measured = Measured::of_rows(&table, &read, corpus.fingerprint(), reading)?;
        Ok(Measured { columns: numbers.labels.clone(), ..measured })
    }

    /// The sequences of a table. Errors: as [`Measured::read`].
    pub fn of_rows(
        table: &Table,
        numbers: &Numbers<'_>,
        fingerprint: Fingerprint,
        reading: &mut Reading<'_>,
    ) -> Result<Measured, Error> {
        let columns: Vec<usize> = numbers.labels.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
        // With `ahead` a column may be both: what is read now and what is to come.
        let others: Vec<&str> = match numbers.ahead {
            0 => numbers.labels.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let vectors = match numbers.every_step && numbers.source.group.is_none() {
            true => Some(Vectors::whole(table, numbers.source, &others)?),
            false => Vectors::of_table(table, numbers.source, &others)?,
        };
        let of = |rows: &[usize]| targets(table, rows, &columns, numbers);
        let (items, targets) = match vectors {
            Some(vectors) => vectors.items(table, reading, of)?,
            None => texts(table, numbers, reading, of)?,
        };
        let measured = Measured { items, targets, columns: numbers.labels.clone(), fingerprint };
        if !measured.targets.iter().flatten().any(|y| !y.is_nan()) {
            let problem = format!("no {} is known, expected at least 1", numbers.labels.join(", "));
            return Err(Error::Data { name: table.name().into(), problem });
        }
        Ok(measured)
    }

    /// Errors: sequences that do not fit themselves; another number of targets; columns other than those that are predicted.
    pub(crate) fn check(&self, numbers: &Numbers<'_>) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::Data { name: self.fingerprint.name.clone(), problem });
        self.items.check(&self.fingerprint.name)?;
        if self.columns != numbers.labels {
            let (got, expected) = (self.columns.join(", "), numbers.labels.join(", "));
            return refuse(format!("the numbers to predict are {got}, expected {expected}"));
        }
        if self.targets.len() != self.items.len() {
            let (got, expected) = (self.targets.len(), self.items.len());
            return refuse(format!("{got} rows of numbers are given, expected one for each of {expected} sequences"));
        }
        for (at, targets) in self.targets.iter().enumerate() {
            let steps = match &self.items {
                Items::Vectors { columns, sequences, .. } if numbers.every_step => sequences[at].len() / columns.len(),
                Items::Texts(_) if numbers.every_step => return refuse(NO_STEPS.to_string()),
                _ => 1,
            };
            let (got, expected) = (targets.len(), steps * self.columns.len());
            if got != expected {
                return refuse(format!("sequence {at} has {got} numbers to predict, expected {expected}"));
            }
            if let Some(y) = targets.iter().find(|y| y.is_infinite()) {
                return refuse(format!("a number to predict of sequence {at} is {y}, expected a finite one"));
            }
        }
        Ok(())
    }

    /// The sequences at `places`, in that order.
    pub fn pick(&self, places: &[usize]) -> Measured {
        let targets = places.iter().map(|&at| self.targets[at].clone()).collect();
        Measured { items: self.items.pick(places), targets, ..self.clone_head() }
    }

    fn clone_head(&self) -> Measured {
        let (columns, fingerprint) = (self.columns.clone(), self.fingerprint.clone());
        Measured { items: Items::Texts(Vec::new()), targets: Vec::new(), columns, fingerprint }
    }

    /// The parts that `config` asks for: of many sequences some that are drawn are held out, of a single one with numbers at
    /// every step its end. All is to train on where `validation` is given.
    ///
    /// Errors: settings of another task; data that does not fit itself or each other.
    pub fn split(self, config: &Config, validation: Option<Measured>) -> Result<Split, Error> {
        let numbers = config.numbers()?;
        self.check(&numbers)?;
        validation.iter().try_for_each(|set| set.check(&numbers))?;
        let mut notes = Vec::new();
        let unknown = self.targets.iter().flatten().filter(|y| y.is_nan()).count();
        if unknown > 0 {
            notes.push(format!("numbers to predict that are not known, neither learned nor measured: {unknown}"));
        }
        let (train, held) = match validation {
            Some(set) => (self, set),
            None if self.items.len() == 1 && numbers.every_step => self.at_the_end(config.val_frac),
            None => {
                let all: Vec<usize> = (0..self.items.len()).collect();
                let split = HeldOut::stratified(&vec![0; all.len()], &all, config.val_frac, config.seed);
                (self.pick(&split.train), self.pick(&split.held))
            }
        };
        let places = |set: &Measured| (0..set.items.len()).collect::<Vec<usize>>();
        let both = in_both((&train.items, &places(&train)), (&held.items, &places(&held)));
        if both > 0 {
            notes.push(format!("held-out sequences that are in the training part too: {both} of {}", held.items.len()));
        }
        Ok(Split { train, held, notes })
    }

    /// A single sequence with numbers at every step, cut in two.
    fn at_the_end(self, share: f64) -> (Measured, Measured) {
        let Items::Vectors { columns, groups, sequences } = &self.items else { return (self.clone(), self.pick(&[])) };
        let (width, steps) = (columns.len(), sequences[0].len() / columns.len());
        let cut = steps - libm::round(share * steps as f64) as usize;
        let part = |from: usize, to: usize| {
            let numbers = sequences[0][from * width..to * width].to_vec();
            let targets = self.targets[0][from * self.columns.len()..to * self.columns.len()].to_vec();
            let is_empty = numbers.is_empty();
            let all = |one| if is_empty { Vec::new() } else { vec![one] };
            let groups = if is_empty { Vec::new() } else { groups.clone() };
            let items = Items::Vectors { columns: columns.clone(), groups, sequences: all(numbers) };
            Measured { items, targets: all(targets), ..self.clone_head() }
        };
        (part(0, cut), part(cut, steps))
    }
}

const NO_STEPS: &str = "the sequences are texts, expected rows of numbers with every_step";

/// Texts, a row each, and their numbers.
fn texts(
    table: &Table,
    numbers: &Numbers<'_>,
    reading: &mut Reading<'_>,
    of: impl Fn(&[usize]) -> Result<Vec<f64>, Error>,
) -> Result<(Items, Vec<Vec<f64>>), Error> {
    let text = table.column(&numbers.source.text)?;
    let (mut texts, mut targets) = (Vec::new(), Vec::new());
    for row in 0..table.len() {
        let read = table.text(row, text).and_then(|words| match reading.problem_of_text(words) {
            Some(problem) => Err(table.refusal(row, text, problem)),
            None => Ok((words.to_string(), of(&[row])?)),
        });
        if let Some((words, numbers)) = reading.kept(read)? {
            texts.push(words);
            targets.push(numbers);
        }
    }
    Ok((Items::Texts(texts), targets))
}

/// The numbers to predict of a sequence's rows. Errors: a cell that holds something else; numbers that change where the sequence
/// has one row of them.
fn targets(table: &Table, rows: &[usize], columns: &[usize], numbers: &Numbers<'_>) -> Result<Vec<f64>, Error> {
    let row = |row: usize| columns.iter().map(move |&column| target(table, row, column, numbers.output));
    if numbers.every_step {
        let later = rows.iter().skip(numbers.ahead).flat_map(|&at| row(at));
        let unknown = (0..numbers.ahead.min(rows.len()) * columns.len()).map(|_| Ok(f64::NAN));
        return later.chain(unknown).collect();
    }
    let first = row(rows[0]).collect::<Result<Vec<f64>, Error>>()?;
    for &other in &rows[1..] {
        for (&column, &of_first) in columns.iter().zip(&first) {
            let y = target(table, other, column, numbers.output)?;
            if y.to_bits() != of_first.to_bits() {
                let (got, line) = (table.cell(other, column).unwrap_or_default(), table.line(rows[0]));
                let before = table.cell(rows[0], column).unwrap_or_default();
                let problem = format!(
                    "the number is {got} here and {before} on line {line}, expected one for a sequence, or --every-step"
                );
                return Err(table.refusal(other, column, problem));
            }
        }
    }
    Ok(first)
}

/// The number in a cell; NaN where it is empty. Errors: something else; no label where those are wanted.
fn target(table: &Table, row: usize, column: usize, output: Output) -> Result<f64, Error> {
    let text = table.cell(row, column).unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(f64::NAN);
    }
    if output != Output::Bernoulli {
        return table.number(row, column);
    }
    match text {
        "true" | "True" | "TRUE" => Ok(1.0),
        "false" | "False" | "FALSE" => Ok(0.0),
        _ => match table.number(row, column) {
            Ok(y) if y == 0.0 || y == 1.0 => Ok(y),
            _ => Err(table.refusal(row, column, format!("{} is given, expected 0 or 1", quoted(text)))),
        },
    }
}
