//! Sequences of numbers in a table: which rows and columns are each, and their numbers. The rows of a group are a sequence, or
//! all rows are, or each row is one. Not here: what is learned of them (`labelled.rs`, `tagged.rs`, `measured.rs`).

use std::collections::HashMap;

use crate::config::Source;
use crate::data::table::items::Items;
use crate::data::table::reading::Reading;
use crate::data::table::{OnBad, Table};
use crate::error::Error;

/// The one column of a sequence that is a row of the table.
const VALUE: &str = "value";

/// The sequences of a table without what is to be learned: those whose numbers can be read. `on_bad` decides how to handle one
/// that cannot; `labels` are columns that are no features. Errors: no group column is set; columns that are not there.
pub fn groups(
    table: &Table,
    source: &Source,
    (columns, labels): (&[String], &[&str]),
    on_bad: OnBad<'_>,
) -> Result<Items, Error> {
    let source = Source { features: columns.to_vec(), ..source.clone() };
    let Some(vectors) = Vectors::of_table(table, &source, labels)? else {
        return Err(Error::Setting { name: "group", got: "none".into(), expected: "a column".into() });
    };
    let mut reading = Reading { on_bad: Some(on_bad), ..Reading::default() };
    Ok(vectors.items(table, &mut reading, |_| Ok(()))?.0)
}

/// All rows of a table as one sequence. Errors: columns that are not there; cells that are no numbers.
pub fn whole(table: &Table, columns: &[String]) -> Result<Items, Error> {
    let vectors = Vectors::whole(table, &Source { features: columns.to_vec(), ..Source::default() }, &[])?;
    Ok(vectors.items(table, &mut Reading::default(), |_| Ok(()))?.0)
}

/// Sequences of vectors.
pub(crate) struct Vectors {
    /// Which rows of a table are each, in its order.
    pub rows: Vec<Vec<usize>>,
    /// What messages call each.
    pub groups: Vec<String>,
    columns: Vec<String>,
    /// Where a row is a sequence: the cells with its numbers.
    cells: Option<Vec<usize>>,
}

impl Vectors {
    /// The sequences of a table, in the order in which they begin; None where it has texts. Without features all columns are
    /// that are nothing else: neither the group nor `labels`. Errors: features without a group; columns that are not there.
    pub fn of_table(table: &Table, source: &Source, labels: &[&str]) -> Result<Option<Vectors>, Error> {
        if source.wide {
            return Ok(Some(Vectors::wide(table, labels)?));
        }
        let Some(group) = &source.group else {
            return match source.features.is_empty() {
                true => Ok(None),
                false => Err(Error::Setting {
                    name: "features",
                    got: source.features.join(", "),
                    expected: "a group column with it, which says the sequence of a row".into(),
                }),
            };
        };
        let at = table.column(group)?;
        let columns = features(table, source, labels)?;
        let (mut rows, mut groups): (Vec<Vec<usize>>, Vec<String>) = (Vec::new(), Vec::new());
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in 0..table.len() {
            let name = table.text(row, at)?;
            let place = *places.entry(name.to_string()).or_insert_with(|| {
                rows.push(Vec::new());
                groups.push(name.to_string());
                rows.len() - 1
            });
            rows[place].push(row);
        }
        Ok(Some(Vectors { rows, groups, columns, cells: None }))
    }

    /// All rows as one sequence. Errors: as [`Vectors::of_table`].
    pub fn whole(table: &Table, source: &Source, labels: &[&str]) -> Result<Vectors, Error> {
        let (columns, rows) = (features(table, source, labels)?, vec![(0..table.len()).collect()]);
        Ok(Vectors { rows, groups: vec![table.name().to_string()], columns, cells: None })
    }

    /// Each row as a sequence of numbers, in all cells that are no labels.
    fn wide(table: &Table, labels: &[&str]) -> Result<Vectors, Error> {
        let columns = table.columns().iter().enumerate();
        let cells: Vec<usize> = columns.filter(|(_, c)| !labels.contains(&c.as_str())).map(|(at, _)| at).collect();
        if cells.is_empty() {
            let problem = format!("no cell is left beside {}, expected numbers", labels.join(", "));
            return Err(Error::Data { name: table.name().into(), problem });
        }
        let groups = (0..table.len()).map(|row| (row + 1).to_string()).collect();
        let rows = (0..table.len()).map(|row| vec![row]).collect();
        Ok(Vectors { rows, groups, columns: vec![VALUE.to_string()], cells: Some(cells) })
    }

    /// The numbers of each sequence, and what `also` reads of its rows. One of which either cannot be read is a bad row.
    pub fn items<T>(
        self,
        table: &Table,
        reading: &mut Reading<'_>,
        also: impl Fn(&[usize]) -> Result<T, Error>,
    ) -> Result<(Items, Vec<T>), Error> {
        let at: Vec<usize> = match &self.cells {
            Some(_) => Vec::new(),
            None => self.columns.iter().map(|column| table.column(column)).collect::<Result<_, _>>()?,
        };
        let (mut groups, mut sequences, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (group, rows) in self.groups.into_iter().zip(&self.rows) {
            let read = also(rows).and_then(|other| {
                let numbers = match &self.cells {
                    Some(cells) => numbers_of_row(table, rows[0], cells)?,
                    None => numbers(table, rows, &at)?,
                };
                Ok((numbers, other))
            });
            if let Some((sequence, other)) = reading.kept(read)? {
                groups.push(group);
                sequences.push(sequence);
                others.push(other);
            }
        }
        Ok((Items::Vectors { columns: self.columns, groups, sequences }, others))
    }
}

/// The columns of numbers. Errors: none is left.
fn features(table: &Table, source: &Source, labels: &[&str]) -> Result<Vec<String>, Error> {
    if !source.features.is_empty() {
        return Ok(source.features.clone());
    }
    let is_other = |column: &&String| Some(*column) != source.group.as_ref() && !labels.contains(&column.as_str());
    let columns: Vec<String> = table.columns().iter().filter(is_other).cloned().collect();
    if columns.is_empty() {
        let others: Vec<&str> = source.group.as_deref().into_iter().chain(labels.iter().copied()).collect();
        let problem = format!("no column is left beside {}, expected features", others.join(" and "));
        return Err(Error::Data { name: table.name().into(), problem });
    }
    Ok(columns)
}

/// The numbers of some rows, row after row.
fn numbers(table: &Table, rows: &[usize], columns: &[usize]) -> Result<Vec<f64>, Error> {
    let cells = rows.iter().flat_map(|&row| columns.iter().map(move |&column| (row, column)));
    cells.map(|(row, column)| table.number(row, column)).collect()
}

/// The numbers in cells of a row; empty cells at its end are none.
fn numbers_of_row(table: &Table, row: usize, cells: &[usize]) -> Result<Vec<f64>, Error> {
    let is_full = |&&cell: &&usize| table.cell(row, cell).is_some_and(|text| !text.trim().is_empty());
    let until = cells.iter().rposition(|cell| is_full(&cell)).map_or(0, |last| last + 1);
    if until == 0 {
        return Err(table.refusal(row, cells[0], "the row has no numbers, expected at least 1"));
    }
    cells[..until].iter().map(|&cell| table.number(row, cell)).collect()
}
