//! Rows of text cells in a few long lists: a table of many rows takes little more memory than its text.

use crate::error::Error;

/// What becomes of a row that cannot be read: the error stops the reading, Ok continues without the row.
pub type OnBad<'a> = &'a mut dyn FnMut(Error) -> Result<(), Error>;

/// What was read of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed {
    pub columns: Vec<String>,
    pub rows: Rows,
}

/// A row that is being read: its cells by rising column. A row of JSON may lack some.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub line: u64,
    pub cells: Vec<(u32, String)>,
}

/// All rows of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// The texts of all cells, one after another.
    text: String,
    /// Where the text of each cell ends.
    ends: Vec<usize>,
    /// The column of each cell.
    columns: Vec<u32>,
    /// The line of each row, and its first cell.
    starts: Vec<(u64, usize)>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn push(&mut self, row: Row) {
        self.starts.push((row.line, self.ends.len()));
        for (column, text) in row.cells {
            self.text.push_str(&text);
            self.ends.push(self.text.len());
            self.columns.push(column);
        }
    }

    /// The line a row begins on.
    pub fn line(&self, row: usize) -> u64 {
        self.starts[row].0
    }

    /// A cell, where the row has one.
    pub fn cell(&self, row: usize, column: usize) -> Option<&str> {
        let first = self.starts[row].1;
        let after = self.starts.get(row + 1).map_or(self.ends.len(), |next| next.1);
        let columns = &self.columns[first..after];
        let at = match columns.get(column) {
            Some(&known) if known as usize == column => column,
            _ => columns.binary_search(&(column as u32)).ok()?,
        };
        let end = first + at;
        let start = if end == 0 { 0 } else { self.ends[end - 1] };
        Some(&self.text[start..self.ends[end]])
    }
}
