//! The texts of frequencies, those of pandas among them. Not here: what they mean.

use std::fmt;
use std::str::FromStr;

use super::frequency::{Frequency, HOUR, MINUTE, Months, Place, Step, Unit};
use super::read::MONTHS;
use crate::data::table::quoted;

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Units of fixed length in nanoseconds, and what pandas calls them.
const TIMES: [(&str, i64, &str); 6] = [
    ("hour", HOUR, "h"),
    ("minute", MINUTE, "min"),
    ("second", MINUTE / 60, "s"),
    ("millisecond", 1_000_000, "ms"),
    ("microsecond", 1000, "us"),
    ("nanosecond", 1, "ns"),
];
/// No step has more of its unit.
const MOST: i64 = 1_000_000;

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.step {
            Step::Number(step) => return write!(f, "number {step}"),
            Step::Time(step) => {
                let whole = TIMES.iter().find(|(_, length, _)| step % length == 0);
                whole.map_or((step, "nanosecond"), |&(name, length, _)| (step / length, name))
            }
            Step::Day(count) => (count, "day"),
            Step::BusinessDay(count) => (count, "business day"),
            Step::Week(count, _) => (count, "week"),
            Step::Months(months) => (months.count, months.unit.name()),
        };
        if count != 1 {
            write!(f, "{count} ")?;
        }
        f.write_str(unit)?;
        match self.step {
            Step::Week(_, Some(weekday)) => write!(f, " {}", name_at(&WEEKDAYS, weekday)),
            Step::Months(months) => write_place(f, &months),
            _ => Ok(()),
        }
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, months: &Months) -> fmt::Result {
    let Some(place) = months.place else { return Ok(()) };
    let named = months.month.filter(|_| months.month != calendar_month(months.unit, place));
    let month = named.map(|month| format!(" {}", name_at(&MONTHS, month).to_lowercase())).unwrap_or_default();
    match place {
        Place::Start => write!(f, " start{month}"),
        Place::End => write!(f, " end{month}"),
        Place::Day(day) => write!(f, "{month} {day}"),
    }
}

/// The month that need not be named: that in which the calendar's years and quarters begin or end.
fn calendar_month(unit: Unit, place: Place) -> Option<i64> {
    match (unit, place) {
        (Unit::Month, _) | (Unit::Year, Place::Day(_)) => None,
        (_, Place::Start) | (Unit::Quarter, Place::Day(_)) => Some(0),
        (_, Place::End) => Some(unit.months() - 1),
    }
}

fn name_at(names: &[&'static str], at: i64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Month => "month",
            Unit::Quarter => "quarter",
            Unit::Year => "year",
        }
    }
}

impl FromStr for Frequency {
    type Err = String;

    fn from_str(text: &str) -> Result<Frequency, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let step = in_words(&words).or_else(|| in_short(text.trim()));
        step.map(|step| Frequency { step }).ok_or_else(|| {
            format!(
                "{} is no frequency, expected one such as hour, 15 minute, day, business day, week sunday, month start, \
                 quarter end, year or number 0.1",
                quoted(text)
            )
        })
    }
}

impl TryFrom<String> for Frequency {
    type Error = String;

    fn try_from(text: String) -> Result<Frequency, String> {
        text.parse()
    }
}

impl From<Frequency> for String {
    fn from(frequency: Frequency) -> String {
        frequency.to_string()
    }
}

/// A positive count of a unit.
fn count_of(text: &str) -> Option<i64> {
    let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|count| is_whole && (1..=MOST).contains(count))
}

fn in_words(words: &[&str]) -> Option<Step> {
    if let ["number", step] = words {
        return step.parse().ok().filter(|step: &f64| step.is_finite() && *step > 0.0).map(Step::Number);
    }
    let counted = words.split_first().and_then(|(first, rest)| Some((count_of(first)?, rest)));
    let (count, words) = counted.unwrap_or((1, words));
    let (unit, rest) = words.split_first()?;
    // `15 minutes` is read as `15 minute`.
    let unit = unit.strip_suffix('s').filter(|_| *unit != "business").unwrap_or(unit);
    if let Some((_, length, _)) = TIMES.iter().find(|(name, _, _)| *name == unit) {
        return rest.is_empty().then(|| count.checked_mul(*length)).flatten().map(Step::Time);
    }
    match (unit, rest) {
        ("day", []) => Some(Step::Day(count)),
        ("business", ["day" | "days"]) => Some(Step::BusinessDay(count)),
        ("week", []) => Some(Step::Week(count, None)),
        ("week", [weekday]) => Some(Step::Week(count, Some(place_in(&WEEKDAYS, weekday)?))),
        ("month", rest) => in_months(Unit::Month, count, rest),
        ("quarter", rest) => in_months(Unit::Quarter, count, rest),
        ("year", rest) => in_months(Unit::Year, count, rest),
        _ => None,
    }
}

fn in_months(unit: Unit, count: i64, rest: &[&str]) -> Option<Step> {
    let day = |text: &str| count_of(text).filter(|day| *day <= 31).map(Place::Day);
    let (place, month) = match rest {
        [] => return Some(Step::Months(Months { unit, count, place: None, month: None })),
        ["start"] => (Place::Start, None),
        ["end"] => (Place::End, None),
        ["start", month] => (Place::Start, Some(place_in(&MONTHS, month)?)),
        ["end", month] => (Place::End, Some(place_in(&MONTHS, month)?)),
        [number] => (day(number)?, None),
        [month, number] => (day(number)?, Some(place_in(&MONTHS, month)?)),
        _ => return None,
    };
    with_place(unit, count, place, month)
}

