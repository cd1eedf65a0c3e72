//! A point in time as a text of a style. Not here: reading (`read.rs`).

use std::fmt::Write;

use jiff::civil::Date;

use super::read::MONTHS;
use super::stamp::{Moment, NANOSECONDS};
use super::style::{End, Form, Order, Separator, Shown, Style, TimeStyle};
use super::zone::offset_text;

/// A number with the decimals of a style.
pub(super) fn number(n: f64, decimals: Option<u8>) -> String {
    match decimals {
        // Adding 0 turns -0 into 0.
        Some(decimals) => format!("{:.*}", usize::from(decimals), n + 0.0),
        None => n.to_string(),
    }
}

/// A moment in a style; `name` is that of the time zone. None beyond the years 0 to 9999.
pub(super) fn moment(style: &Style, at: Moment, name: &str) -> Option<String> {
    match style.form {
        Form::EpochSecond => return Some(at.second.to_string()),
        Form::EpochMillisecond => return Some((at.second * 1000 + i64::from(at.nanosecond) / 1_000_000).to_string()),
        _ => {}
    }
    let is_utc = style.time.is_some_and(|time| time.end == End::Z);
    let at = if is_utc { Moment { offset: 0, ..at } } else { at };
    let mut text = date(style, at.date()?);
    if let Some(time) = &style.time {
        push_time(&mut text, time, at, name);
    }
    Some(text)
}

fn date(style: &Style, date: Date) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let quarter = (month + 2) / 3;
    let two = |n: i8| if style.padded { format!("{n:02}") } else { n.to_string() };
    match style.form {
        Form::Number | Form::EpochSecond | Form::EpochMillisecond => String::new(),
        Form::Year => format!("{year:04}"),
        Form::Month(separator) => format!("{year:04}{}{}", separator.text(), two(month)),
        Form::ShortMonth => format!("{} {year:04}", &month_name(month)[..3]),
        Form::LongMonth => format!("{} {year:04}", month_name(month)),
        Form::YearQuarter(separator) => format!("{year:04}{}Q{quarter}", separator.text()),
        Form::QuarterYear => format!("Q{quarter} {year:04}"),
        Form::Week(separator) => week(date, separator),
        Form::Weekday(separator) => {
            format!("{}{}{}", week(date, separator), separator.text(), date.weekday().to_monday_one_offset())
        }
        Form::Date(order, separator) => {
            let (between, month, day) = (separator.text(), two(month), two(day));
            match order {
                Order::YearMonthDay => format!("{year:04}{between}{month}{between}{day}"),
                Order::DayMonthYear => format!("{day}{between}{month}{between}{year:04}"),
                Order::MonthDayYear => format!("{month}{between}{day}{between}{year:04}"),
            }
        }
    }
}

fn month_name(month: i8) -> &'static str {
    MONTHS[(month - 1) as usize]
}

fn week(date: Date, separator: Separator) -> String {
    let week = date.iso_week_date();
    format!("{:04}{}W{:02}", week.year(), separator.text(), week.week())
}

fn push_time(text: &mut String, style: &TimeStyle, at: Moment, name: &str) {
    let of_day = at.time_of_day() / NANOSECONDS;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let has_fraction = at.nanosecond > 0 || (style.fraction == Shown::Always && style.digits > 0);
    text.push(if style.letter { 'T' } else { ' ' });
    let _ = write!(text, "{hour:02}:{minute:02}");
    if style.seconds == Shown::Always || second > 0 || has_fraction {
        let _ = write!(text, ":{second:02}");
    }
    if has_fraction {
        let digits = format!("{:09}", at.nanosecond);
        let needed = digits.trim_end_matches('0').len().max(usize::from(style.digits)).min(9);
        let _ = write!(text, ".{}", &digits[..needed]);
    }
    match style.end {
        End::Nothing => {}
        End::Z => text.push('Z'),
        End::OffsetWithColon => text.push_str(&offset_text(at.offset, true)),
        End::Offset => text.push_str(&offset_text(at.offset, false)),
        End::Name => text.push_str(&format!("[{name}]")),
        End::OffsetAndName => text.push_str(&format!("{}[{name}]", offset_text(at.offset, true))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::{Content, read};
    use super::super::style::FORMS;
    use super::*;

    #[test]
    fn every_form_writes_what_it_read() {
        for text in [
            "2022",
            "2022-02",
            "2022/02",
            "202202",
            "2022-02-03",
            "2022/02/03",
            "2022.02.03",
            "20220203",
            "03.02.2022",
            "23/02/2022",
            "02/23/2022",
            "23-02-2022",
            "02-23-2022",
            "3.2.2022",
            "2022-2-3",
            "2022-2",
            "2022Q2",
            "2022-Q2",
            "2022 Q2",
            "Q2 2022",
            "2022-W05",
            "2022W05",
            "2020-W53",
            "2022-W05-1",
            "2022W051",
            "Feb 2022",
            "February 2022",
            "1672444800",
            "1672444800123",
            "2022-02-03 04:05",
            "2022-02-03T04:05:06",
            "2022-02-03 04:05:00",
            "2022-02-03 04:05:06.070",
            "2022-02-03 04:05:00.000",
            "2022-02-03T04:05:06.123456789Z",
            "20220203T04:05",
            "03.02.2022 04:05",
            "2024-12-30",
            "2024-W53-1",
            "0000-01-01",
            "9999-12-31",
        ] {
            let written = FORMS.iter().filter_map(|&form| read(form, text)).map(|reading| match reading.content {
                Content::Number(n) => number(n, reading.style.decimals),
                Content::Time(time) => {
                    let at = Moment { second: time.second, nanosecond: time.nanosecond, offset: 0 };
                    moment(&reading.style, at, "").unwrap()
                }
            });
            let all: Vec<String> = written.collect();
            assert_eq!(!all.is_empty(), text != "2024-W53-1", "{text}"); // 2024 has 52 weeks
            assert!(all.iter().all(|written| written == text), "{text}: {all:?}");
        }
    }

    #[test]
    fn numbers_keep_their_decimals() {
        assert_eq!(number(0.1 + 0.2, Some(1)), "0.3");
        assert_eq!(number(3.0, Some(2)), "3.00");
        assert_eq!(number(-0.0, Some(0)), "0");
        assert_eq!(number(1.0 / 3.0, None), "0.3333333333333333");
    }
}
