//! The style of a column: every form is tried on every row, and of several that read all rows the one that makes sense
//! is taken. Not here: reading itself (`read.rs`).

use super::clock::Clock;
use super::differences::Differences;
use super::frequency::Frequency;
use super::read::{Content, Reading, read};
use super::stamp::Stamp;
use super::step::month_index;
use super::style::{FORMS, Form, Order, Style};
use super::zone::{Zone, offset_text};
use crate::data::table::quoted;

/// Integers are taken as dates within these years, in months since year 0.
const DATES: std::ops::Range<i64> = 1500 * 12..2201 * 12;
/// Integers are taken as seconds since 1970 within the years 2001 to 2100.
const EPOCHS: std::ops::Range<i64> = 978_307_200..4_133_980_800;

impl Clock {
    /// The one way of writing that reads every text. The texts may be those of several series, in any order.
    ///
    /// Integers are years (`2022`), months (`202212`) or dates (`20221231`) if all of them are valid ones of the years 1500
    /// to 2200 and, for years and months, there are at least two and the smallest difference divides the others (for
    /// months: 1, 2, 3, 4, 6 or 12 months, or years). They are seconds or milliseconds since 1970 if all have 10 or 13
    /// digits, lie in the years 2001 to 2100, and differ by whole seconds. Otherwise they are numbers.
    ///
    /// Whether `01/02/2022` has the day or the month first is decided by all rows: where both read them, the one that makes
    /// fewer rows go back in time, that has a frequency, and that has fewer gaps, in this order.
    ///
    /// `zone` is the time zone of texts without an offset, and of the calendar for those with one. Without it the texts
    /// must have one offset, or one zone in brackets. Dates without a time of day have no zone.
    ///
    /// Errors, with the row: the first that no form of the rows before reads; a zone that is not known; a day and month
    /// that nothing decides (row 0).
    pub fn detect<'a>(texts: impl Iterator<Item = &'a str>, zone: Option<&str>) -> Result<Clock, (usize, String)> {
        let texts: Vec<&str> = texts.collect();
        let zone = zone.map(Zone::named).transpose().map_err(|problem| (0, problem))?;
        let Some(first) = texts.first() else {
            return Err((0, "there are no rows, expected at least 1".to_string()));
        };
        let problem = "expected a number, or a date such as 2022-12-31, 2022-12-31 23:59, 2022-12, 2022Q4 or 2022-W05";
        let mut refusal = (0, format!("{} is given, {problem}", quoted(first)));
        let mut found = Vec::new();
        for reading in FORMS.iter().filter_map(|&form| read(form, first)) {
            match follow(&reading, &texts, zone.as_ref()) {
                Ok(clock) => found.push(clock),
                Err(this) if this.0 >= refusal.0 => refusal = this,
                Err(_) => {}
            }
        }
        one_of(found, &texts).unwrap_or(Err(refusal))
    }
}

/// The clock of the first row's form, if it reads every text. Errors: the first that it does not.
fn follow(first: &Reading, texts: &[&str], zone: Option<&Zone>) -> Result<Clock, (usize, String)> {
    let mut clock = Clock { style: first.style, zone: zone_of(first, zone).map_err(|problem| (0, problem))? };
    for (row, text) in texts.iter().enumerate() {
        let refuse =
            |clock: &Clock| (row, format!("{} is given, expected {} as before", quoted(text), clock.expected()));
        let reading = read(clock.style.form, text).ok_or_else(|| refuse(&clock))?;
        clock.style = clock.style.merged(reading.style).ok_or_else(|| refuse(&clock))?;
        if zone.is_none() {
            check_zone(&clock, &reading).map_err(|problem| (row, format!("{} is given, {problem}", quoted(text))))?;
        }
    }
    Ok(clock)
}

/// The zone of a clock: the one that is given, or that of the first text.
fn zone_of(first: &Reading, zone: Option<&Zone>) -> Result<Zone, String> {
    let Content::Time(time) = first.content else { return Ok(Zone::Civil) };
    if first.style.time.is_none() && time.offset.is_none() {
        return Ok(Zone::Civil);
    }
    match (zone, time.name, time.offset) {
        (Some(zone), _, _) => Ok(zone.clone()),
        (None, Some(name), _) => Zone::named(name),
        (None, None, Some(offset)) => Ok(Zone::Fixed(offset)),
        (None, None, None) => Ok(Zone::Civil),
    }
}

