//! The styles in which a column can write its times, and what several texts of one style have in common. Not here:
//! reading (`read.rs`), writing (`write.rs`), clocks of twelve hours and years of two digits.

use serde::{Deserialize, Serialize};

/// What a text writes, and the order of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// A number.
    Number,
    /// `2022`.
    Year,
    /// `2022-12`; no separator: `202212`.
    Month(Separator),
    /// `Jan 2022`.
    ShortMonth,
    /// `January 2022`.
    LongMonth,
    /// `2022Q1`, `2022-Q1`, `2022 Q1`.
    YearQuarter(Separator),
    /// `Q1 2022`.
    QuarterYear,
    /// `2022-W05`, `2022W05`: weeks of ISO 8601.
    Week(Separator),
    /// `2022-W05-1`, `2022W051`.
    Weekday(Separator),
    /// `2022-12-31`, `31.12.2022`, `20221231`, ...
    Date(Order, Separator),
    /// Seconds since 1970.
    EpochSecond,
    /// Milliseconds since 1970.
    EpochMillisecond,
}

/// The order of year, month and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    YearMonthDay,
    DayMonthYear,
    MonthDayYear,
}

/// What stands between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Separator {
    None,
    Dash,
    Slash,
    Dot,
    Space,
}

impl Separator {
    pub fn text(self) -> &'static str {
        match self {
            Separator::None => "",
            Separator::Dash => "-",
            Separator::Slash => "/",
            Separator::Dot => ".",
            Separator::Space => " ",
        }
    }
}

use Order::{DayMonthYear, MonthDayYear, YearMonthDay};
use Separator::{Dash, Dot, None as Plain, Slash, Space};

/// Every form; of several that read a column and make sense, the first. Numbers are last: digits alone are dates where
/// that makes sense.
pub(super) const FORMS: [Form; 26] = [
    Form::Date(YearMonthDay, Dash),
    Form::Date(YearMonthDay, Slash),
    Form::Date(YearMonthDay, Dot),
    Form::Date(YearMonthDay, Plain),
    Form::Date(DayMonthYear, Dot),
    Form::Date(DayMonthYear, Slash),
    Form::Date(DayMonthYear, Dash),
    Form::Date(MonthDayYear, Slash),
    Form::Date(MonthDayYear, Dash),
    Form::Month(Dash),
    Form::Month(Slash),
    Form::Month(Plain),
    Form::Year,
    Form::YearQuarter(Plain),
    Form::YearQuarter(Dash),
    Form::YearQuarter(Space),
    Form::QuarterYear,
    Form::Week(Dash),
    Form::Week(Plain),
    Form::Weekday(Dash),
    Form::Weekday(Plain),
    Form::ShortMonth,
    Form::LongMonth,
    Form::EpochSecond,
    Form::EpochMillisecond,
    Form::Number,
];

/// How fine the texts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    Number,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Moment,
}

/// A form, and the details in which texts of one form differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Style {
    pub form: Form,
    /// Whether a month or day of one digit has a zero before it.
    pub padded: bool,
    /// Decimals of numbers; None where they are too many to be exact.
    pub decimals: Option<u8>,
    /// The time of day.
    pub time: Option<TimeStyle>,
}

/// How a time of day is written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TimeStyle {
    /// A `T` before it, not a space.
    pub letter: bool,
    pub seconds: Shown,
    /// Digits of the fraction of a second.
    pub digits: u8,
    pub fraction: Shown,
    pub end: End,
}

/// Whether a part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shown {
    Always,
    /// Where it is not zero.
    NotZero,
}

/// What follows a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    Nothing,
    /// `Z`: UTC.
    Z,
    /// `+02:00`.
    OffsetWithColon,
    /// `+0200`.
    Offset,
    /// `[Europe/Berlin]`.
    Name,
    /// `+02:00[Europe/Berlin]`.
    OffsetAndName,
}

impl End {
    pub fn has_offset(self) -> bool {
        !matches!(self, End::Nothing | End::Name)
    }

    pub fn has_name(self) -> bool {
        matches!(self, End::Name | End::OffsetAndName)
    }
}

impl Style {
    pub fn of(form: Form) -> Style {
        Style { form, padded: true, decimals: Some(0), time: None }
    }

    pub fn resolution(&self) -> Resolution {
        match self.form {
            Form::Number => Resolution::Number,
            Form::Year => Resolution::Year,
            Form::Month(_) | Form::ShortMonth | Form::LongMonth => Resolution::Month,
            Form::YearQuarter(_) | Form::QuarterYear => Resolution::Quarter,
            Form::Week(_) => Resolution::Week,
            Form::EpochSecond | Form::EpochMillisecond => Resolution::Moment,
            Form::Date(..) | Form::Weekday(_) if self.time.is_some() => Resolution::Moment,
            Form::Date(..) | Form::Weekday(_) => Resolution::Day,
        }
    }

    /// The style that writes what both do; None where there is none.
    pub fn merged(self, other: Style) -> Option<Style> {
        let time = match (self.time, other.time) {
            (Some(a), Some(b)) => Some(a.merged(b)?),
            (None, None) => None,
            _ => return None,
        };
        let decimals = self.decimals.zip(other.decimals).map(|(a, b)| a.max(b));
        (self.form == other.form).then_some(Style {
            form: self.form,
            padded: self.padded && other.padded,
            decimals,
            time,
        })
    }
}

impl TimeStyle {
    fn merged(self, other: TimeStyle) -> Option<TimeStyle> {
        let both = |a: Shown, b: Shown| if a == b { a } else { Shown::NotZero };
        let fraction = if self.digits == other.digits { both(self.fraction, other.fraction) } else { Shown::NotZero };
        (self.letter == other.letter && self.end == other.end).then_some(TimeStyle {
            letter: self.letter,
            seconds: both(self.seconds, other.seconds),
            digits: self.digits.max(other.digits),
            fraction,
            end: self.end,
        })
    }
}
