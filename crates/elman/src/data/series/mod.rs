//! Time series from a table: a time column, value columns, and many series by a group column. A value that is not a
//! number, and a time that is invalid, repeated or not increasing, is an error with its row and column. Nothing is
//! fitted here (`scale.rs` does that).

pub mod time;
pub mod timeline;

use std::collections::HashMap;

use crate::data::series::time::Scale;
use crate::data::table::{Table, quoted};
use crate::error::Error;

/// Which columns of a table are what. Without a time column the rows are counted from 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// The time column; None takes the first column, where values do not name it.
    pub time: Option<String>,
    /// The value columns; none takes all that are nothing else.
    pub values: Vec<String>,
    /// The column that says which series a row belongs to.
    pub group: Option<String>,
    /// Columns that are known beforehand.
    pub covariates: Vec<String>,
}

/// A series: rows by rising time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What its group column says; empty where there is none.
    pub group: String,
    /// Its times, on the scale of all.
    pub times: Vec<f64>,
    /// Each value column's numbers, then each covariate's.
    pub values: Vec<Vec<f64>>,
}

/// The series of a table.
#[derive(Clone, Debug)]
pub struct SeriesSet {
    /// What messages call it.
    pub name: String,
    /// The time column.
    pub time: String,
    /// What it counts.
    pub scale: Scale,
    /// The commonest difference between neighbours.
    pub step: f64,
    /// Differences that are others: gaps.
    pub gaps: usize,
    /// The value columns.
    pub columns: Vec<String>,
    /// The covariates' columns.
    pub covariates: Vec<String>,
    /// The column that says which series a row belongs to.
    pub group: Option<String>,
    /// The series, in the order in which they begin.
    pub series: Vec<Series>,
}

impl SeriesSet {
    /// Reads the series of a table.
    ///
    /// Errors: a column that is not there or is named for two things; no value column, no row; a cell that is no finite
    /// number; a time that is no time, is of another kind than the first, occurs twice in a series or does not rise.
    pub fn new(table: &Table, columns: &Columns) -> Result<SeriesSet, Error> {
        let refuse = |problem: String| Error::Data { name: table.name().to_string(), problem };
        let first = || table.columns().first().cloned().unwrap_or_default();
        let time = columns.time.clone().unwrap_or_else(first);
        let is_other = |column: &&String| {
            **column != time && columns.group.as_ref() != Some(column) && !columns.covariates.contains(column)
        };
        let values = match columns.values.is_empty() {
            true => table.columns().iter().filter(is_other).cloned().collect(),
            false => columns.values.clone(),
        };
        if values.is_empty() {
            return Err(refuse(format!("the only column is {time}, expected a column of values beside the time")));
        }
        let mut roles: Vec<&String> = values.iter().chain(&columns.covariates).chain(&columns.group).collect();
        roles.push(&time);
        roles.sort();
        if let Some(pair) = roles.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refuse(format!("column {} is named for two things, expected one", pair[0])));
        }
        let time_at = table.column(&time)?;
        let group_at = columns.group.as_deref().map(|group| table.column(group)).transpose()?;
        let numbers_at: Vec<usize> =
            values.iter().chain(&columns.covariates).map(|column| table.column(column)).collect::<Result<_, _>>()?;
        if table.is_empty() {
            return Err(refuse("the table has no rows, expected at least 1".to_string()));
        }

        let mut scale = None;
        let mut series: Vec<Series> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in 0..table.len() {
            let group = group_at.map(|at| table.text(row, at)).transpose()?.unwrap_or_default();
            let place = *places.entry(group.to_string()).or_insert_with(|| {
                let values = vec![Vec::new(); numbers_at.len()];
                series.push(Series { group: group.to_string(), times: Vec::new(), values });
                series.len() - 1
            });
            let this = &mut series[place];
            let at = read_time(table, row, time_at, &mut scale, this.times.last().copied())?;
            this.times.push(at);
            for (values, &column) in this.values.iter_mut().zip(&numbers_at) {
                values.push(table.number(row, column)?);
            }
        }
        let (step, gaps) = commonest_step(&series);
        Ok(SeriesSet {
            name: table.name().to_string(),
            time,
            scale: scale.unwrap_or(Scale::Number),
            step,
            gaps,
            columns: values,
            covariates: columns.covariates.clone(),
            group: columns.group.clone(),
            series,
        })
    }
}

