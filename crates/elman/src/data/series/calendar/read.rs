//! A text of a known form as a point in time. It runs for every row, so it goes over the bytes once and allocates
//! nothing. Not here: which form a column has (`choose.rs`).

use jiff::civil::{ISOWeekDate, Weekday};

use super::stamp::{DAY, date, day_of};
use super::style::{End, Form, Order, Separator, Shown, Style, TimeStyle};
use super::zone::read_offset;

/// The names of the months; short ones are their first three letters.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A text that was read: its style and what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading<'a> {
    pub style: Style,
    pub content: Content<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Content<'a> {
    Number(f64),
    Time(CivilTime<'a>),
}

/// A civil time in seconds and nanoseconds since 1970, and what the text says of its zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CivilTime<'a> {
    pub second: i64,
    pub nanosecond: u32,
    pub offset: Option<i32>,
    pub name: Option<&'a str>,
}

/// Reads a text by a form; None where it has another, or names no date that exists.
pub(super) fn read(form: Form, text: &str) -> Option<Reading<'_>> {
    let text = text.trim();
    let bytes = text.as_bytes();
    match form {
        Form::Number => number(text),
        Form::EpochSecond if bytes.len() == 10 => epoch(form, digits(bytes)?, 1),
        Form::EpochMillisecond if bytes.len() == 13 => epoch(form, digits(bytes)?, 1000),
        Form::EpochSecond | Form::EpochMillisecond => None,
        Form::Year => of_date(form, year(bytes)?, 1, 1, true),
        Form::Month(separator) => {
            let (first, second) = two(bytes, separator, 4)?;
            let (month, padded) = short(second, separator)?;
            of_date(form, year(first)?, month, 1, padded)
        }
        Form::ShortMonth | Form::LongMonth => month_name(form, text),
        Form::YearQuarter(separator) => {
            let (first, second) = two(bytes, separator, 4)?;
            of_quarter(form, first, second)
        }
        Form::QuarterYear => {
            let (first, second) = two(bytes, Separator::Space, 2)?;
            of_quarter(form, second, first)
        }
        Form::Week(separator) => {
            let (first, second) = two(bytes, separator, 4)?;
            of_day(form, week(first, second, 1)?, true)
        }
        Form::Weekday(separator) => {
            let (day, time) = split_time(text);
            let (first, rest) = two(day.as_bytes(), separator, 4)?;
            let (second, third) = two(rest, separator, 3)?;
            with_time(of_day(form, week(first, second, digits(third).filter(|_| third.len() == 1)?)?, true)?, time)
        }
        Form::Date(order, separator) => {
            let (day, time) = split_time(text);
            let (year, month, day, padded) = fields(order, separator, day.as_bytes())?;
            with_time(of_date(form, year, month, day, padded)?, time)
        }
    }
}

/// Up to 18 digits and nothing else as a number.
fn digits(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || bytes.len() > 18 {
        return None;
    }
    bytes.iter().try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + i64::from(byte - b'0')))
}

/// A year has four digits.
fn year(bytes: &[u8]) -> Option<i64> {
    digits(bytes).filter(|_| bytes.len() == 4)
}

/// A month or a day: two digits, or one where a separator shows its end; and whether they are two.
fn short(bytes: &[u8], separator: Separator) -> Option<(i64, bool)> {
    let padded = bytes.len() == 2;
    let fits = padded || (bytes.len() == 1 && separator != Separator::None);
    digits(bytes).filter(|_| fits).map(|n| (n, padded))
}

/// The first `length` bytes and those after the separator.
fn two(bytes: &[u8], separator: Separator, length: usize) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_at_checked(length)?;
    Some((first, rest.strip_prefix(separator.text().as_bytes())?))
}

/// Year, month and day, and whether month and day have two digits.
fn fields(order: Order, separator: Separator, bytes: &[u8]) -> Option<(i64, i64, i64, bool)> {
    let (a, b, c) = match (separator, order) {
        (Separator::None, Order::YearMonthDay) if bytes.len() == 8 => (&bytes[..4], &bytes[4..6], &bytes[6..]),
        (Separator::None, _) => return None,
        _ => {
            let between = separator.text().as_bytes()[0];
            let mut parts = bytes.split(|&byte| byte == between);
            let three = (parts.next()?, parts.next()?, parts.next()?);
            parts.next().is_none().then_some(three)?
        }
    };
    let (years, months, days) = match order {
        Order::YearMonthDay => (a, b, c),
        Order::DayMonthYear => (c, b, a),
        Order::MonthDayYear => (c, a, b),
    };
    let ((month, of_two), (day, too)) = (short(months, separator)?, short(days, separator)?);
    Some((year(years)?, month, day, of_two && too))
}

/// The text before the time of day, and the time of day with the `T` or space before it.
fn split_time(text: &str) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| matches!(byte, b'T' | b' ')) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    }
}

fn of_date(form: Form, year: i64, month: i64, day: i64, padded: bool) -> Option<Reading<'static>> {
    of_day(form, day_of(date(year, month, day)?), padded)
}

