//! How a column writes its times: reading and writing by a style that is known. Not here: finding the style
//! (`choose.rs`).

use serde::{Deserialize, Serialize};

use super::read::{CivilTime, Content, read};
use super::stamp::{Moment, Point, Stamp};
use super::style::{Form, Order, Resolution, Separator, Style};
use super::write;
use super::zone::Zone;
use crate::data::table::quoted;

/// How a column writes its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    pub(super) style: Style,
    pub(super) zone: Zone,
}

impl Clock {
    /// Rows that are counted 0, 1, 2, ...
    pub fn counting() -> Clock {
        Clock { style: Style::of(Form::Number), zone: Zone::Civil }
    }

    /// The point in time of a text. A text with an offset is converted to the clock's zone.
    ///
    /// Errors: the text has another form, or names a date that does not exist.
    pub fn read(&self, text: &str) -> Result<Stamp, String> {
        let reading = read(self.style.form, text);
        let stamp =
            reading.filter(|reading| self.has_parts_of(&reading.style)).and_then(|reading| match reading.content {
                Content::Number(n) => Some(Stamp::number(n)),
                Content::Time(time) => self.moment(&time).map(|moment| Stamp(Point::Moment(moment))),
            });
        stamp.ok_or_else(|| format!("{} is given, expected {}", quoted(text), self.expected()))
    }

    /// A point in time as the column writes it. A stamp of another kind of clock is written as its place on the axis.
    pub fn write(&self, stamp: Stamp) -> String {
        let is_number = self.resolution() == Resolution::Number;
        let written = match stamp.0 {
            Point::Number(n) => is_number.then(|| write::number(n, self.style.decimals)),
            Point::Moment(_) if is_number => None,
            Point::Moment(at) => write::moment(&self.style, at, &String::from(self.zone.clone())),
        };
        written.unwrap_or_else(|| stamp.axis().to_string())
    }

    pub(super) fn resolution(&self) -> Resolution {
        self.style.resolution()
    }

    /// The moment of what a text says; None where it lies outside the years 0 to 9999.
    pub(super) fn moment(&self, time: &CivilTime) -> Option<Moment> {
        match (time.offset, time.name) {
            (Some(offset), _) => self.zone.at(time.second.checked_sub(i64::from(offset))?, time.nanosecond),
            (None, Some(name)) if !self.zone.is_called(name) => {
                let there = Zone::named(name).ok()?.civil(time.second, time.nanosecond)?;
                self.zone.at(there.second, there.nanosecond)
            }
            (None, _) => self.zone.civil(time.second, time.nanosecond),
        }
    }

    /// What a text should be, with an example.
    pub(super) fn expected(&self) -> String {
        // 2022-12-31, 23:59.
        let example = self.zone.civil(1_672_531_140, 0).map(|moment| self.write(Stamp(Point::Moment(moment))));
        let kind = match (self.resolution(), self.style.form) {
            (Resolution::Number, _) => return "a number".to_string(),
            (_, Form::Date(Order::DayMonthYear, Separator::Slash | Separator::Dash)) => "a date with the day first",
            (_, Form::Date(Order::MonthDayYear, _)) => "a date with the month first",
            (Resolution::Year, _) => "a year",
            (Resolution::Quarter, _) => "a quarter",
            (Resolution::Month, _) => "a month",
            (Resolution::Week, _) => "a week",
            (Resolution::Day, _) => "a date",
            (Resolution::Moment, Form::EpochSecond) => "seconds since 1970",
            (Resolution::Moment, Form::EpochMillisecond) => "milliseconds since 1970",
            (Resolution::Moment, _) => "a date and time",
        };
        format!("{kind} such as {}", example.unwrap_or_default())
    }

    /// Whether texts of a style have the parts that the clock's have: a time of day, an offset.
    fn has_parts_of(&self, style: &Style) -> bool {
        match (self.style.time, style.time) {
            (None, None) => true,
            (Some(a), Some(b)) => a.end.has_offset() == b.end.has_offset() && a.end.has_name() == b.end.has_name(),
            _ => false,
        }
    }
}
