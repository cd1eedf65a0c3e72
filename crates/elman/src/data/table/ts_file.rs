//! The `.ts` files of the UEA and UCR archives as tables: a row for each step, its columns the number of the sequence, the
//! dimensions `1`, `2`, ..., and the label. Format: lines that begin with `#` are comments, those with `@` settings; after
//! `@data` a line is a sequence: dimensions between colons, each with its values between commas, and last the label. Source: the
//! documentation of aeon. Times (`@timestamps true`) are refused.

use super::rows::{OnBad, Parsed, Row};
use crate::config::Source;
use crate::error::Error;

/// The column that says which sequence a row belongs to.
const SEQUENCE: &str = "sequence";
/// The column of labels.
const LABEL: &str = "label";

/// Where such a table has what `source` asks for.
pub fn source_of(source: &Source) -> Source {
    // All dimensions are read: a file with others than a model knows is refused.
    let features = Vec::new();
    Source { group: Some(SEQUENCE.to_string()), label: LABEL.to_string(), wide: false, features, ..source.clone() }
}

/// The table of a file's text. Errors: no `@data`, or no sequence after it; a line before it that is neither a setting nor a
/// comment; times; text that is not UTF-8. Of a sequence, which `on_bad` handles: dimensions of another number or length.
pub fn read(name: &str, bytes: &[u8], on_bad: OnBad<'_>) -> Result<Parsed, Error> {
    let refuse = |line: u64, problem: String| Error::Row { name: name.to_string(), line, column: None, problem };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::Data { name: name.to_string(), problem: "the file is not UTF-8".to_string() })?;
    let (mut table, mut is_data, mut has_label) = (Parsed::default(), false, false);
    for (line, number) in text.lines().map(str::trim).zip(1_u64..) {
        if line.is_empty() || line.starts_with(['#', '%']) {
            continue;
        }
        if !is_data {
            let mut words = line.split_whitespace().map(str::to_ascii_lowercase);
            let (setting, value) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            match setting.as_str() {
                "@data" => is_data = true,
                "@timestamps" if value == "true" => {
                    return Err(refuse(number, "the sequences have times, expected values alone".to_string()));
                }
                "@classlabel" | "@targetlabel" => has_label = value == "true",
                setting if setting.starts_with('@') => {}
                _ => return Err(refuse(number, "the line is no setting, expected @... until @data".to_string())),
            }
            continue;
        }
        match sequence(line, has_label, number, &mut table) {
            Ok(()) => {}
            Err(problem) => on_bad(refuse(number, problem))?,
        }
    }
    if table.columns.is_empty() {
        let problem = "the file has no sequence after @data, expected at least 1".to_string();
        return Err(Error::Data { name: name.to_string(), problem });
    }
    Ok(table)
}

/// Appends the steps of a sequence.
fn sequence(line: &str, has_label: bool, number: u64, table: &mut Parsed) -> Result<(), String> {
    let mut parts: Vec<&str> = line.split(':').map(str::trim).collect();
    let label = if has_label { parts.pop() } else { None };
    let dimensions: Vec<Vec<&str>> = parts.iter().map(|part| part.split(',').map(str::trim).collect()).collect();
    let Some(first) = dimensions.first() else {
        return Err("the line has one part between colons, expected values and a label".to_string());
    };
    if let Some(other) = dimensions.iter().find(|other| other.len() != first.len()) {
        return Err(format!("a dimension has {} values, the first has {}, expected as many", other.len(), first.len()));
    }
    if table.columns.is_empty() {
        let names = (1..=dimensions.len()).map(|at| at.to_string());
        table.columns = std::iter::once(SEQUENCE.to_string()).chain(names).collect();
        table.columns.extend(has_label.then(|| LABEL.to_string()));
    }
    let expected = table.columns.len() - 1 - usize::from(has_label);
    if dimensions.len() != expected {
        return Err(format!("the sequence has {} dimensions, expected {expected}", dimensions.len()));
    }
    for step in 0..first.len() {
        // A question mark is a missing value.
        let value = |values: &Vec<&str>| if values[step] == "?" { String::new() } else { values[step].to_string() };
        let cells = std::iter::once(number.to_string()).chain(dimensions.iter().map(value));
        let cells = cells.chain(label.map(str::to_string)).zip(0_u32..).map(|(cell, at)| (at, cell)).collect();
        table.rows.push(Row { line: number, cells });
    }
    Ok(())
}
