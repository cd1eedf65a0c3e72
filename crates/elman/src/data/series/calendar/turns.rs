//! The place of a stamp within the year, the week, the day and the hour, as features of a network. Not here: their sines
//! and cosines.

use super::clock::Clock;
use super::frequency::{DAY as DAY_LENGTH, Frequency, HOUR, Step};
use super::stamp::Stamp;
use super::step::{month_index, weekday_of};

impl Frequency {
    /// The place within the year, the week (from Sunday), the day and the hour, each from 0 up to 1. None where the
    /// frequency does not resolve it: a monthly series has no place in the week, a daily one none in the day, a yearly one
    /// and numbers none at all. Months and quarters are twelfths of a year.
    pub fn turns(&self, _clock: &Clock, at: Stamp) -> [Option<f64>; 4] {
        let Some(at) = at.moment() else { return [None; 4] };
        let (day, of_day) = (at.day(), at.time_of_day() as f64 / DAY_LENGTH as f64);
        let of_year =
            at.date().map(|date| (f64::from(date.day_of_year() - 1) + of_day) / f64::from(date.days_in_year()));
        let of_week = ((weekday_of(day) + 1).rem_euclid(7) as f64 + of_day) / 7.0;
        let of_hour = (at.time_of_day() % HOUR) as f64 / HOUR as f64;
        let resolves = |step: i64, length: i64, turn: f64| (step % length != 0).then_some(turn);
        match self.step {
            Step::Number(_) => [None; 4],
            Step::Months(months) if months.total() % 12 == 0 => [None; 4],
            Step::Months(_) => {
                let month = month_index(day).map(|index| index.rem_euclid(12) as f64 / 12.0);
                [month, None, None, None]
            }
            Step::Week(..) => [of_year, None, None, None],
            Step::Day(count) => [of_year, resolves(count, 7, of_week), None, None],
            Step::BusinessDay(count) => [of_year, resolves(count, 5, of_week), None, None],
            Step::Time(step) => [
                of_year,
                resolves(step, 7 * DAY_LENGTH, of_week),
                resolves(step, DAY_LENGTH, of_day),
                resolves(step, HOUR, of_hour),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(frequency: &str, text: &str) -> [Option<f64>; 4] {
        let clock = Clock::detect([text].into_iter(), None).unwrap();
        frequency.parse::<Frequency>().unwrap().turns(&clock, clock.read(text).unwrap())
    }

    #[test]
    fn turns_are_those_that_the_frequency_resolves() {
        assert_eq!(turns("month start", "1949-07"), [Some(0.5), None, None, None]);
        assert_eq!(turns("quarter start", "2022Q4"), [Some(0.75), None, None, None]);
        assert_eq!(turns("month end", "2022-01-31"), [Some(0.0), None, None, None]);
        assert_eq!(turns("year start", "2022-01-01"), [None; 4]);
        assert_eq!(turns("number 1", "7"), [None; 4]);
        // 2026-11-22 is a Sunday, day 326 of the year.
        assert_eq!(turns("day", "2026-11-22"), [Some(325.0 / 365.0), Some(0.0), None, None]);
        assert_eq!(turns("day", "2024-12-31"), [Some(365.0 / 366.0), Some(2.0 / 7.0), None, None]);
        assert_eq!(turns("business day", "2026-11-23")[1], Some(1.0 / 7.0));
        assert_eq!(turns("week", "2026-11-22"), [Some(325.0 / 365.0), None, None, None]);
        let noon = "2026-11-22 12:00";
        assert_eq!(turns("hour", noon), [Some(325.5 / 365.0), Some(0.5 / 7.0), Some(0.5), None]);
        assert_eq!(turns("15 minute", "2026-11-22 12:45")[3], Some(0.75));
        assert_eq!(turns("90 minute", "2026-11-22 12:30")[3], Some(0.5));
        assert_eq!(turns("24 hour", noon)[2], None);
    }
}
