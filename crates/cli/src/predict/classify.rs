//! Predicts classes: of lines, JSON lines and tables of texts as they arrive, of tables of numbers by group. Not here: the
//! network (`elman::task::classify`).

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use elman::autodiff::tape::Tape;
use elman::data::table::encoding::Encoding;
use elman::data::table::labelled::Items;
use elman::data::table::{Format, Table, json_object};
use elman::files::model_file::Stored;
use elman::task::classify::{Trained, likeliest};
use elman::{Config, Cpu, Element, Error};
use serde_json::{Map, Value, json};

use super::args::{Args, Written};

/// Texts of a batch. The result of a text does not depend on the others.
const AT_ONCE: usize = 256;

/// A classifier and its pending input.
struct Work<'a, E> {
    args: &'a Args,
    config: Config,
    trained: Trained<E>,
    tape: Tape<E>,
    /// Texts of the next batch, with their line numbers.
    waiting: Vec<(u64, String)>,
}

pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<ExitCode> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let tape = Tape::new(&Cpu::new(args.threads)?);
    let mut work = Work { args, config, trained, tape, waiting: Vec::new() };
    let is_text = matches!(work.trained.encoding, Encoding::Tokens(_));
    match (args.written(), is_text) {
        (written @ (Written::Lines | Written::Jsonl), true) => match args.is_stdin() {
            true => work.lines(io::stdin().lock(), written, io::stdin().is_terminal())?,
            false => work.lines(&args.bytes()?[..], written, false)?,
        },
        (Written::Lines, false) => work.table(Format::Csv)?,
        (Written::Jsonl, false) => work.table(Format::JsonLines)?,
        (Written::Csv, _) => work.table(Format::Csv)?,
        (Written::Tsv, _) => work.table(Format::Tsv)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl<E: Element> Work<'_, E> {
    /// Reads one text per line, plain or in a JSON object. Blank lines are skipped.
    fn lines(&mut self, mut from: impl BufRead, written: Written, is_terminal: bool) -> anyhow::Result<()> {
        let (mut bytes, mut line) = (Vec::new(), 0);
        loop {
            bytes.clear();
            if from.read_until(b'\n', &mut bytes).with_context(|| format!("cannot read {}", self.args.name()))? == 0 {
                return self.tell();
            }
            line += 1;
            let text = match written {
                Written::Jsonl => self.text_of_object(line, &bytes),
                _ => self.text_of_line(line, &bytes),
            };
            match text.and_then(|text| self.check(line, text)) {
                Ok(Some(text)) => self.waiting.push((line, text)),
                Ok(None) => {}
                Err(error) => {
                    // Print the results of the lines before it first.
                    if !self.args.skip_bad {
                        self.tell()?;
                    }
                    self.args.on_bad(error)?;
                }
            }
            if self.waiting.len() == AT_ONCE || is_terminal {
                self.tell()?;
            }
        }
    }

    fn refuse(&self, line: u64, column: Option<&str>, problem: &str) -> Error {
        let (name, column) = (self.args.name(), column.map(str::to_string));
        Error::Row { name, line, column, problem: problem.to_string() }
    }

    fn text_of_line(&self, line: u64, bytes: &[u8]) -> Result<Option<String>, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| self.refuse(line, None, "the line is not UTF-8"))?;
        Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty()))
    }

    fn text_of_object(&self, line: u64, bytes: &[u8]) -> Result<Option<String>, Error> {
        let column = &self.config.classify()?.source.text;
        match json_object(&self.args.name(), line, bytes)? {
            None => Ok(None),
            Some(object) => match object.get(column) {
                Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
                Some(Value::String(_)) => Err(self.refuse(line, Some(column), "the text is empty")),
                Some(other) => Err(self.refuse(line, Some(column), &format!("{other} is given, expected text"))),
                None => Err(self.refuse(line, Some(column), "the object has no such key, expected text")),
            },
        }
    }

    /// Checks that the vocabulary has the characters of a text; the error names the line.
    fn check(&self, line: u64, text: Option<String>) -> Result<Option<String>, Error> {
        if let (Some(text), Encoding::Tokens(vocab)) = (&text, &self.trained.encoding) {
            vocab.encode(&self.args.name(), text).map_err(|error| self.refuse(line, None, &error.to_string()))?;
        }
        Ok(text)
    }

    /// Reads a table of texts, or of numbers in groups.
    fn table(&mut self, format: Format) -> anyhow::Result<()> {
        let (args, name) = (self.args, self.args.name());
        let source = self.config.classify()?.source.clone();
        let table = Table::parse(&name, &args.bytes()?, format, source.header, &mut |error| args.on_bad(error))?;
        if let Encoding::Vectors { columns, .. } = &self.trained.encoding {
            let features = columns.clone();
            let groups =
                elman::data::table::labelled::groups(&table, &source, &features, &mut |error| args.on_bad(error))?;
            let Items::Vectors { groups: names, .. } = &groups else { return Ok(()) };
            let names = names.clone();
            let all = self.trained.predict(&mut self.tape, &name, &groups, self.config.seq_len)?;
            let mut out = io::stdout().lock();
            for (group, row) in names.iter().zip(&all) {
                let mut object = Map::from_iter([("group".to_string(), json!(group))]);
                object.extend(self.told(row));
                writeln!(out, "{}", Value::Object(object))?;
            }
            return Ok(());
        }
        let column = table.column(&source.text)?;
        for row in 0..table.len() {
            let line = table.line(row);
            let text = table.text(row, column).map(|text| Some(text.to_string()));
            match text.and_then(|text| self.check(line, text)) {
                Ok(text) => self.waiting.extend(text.map(|text| (line, text))),
                Err(error) => {
                    if !args.skip_bad {
                        self.tell()?;
                    }
                    args.on_bad(error)?;
                }
            }
            if self.waiting.len() == AT_ONCE {
                self.tell()?;
            }
        }
        self.tell()
    }

    /// Prints the results of the pending texts.
    fn tell(&mut self) -> anyhow::Result<()> {
        let (lines, texts): (Vec<u64>, Vec<String>) = std::mem::take(&mut self.waiting).into_iter().unzip();
        let items = Items::Texts(texts);
        let all = self.trained.predict(&mut self.tape, &self.args.name(), &items, self.config.seq_len)?;
        let mut out = io::stdout().lock();
        for (line, row) in lines.iter().zip(&all) {
            let mut object = Map::from_iter([("line".to_string(), json!(line))]);
            object.extend(self.told(row));
            writeln!(out, "{}", Value::Object(object))?;
        }
        Ok(out.flush()?)
    }

    /// The result of a sequence: its class, and the probabilities of the likeliest classes.
    fn told(&self, row: &[f64]) -> Map<String, Value> {
        let classes = &self.trained.classes;
        let best = likeliest(row);
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
        if self.args.top > 0 {
            order.truncate(self.args.top);
        }
        let each: Map<String, Value> = order.into_iter().map(|at| (classes[at].clone(), json!(row[at]))).collect();
        Map::from_iter([
            ("label".to_string(), json!(classes[best])),
            ("probability".to_string(), json!(row[best])),
            ("probabilities".to_string(), Value::Object(each)),
        ])
    }
}
