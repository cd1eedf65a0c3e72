//! Tables of text cells: CSV, TSV, JSON lines and `.ts` files from bytes, and back to CSV. Every cell knows the line on which its
//! row begins. A malformed row, and a cell that should be a number and is not, is an error with row and column. Not
//! here: the meaning of a column.

pub mod conll;
pub mod dataset;
pub mod encoding;
pub mod held_out;
pub mod items;
mod json;
pub mod labelled;
pub mod measured;
pub mod parallel;
pub mod reading;
mod rows;
pub mod scale;
mod separated;
pub mod sequences;
pub mod tagged;
mod ts_file;
pub mod vectors;
pub mod written;

use std::path::Path;

use self::rows::{Parsed, Rows};
use crate::config::Source;
use crate::data::text::utf8::without_bom;
use crate::error::Error;
use crate::files::regular::{self, Links};

pub use self::json::json_object;
pub use self::rows::OnBad;

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
        let Parsed { columns, rows } = match format {
            Format::Csv => separated::read(name, bytes, b',', layout, on_bad)?,
            Format::Tsv => separated::read(name, bytes, b'\t', layout, on_bad)?,
            Format::Json if bytes.trim_ascii_start().starts_with(b"[") => json::array(name, bytes, on_bad)?,
            Format::Json | Format::JsonLines => json::lines(name, bytes, on_bad)?,
            Format::Ts => ts_file::read(name, bytes, on_bad)?,
        };
        if columns.is_empty() {
            let problem = "the table has no columns, expected at least 1".to_string();
            return Err(Error::Data { name: name.into(), problem });
        }
        Ok(Table { name: name.to_string(), columns, rows })
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

    fn ts(text: &str) -> Result<Table, String> {
        Table::from_bytes("t.ts", text.as_bytes(), Format::Ts, true).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_a_sequence_of_dimensions_and_a_label() {
        let read = ts("# about\n@problemName x\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n\n7:8:b\n").unwrap();
        assert_eq!(read.to_csv(), "sequence,1,2,label\n5,1,4,a\n5,2,5,a\n5,3,6,a\n7,7,8,b\n");
        assert_eq!(read.line(3), 7);
        let alone = ts("@data\n1,?\n").unwrap();
        assert_eq!(alone.to_csv(), "sequence,1\n2,1\n2,\n");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |text: &str| ts(text).unwrap_err();
        assert_eq!(
            refused("@targetlabel true\n@data\n1,2:3:4\n"),
            "line 3: a dimension has 1 values, the first has 2, expected as many (t.ts)"
        );
        assert_eq!(refused("@data\n1:2\n1\n"), "line 3: the sequence has 1 dimensions, expected 2 (t.ts)");
        assert_eq!(refused("1,2\n"), "line 1: the line is no setting, expected @... until @data (t.ts)");
        assert!(refused("@timestamps true\n@data\n").starts_with("line 1: the sequences have times"));
        assert!(refused("@classlabel true a\n@data\na\n").starts_with("line 3: the line has one part"));
        assert_eq!(refused("@data\n"), "the file has no sequence after @data, expected at least 1 (t.ts)");
    }
}
