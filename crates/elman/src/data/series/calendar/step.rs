//! Stamps a number of steps later, and the steps between two stamps. Not here: finding the frequency (`detect.rs`).

use super::clock::Clock;
use super::frequency::{Frequency, Months, Place, Step};
use super::number;
use super::stamp::{DAY, Moment, NANOSECONDS, Point, Stamp, date, date_of, day_of};

impl Frequency {
    /// The stamp a number of steps after another, or before it.
    ///
    /// Errors: a stamp that is not on the grid, such as the 2nd of a month of `month start`, or of another kind; a result
    /// outside of the years 0 to 9999; a clock that cannot write such steps.
    pub fn add(&self, clock: &Clock, from: Stamp, steps: i64) -> Result<Stamp, String> {
        self.allowed(clock.resolution())?;
        let stamp = match (self.step, from.0) {
            (Step::Number(step), Point::Number(n)) => {
                number::add(clock.style.decimals, n, step, steps).map(Stamp::number)
            }
            (Step::Number(_), Point::Moment(_)) => return Err(format!("a date has no steps of {self}")),
            (_, Point::Number(n)) => return Err(format!("the number {n} has no steps of {self}")),
            (_, Point::Moment(at)) => {
                if matches!(self.step, Step::Months(Months { place: None, .. })) {
                    return Err(format!("the day of {self} is open, expected one such as {self} start"));
                }
                if !self.is_on_grid(at.day()) {
                    return Err(format!("{} is not a time of {self}", clock.write(from)));
                }
                self.moment_after(clock, at, steps).map(|moment| Stamp(Point::Moment(moment)))
            }
        };
        stamp.ok_or_else(|| {
            format!("{steps} times {self} from {} lies outside of the years 0 to 9999", clock.write(from))
        })
    }

    /// The steps from one stamp to another, negative where it is earlier; None where the second is not on the grid of the
    /// first.
    pub fn steps(&self, clock: &Clock, from: Stamp, to: Stamp) -> Option<i64> {
        self.allowed(clock.resolution()).ok()?;
        match (self.step, from.0, to.0) {
            (Step::Number(step), Point::Number(from), Point::Number(to)) => {
                number::steps(clock.style.decimals, from, to, step)
            }
            (Step::Time(step), Point::Moment(from), Point::Moment(to)) => {
                let (distance, step) = (to.nanoseconds() - from.nanoseconds(), i128::from(step));
                (distance % step == 0).then(|| i64::try_from(distance / step).ok()).flatten()
            }
            (_, Point::Moment(from), Point::Moment(to)) => {
                let steps = self.days_between(from.day(), to.day())?;
                let there = self.moment_after(clock, from, steps)?;
                (there.nanoseconds() == to.nanoseconds()).then_some(steps)
            }
            _ => None,
        }
    }

    /// The moment some steps after one that is on the grid.
    fn moment_after(&self, clock: &Clock, from: Moment, steps: i64) -> Option<Moment> {
        if let Step::Time(step) = self.step {
            let at = from.nanoseconds() + i128::from(step) * i128::from(steps);
            let second = i64::try_from(at.div_euclid(i128::from(NANOSECONDS))).ok()?;
            return clock.zone.at(second, at.rem_euclid(i128::from(NANOSECONDS)) as u32);
        }
        if steps == 0 {
            return Some(from);
        }
        let day = self.day_after(from.day(), steps)?;
        clock.zone.civil(day.checked_mul(DAY)?.checked_add(from.civil().rem_euclid(DAY))?, from.nanosecond)
    }

    /// The day some steps of days, weeks or months after one that is on the grid.
    fn day_after(&self, day: i64, steps: i64) -> Option<i64> {
        match self.step {
            Step::Number(_) | Step::Time(_) => None,
            Step::Day(count) => day.checked_add(count.checked_mul(steps)?),
            Step::Week(count, _) => day.checked_add(count.checked_mul(7)?.checked_mul(steps)?),
            Step::BusinessDay(count) => day_of_business(business_day(day)?.checked_add(count.checked_mul(steps)?)?),
            Step::Months(months) => {
                let index = month_index(day)?.checked_add(months.total().checked_mul(steps)?)?;
                months.place?.in_month(index)
            }
        }
    }

    /// The steps between two days, as far as their days, weeks or months go.
    fn days_between(&self, from: i64, to: i64) -> Option<i64> {
        if !self.is_on_grid(from) || !self.is_on_grid(to) {
            return None;
        }
        let (distance, step) = match self.step {
            Step::Number(_) | Step::Time(_) => return None,
            Step::Day(count) => (to - from, count),
            Step::Week(count, _) => (to - from, count * 7),
            Step::BusinessDay(count) => (business_day(to)? - business_day(from)?, count),
            Step::Months(months) => (month_index(to)? - month_index(from)?, months.total()),
        };
        (distance % step == 0).then_some(distance / step)
    }

    /// Whether a day is one that the frequency can have: a weekday, a month's end.
    fn is_on_grid(&self, day: i64) -> bool {
        match self.step {
            Step::Number(_) | Step::Time(_) | Step::Day(_) | Step::Week(_, None) => true,
            Step::Week(_, Some(weekday)) => weekday_of(day) == weekday,
            Step::BusinessDay(_) => business_day(day).is_some(),
            Step::Months(months) => months.has(day),
        }
    }
}

