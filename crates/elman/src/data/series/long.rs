//! Tables in which a row is a point in time of one series. Not here: the calendar (`calendar/`), cells as numbers
//! (`columns.rs`).

use std::collections::HashMap;

use super::calendar::{Clock, Frequency, Stamp};
use super::columns::{Cells, Kind};
use super::roles::Roles;
use super::set::{Series, SeriesSet};
use crate::data::table::{Table, quoted};
use crate::error::Error;

/// What is known before a table is read.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// The time between two rows, where it is given.
    pub frequency: Option<&'a str>,
    /// The time zone of the times.
    pub zone: Option<&'a str>,
    /// The frequencies of the series that a model was trained on; any where it is empty.
    pub trained: &'a [Frequency],
    /// The categories that a model knows, column by column; a new category is NaN.
    pub kinds: Option<&'a [Kind]>,
}

/// Rows of a series that are made for missing ones, at most, for each that the table has: beyond that a time is wrong.
const MOST_GAPS: usize = 1000;

/// The rows of a series, as the table has them.
#[derive(Default)]
struct Rows {
    group: String,
    rows: Vec<usize>,
    stamps: Vec<Stamp>,
}

/// Reads the series. Errors: as [`SeriesSet::new`].
pub fn read(table: &Table, roles: &Roles, known: &Known<'_>) -> Result<SeriesSet, Error> {
    let roles = roles.resolved(table)?;
    let time = table.column(roles.time.as_deref().unwrap_or_default())?;
    let mut reader = Reader { table, time, clock: clock(table, time, known)?, width: 0, frequencies: Vec::new() };
    let given = known.frequency.map(|text| text.parse::<Frequency>());
    let given = given.transpose().map_err(|expected| setting(known.frequency, expected))?;
    reader.frequencies = known.trained.to_vec();
    let cells = Cells::new(table, &roles, known.kinds)?;
    reader.width = roles.values.len() + roles.future.len() + roles.past.len();
    let all = reader.by_group(&roles)?;
    // A series of one row has the frequency of another series, so those come last.
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|&at| all[at].rows.len() < 2);
    let mut found = vec![0; all.len()];
    for at in order {
        found[at] = reader.frequency(&all[at], given.as_ref(), known)?;
    }
    let (mut series, mut gaps, mut missing) = (Vec::new(), 0, 0);
    for (rows, frequency) in all.iter().zip(found) {
        let (one, of_gaps, of_missing) = reader.series(rows, &cells, frequency, roles.values.len())?;
        gaps += of_gaps;
        missing += of_missing;
        series.push(one);
    }
    let kinds = cells.kinds();
    let Reader { clock, frequencies, .. } = reader;
    Ok(SeriesSet { name: table.name().to_string(), roles, clock, frequencies, kinds, series, gaps, missing })
}

fn setting(got: Option<&str>, expected: String) -> Error {
    Error::Setting { name: "freq", got: got.unwrap_or_default().to_string(), expected }
}

/// How the column writes its times. Errors: a cell that no way of writing reads.
fn clock(table: &Table, time: usize, known: &Known<'_>) -> Result<Clock, Error> {
    for row in 0..table.len() {
        table.text(row, time)?;
    }
    let texts = (0..table.len()).map(|row| table.cell(row, time).unwrap_or_default());
    Clock::detect(texts, known.zone).map_err(|(row, problem)| table.refusal(row, time, problem))
}

struct Reader<'a> {
    table: &'a Table,
    time: usize,
    clock: Clock,
    width: usize,
    frequencies: Vec<Frequency>,
}

