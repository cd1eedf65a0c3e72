//! Tables of text cells: CSV, TSV, JSON lines and `.ts` files from bytes, and back to CSV. Every cell knows the line on which its
//! row begins. A malformed row, and a cell that should be a number and is not, is an error with row and column. Not
//! here: the meaning of a column.

pub mod conll;
pub mod dataset;
pub mod encoding;
pub mod held_out;
pub mod items;
pub mod labelled;
pub mod measured;
pub mod parallel;
pub mod reading;
mod rows;
pub mod scale;
pub mod sequences;
pub mod tagged;
mod ts_file;
pub mod vectors;
pub mod written;

use std::collections::HashMap;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use self::rows::{Row, Rows};
use crate::config::Source;
use crate::data::text::text_encoding::likely;
use crate::data::text::utf8::without_bom;
use crate::error::Error;
use crate::files::regular::{self, Links};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with quotes (RFC 4180).
    Csv,
    /// Tab-separated, in which a quote is a character like others.
    Tsv,
    /// An object a line.
    JsonLines,
    /// An array of objects, or an object a line.
    Json,
    /// A sequence a line, of the UEA and UCR archives.
    Ts,
}

impl Format {
    /// The format of a file's extension: `.csv`; `.tsv`, `.tab`; `.jsonl`, `.ndjson`, `.jsonlines`;
    /// `.json`; `.ts`.
    pub fn of_path(path: impl AsRef<Path>) -> Option<Format> {
        match path.as_ref().extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "tsv" | "tab" => Some(Format::Tsv),
            "jsonl" | "ndjson" | "jsonlines" => Some(Format::JsonLines),
            "json" => Some(Format::Json),
            "ts" => Some(Format::Ts),
            _ => None,
        }
    }

    /// Where a table in this format has what `source` asks for.
    pub fn source(self, source: &Source) -> Source {
        if self == Format::Ts { ts_file::source_of(source) } else { source.clone() }
    }
}

/// Rows of text under named columns.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    columns: Vec<String>,
    rows: Rows,
}

/// What becomes of a row that cannot be read: the error stops the reading, Ok continues without the row.
pub type OnBad<'a> = &'a mut dyn FnMut(Error) -> Result<(), Error>;

impl Table {
    /// A table in bytes; `name` is what messages call it. With `header` the first row names the columns, without they
    /// are called `1`, `2`, ...; JSON names its own. A BOM is skipped.
    ///
    /// Errors: text that is not UTF-8; a row of another length than the first; a quote that is never closed; a column
    /// named twice; a line that is no JSON object, or holds one in a cell; no columns.
    pub fn from_bytes(name: &str, bytes: &[u8], format: Format, header: bool) -> Result<Table, Error> {
        Table::parse(name, bytes, format, header, &mut Err)
    }

    /// As [`Table::from_bytes`], of rows that may have any number of cells each.
    pub fn ragged(name: &str, bytes: &[u8], format: Format, header: bool) -> Result<Table, Error> {
        Table::of(name, bytes, format, (header, true), &mut Err)
    }

    /// As [`Table::from_bytes`]; `on_bad` decides how to handle a row that cannot be read.
    pub fn parse(name: &str, bytes: &[u8], format: Format, header: bool, on_bad: OnBad<'_>) -> Result<Table, Error> {
        Table::of(name, bytes, format, (header, false), on_bad)
    }

    /// As [`Table::parse`], laid out as `source` says: where a row is a sequence, rows may have any number of cells.
    pub fn of_source(
        name: &str,
        bytes: &[u8],
        format: Format,
        source: &Source,
        on_bad: OnBad<'_>,
    ) -> Result<Table, Error> {
        Table::of(name, bytes, format, (source.header, source.wide), on_bad)
    }

    fn of(name: &str, bytes: &[u8], format: Format, layout: (bool, bool), on_bad: OnBad<'_>) -> Result<Table, Error> {
        let bytes = without_bom(bytes);
        let table = match format {
            Format::Csv => separated(name, bytes, b',', layout, on_bad)?,
            Format::Tsv => separated(name, bytes, b'\t', layout, on_bad)?,
            Format::JsonLines => json_lines(name, bytes, on_bad)?,
            Format::Json if bytes.trim_ascii_start().starts_with(b"[") => json_array(name, bytes, on_bad)?,
            Format::Json => json_lines(name, bytes, on_bad)?,
            Format::Ts => ts_file::read(name, bytes, on_bad)?,
        };
        if table.columns.is_empty() {
            let problem = "the table has no columns, expected at least 1".to_string();
            return Err(Error::Data { name: name.into(), problem });
        }
        Ok(table)
    }