/// A step with its place; a month is named for quarters and years alone, and a fixed day of a year needs one.
fn with_place(unit: Unit, count: i64, place: Place, month: Option<i64>) -> Option<Step> {
    if unit == Unit::Month {
        return month.is_none().then_some(Step::Months(Months { unit, count, place: Some(place), month }));
    }
    let month = month.or(calendar_month(unit, place))?.rem_euclid(unit.months());
    Some(Step::Months(Months { unit, count, place: Some(place), month: Some(month) }))
}

/// The place of a name, of which at least three letters are given.
fn place_in(names: &[&str], name: &str) -> Option<i64> {
    let name = name.to_lowercase();
    let place = names.iter().position(|full| full.to_lowercase().starts_with(&name))?;
    (name.len() >= 3).then_some(place as i64)
}

/// As pandas writes it: `15min`, `2W-SUN`, `QS-FEB`.
fn in_short(text: &str) -> Option<Step> {
    let (count, alias) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let count = if count.is_empty() { 1 } else { count_of(count)? };
    let (alias, anchor) = alias.split_once('-').map_or((alias, None), |(alias, anchor)| (alias, Some(anchor)));
    if let Some((_, length, _)) = TIMES.iter().find(|(_, _, name)| *name == alias) {
        return anchor.is_none().then(|| count.checked_mul(*length)).flatten().map(Step::Time);
    }
    let month = |anchor: Option<&str>| anchor.map(|anchor| place_in(&MONTHS, anchor));
    let with_month = |unit: Unit, place: Place| match month(anchor) {
        Some(None) => None,
        month => with_place(unit, count, place, month.flatten()),
    };
    match (alias, anchor) {
        ("D", None) => Some(Step::Day(count)),
        ("B", None) => Some(Step::BusinessDay(count)),
        ("W", None) => Some(Step::Week(count, None)),
        ("W", Some(weekday)) => Some(Step::Week(count, Some(place_in(&WEEKDAYS, weekday)?))),
        ("MS", None) => with_place(Unit::Month, count, Place::Start, None),
        ("ME", None) => with_place(Unit::Month, count, Place::End, None),
        ("QS", _) => with_month(Unit::Quarter, Place::Start),
        ("QE", _) => with_month(Unit::Quarter, Place::End),
        ("YS", _) => with_month(Unit::Year, Place::Start),
        ("YE", _) => with_month(Unit::Year, Place::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in [
            "nanosecond",
            "100 millisecond",
            "second",
            "15 minute",
            "hour",
            "24 hour",
            "36 hour",
            "day",
            "2 day",
            "business day",
            "week",
            "week sunday",
            "2 week monday",
            "month",
            "month start",
            "month end",
            "month 15",
            "quarter",
            "quarter start",
            "quarter start february",
            "quarter end",
            "quarter end november",
            "quarter 15",
            "quarter february 15",
            "2 quarter start",
            "year",
            "year start",
            "year start april",
            "year end",
            "year end june",
            "year july 9",
            "5 year january 1",
            "number 0.1",
            "number 1",
            "number 0.3333333333333333",
        ] {
            // November is the second month of a quarter that began in October.
            let shown = text.replace("november", "february");
            let frequency: Frequency = text.parse().unwrap();
            assert_eq!(frequency.to_string(), shown);
            let json = serde_json::to_string(&frequency).unwrap();
            assert_eq!(json, format!("{shown:?}"));
            assert_eq!(serde_json::from_str::<Frequency>(&json).unwrap(), frequency);
        }
    }

    #[test]
    fn short_forms_are_those_of_pandas() {
        for (short, text) in [
            ("15min", "15 minute"),
            ("h", "hour"),
            ("s", "second"),
            ("ms", "millisecond"),
            ("D", "day"),
            ("2D", "2 day"),
            ("B", "business day"),
            ("W-SUN", "week sunday"),
            ("2W-MON", "2 week monday"),
            ("W", "week"),
            ("MS", "month start"),
            ("ME", "month end"),
            ("QS", "quarter start"),
            ("QE", "quarter end"),
            ("QS-FEB", "quarter start february"),
            ("QE-DEC", "quarter end"),
            ("QE-NOV", "quarter end february"),
            ("YS", "year start"),
            ("YE", "year end"),
            ("YS-APR", "year start april"),
            ("2YE-JUN", "2 year end june"),
            ("15 minutes", "15 minute"),
            ("Business Days", "business day"),
            ("60 minute", "hour"),
            ("120min", "2 hour"),
        ] {
            assert_eq!(short.parse::<Frequency>().unwrap().to_string(), text, "{short}");
        }
    }

    #[test]
    fn what_is_no_frequency_is_refused() {
        for text in [
            "",
            "0 day",
            "-1 day",
            "1.5 hour",
            "fortnight",
            "number",
            "number 0",
            "number -1",
            "number NaN",
            "week funday",
            "month 32",
            "month 0",
            "month start april",
            "year 9",
            "year start x",
            "D-MON",
            "h-JAN",
            "QS-XYZ",
            "M",
            "9999999 day",
            "99999999999999999999 day",
            "1000000é",
            "week mo",
            "start",
        ] {
            let problem = text.parse::<Frequency>().unwrap_err();
            assert!(problem.starts_with(&format!("{text:?} is no frequency")), "{problem}");
        }
    }
}