fn of_day(form: Form, day: i64, padded: bool) -> Option<Reading<'static>> {
    let content = CivilTime { second: day * DAY, nanosecond: 0, offset: None, name: None };
    Some(Reading { style: Style { padded, ..Style::of(form) }, content: Content::Time(content) })
}

fn epoch(form: Form, count: i64, per_second: i64) -> Option<Reading<'static>> {
    let nanosecond = (count.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32;
    let second = count.div_euclid(per_second);
    let content = CivilTime { second, nanosecond, offset: Some(0), name: None };
    Some(Reading { style: Style::of(form), content: Content::Time(content) })
}

fn of_quarter(form: Form, years: &[u8], quarter: &[u8]) -> Option<Reading<'static>> {
    match *quarter {
        [b'Q', n @ b'1'..=b'4'] => of_date(form, year(years)?, i64::from(n - b'1') * 3 + 1, 1, true),
        _ => None,
    }
}

/// The day of a weekday (Monday is 1) of a week such as `W05`.
fn week(years: &[u8], weeks: &[u8], weekday: i64) -> Option<i64> {
    let week = digits(weeks.strip_prefix(b"W")?).filter(|_| weeks.len() == 3)?;
    let weekday = Weekday::from_monday_one_offset(weekday as i8).ok()?;
    let date = ISOWeekDate::new(year(years)? as i16, week as i8, weekday).ok()?.date();
    (date.year() >= 0).then(|| day_of(date))
}

fn month_name(form: Form, text: &str) -> Option<Reading<'static>> {
    let (name, years) = text.split_once(' ')?;
    let is_this = |month: &str| {
        let month = if form == Form::ShortMonth { &month[..3] } else { month };
        month.eq_ignore_ascii_case(name)
    };
    let month = MONTHS.iter().position(|month| is_this(month))?;
    of_date(form, year(years.as_bytes())?, month as i64 + 1, 1, true)
}

fn number(text: &str) -> Option<Reading<'static>> {
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    let is_name = text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E'));
    let n = text.parse::<f64>().ok().filter(|n| starts && !is_name && n.is_finite())?;
    let style = Style { decimals: decimals(text), ..Style::of(Form::Number) };
    Some(Reading { style, content: Content::Number(n) })
}

/// The decimals of a number as it is written; None beyond 15.
fn decimals(text: &str) -> Option<u8> {
    const MOST: i64 = 15;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len() as i64);
    let places = places.checked_sub(exponent.parse().ok()?)?.max(0);
    u8::try_from(places).ok().filter(|_| places <= MOST)
}