    /// Reads the table in a file, whose ending says the format. Errors: it cannot be read; another ending; as
    /// [`Table::from_bytes`].
    pub fn read(path: &Path, header: bool) -> Result<Table, Error> {
        let Some(format) = Format::of_path(path) else {
            return Err(Error::file(path, "the file's ending says nothing, expected .csv, .tsv, .jsonl or .json"));
        };
        let bytes = regular::read(path, Links::Follow).map_err(Error::io("read", path))?;
        Table::from_bytes(&path.display().to_string(), &bytes, format, header)
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns' names, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// The line a row begins on, from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.rows.line(row)
    }

    /// The place of a column. Errors: there is none of that name.
    pub fn column(&self, name: &str) -> Result<usize, Error> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| Error::NoColumn {
            name: self.name.clone(),
            column: name.to_string(),
            has: self.columns.clone(),
        })
    }

    /// A cell, where the row has one.
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        self.rows.cell(row, column)
    }

    /// The text of a cell. Errors: the row has none, or it is empty.
    pub fn text(&self, row: usize, column: usize) -> Result<&str, Error> {
        self.full(row, column, "text")
    }

    /// The text of a cell that holds something. Errors: as [`Table::text`]; `expected` says what was to be there.
    fn full(&self, row: usize, column: usize, expected: &str) -> Result<&str, Error> {
        match self.cell(row, column) {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(self.refusal(row, column, format!("the cell is empty, expected {expected}"))),
            None => Err(self.refusal(row, column, format!("the row has no such cell, expected {expected}"))),
        }
    }

    /// The number in a cell, ignoring white space around it. Errors: the row has none, or it is not a finite number.
    pub fn number(&self, row: usize, column: usize) -> Result<f64, Error> {
        let text = self.full(row, column, "a number")?;
        match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(self.refusal(row, column, format!("{} is given, expected a finite number", quoted(text)))),
        }
    }

    /// An error that names a row and a column.
    pub fn refusal(&self, row: usize, column: usize, problem: impl Into<String>) -> Error {
        Error::Row {
            name: self.name.clone(),
            line: self.line(row),
            column: self.columns.get(column).cloned(),
            problem: problem.into(),
        }
    }

    /// The table as CSV with a header; a cell that a row lacks is empty.
    pub fn to_csv(&self) -> String {
        let cells = |row: usize| (0..self.columns.len()).map(move |column| self.cell(row, column).unwrap_or_default());
        csv_of(&self.columns, (0..self.len()).map(cells))
    }
}

/// A header and rows as CSV.
pub fn csv_of<I>(columns: &[String], rows: impl Iterator<Item = I>) -> String
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    // At the beginning of a file, a BOM is not taken for a part of the name unless it stands in quotes.
    let quotes = match columns.first().is_some_and(|first| first.starts_with('\u{feff}')) {
        true => csv::QuoteStyle::Always,
        false => csv::QuoteStyle::Necessary,
    };
    let head = csv_of_rows(std::iter::once(columns), quotes);
    head + &csv_of_rows(rows, quotes)
}

/// Rows as CSV, without a header.
pub fn csv_rows<I>(rows: impl Iterator<Item = I>) -> String
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    csv_of_rows(rows, csv::QuoteStyle::Necessary)
}

fn csv_of_rows<I>(rows: impl Iterator<Item = I>, quotes: csv::QuoteStyle) -> String
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut writer = csv::WriterBuilder::new().flexible(true).quote_style(quotes).from_writer(Vec::new());
    // A vector takes every byte it is given.
    let written = "a vector can be written";
    rows.for_each(|row| writer.write_record(row).expect(written));
    String::from_utf8(writer.into_inner().expect(written)).expect("cells are text")
}

