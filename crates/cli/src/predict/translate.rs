//! Translates lines as they arrive, measures the held-out parts of a run's data, and draws attention weights. Not here: the
//! network (`elman::task::translate`).

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use elman::autodiff::tape::Tape;
use elman::data::table::json_object;
use elman::data::table::parallel::{Parallel, Parts};
use elman::files::model_file::Stored;
use elman::infer::search::Search;
use elman::task::translate::{LONGEST, Trained};
use elman::{Cpu, Element, Error};
use serde_json::{Value, json};

use super::args::{Args, Written};
use crate::attention;
use crate::failure::{self, Refusal};
use crate::tasks::Scores;
use crate::terminal;

/// Texts of a batch. The result of a text does not depend on the others.
const AT_ONCE: usize = 128;

/// A translator and its pending input.
struct Work<'a, E> {
    args: &'a Args,
    trained: Trained<E>,
    tape: Tape<E>,
    /// The key of a text in a JSON object.
    key: String,
    /// The file for the attention weights of the first text.
    picture: Option<PathBuf>,
    /// Texts of the next batch, with their line numbers.
    waiting: Vec<(u64, String)>,
}

pub fn run<E: Element>(args: &Args, stored: &Stored) -> anyhow::Result<ExitCode> {
    let (config, trained) = Trained::<E>::load(stored)?;
    let settings = config.translate()?.clone();
    let tape = Tape::new(&Cpu::new(args.threads)?);
    let key = settings.source.from.clone();
    let mut work = Work { args, trained, tape, key, picture: args.svg.clone(), waiting: Vec::new() };
    if let Some(part) = &args.part {
        if args.is_stdin() {
            let message = format!("--part {part} is given without the run's data, expected it as INPUT");
            return Err(Refusal::new(message).into());
        }
        let data = Parallel::read(&args.input, &settings.source)?;
        let parts = Parts::new(&config, &settings, &data.pairs);
        let sentences = if part == "test" { parts.test } else { parts.validation };
        let search = work.search();
        let measured = work.trained.measure(&mut work.tape, &sentences, search, &mut || true)?;
        let (figures, _) = measured.expect("the callback never stops it");
        terminal::print_json(&Scores::of(&figures))?;
        return Ok(ExitCode::SUCCESS);
    }
    match args.is_stdin() {
        true => work.lines(io::stdin().lock(), io::stdin().is_terminal())?,
        false => work.lines(&args.bytes()?[..], false)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl<E: Element> Work<'_, E> {
    fn search(&self) -> Search {
        Search { beam: self.args.beam, length_penalty: self.args.length_penalty, longest: LONGEST }
    }

    /// Reads one text per line, plain or in a JSON object. Blank lines are skipped.
    fn lines(&mut self, mut from: impl BufRead, is_terminal: bool) -> anyhow::Result<()> {
        let is_json = match self.args.written() {
            Written::Lines => false,
            Written::Jsonl => true,
            Written::Csv | Written::Tsv => {
                let message = "the input is a table, expected a text a line or JSON lines";
                return Err(Refusal::new(message).hint("--format lines reads any file as lines").into());
            }
        };
        let (mut bytes, mut line) = (Vec::new(), 0);
        loop {
            bytes.clear();
            if from.read_until(b'\n', &mut bytes).with_context(|| format!("cannot read {}", self.args.name()))? == 0 {
                return self.tell();
            }
            line += 1;
            match self.text(line, &bytes, is_json) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    if let Some(picture) = self.picture.take() {
                        self.draw(&text, &picture)?;
                    }
                    self.waiting.push((line, text));
                }
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

    fn text(&self, line: u64, bytes: &[u8], is_json: bool) -> Result<Option<String>, Error> {
        let (name, key) = (self.args.name(), &self.key);
        let refuse = |column: Option<&str>, problem: String| Error::Row {
            name: name.clone(),
            line,
            column: column.map(str::to_string),
            problem,
        };
        if !is_json {
            let text = std::str::from_utf8(bytes).map_err(|_| refuse(None, "the line is not UTF-8".into()))?;
            return Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty()));
        }
        let Some(object) = json_object(&name, line, bytes)? else { return Ok(None) };
        match object.get(key) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_string())),
            Some(Value::String(_)) => Err(refuse(Some(key), "the text is empty".into())),
            Some(other) => Err(refuse(Some(key), format!("{other} is given, expected text"))),
            None => Err(refuse(Some(key), "the object has no such key, expected text".into())),
        }
    }

    fn draw(&mut self, text: &str, picture: &Path) -> anyhow::Result<()> {
        let (_, look) = self.trained.look(&mut self.tape, &self.args.name(), text, LONGEST)?;
        attention::draw(&look, picture)
    }

    /// Prints the results of the pending texts.
    fn tell(&mut self) -> anyhow::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let texts: Vec<&str> = waiting.iter().map(|(_, text)| text.as_str()).collect();
        let search = self.search();
        let written = self.trained.translate(&mut self.tape, &self.args.name(), &texts, search, &mut || true)?;
        let mut out = io::stdout().lock();
        for ((line, _), written) in waiting.iter().zip(written.unwrap_or_default()) {
            if !written.ended {
                let problem = format!("the text is cut after {LONGEST} tokens");
                failure::warn(&Error::Row { name: self.args.name(), line: *line, column: None, problem });
            }
            let object = json!({ "line": line, "text": written.text, "log_probability": written.log_probability });
            writeln!(out, "{object}")?;
        }
        Ok(out.flush()?)
    }
}
