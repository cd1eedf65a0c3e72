//! Cells that a character separates: CSV, whose cells may stand in quotes, and TSV, in which a quote is a character like others.

use super::rows::{OnBad, Parsed, Row};
use crate::data::text::text_encoding::likely;
use crate::error::Error;

/// The table of cells that a character separates. `header`: the first row names the columns. `is_ragged`: rows may have
/// any number of cells.
pub fn read(
    name: &str,
    bytes: &[u8],
    separator: u8,
    (header, is_ragged): (bool, bool),
    on_bad: OnBad<'_>,
) -> Result<Parsed, Error> {
    let quoting = separator == b',';
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true) // rows of another length are refused here, with their line
        .quoting(quoting)
        .from_reader(bytes);
    let mut parsed = Parsed::default();
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
                    let column = parsed.columns.get(at).cloned().unwrap_or_else(|| (at + 1).to_string());
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
            parsed.columns = match header {
                true => cells.iter().map(|(_, text)| text.clone()).collect(),
                false => (1..=cells.len()).map(|at| at.to_string()).collect(),
            };
            named_once(name, line, &parsed.columns)?;
            if let (b',', [only]) = (separator, &parsed.columns[..])
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
            let more = parsed.columns.len() + 1..=cells.len();
            parsed.columns.extend(more.map(|number| format!("cell {number}")));
        } else if bad.is_none() && cells.len() != parsed.columns.len() {
            let problem = format!("the row has {} cells, expected {}", cells.len(), parsed.columns.len());
            bad = Some(refuse(line, None, problem));
        }
        match bad {
            Some(bad) => on_bad(bad)?,
            None => parsed.rows.push(Row { line, cells }),
        }
    }
    Ok(parsed)
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