/// A cell's text in a message: quoted, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The table of cells that a character separates. `header`: the first row names the columns. `is_ragged`: rows may have
/// any number of cells.
fn separated(
    name: &str,
    bytes: &[u8],
    separator: u8,
    (header, is_ragged): (bool, bool),
    on_bad: OnBad<'_>,
) -> Result<Table, Error> {
    let quoting = separator == b',';
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true) // rows of another length are refused here, with their line
        .quoting(quoting)
        .from_reader(bytes);
    let mut table = Table { name: name.to_string(), columns: Vec::new(), rows: Rows::default() };
    let refuse = |line: u64, column: Option<String>, problem: String| Error::Row {
        name: name.to_string(),
        line,
        column,
        problem,
    };
    let (mut record, mut is_first) = (csv::ByteRecord::new(), true);
    let (mut line, mut counted) = (1, 0);
    while reader.read_byte_record(&mut record).map_err(|error| refuse(1, None, error.to_string()))? {
        // The reader's place is before the end of the last row and before blank lines.
        let place = record.position().map_or(0, csv::Position::byte) as usize;
        let start = place + bytes[place..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += line_ends(&bytes[counted..start]);
        counted = start;
        if quoting && reader.position().byte() as usize >= bytes.len() && is_left_open(&bytes[start..]) {
            on_bad(refuse(line, None, "a quote is opened and never closed".to_string()))?;
            break;
        }
        let mut cells = Vec::with_capacity(record.len());
        let mut bad = None;
        for (at, cell) in record.iter().enumerate() {
            match std::str::from_utf8(cell) {
                Ok(text) => cells.push((at as u32, text.to_string())),
                Err(_) => {
                    let column = table.columns.get(at).cloned().unwrap_or_else(|| (at + 1).to_string());
                    let likely = likely(bytes).map(|name| format!("; it looks like {name}: see --encoding"));
                    let problem = format!("the cell is not UTF-8{}", likely.unwrap_or_default());
                    bad = Some(refuse(line, Some(column), problem));
                    break;
                }
            }
        }
        if std::mem::take(&mut is_first) {
            if let Some(bad) = bad {
                return Err(bad); // without the first row there are no columns
            }
            table.columns = match header {
                true => cells.iter().map(|(_, text)| text.clone()).collect(),
                false => (1..=cells.len()).map(|at| at.to_string()).collect(),
            };
            named_once(name, line, &table.columns)?;
            if let (b',', [only]) = (separator, &table.columns[..])
                && let Some(other) = [';', '\t'].into_iter().find(|other| only.contains(*other))
            {
                let problem = format!("one cell with {other:?} in it, expected cells that a comma separates");
                return Err(refuse(line, None, problem));
            }
            if header {
                continue;
            }
        }
        if is_ragged {
            let more = table.columns.len() + 1..=cells.len();
            table.columns.extend(more.map(|number| format!("cell {number}")));
        } else if bad.is_none() && cells.len() != table.columns.len() {
            let problem = format!("the row has {} cells, expected {}", cells.len(), table.columns.len());
            bad = Some(refuse(line, None, problem));
        }
        match bad {
            Some(bad) => on_bad(bad)?,
            None => table.rows.push(Row { line, cells }),
        }
    }
    Ok(table)
}

/// Ends of lines: `\n`, `\r\n`, and `\r` alone. A part never ends between the two.
fn line_ends(bytes: &[u8]) -> u64 {
    let ends = |at: usize| match bytes[at] {
        b'\n' => at == 0 || bytes[at - 1] != b'\r',
        byte => byte == b'\r',
    };
    (0..bytes.len()).filter(|&at| ends(at)).count() as u64
}

/// Whether the last record of a file ends within quotes: it has an odd number of them, and a cell begins with one.
fn is_left_open(record: &[u8]) -> bool {
    let quotes = record.iter().filter(|&&byte| byte == b'"').count();
    quotes % 2 == 1 && (record.starts_with(b"\"") || record.windows(2).any(|pair| pair == b",\""))
}

fn named_once(name: &str, line: u64, columns: &[String]) -> Result<(), Error> {
    let mut seen = std::collections::HashSet::new();
    match columns.iter().find(|column| !seen.insert(column.as_str())) {
        None => Ok(()),
        Some(twice) => Err(Error::Row {
            name: name.to_string(),
            line,
            column: Some(twice.clone()),
            problem: "two columns have this name, expected names that differ".to_string(),
        }),
    }
}