fn read_time(
    table: &Table,
    row: usize,
    column: usize,
    scale: &mut Option<Scale>,
    before: Option<f64>,
) -> Result<f64, Error> {
    let text = table.text(row, column)?;
    let Some((kind, at)) = time::parse(text) else {
        let problem = format!("{} is given, expected a number or a date such as 1949-01 or 1949-01-31", quoted(text));
        return Err(table.refusal(row, column, problem));
    };
    let known = *scale.get_or_insert(kind);
    if kind != known {
        let problem = format!("{} counts {kind:?}s, expected {known:?}s as before", quoted(text)).to_lowercase();
        return Err(table.refusal(row, column, problem));
    }
    match before {
        Some(before) if at == before => {
            Err(table.refusal(row, column, format!("the time {} occurs twice in its series", quoted(text))))
        }
        Some(before) if at < before => {
            let before = time::text(known, before);
            Err(table.refusal(
                row,
                column,
                format!("the time {} comes after {before}, expected rising times", quoted(text)),
            ))
        }
        _ => Ok(at),
    }
}

/// The commonest difference, the smallest of equals, and how many are others.
fn commonest_step(series: &[Series]) -> (f64, usize) {
    let mut steps: Vec<f64> =
        series.iter().flat_map(|series| series.times.windows(2).map(|pair| pair[1] - pair[0])).collect();
    steps.sort_by(f64::total_cmp);
    let (mut best, mut most) = (1.0, 0);
    for run in steps.chunk_by(|a, b| a == b) {
        if run.len() > most {
            (best, most) = (run[0], run.len());
        }
    }
    (best, steps.len() - most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table::Format;

    fn read(text: &str, columns: &Columns) -> Result<SeriesSet, String> {
        let table = Table::from_bytes("t.csv", text.as_bytes(), Format::Csv, true).unwrap();
        SeriesSet::new(&table, columns).map_err(|error| error.to_string())
    }

    #[test]
    fn series_are_told_apart_by_their_group() {
        let columns = Columns { group: Some("shop".into()), covariates: vec!["open".into()], ..Columns::default() };
        let text = "day,shop,sold,open\n1981-01-01,b,1,1\n1981-01-01,a,5,0\n1981-01-02,b,2,1\n1981-01-04,b,3,1\n1981-01-05,b,4,1\n";
        let set = read(text, &columns).unwrap();
        assert_eq!((set.time.as_str(), set.scale, set.step, set.gaps), ("day", Scale::Day, 1.0, 1));
        assert_eq!((set.columns, set.series.len()), (vec!["sold".to_string()], 2));
        assert_eq!(set.series[0].group, "b");
        assert_eq!(set.series[0].values, [vec![1.0, 2.0, 3.0, 4.0], vec![1.0; 4]]);
        assert_eq!(set.series[1].values, [[5.0], [0.0]]);
    }

    #[test]
    fn bad_rows_and_columns_are_named() {
        let plain = Columns::default();
        let message = |text: &str, columns: &Columns| read(text, columns).unwrap_err();
        assert_eq!(
            message("t,y\n1,2\n2,NaN\n", &plain),
            "line 3, column y: \"NaN\" is given, expected a finite number (t.csv)"
        );
        assert_eq!(
            message("t,y\n1949-02,2\n1949-02,2\n", &plain),
            "line 3, column t: the time \"1949-02\" occurs twice in its series (t.csv)"
        );
        assert_eq!(
            message("t,y\n1949-02,2\n1949-01,2\n", &plain),
            "line 3, column t: the time \"1949-01\" comes after 1949-02, expected rising times (t.csv)"
        );
        assert_eq!(
            message("t,y\n1949-02,2\n7,2\n", &plain),
            "line 3, column t: \"7\" counts numbers, expected months as before (t.csv)"
        );
        assert_eq!(
            message("t,y\nmonday,2\n", &plain),
            "line 2, column t: \"monday\" is given, expected a number or a date such as 1949-01 or 1949-01-31 (t.csv)"
        );
        assert_eq!(
            message("t\n1\n", &plain),
            "the only column is t, expected a column of values beside the time (t.csv)"
        );
        assert_eq!(message("t,y\n", &plain), "the table has no rows, expected at least 1 (t.csv)");
        let twice = Columns { values: vec!["t".into()], ..Columns::default() };
        assert_eq!(message("t,y\n1,1\n", &twice), "column t is named for two things, expected one (t.csv)");
        let missing = Columns { values: vec!["z".into()], ..Columns::default() };
        assert_eq!(message("t,y\n1,1\n", &missing), "no column is called z, expected one of t, y (t.csv)");
    }
}