impl Reader<'_> {
    /// The rows of each series. Errors: a time that does not rise.
    fn by_group(&self, roles: &Roles) -> Result<Vec<Rows>, Error> {
        let group_at = roles.group.as_deref().map(|group| self.table.column(group)).transpose()?;
        let mut all: Vec<Rows> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for row in 0..self.table.len() {
            let group = group_at.map(|at| self.table.text(row, at)).transpose()?.unwrap_or_default();
            let place = *places.entry(group).or_insert_with(|| {
                all.push(Rows { group: group.to_string(), ..Rows::default() });
                all.len() - 1
            });
            let text = self.table.text(row, self.time)?;
            let refuse = |problem| self.table.refusal(row, self.time, problem);
            let stamp = self.clock.read(text).map_err(refuse)?;
            if let Some(&before) = all[place].stamps.last() {
                let before_text = || self.clock.write(before);
                let problem = match stamp.partial_cmp(&before) {
                    Some(std::cmp::Ordering::Greater) => None,
                    Some(std::cmp::Ordering::Equal) => Some("occurs twice in its series".to_string()),
                    _ => Some(format!("comes after {}, expected rising times", before_text())),
                };
                if let Some(problem) = problem {
                    return Err(refuse(format!("the time {} {problem}", quoted(text))));
                }
            }
            all[place].rows.push(row);
            all[place].stamps.push(stamp);
        }
        Ok(all)
    }

    /// A series on its grid, the rows that are missing and the values that are.
    fn series(
        &self,
        rows: &Rows,
        cells: &Cells<'_>,
        frequency: usize,
        values: usize,
    ) -> Result<(Series, usize, usize), Error> {
        let (width, step) = (self.width, self.frequencies[frequency].clone());
        let start = rows.stamps[0];
        let (mut all, mut missing) = (Vec::with_capacity(rows.rows.len() * width), 0);
        let statics = cells.statics(rows.rows[0])?;
        for (&row, &stamp) in rows.rows.iter().zip(&rows.stamps) {
            let at = step.steps(&self.clock, start, stamp).unwrap_or(0) as usize;
            if at > MOST_GAPS.saturating_mul(rows.rows.len()).saturating_add(10_000) {
                let text = quoted(self.table.text(row, self.time)?).to_string();
                let problem = format!("the time {text} is {at} steps of a {step} after the first of its series");
                return Err(self.table.refusal(row, self.time, problem));
            }
            all.resize(at * width, f64::NAN);
            missing += cells.row(row, &mut all)?;
            cells.check_statics(row, rows.rows[0])?;
        }
        let count = all.len() / width;
        let has_value = |row: &usize| all[row * width..row * width + values].iter().any(|value| !value.is_nan());
        let last = (0..count).rev().find(has_value).map_or(0, |last| last + 1);
        // Values of rows after the last known one are not missing but to come.
        let to_come = rows
            .stamps
            .iter()
            .filter(|&&stamp| step.steps(&self.clock, start, stamp).is_some_and(|at| at as usize >= last));
        let missing = missing - to_come.count() * values;
        let series =
            Series { group: rows.group.clone(), start, frequency, known: last, rows: count, cells: all, statics };
        Ok((series, count - rows.rows.len(), missing))
    }

    /// The place of a series' frequency. Errors: rows off its grid; a frequency that the model was not trained on.
    fn frequency(&mut self, rows: &Rows, given: Option<&Frequency>, known: &Known<'_>) -> Result<usize, Error> {
        let of_row = |(at, problem): (usize, String)| {
            let row = rows.rows[at.min(rows.rows.len() - 1)];
            self.table.refusal(row, self.time, problem)
        };
        let fits = |step: &Frequency| step.fit(&self.clock, &rows.stamps);
        let found = match given {
            Some(given) => fits(given).map_err(of_row)?,
            None => match (&self.frequencies[..], rows.stamps.len()) {
                // A single row says nothing: the other series, or the model, do.
                ([first, ..], 1) => first.clone(),
                ([], 1) => {
                    let problem = "is the only row of its series, and no series has two, expected --freq, such as day";
                    return Err(of_row((0, format!("the time {problem}"))));
                }
                _ => Frequency::detect(&self.clock, &rows.stamps).map_err(of_row)?,
            },
        };
        if let Some(at) = self.frequencies.iter().position(|frequency| *frequency == found) {
            return Ok(at);
        }
        if known.trained.is_empty() {
            self.frequencies.push(found);
            return Ok(self.frequencies.len() - 1);
        }
        // Few rows may have a larger step than they would with the rows between them.
        if let Some(at) = self.frequencies.iter().position(|frequency| fits(frequency).is_ok()) {
            return Ok(at);
        }
        let trained: Vec<String> = known.trained.iter().map(|frequency| frequency.to_string()).collect();
        let problem =
            format!("the time between two rows is a {found}, expected a {} as in training", trained.join(" or a "));
        Err(of_row((0, problem)))
    }
}