fn json_lines(name: &str, bytes: &[u8], on_bad: OnBad<'_>) -> Result<Table, Error> {
    let mut table = Table { name: name.to_string(), columns: Vec::new(), rows: Rows::default() };
    let mut places: HashMap<String, u32> = HashMap::new();
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = at as u64 + 1;
        let read = match json_object(name, number, line) {
            Ok(None) => continue,
            Ok(Some(object)) => {
                new_keys(line, &object, &mut places, &mut table.columns);
                json_row(name, number, object, &places)
            }
            Err(error) => Err(error),
        };
        match read {
            Ok(row) => table.rows.push(row),
            Err(error) => on_bad(error)?,
        }
    }
    Ok(table)
}

/// The table of an array of objects; the place of an object counts as its line.
fn json_array(name: &str, bytes: &[u8], on_bad: OnBad<'_>) -> Result<Table, Error> {
    let mut table = Table { name: name.to_string(), columns: Vec::new(), rows: Rows::default() };
    let mut places: HashMap<String, u32> = HashMap::new();
    let all: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(|error| Error::Data {
        name: name.to_string(),
        problem: format!("the file is no array of JSON objects: {error}"),
    })?;
    for (object, number) in all.into_iter().map(|raw| raw.get().as_bytes()).zip(1_u64..) {
        let read = json_object(name, number, object).and_then(|read| {
            let read = read.unwrap_or_default();
            new_keys(object, &read, &mut places, &mut table.columns);
            json_row(name, number, read, &places)
        });
        match read {
            Ok(row) => table.rows.push(row),
            Err(error) => on_bad(error)?,
        }
    }
    Ok(table)
}

/// The object that a line of JSON lines holds; None where the line is blank. Errors: it holds something else.
pub fn json_object(name: &str, line: u64, bytes: &[u8]) -> Result<Option<Map<String, Value>>, Error> {
    let refuse = |problem: String| Error::Row { name: name.to_string(), line, column: None, problem };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| refuse("the line is not UTF-8".to_string()))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(other) => Err(refuse(format!("the line holds {}, expected a JSON object", kind(&other)))),
        // Its line is that of the text it was given: the first.
        Err(error) => Err(refuse(format!("the line is not JSON: {error}").replace(" at line 1 column", " at column"))),
    }
}

/// The keys of a JSON object in their order.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, serde::de::IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// Makes columns of the keys that no line before had, in the order of this line.
fn new_keys(line: &[u8], object: &Map<String, Value>, places: &mut HashMap<String, u32>, columns: &mut Vec<String>) {
    if object.keys().all(|key| places.contains_key(key)) {
        return;
    }
    let Ok(Keys(keys)) = serde_json::from_slice(line) else { return };
    for key in keys {
        let next = columns.len() as u32;
        places.entry(key).or_insert_with_key(|key| {
            columns.push(key.clone());
            next
        });
    }
}

fn json_row(name: &str, line: u64, object: Map<String, Value>, places: &HashMap<String, u32>) -> Result<Row, Error> {
    let mut cells = Vec::with_capacity(object.len());
    for (key, value) in object {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let problem = format!("the cell holds {}, expected text, a number, true, false or null", kind(&value));
                return Err(Error::Row { name: name.to_string(), line, column: Some(key), problem });
            }
        };
        let Some(&place) = places.get(&key) else { continue };
        cells.push((place, text));
    }
    cells.sort_by_key(|cell| cell.0);
    Ok(Row { line, cells })
}

