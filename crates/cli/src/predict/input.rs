//! The input of `predict`: texts with their line numbers from lines, JSON lines or a column of a table, and sequences of
//! numbers by group. A row that cannot be read is an error, with --skip-bad a warning. Not here: predictions.

use std::io::{BufRead, Read};
use std::mem;

use anyhow::Context;
use elman::Error;
use elman::config::Source;
use elman::data::table::items::Items;
use elman::data::table::{Format, Table, json_object, vectors};
use elman::data::{Vocab, without_bom};
use serde_json::Value;

use super::args::Args;
use crate::failure::Refusal;
use crate::progress::Work;

/// Texts of a batch.
const AT_ONCE: usize = 256;

/// Where the texts of an input are, and which of them are refused.
pub struct Texts<'a> {
    /// The key of a text in a JSON object, or its column in a table.
    pub column: &'a str,
    /// Whether the first row of a table names the columns; None if a table is refused.
    pub header: Option<bool>,
    /// Whether a text of a JSON object is refused as empty. Blank lines are always skipped.
    pub is_empty: fn(&str) -> bool,
    /// Whether a blank line is a text, which is empty.
    pub keeps_blank: bool,
}

impl Texts<'_> {
    /// Calls `take` with the line number of each text, and with the text or the reason why it cannot be read; and with None where
    /// the next line has not arrived yet.
    pub fn each(
        &self,
        args: &Args,
        mut take: impl FnMut(Option<(u64, Result<String, Error>)>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut from = args.open()?;
        if matches!(args.format(), Some(Format::Csv | Format::Tsv | Format::Json)) {
            let refusal = Refusal::new("the input is a table, expected a text a line or JSON lines");
            let refusal = refusal.hint("--format lines reads any file as lines");
            let table = table(args, from, self.header.ok_or(refusal)?)?;
            let column = table.column(self.column)?;
            return (0..table.len())
                .try_for_each(|row| take(Some((table.line(row), table.text(row, column).map(str::to_string)))));
        }
        let (mut bytes, mut line) = (Vec::new(), 0);
        while from.read_until(b'\n', &mut bytes).with_context(|| format!("cannot read {}", args.name()))? > 0 {
            line += 1;
            let bytes_of_text = if line == 1 { without_bom(&bytes) } else { &bytes[..] };
            if let Some(text) = self.text(args, line, bytes_of_text).transpose() {
                take(Some((line, text)))?;
            }
            bytes.clear();
            if !from.buffer().contains(&b'\n') {
                take(None)?;
            }
        }
        Ok(())
    }

    /// Reads all texts and calls `tell` with batches of at most `at_once`: whoever waits for the answer to a line before writing
    /// the next gets it. A text that cannot be
    /// read, or that `check` refuses, is handled after the results of the texts before it.
    pub fn answer(
        &self,
        args: &Args,
        at_once: usize,
        check: impl Fn(&str) -> Result<(), Error>,
        mut tell: impl FnMut(Vec<(u64, String)>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let checked = |line, text: String| match check(&text) {
            Ok(()) => Ok(text),
            Err(error) => Err(refusal(args, line, None, &error.to_string())),
        };
        let mut waiting = Vec::new();
        self.each(args, |arrived| {
            let Some((line, text)) = arrived else {
                return if waiting.is_empty() { Ok(()) } else { tell(mem::take(&mut waiting)) };
            };
            match text.and_then(|text| checked(line, text)) {
                Ok(text) => waiting.push((line, text)),
                Err(error) => {
                    if !args.skip_bad {
                        tell(mem::take(&mut waiting))?;
                    }
                    args.on_bad(error)?;
                }
            }
            if waiting.len() == at_once { tell(mem::take(&mut waiting)) } else { Ok(()) }
        })?;
        tell(waiting)
    }

    /// The text of a line; None if it is blank.
    fn text(&self, args: &Args, line: u64, bytes: &[u8]) -> Result<Option<String>, Error> {
        if args.format().is_none() {
            let text = std::str::from_utf8(bytes).map_err(|_| refusal(args, line, None, "the line is not UTF-8"))?;
            return Ok(Some(text.trim().to_string()).filter(|text| self.keeps_blank || !text.is_empty()));
        }
        let Some(object) = json_object(&args.name(), line, bytes)? else { return Ok(None) };
        let problem = match object.get(self.column) {
            Some(Value::String(text)) if !(self.is_empty)(text) => return Ok(Some(text.clone())),
            Some(Value::String(_)) => "the text is empty".to_string(),
            Some(other) => format!("{other} is given, expected text"),
            None => "the object has no such key, expected text".to_string(),
        };
        Err(refusal(args, line, Some(self.column), &problem))
    }
}

/// Calls `tell` with the lines and texts of the input, at most `AT_ONCE` of them, that a vocabulary reads; shows their number
/// meanwhile. The result of a text does not depend on the others.
pub fn each_text(
    args: &Args,
    source: &Source,
    vocab: &Vocab,
    mut tell: impl FnMut(&[u64], &Items) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (name, work, mut done) = (args.name(), Work::beside_output(), 0);
    let texts =
        Texts { column: &source.text, header: Some(source.header), is_empty: str::is_empty, keeps_blank: false };
    let check = |text: &str| vocab.encode(&name, text).map(drop);
    texts.answer(args, AT_ONCE, check, |waiting| {
        done += waiting.len() as u64;
        work.at("row", done, None);
        let (lines, texts): (Vec<u64>, Vec<String>) = waiting.into_iter().unzip();
        tell(&lines, &Items::Texts(texts))
    })
}

/// An error that names the line, and the column if there is one.
pub fn refusal(args: &Args, line: u64, column: Option<&str>, problem: &str) -> Error {
    Error::Row { name: args.name(), line, column: column.map(str::to_string), problem: problem.to_string() }
}

/// The whole input as a table; lines are read as CSV.
pub fn table(args: &Args, from: impl Read, header: bool) -> anyhow::Result<Table> {
    table_of(args, from, &Source { header, ..Source::default() })
}

/// The same, laid out as `source` says.
fn table_of(args: &Args, mut from: impl Read, source: &Source) -> anyhow::Result<Table> {
    let (format, mut bytes) = (args.format().unwrap_or(Format::Csv), Vec::new());
    from.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", args.name()))?;
    Ok(Table::of_source(&args.name(), &bytes, format, source, &mut |error| args.on_bad(error))?)
}

/// The sequences of numbers in a table, and the names of their groups. `labels` are columns that are no features.
pub fn groups(
    args: &Args,
    source: &Source,
    (columns, labels): (&[String], &[&str]),
) -> anyhow::Result<(Vec<String>, Items)> {
    let table = table_of(args, args.open()?, source)?;
    let source = &args.format().map_or_else(|| source.clone(), |format| format.source(source));
    let items = vectors::groups(&table, source, (columns, labels), &mut |error| args.on_bad(error))?;
    let groups = if let Items::Vectors { groups, .. } = &items { groups.clone() } else { Vec::new() };
    Ok((groups, items))
}

/// All rows of a table as one sequence of numbers, and its name.
pub fn whole(args: &Args, source: &Source, columns: &[String]) -> anyhow::Result<(Vec<String>, Items)> {
    let table = table_of(args, args.open()?, source)?;
    Ok((vec![args.name()], vectors::whole(&table, columns)?))
}
