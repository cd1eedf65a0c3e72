//! The frequency of stamps, and whether a given one explains them. Not here: the arithmetic (`step.rs`, `number.rs`).

use super::clock::Clock;
use super::differences::Differences;
use super::frequency::{DAY as DAY_LENGTH, Frequency, Months, Place, Step, Unit};
use super::number;
use super::stamp::{DAY, Moment, Point, Stamp};
use super::step::{business_day, month_index, weekday_of};
use super::style::Resolution;

impl Frequency {
    /// The frequency of the rising stamps of one series: the greatest step that explains every row. Rows may be missing,
    /// as long as at least half of the rows lie within four steps of the row before.
    ///
    /// Of dates at one time of day it takes, in this order: months at one place (start, end, a fixed day), in the greatest
    /// unit; weeks; business days, if no row is on a weekend, a Monday follows a Friday and at least half of the rows
    /// follow the day before; days. Monday, Wednesday, Friday are days with gaps, and so is one week from Monday to
    /// Friday. Other times have steps of absolute time.
    ///
    /// Errors, with the row: fewer than 2 stamps (row 0); stamps that do not rise; a row that no step explains beside the
    /// others.
    pub fn detect(clock: &Clock, stamps: &[Stamp]) -> Result<Frequency, (usize, String)> {
        if stamps.len() < 2 {
            return Err((0, format!("a frequency needs at least 2 rows, {} given", are(stamps.len()))));
        }
        check_order(clock, stamps)?;
        if clock.resolution() == Resolution::Number {
            let numbers = stamps.iter().enumerate().map(|(row, stamp)| match stamp.0 {
                Point::Number(n) => Ok(n),
                Point::Moment(_) => Err((row, "a date is given, expected a number".to_string())),
            });
            let numbers: Vec<f64> = numbers.collect::<Result<_, _>>()?;
            return number::detect(clock.style.decimals, &numbers).map(|step| Frequency { step: Step::Number(step) });
        }
        let moments = stamps.iter().enumerate().map(|(row, stamp)| {
            stamp.moment().ok_or_else(|| (row, format!("the number {} is given, expected a date", stamp.axis())))
        });
        let moments: Vec<Moment> = moments.collect::<Result<_, _>>()?;
        let found = if at_one_time(clock, &moments) {
            let days: Vec<i64> = moments.iter().map(|moment| moment.day()).collect();
            of_days(clock.resolution(), &days)
        } else {
            of_times(&moments)
        };
        found.map(|step| Frequency { step }).ok_or_else(|| irregular(clock, stamps, &moments))
    }

    /// Completes what is open (the weekday of `week`, the day and month of `month`, `quarter` and `year`) from the stamps,
    /// and checks that every stamp lies on the grid that begins at the first. Texts that name no day have starts: for them
    /// `month end` becomes `month start`, and so on.
    ///
    /// Errors, with the row: no stamps; stamps that do not rise; texts that cannot write the steps (row 0); a row beside
    /// the grid.
    pub fn fit(&self, clock: &Clock, stamps: &[Stamp]) -> Result<Frequency, (usize, String)> {
        let first = *stamps.first().ok_or((0, "a frequency needs at least 1 row, none is given".to_string()))?;
        let resolution = clock.resolution();
        let frequency = Frequency { step: completed(self.step, resolution, stamps) };
        frequency.allowed(resolution).map_err(|problem| (0, problem))?;
        check_decimals(&frequency, clock).map_err(|problem| (0, problem))?;
        check_order(clock, stamps)?;
        frequency.add(clock, first, 0).map_err(|problem| (0, problem + &would_fit(clock, stamps)))?;
        match stamps.iter().position(|&stamp| frequency.steps(clock, first, stamp).is_none()) {
            None => Ok(frequency),
            Some(row) => {
                let (this, first) = (clock.write(stamps[row]), clock.write(first));
                let problem = format!("{this} is not on the grid of {frequency} that begins at {first}");
                Err((row, problem + &would_fit(clock, stamps)))
            }
        }
    }
}

fn are(count: usize) -> String {
    if count == 1 { "1 is".to_string() } else { format!("{count} are") }
}

/// The frequency that would fit, as the end of a message.
fn would_fit(clock: &Clock, stamps: &[Stamp]) -> String {
    Frequency::detect(clock, stamps).map(|other| format!("; {other} would fit")).unwrap_or_default()
}

fn check_order(clock: &Clock, stamps: &[Stamp]) -> Result<(), (usize, String)> {
    let is_rising = |pair: &[Stamp]| pair[0] < pair[1];
    match stamps.windows(2).position(|pair| !is_rising(pair)) {
        None => Ok(()),
        Some(at) => {
            let (before, this) = (clock.write(stamps[at]), clock.write(stamps[at + 1]));
            Err((at + 1, format!("{this} follows {before}, expected rising times")))
        }
    }
}

/// Numbers that are written without decimals have whole steps.
fn check_decimals(frequency: &Frequency, clock: &Clock) -> Result<(), String> {
    match frequency.step {
        Step::Number(step) if clock.style.decimals == Some(0) && number::units(Some(0), step).is_none() => {
            Err(format!("the times are whole numbers, which have no steps of {frequency}"))
        }
        _ => Ok(()),
    }
}

/// Whether all have the civil time of day of the first, as far as the clocks' changes let it exist.
fn at_one_time(clock: &Clock, moments: &[Moment]) -> bool {
    let first = moments[0].time_of_day();
    moments.iter().all(|moment| {
        let same = || clock.zone.civil(moment.day() * DAY + moments[0].civil().rem_euclid(DAY), moments[0].nanosecond);
        moment.time_of_day() == first || same() == Some(*moment)
    })
}