/// The type of a JSON value, as text.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Table, Error> {
        Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true)
    }

    fn words(read: Result<Table, Error>) -> String {
        read.map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn cells_come_with_their_lines_whatever_is_quoted() {
        let table = csv("\u{feff}a,b\r\n1,\"x,\ny\"\r\n\r\n2,\"say \"\"so\"\"\"\n").unwrap();
        assert_eq!((table.columns(), table.len()), (&["a".to_string(), "b".to_string()][..], 2));
        assert_eq!([table.line(0), table.line(1)], [2, 5]);
        assert_eq!([table.cell(0, 1), table.cell(1, 1)], [Some("x,\ny"), Some("say \"so\"")]);
        assert_eq!(table.number(1, 0).unwrap(), 2.0);
        let again = csv(&table.to_csv()).unwrap();
        assert_eq!((0..2).map(|row| again.cell(row, 1)).collect::<Vec<_>>(), [table.cell(0, 1), table.cell(1, 1)]);
    }

    #[test]
    fn tabs_leave_quotes_alone_and_columns_may_have_numbers() {
        let table = Table::from_bytes("t", b"\"Go\tVa !\n5\" wide\tlarge\n", Format::Tsv, false).unwrap();
        assert_eq!((table.columns(), table.cell(0, 0)), (&["1".to_string(), "2".to_string()][..], Some("\"Go")));
        assert_eq!(table.cell(1, 0), Some("5\" wide"));
    }

    #[test]
    fn json_may_lack_cells_and_brings_numbers_as_they_are() {
        let text = b"{\"a\":1.50,\"b\":\"x\"}\n\n{\"c\":true,\"a\":null}\r\n";
        let table = Table::from_bytes("t", text, Format::JsonLines, true).unwrap();
        assert_eq!(table.columns(), ["a", "b", "c"]);
        assert_eq!([table.cell(0, 0), table.cell(1, 0), table.cell(1, 2)], [Some("1.5"), None, Some("true")]);
        assert_eq!(table.line(1), 3);
        assert_eq!(
            table.number(1, 0).unwrap_err().to_string(),
            "line 3, column a: the row has no such cell, expected a number (t)"
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_row_and_column() {
        let table = csv("a,b\n1,\n2,NaN\n3,4x\n").unwrap();
        let column = table.column("b").unwrap();
        let messages: Vec<String> = (0..3).map(|row| table.number(row, column).unwrap_err().to_string()).collect();
        assert_eq!(messages[0], "line 2, column b: the cell is empty, expected a number (t.csv)");
        assert_eq!(messages[1], "line 3, column b: \"NaN\" is given, expected a finite number (t.csv)");
        assert_eq!(messages[2], "line 4, column b: \"4x\" is given, expected a finite number (t.csv)");
        assert_eq!(table.column("c").unwrap_err().to_string(), "no column is called c, expected one of a, b (t.csv)");
        assert_eq!(words(csv("a,b\n1,2\n\n3\n")), "line 4: the row has 1 cells, expected 2 (t.csv)");
        assert_eq!(
            words(csv("a,a\n")),
            "line 1, column a: two columns have this name, expected names that differ (t.csv)"
        );
        assert_eq!(words(csv("a,b\n1,\"2\n3,4\n")), "line 2: a quote is opened and never closed (t.csv)");
        assert_eq!(words(csv("")), "the table has no columns, expected at least 1 (t.csv)");
        let bytes = |bytes: &[u8], format| words(Table::from_bytes("t", bytes, format, true));
        let raw = bytes(b"a,b\n1,\xff\n", Format::Csv);
        assert!(raw.starts_with("line 2, column b: the cell is not UTF-8; it looks like "), "{raw}");
        assert_eq!(bytes(b"{}\n[1]", Format::JsonLines), "line 2: the line holds an array, expected a JSON object (t)");
        let cut = bytes(b"{\"a\":", Format::JsonLines);
        assert_eq!(cut, "line 1: the line is not JSON: EOF while parsing a value at column 5 (t)");
        assert_eq!(
            bytes(b"{\"a\":[1]}", Format::JsonLines),
            "line 1, column a: the cell holds an array, expected text, a number, true, false or null (t)"
        );
    }

    #[test]
    fn bad_rows_are_left_out_where_that_is_wanted() {
        let mut bad = Vec::new();
        let text = b"a,b\n1,2\n3\n4,5\n\xff,6\n7,8\n";
        let table = Table::parse("t", text, Format::Csv, true, &mut |error| {
            bad.push(error.to_string());
            Ok(())
        })
        .unwrap();
        assert_eq!((table.len(), bad.len()), (3, 2), "{bad:?}");
        assert_eq!(table.number(2, 1).unwrap(), 8.0);
    }

    #[test]
    fn a_row_ends_with_cr_or_lf_or_both() {
        let table = csv("a,b\r1,2\r\n\r\n\n3,4\r5,6").unwrap();
        assert_eq!([0, 1, 2].map(|row| table.line(row)), [2, 5, 6]);
    }

    #[test]
    fn a_quote_within_a_cell_is_left_open_by_nobody() {
        assert_eq!(csv("a\n5\" wide\n").unwrap().cell(0, 0), Some("5\" wide"));
        assert_eq!(csv("a\n\"x\"").unwrap().cell(0, 0), Some("x"));
    }
}