/// Adds the time of day to a date.
fn with_time<'a>(date: Reading<'static>, time: Option<&'a str>) -> Option<Reading<'a>> {
    let (Some(time), Content::Time(midnight)) = (time, date.content) else { return Some(date) };
    let (clock, end) = time[1..].split_at(time[1..].find(['Z', '+', '-', '[']).unwrap_or(time.len() - 1));
    let bytes = clock.as_bytes();
    let pair = |at: usize| digits(bytes.get(at..at + 2)?);
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    let (hour, minute) = (pair(0)?, pair(3).filter(|_| is(2, b':'))?);
    let (second, seconds) = match bytes.len() {
        5 => (0, Shown::NotZero),
        _ => (pair(6).filter(|_| is(5, b':'))?, Shown::Always),
    };
    let (nanosecond, places) = match bytes.len() {
        5 | 8 => (0, 0),
        _ => fraction(bytes.get(9..).filter(|_| is(8, b'.'))?)?,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (end, offset, name) = read_end(end)?;
    let shown = if places > 0 { Shown::Always } else { Shown::NotZero };
    let time = TimeStyle { letter: time.starts_with('T'), seconds, digits: places, fraction: shown, end };
    let second = midnight.second + hour * 3600 + minute * 60 + second;
    let content = Content::Time(CivilTime { second, nanosecond, offset, name });
    Some(Reading { style: Style { time: Some(time), ..date.style }, content })
}

/// The digits after a second as nanoseconds, and how many there are: 1 to 9.
fn fraction(bytes: &[u8]) -> Option<(u32, u8)> {
    let places = u8::try_from(bytes.len()).ok().filter(|places| (1..=9).contains(places))?;
    let n = digits(bytes)?;
    Some((n as u32 * 10_u32.pow(9 - u32::from(places)), places))
}

/// What follows a time of day: the style, the offset and the name of the zone.
fn read_end(text: &str) -> Option<(End, Option<i32>, Option<&str>)> {
    if text.is_empty() {
        return Some((End::Nothing, None, None));
    }
    if text == "Z" {
        return Some((End::Z, Some(0), None));
    }
    let Some(at) = text.find('[') else {
        let (offset, colon) = read_offset(text.as_bytes())?;
        return Some((if colon { End::OffsetWithColon } else { End::Offset }, Some(offset), None));
    };
    let name = text[at + 1..].strip_suffix(']').filter(|name| !name.is_empty())?;
    if at == 0 {
        return Some((End::Name, None, Some(name)));
    }
    let (offset, _) = read_offset(&text.as_bytes()[..at])?;
    Some((End::OffsetAndName, Some(offset), Some(name)))
}

#[cfg(test)]
mod tests {
    use super::super::style::FORMS;
    use super::*;

    /// The forms that read a text, and the civil seconds that the first of them reads.
    fn readings(text: &str) -> (usize, Option<i64>) {
        let all: Vec<Reading> = FORMS.iter().filter_map(|&form| read(form, text)).collect();
        let second = all.first().and_then(|reading| match reading.content {
            Content::Time(time) => Some(time.second),
            Content::Number(_) => None,
        });
        (all.len(), second)
    }

    #[test]
    fn each_form_reads_its_texts() {
        // `date -ud TEXT +%s` of the days.
        let last_day = Some(1_672_444_800);
        for text in ["2022-12-31", "2022/12/31", "31.12.2022", "31/12/2022", "12/31/2022", "31-12-2022", "2022-W52-6"] {
            assert_eq!(readings(text), (1, last_day), "{text}");
        }
        assert_eq!(readings("20221231"), (2, last_day)); // a number too
        for text in ["2022-12", "2022/12", "Dec 2022", "December 2022"] {
            assert_eq!(readings(text), (1, Some(1_669_852_800)), "{text}");
        }
        for text in ["2022Q4", "2022-Q4", "2022 Q4", "Q4 2022"] {
            assert_eq!(readings(text), (1, Some(1_664_582_400)), "{text}");
        }
        assert_eq!(readings("2022-W05"), (1, Some(1_643_587_200)));
        assert_eq!(readings("2022W05"), (1, Some(1_643_587_200)));
        assert_eq!(readings("2020-W53"), (1, Some(1_609_113_600)));
        assert_eq!(readings("1672444800"), (2, last_day));
        assert_eq!(readings("1672444800000"), (2, last_day));
        assert_eq!(readings("01/02/2022"), (2, Some(1_643_673_600)));
        assert_eq!(readings("2022-12-31T00:00:07.25"), (1, last_day.map(|day| day + 7)));
        assert_eq!(readings("31.12.2022 00:01"), (1, last_day.map(|day| day + 60)));
    }

    #[test]
    fn what_follows_a_time_of_day_is_read() {
        let end = |text: &str| match read(FORMS[0], text).unwrap().content {
            Content::Time(time) => (time.nanosecond, time.offset, time.name.map(str::to_string)),
            Content::Number(_) => unreachable!("a date is no number"),
        };
        assert_eq!(end("2022-12-31 23:59"), (0, None, None));
        assert_eq!(end("2022-12-31 23:59:59.123456789Z"), (123_456_789, Some(0), None));
        assert_eq!(end("2022-12-31T23:59:59.5-0330"), (500_000_000, Some(-12_600), None));
        assert_eq!(end("2022-12-31T23:59+01:00"), (0, Some(3600), None));
        assert_eq!(end("2022-12-31T23:59[Europe/Berlin]"), (0, None, Some("Europe/Berlin".into())));
        assert_eq!(end("2022-12-31T23:59+01:00[Europe/Berlin]"), (0, Some(3600), Some("Europe/Berlin".into())));
    }

    #[test]
    fn numbers_have_their_decimals() {
        let of = |text: &'static str| read(Form::Number, text).map(|reading| (reading.content, reading.style.decimals));
        for (text, n, decimals) in [
            (" 7.50 ", 7.5, Some(2)),
            ("-3", -3.0, Some(0)),
            ("1e3", 1000.0, Some(0)),
            ("1.5e-2", 0.015, Some(3)),
            ("0.3333333333333333", 0.3333333333333333, None),
        ] {
            assert_eq!(of(text), Some((Content::Number(n), decimals)), "{text}");
        }
        for text in ["NaN", "inf", "-inf", "+infinity", "1e999", "", "-", "1_000", "0x10"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_read_by_no_form() {
        for text in [
            "",
            "x",
            "1981-13",
            "1981-00",
            "1981-02-29",
            "1900-02-29",
            "1981-01-32",
            "81-01-01",
            "1981-1-1-1",
            "1981-01-01 24:00",
            "1981-01-01 12",
            "1981-01 12:00",
            "-1981-01",
            "1981-01-01T12:00:60",
            "é981-01",
            "1981-01-01T12:00:00.",
            "1981-01-01T12:00:00.1234567890",
            "1981-01-01T12:00+1",
            "1981-01-01T12:00[x",
            "1981-01-01T12:00[]",
            "1981-01-01T",
            "1981-01-01 12:0é",
            "2022Q5",
            "2021-W53",
            "2022-W00",
            "2022-W05-8",
            "2022-W05-0",
            "Foo 2022",
            "Dec 22",
            "31.02.2022",
            "13/13/2022",
        ] {
            assert_eq!(readings(text), (0, None), "{text}");
        }
    }
}