fn of_times(moments: &[Moment]) -> Option<Step> {
    let differences = Differences::new(moments.iter().map(|moment| moment.nanoseconds()))?;
    i64::try_from(differences.step()?).ok().map(Step::Time)
}

fn of_days(resolution: Resolution, days: &[i64]) -> Option<Step> {
    match resolution {
        Resolution::Week => of_weeks(days),
        Resolution::Year | Resolution::Quarter | Resolution::Month => of_months(days),
        _ => of_months(days)
            .or_else(|| of_weeks(days))
            .or_else(|| of_business_days(days))
            .or_else(|| step_of(days.iter().copied()).map(Step::Day)),
    }
}

fn step_of(points: impl Iterator<Item = i64>) -> Option<i64> {
    i64::try_from(Differences::new(points.map(i128::from))?.step()?).ok()
}

fn of_months(days: &[i64]) -> Option<Step> {
    let place = common_place(days)?;
    let indices: Vec<i64> = days.iter().map(|&day| month_index(day)).collect::<Option<_>>()?;
    let months = step_of(indices.iter().copied())?;
    Some(Step::Months(Months::new(months, place, indices[0])))
}

/// The place in their months that all days share.
fn common_place(days: &[i64]) -> Option<Place> {
    let fixed = days.iter().map(|&day| day_of_month(day)).max().unwrap_or(1);
    [Place::Start, Place::End, Place::Day(fixed)].into_iter().find(|&place| days.iter().all(|&day| is_at(place, day)))
}

fn is_at(place: Place, day: i64) -> bool {
    Months { unit: Unit::Month, count: 1, place: Some(place), month: None }.has(day)
}

fn day_of_month(day: i64) -> i64 {
    super::stamp::date_of(day).map_or(1, |date| i64::from(date.day()))
}

fn of_weeks(days: &[i64]) -> Option<Step> {
    let step = step_of(days.iter().copied())?;
    (step % 7 == 0).then(|| Step::Week(step / 7, Some(weekday_of(days[0]))))
}

fn of_business_days(days: &[i64]) -> Option<Step> {
    let counted: Vec<i64> = days.iter().map(|&day| business_day(day)).collect::<Option<_>>()?;
    let over_weekend = days.windows(2).any(|pair| weekday_of(pair[0]) == 4 && pair[1] - pair[0] == 3);
    let next_days = days.windows(2).filter(|pair| pair[1] - pair[0] == 1).count();
    let is_business = over_weekend && next_days * 2 >= days.len() - 1;
    is_business.then(|| step_of(counted.into_iter()).map(Step::BusinessDay)).flatten()
}

/// A step with nothing open.
fn completed(step: Step, resolution: Resolution, stamps: &[Stamp]) -> Step {
    let days: Vec<i64> = stamps.iter().filter_map(|stamp| stamp.moment()).map(|moment| moment.day()).collect();
    let Some(&first) = days.first() else { return step };
    match step {
        Step::Week(count, None) => Step::Week(count, Some(weekday_of(first))),
        Step::Months(months) => Step::Months(completed_months(months, resolution, &days)),
        step => step,
    }
}

fn completed_months(months: Months, resolution: Resolution, days: &[i64]) -> Months {
    let names_no_day = matches!(resolution, Resolution::Year | Resolution::Quarter | Resolution::Month);
    let of_unit = |day: i64| month_index(day).map(|index| index.rem_euclid(months.unit.months()));
    let at_first = || (months.unit != Unit::Month).then(|| of_unit(days[0])).flatten();
    match months.place {
        None => {
            let place = common_place(days).unwrap_or(Place::Day(day_of_month(days[0])));
            Months { place: Some(place), month: at_first(), ..months }
        }
        Some(Place::End) if names_no_day => {
            // The month in which a year or quarter ends is not named by texts of years and quarters.
            let ends = months.month == Some(months.unit.months() - 1);
            let month = if ends && resolution != Resolution::Month { Some(0) } else { months.month };
            Months { place: Some(Place::Start), month, ..months }
        }
        Some(_) => months,
    }
}

/// The row that does not fit, and what fits most others.
fn irregular(clock: &Clock, stamps: &[Stamp], moments: &[Moment]) -> (usize, String) {
    let days: Vec<i64> = moments.iter().map(|moment| moment.day()).collect();
    for (place, name) in [(Place::Start, "month start"), (Place::End, "month end")] {
        let fitting = days.iter().filter(|&&day| is_at(place, day)).count();
        let other = days.iter().position(|&day| !is_at(place, day));
        if let Some(row) = other.filter(|_| fitting * 2 > days.len() && at_one_time(clock, moments)) {
            let problem = format!("{} is no {name}, expected one as most rows are", clock.write(stamps[row]));
            return (row, problem);
        }
    }
    let by_day = at_one_time(clock, moments);
    let points = moments.iter().map(|moment| if by_day { i128::from(moment.day()) } else { moment.nanoseconds() });
    let Some(differences) = Differences::new(points) else {
        return (1, "two rows are at one time, expected rising times".to_string());
    };
    let named = |difference: i128| {
        let step = i64::try_from(difference).unwrap_or(DAY_LENGTH);
        Frequency { step: if by_day { Step::Day(step) } else { Step::Time(step) } }
    };
    let row = differences.first_other().max(1);
    let (before, this) = (clock.write(stamps[row - 1]), clock.write(stamps[row]));
    let (by, common) = (named(differences.all()[row - 1]), named(differences.commonest()));
    let wanted = match differences.all()[row - 1] % differences.commonest() {
        0 => format!("in steps of {common} most rows would be missing"),
        _ => format!("expected a multiple of {common}, the commonest step"),
    };
    (row, format!("{this} follows {before} by {by}, {wanted}"))
}
