//! Where civil times hold: nowhere in particular, at a fixed offset, or in a time zone of the tz database. Not here:
//! offsets as texts.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::stamp::{DAY, Moment, date_of, has_date};
use crate::data::table::quoted;

/// What civil times are relative to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) enum Zone {
    /// The texts do not say.
    Civil,
    /// An offset from UTC in seconds.
    Fixed(i32),
    /// A time zone with a name.
    Named(TimeZone),
}

impl Zone {
    /// The zone of a name. Errors: there is none.
    pub fn named(name: &str) -> Result<Zone, String> {
        let found = TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name().is_some());
        found.map(Zone::Named).ok_or_else(|| {
            format!("no time zone is called {}, expected a name such as Europe/Berlin or UTC", quoted(name))
        })
    }

    pub fn is_called(&self, name: &str) -> bool {
        matches!(self, Zone::Named(zone) if zone.iana_name() == Some(name))
    }

    /// The moment of UTC seconds; None beyond the years 0 to 9999.
    pub fn at(&self, second: i64, nanosecond: u32) -> Option<Moment> {
        let offset = match self {
            Zone::Civil => 0,
            Zone::Fixed(offset) => *offset,
            Zone::Named(zone) => zone.to_offset(Timestamp::from_second(second).ok()?).seconds(),
        };
        let day = second.checked_add(i64::from(offset))?.div_euclid(DAY);
        has_date(day).then_some(Moment { second, nanosecond, offset })
    }

    /// The moment of civil seconds since 1970: the first of two, and moved forward where there is none.
    pub fn civil(&self, civil: i64, nanosecond: u32) -> Option<Moment> {
        let of_offset = |offset: i32| {
            let second = civil.checked_sub(i64::from(offset))?;
            has_date(civil.div_euclid(DAY)).then_some(Moment { second, nanosecond, offset })
        };
        match self {
            Zone::Civil => of_offset(0),
            Zone::Fixed(offset) => of_offset(*offset),
            Zone::Named(zone) => {
                let date = date_of(civil.div_euclid(DAY))?;
                let of_day = civil.rem_euclid(DAY);
                let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
                let time = Time::new(hour as i8, minute as i8, second as i8, 0).ok()?;
                let at = zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()?;
                self.at(at.as_second(), nanosecond)
            }
        }
    }
}

/// `+02:00`, or `+0200` without a colon; seconds only where there are any.
pub(super) fn offset_text(offset: i32, colon: bool) -> String {
    let (sign, seconds) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let colon = if colon { ":" } else { "" };
    let rest = if second > 0 { format!("{colon}{second:02}") } else { String::new() };
    format!("{sign}{hour:02}{colon}{minute:02}{rest}")
}

/// An offset in seconds from `+02:00`, `+0200` or `+02`, with whether it has a colon (which one without minutes has).
pub(super) fn read_offset(text: &[u8]) -> Option<(i32, bool)> {
    let (sign, rest) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let pair = |a: u8, b: u8| {
        (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i32::from(a - b'0') * 10 + i32::from(b - b'0'))
    };
    let (hour, minute, second, colon) = match *rest {
        [a, b] => (pair(a, b)?, 0, 0, true),
        [a, b, c, d] => (pair(a, b)?, pair(c, d)?, 0, false),
        [a, b, b':', c, d] => (pair(a, b)?, pair(c, d)?, 0, true),
        [a, b, c, d, e, f] => (pair(a, b)?, pair(c, d)?, pair(e, f)?, false),
        [a, b, b':', c, d, b':', e, f] => (pair(a, b)?, pair(c, d)?, pair(e, f)?, true),
        _ => return None,
    };
    let fits = hour < 24 && minute < 60 && second < 60;
    fits.then_some((sign * (hour * 3600 + minute * 60 + second), colon))
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        match zone {
            Zone::Civil => String::new(),
            Zone::Fixed(offset) => offset_text(offset, true),
            Zone::Named(zone) => zone.iana_name().unwrap_or_default().to_string(),
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(text: String) -> Result<Zone, String> {
        match read_offset(text.as_bytes()) {
            Some((offset, _)) => Ok(Zone::Fixed(offset)),
            None if text.is_empty() => Ok(Zone::Civil),
            None => Zone::named(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_written() {
        for (text, seconds, colon) in
            [("+02:00", 7200, true), ("-0330", -12_600, false), ("+00:00", 0, true), ("+00:53:28", 3208, true)]
        {
            assert_eq!(read_offset(text.as_bytes()), Some((seconds, colon)));
            assert_eq!(offset_text(seconds, colon), text);
        }
        for text in ["", "+", "02:00", "+2:00", "+24:00", "+01:60", "+01-00", "+é0"] {
            assert_eq!(read_offset(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_zone_is_its_text() {
        for zone in [Zone::Civil, Zone::Fixed(-12_600), Zone::named("Europe/Berlin").unwrap()] {
            assert_eq!(Zone::try_from(String::from(zone.clone())), Ok(zone));
        }
        assert!(
            Zone::try_from("Mars/Base".to_string()).unwrap_err().starts_with("no time zone is called \"Mars/Base\"")
        );
    }

    #[test]
    fn civil_times_that_are_missing_or_double_are_decided() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        // 2022-03-27 02:30 does not exist (date -d '2022-03-27 02:30Z' +%s is 1648348200): 03:30 +02:00, 01:30 UTC.
        let missing = zone.civil(1_648_348_200, 7).unwrap();
        assert_eq!(missing, Moment { second: 1_648_348_200 - 3600, nanosecond: 7, offset: 7200 });
        // 2022-10-30 02:30 occurs at +02:00 and then at +01:00 (date -d '2022-10-30 02:30Z' +%s is 1667097000).
        assert_eq!(zone.civil(1_667_097_000, 0).unwrap().offset, 7200);
        assert_eq!(zone.at(1_667_097_000 - 3600, 0).unwrap().offset, 3600);
        assert_eq!((zone.at(i64::MAX, 0), zone.civil(i64::MIN, 0)), (None, None));
    }
}