impl Months {
    /// Whether a day is at the place, in one of the months.
    pub(super) fn has(&self, day: i64) -> bool {
        let Some(index) = month_index(day) else { return false };
        let of_month = self.month.is_none_or(|month| index.rem_euclid(self.unit.months()) == month);
        of_month && self.place.is_none_or(|place| place.in_month(index) == Some(day))
    }
}

impl Place {
    /// The day at this place of a month, which is counted from January of year 0.
    fn in_month(self, index: i64) -> Option<i64> {
        let first = date(index.div_euclid(12), index.rem_euclid(12) + 1, 1)?;
        let last = i64::from(first.days_in_month());
        let of_month = match self {
            Place::Start => 1,
            Place::End => last,
            Place::Day(day) => day.min(last),
        };
        Some(day_of(first) + of_month - 1)
    }
}

/// The month of a day, counted from January of year 0.
pub(super) fn month_index(day: i64) -> Option<i64> {
    date_of(day).map(|date| i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
}

/// The weekday: Monday is 0.
pub(super) fn weekday_of(day: i64) -> i64 {
    // 1970-01-01 is a Thursday.
    (day + 3).rem_euclid(7)
}

/// A weekday counted without Saturdays and Sundays; None for those.
pub(super) fn business_day(day: i64) -> Option<i64> {
    let weekday = weekday_of(day);
    (weekday < 5).then(|| (day + 3).div_euclid(7) * 5 + weekday)
}

fn day_of_business(count: i64) -> Option<i64> {
    count.div_euclid(5).checked_mul(7)?.checked_add(count.rem_euclid(5) - 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(frequency: &str, from: &str, steps: i64) -> Result<String, String> {
        let clock = Clock::detect([from].into_iter(), None).map_err(|(_, problem)| problem)?;
        let (frequency, from): (Frequency, Stamp) = (frequency.parse()?, clock.read(from)?);
        let to = frequency.add(&clock, from, steps)?;
        assert_eq!(frequency.steps(&clock, from, to), Some(steps));
        Ok(clock.write(to))
    }

    #[test]
    fn steps_are_added_and_counted() {
        for (frequency, from, steps, to) in [
            ("day", "2024-02-28", 2, "2024-03-01"),
            ("day", "2023-02-28", 2, "2023-03-02"),
            ("business day", "2022-12-30", 1, "2023-01-02"),
            ("business day", "2023-01-02", -6, "2022-12-23"),
            ("2 business day", "2022-12-30", 2, "2023-01-05"),
            ("week", "2020-12-27", 1, "2021-01-03"),
            ("month end", "2022-01-31", 1, "2022-02-28"),
            ("month end", "2024-01-31", 1, "2024-02-29"),
            ("month 30", "2024-01-30", 1, "2024-02-29"),
            ("month 30", "2024-02-29", 1, "2024-03-30"),
            ("quarter end", "2022-12-31", -1, "2022-09-30"),
            ("quarter end november", "2022-02-28", 2, "2022-08-31"),
            ("year july 9", "2022-07-09", 3, "2025-07-09"),
            ("year february 29", "2024-02-29", 1, "2025-02-28"),
            ("hour", "2022-12-31 23:00", 2, "2023-01-01 01:00"),
            ("month start", "2022-11-01 06:30", 2, "2023-01-01 06:30"),
            ("15 minute", "2022-12-31T23:45Z", 1, "2023-01-01T00:00Z"),
            ("100 millisecond", "2022-12-31 23:59:59.9", 1, "2023-01-01 00:00:00.0"),
        ] {
            assert_eq!(after(frequency, from, steps), Ok(to.to_string()), "{frequency} {from}");
        }
    }

    #[test]
    fn what_cannot_be_added_is_refused() {
        for (frequency, from, steps, problem) in [
            ("month start", "2022-12-02", 1, "2022-12-02 is not a time of month start"),
            ("business day", "2022-12-31", 1, "2022-12-31 is not a time of business day"),
            ("hour", "2022-12-31", 1, "the times are dates, which have no steps of hour"),
            ("day", "2022-12", 1, "the times are months, which have no steps of day"),
            ("day", "7", 1, "the times are numbers, which have no steps of day"),
            ("number 1", "2022-12-02", 1, "the times are dates, which have no steps of number 1"),
            ("day", "9999-12-31", 1, "1 times day from 9999-12-31 lies outside of the years 0 to 9999"),
            ("year", "2022-12-31", 1, "the day of year is open, expected one such as year start"),
        ] {
            assert_eq!(after(frequency, from, steps), Err(problem.to_string()), "{frequency} {from}");
        }
        for steps in [i64::MAX, i64::MIN, i64::MAX / 7] {
            for frequency in ["day", "business day", "2 week", "month end", "second"] {
                assert!(
                    after(frequency, "2022-12-30 00:00", steps).is_err() || frequency == "month end",
                    "{frequency}"
                );
            }
        }
    }

    #[test]
    fn business_days_are_counted_without_weekends() {
        let counted: Vec<i64> = (-3000..3000).filter(|&day| business_day(day).is_some()).collect();
        for (at, &day) in counted.iter().enumerate() {
            assert!(weekday_of(day) < 5);
            assert_eq!(business_day(day).unwrap(), business_day(counted[0]).unwrap() + at as i64);
            assert_eq!(day_of_business(business_day(day).unwrap()), Some(day));
        }
    }
}