/// Errors: a text of another offset or zone than the first.
fn check_zone(clock: &Clock, reading: &Reading) -> Result<(), String> {
    let Content::Time(time) = reading.content else { return Ok(()) };
    match (&clock.zone, time.name, time.offset) {
        (Zone::Fixed(before), _, Some(offset)) if *before != offset => Err(format!(
            "its offset is {}, the one before {}: name the time zone, such as Europe/Berlin",
            offset_text(offset, true),
            offset_text(*before, true)
        )),
        (Zone::Named(zone), Some(name), _) if !clock.zone.is_called(name) => {
            Err(format!("its zone is {name}, expected {} as before", zone.iana_name().unwrap_or_default()))
        }
        _ => Ok(()),
    }
}

/// The clock that makes sense; None where there is none.
fn one_of(mut found: Vec<Clock>, texts: &[&str]) -> Option<Result<Clock, (usize, String)>> {
    if found.len() < 2 {
        return found.pop().map(Ok);
    }
    if let [a, b] = &found[..]
        && matches!(
            (a.style.form, b.style.form),
            (Form::Date(Order::DayMonthYear, _), Form::Date(Order::MonthDayYear, _))
        )
    {
        return Some(day_or_month(a, b, texts));
    }
    // Numbers are last.
    let sensible = found.iter().position(|clock| makes_sense(clock, texts));
    sensible.map(|at| Ok(found.swap_remove(at)))
}

/// The stamps of all rows: each row's, then the sorted ones without repetitions.
fn stamps(clock: &Clock, texts: &[&str]) -> Option<(Vec<Stamp>, Vec<Stamp>)> {
    let rows: Vec<Stamp> = texts.iter().map(|text| clock.read(text).ok()).collect::<Option<_>>()?;
    let mut sorted = rows.clone();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.dedup();
    Some((rows, sorted))
}

fn day_or_month(day_first: &Clock, month_first: &Clock, texts: &[&str]) -> Result<Clock, (usize, String)> {
    let score = |clock: &Clock| {
        let (rows, sorted) = stamps(clock, texts)?;
        let back = rows.windows(2).filter(|pair| pair[1] < pair[0]).count();
        let frequency = Frequency::detect(clock, &sorted).ok();
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let gaps = frequency.as_ref().and_then(|frequency| frequency.steps(clock, first, last));
        Some((back, frequency.is_none(), gaps.map_or(0, |steps| steps - (sorted.len() as i64 - 1))))
    };
    match (score(day_first), score(month_first)) {
        (Some(a), Some(b)) if a < b => Ok(day_first.clone()),
        (Some(a), Some(b)) if b < a => Ok(month_first.clone()),
        _ => {
            let problem =
                "may have the day or the month first, and no row decides it, expected dates such as 2022-12-31";
            Err((0, format!("{} {problem}", quoted(texts[0]))))
        }
    }
}

/// Whether texts that are also numbers are dates.
fn makes_sense(clock: &Clock, texts: &[&str]) -> bool {
    let Style { form, .. } = clock.style;
    if matches!(form, Form::Number | Form::ShortMonth | Form::LongMonth) {
        return true;
    }
    let Some((_, sorted)) = stamps(clock, texts) else { return false };
    let moments = || sorted.iter().filter_map(|stamp| stamp.moment());
    let months = || moments().filter_map(|moment| month_index(moment.day()));
    let are_dates = months().all(|month| DATES.contains(&month));
    // The smallest difference, if it divides the others.
    let step = || {
        let differences = Differences::new(months().map(i128::from))?;
        let least = differences.all().iter().copied().min()?;
        (differences.greatest_divisor() == least).then_some(least)
    };
    match form {
        Form::Year => are_dates && step().is_some(),
        Form::Month(_) => are_dates && step().is_some_and(|step| 12 % step == 0 || step % 12 == 0),
        Form::EpochSecond | Form::EpochMillisecond => {
            let nanosecond = moments().next().map(|moment| moment.nanosecond);
            let whole = moments().all(|moment| Some(moment.nanosecond) == nanosecond);
            sorted.len() > 1 && whole && moments().all(|moment| EPOCHS.contains(&moment.second))
        }
        _ => are_dates,
    }
}
