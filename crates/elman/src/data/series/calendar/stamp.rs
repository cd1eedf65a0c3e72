//! A point in time, and days since 1970 as dates and back. Not here: how a point is written, and which zone it is in.

use jiff::SignedDuration;
use jiff::civil::Date;

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;
/// Nanoseconds of a second.
pub(super) const NANOSECONDS: i64 = 1_000_000_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A point in time: a number, or a moment with the offset that holds there. Stamps of one clock can be compared.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Stamp(pub(super) Point);

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Point {
    Number(f64),
    Moment(Moment),
}

/// A moment: seconds of UTC since 1970 and nanoseconds after them, and the offset of civil time from UTC in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub second: i64,
    pub nanosecond: u32,
    pub offset: i32,
}

impl Stamp {
    /// A number, such as a row's.
    pub fn number(n: f64) -> Stamp {
        Stamp(Point::Number(n))
    }

    /// The place on the axis of a picture: civil seconds since 1970, or the number.
    pub fn axis(self) -> f64 {
        match self.0 {
            Point::Number(n) => n,
            Point::Moment(moment) => moment.civil() as f64 + f64::from(moment.nanosecond) / NANOSECONDS as f64,
        }
    }

    /// Whether it is a number and no point of the calendar.
    pub fn is_number(self) -> bool {
        matches!(self.0, Point::Number(_))
    }

    pub(super) fn moment(self) -> Option<Moment> {
        match self.0 {
            Point::Number(_) => None,
            Point::Moment(moment) => Some(moment),
        }
    }
}

impl Moment {
    /// Civil seconds since 1970.
    pub fn civil(self) -> i64 {
        self.second + i64::from(self.offset)
    }

    /// Civil days since 1970.
    pub fn day(self) -> i64 {
        self.civil().div_euclid(DAY)
    }

    /// Nanoseconds since civil midnight.
    pub fn time_of_day(self) -> i64 {
        self.civil().rem_euclid(DAY) * NANOSECONDS + i64::from(self.nanosecond)
    }

    /// Nanoseconds of UTC since 1970.
    pub fn nanoseconds(self) -> i128 {
        i128::from(self.second) * i128::from(NANOSECONDS) + i128::from(self.nanosecond)
    }

    /// The civil date.
    pub fn date(self) -> Option<Date> {
        date_of(self.day())
    }
}

/// The date of a day since 1970; None beyond the years that are written with four digits.
pub(super) fn date_of(day: i64) -> Option<Date> {
    let duration = has_date(day).then(|| SignedDuration::from_secs(day * DAY))?;
    EPOCH.checked_add(duration).ok()
}

/// Whether a day since 1970 lies in the years 0 to 9999.
pub(super) fn has_date(day: i64) -> bool {
    // 0000-01-01 and 9999-12-31.
    (-719_528..=2_932_896).contains(&day)
}

/// The day since 1970 of a date.
pub(super) fn day_of(date: Date) -> i64 {
    date.duration_since(EPOCH).as_secs() / DAY
}

/// The date of a year, month and day; None where there is none.
pub(super) fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    let fits = (0..=9999).contains(&year);
    fits.then(|| Date::new(year as i16, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_all_years() {
        // date -d 2000-03-01 +%s / 86400
        assert_eq!(date(2000, 3, 1).map(day_of), Some(11_017));
        assert_eq!(date_of(11_017), date(2000, 3, 1));
        let last = date(9999, 12, 31).map(day_of).unwrap();
        assert!(has_date(last) && !has_date(last + 1));
        assert_eq!(date_of(last + 1), None);
        assert_eq!(date_of(date(0, 1, 1).map(day_of).unwrap()), date(0, 1, 1));
        assert_eq!(date_of(date(0, 1, 1).map(day_of).unwrap() - 1), None);
        assert_eq!((date_of(i64::MAX), date_of(i64::MIN)), (None, None));
        for day in (-719_000..last).step_by(97) {
            assert_eq!(date_of(day).map(day_of), Some(day));
        }
        for (year, month, day) in
            [(2023, 2, 29), (1900, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 1, 0), (10_000, 1, 1)]
        {
            assert_eq!(date(year, month, day), None, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_stamp_is_small_and_has_a_place_on_an_axis() {
        assert!(size_of::<Stamp>() <= 24, "{}", size_of::<Stamp>());
        let moment = Moment { second: 3600, nanosecond: 500_000_000, offset: 7200 };
        assert_eq!(Stamp(Point::Moment(moment)).axis(), 10_800.5);
        assert_eq!(Stamp::number(-2.5).axis(), -2.5);
        let later = Moment { nanosecond: 500_000_001, ..moment };
        assert!(Stamp(Point::Moment(moment)) < Stamp(Point::Moment(later)));
    }
}
