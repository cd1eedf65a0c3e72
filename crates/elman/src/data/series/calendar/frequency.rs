//! The step of a series: a fixed time, days, business days, weeks, or months with their place in the month. Not here:
//! its text (`parse.rs`), adding it (`step.rs`) and finding it (`detect.rs`).

use super::differences::greatest_common_divisor;
use super::style::Resolution;

/// Nanoseconds of a minute, an hour, a day.
pub(super) const MINUTE: i64 = 60_000_000_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The step from one row of a series to the next.
///
/// Its text, which `FromStr`, `Display` and serde share, is a count (1 is left out) and a unit: `second`, `15 minute`,
/// `hour`, `day`, `business day`, `week sunday`, `month start`, `month end`, `month 15`, `quarter start`,
/// `quarter end november`, `year start april`, `year end`, `year july 9`, `number 0.1`. Steps of less than a day are
/// absolute time, the others are civil dates. `week`, `month`, `quarter` and `year` alone take their weekday, day and
/// month from the data: [`Frequency::fit`]. The short forms of pandas are read too: `15min`, `h`, `D`, `B`, `W-SUN`,
/// `MS`, `ME`, `QS-FEB`, `QE`, `YS`, `YE-JUN`; `W` alone is `week`, where pandas means Sundays.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Frequency {
    pub(super) step: Step,
}

/// Counts are positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Number(f64),
    /// Nanoseconds.
    Time(i64),
    Day(i64),
    BusinessDay(i64),
    /// Weeks, and the weekday: Monday is 0.
    Week(i64, Option<i64>),
    Months(Months),
}

/// Steps of months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Months {
    pub unit: Unit,
    pub count: i64,
    pub place: Option<Place>,
    /// The month of a year (January is 0), or of a quarter (0 to 2).
    pub month: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Month,
    Quarter,
    Year,
}

/// The day of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    End,
    /// A fixed day; the last one of a month that is shorter.
    Day(i64),
}

impl Unit {
    pub fn months(self) -> i64 {
        match self {
            Unit::Month => 1,
            Unit::Quarter => 3,
            Unit::Year => 12,
        }
    }
}

impl Months {
    /// Months of a step.
    pub fn total(&self) -> i64 {
        self.count.saturating_mul(self.unit.months())
    }

    /// So many months, in the greatest unit, at a place of a month (January is 0).
    pub fn new(months: i64, place: Place, month: i64) -> Months {
        let units = [Unit::Year, Unit::Quarter, Unit::Month];
        let unit = units.into_iter().find(|unit| months % unit.months() == 0).unwrap_or(Unit::Month);
        let month = (unit != Unit::Month).then(|| month.rem_euclid(unit.months()));
        Months { unit, count: months / unit.months(), place: Some(place), month }
    }
}

impl Frequency {
    /// The usual season, in steps: 12 of months, 4 of quarters, 24 of hours, 7 of days, 5 of business days,
    /// 52 of weeks, 60 of minutes, a day of several minutes; 1 where there is none.
    pub fn usual_season(&self) -> usize {
        // So many steps as make up a whole number of cycles.
        let of = |cycle: i64, step: i64| {
            let common = greatest_common_divisor(i128::from(cycle), i128::from(step).max(1));
            cycle / (common as i64).max(1)
        };
        let season = match self.step {
            Step::Number(_) => 1,
            Step::Time(step) => season_of_time(step),
            Step::Day(count) => of(7, count),
            Step::BusinessDay(count) => of(5, count),
            Step::Week(count, _) => {
                if 52 % count == 0 {
                    52 / count
                } else {
                    1
                }
            }
            Step::Months(months) => of(12, months.total()),
        };
        usize::try_from(season).unwrap_or(1)
    }

    /// Whether texts of a resolution can write its steps. Errors: they cannot.
    pub(super) fn allowed(&self, resolution: Resolution) -> Result<(), String> {
        let (fits, what) = match (resolution, &self.step) {
            (Resolution::Number, step) => (matches!(step, Step::Number(_)), "numbers"),
            (Resolution::Moment, step) => (!matches!(step, Step::Number(_)), "dates with a time of day"),
            (Resolution::Day, step) => (!matches!(step, Step::Number(_) | Step::Time(_)), "dates"),
            (Resolution::Week, step) => (matches!(step, Step::Week(..)), "weeks"),
            (Resolution::Month, step) => (matches!(step, Step::Months(_)), "months"),
            (Resolution::Quarter, Step::Months(months)) => (months.total() % 3 == 0, "quarters"),
            (Resolution::Quarter, _) => (false, "quarters"),
            (Resolution::Year, Step::Months(months)) => (months.total() % 12 == 0, "years"),
            (Resolution::Year, _) => (false, "years"),
        };
        if fits { Ok(()) } else { Err(format!("the times are {what}, which have no steps of {self}")) }
    }
}

/// The shortest cycle of more than one step: a minute of seconds, an hour of minutes, and a day of what divides it.
fn season_of_time(step: i64) -> i64 {
    const SECOND: i64 = MINUTE / 60;
    let cycle = match step {
        SECOND => MINUTE,
        MINUTE => HOUR,
        _ if step < SECOND => SECOND,
        _ if step < MINUTE => HOUR,
        _ if step < DAY => DAY,
        _ => 7 * DAY,
    };
    if cycle % step == 0 { cycle / step } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seasons_are_whole_cycles() {
        for (text, season) in [
            ("month start", 12),
            ("month end", 12),
            ("2 month start", 6),
            ("5 month start", 12),
            ("quarter end", 4),
            ("2 quarter start", 2),
            ("year start", 1),
            ("hour", 24),
            ("2 hour", 12),
            ("5 hour", 1),
            ("day", 7),
            ("7 day", 1),
            ("2 day", 7),
            ("business day", 5),
            ("week sunday", 52),
            ("2 week", 26),
            ("minute", 60),
            ("15 minute", 96),
            ("second", 60),
            ("10 second", 360),
            ("100 millisecond", 10),
            ("24 hour", 7),
            ("number 0.1", 1),
        ] {
            assert_eq!(text.parse::<Frequency>().unwrap().usual_season(), season, "{text}");
        }
    }
}
