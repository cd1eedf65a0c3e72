//! Places and labels of the ticks of an axis: 1, 2 or 5 times a power of ten, powers of ten on a logarithmic axis, whole units of
//! time. For pictures and for curves in a terminal. Not here: drawing.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, date};

/// A tick of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub at: f64,
    pub label: String,
}

/// At most `most` ticks from `low` to `high`, at multiples of 1, 2 or 5 times a power of ten.
pub fn linear(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let step = round_step(high - low, most);
    at_multiples(low, high, step).into_iter().map(|at| Tick { label: number(at, step, high), at }).collect()
}

/// The least of 1, 2, 5, 10, ... times a power of ten with which `span` has at most `most` ticks.
fn round_step(span: f64, most: usize) -> f64 {
    let least = span / (most.max(2) - 1) as f64;
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powi(least.log10().floor() as i32);
    // The factor allows for rounding: 0.3 / 3 is a little more than 0.1.
    [1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

fn at_multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let count = (last - first + 1.0).clamp(0.0, 1000.0) as usize;
    (0..count).map(|k| first + k as f64).map(|k| if k == 0.0 { 0.0 } else { k * step }).collect()
}

/// A number of an axis whose ticks are `step` apart and whose largest number is `high`.
fn number(at: f64, step: f64, high: f64) -> String {
    let (scaled, step, unit) = match high {
        high if high >= 1e7 && step >= 1e5 => (at / 1e6, step / 1e6, "M"),
        high if high >= 1e4 && step >= 1e2 => (at / 1e3, step / 1e3, "k"),
        _ => (at, step, ""),
    };
    let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
    format!("{scaled:.decimals$}{}", if at == 0.0 { "" } else { unit })
}

/// Powers of ten from `low` to `high`, at most `most`; with their 2- and 5-fold if there would be fewer than three.
pub fn logarithmic(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let (first, last) = ((low.log10() - 1e-9).ceil() as i32, (high.log10() + 1e-9).floor() as i32);
    let between = (1..).find(|n| (last - first) / n < most.max(2) as i32).unwrap_or(1);
    let decades: Vec<f64> = (first..=last).filter(|k| k % between == 0).map(|k| 10_f64.powi(k)).collect();
    let places = if decades.len() >= 3 {
        decades
    } else {
        let all = (first - 1..=last).flat_map(|k| [1.0, 2.0, 5.0].map(|n| n * 10_f64.powi(k)));
        all.filter(|x| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(x)).collect()
    };
    places.into_iter().map(|at| Tick { label: power(at), at }).collect()
}

/// 1, 2 or 5 times a power of ten in few characters: `20`, `5k`, `1e-6`.
fn power(at: f64) -> String {
    match at {
        x if x >= 0.9e10 => format!("{x:e}"),
        x if x >= 0.9e9 => format!("{:.0}G", x / 1e9),
        x if x >= 0.9e6 => format!("{:.0}M", x / 1e6),
        x if x >= 0.9e3 => format!("{:.0}k", x / 1e3),
        x if x >= 0.9 => format!("{x:.0}"),
        x if x >= 0.9e-2 => format!("{}", (x * 1e3).round() / 1e3),
        x => format!("{x:.0e}"),
    }
}

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// At most `most` ticks on whole units of time: seconds, minutes, hours, days, weeks, months, years. The axis counts
/// seconds since 1970.
pub fn of_time(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
    let of_clock = steps.map(f64::from).into_iter().find(|step| at_multiples(low, high, *step).len() <= most);
    if let Some(step) = of_clock {
        let format = if step < 60.0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        return at_multiples(low, high, step).into_iter().filter_map(|at| tick(at, format)).collect();
    }
    // 1970-01-05 was a Monday.
    for (step, from) in [(1.0, 0.0), (2.0, 0.0), (7.0, 4.0), (14.0, 4.0)] {
        let at = at_multiples(low / DAY - from, high / DAY - from, step);
        if at.len() <= most {
            return at.into_iter().filter_map(|day| tick((day + from) * DAY, "%Y-%m-%d")).collect();
        }
    }
    months(low, high, most)
}

/// A tick at so many seconds since 1970; None beyond the calendar.
fn tick(at: f64, format: &str) -> Option<Tick> {
    Some(Tick { at, label: civil(at)?.strftime(format).to_string() })
}

fn civil(seconds: f64) -> Option<DateTime> {
    let span = SignedDuration::try_from_secs_f64(seconds).ok()?;
    date(1970, 1, 1).to_datetime(Time::midnight()).checked_add(span).ok()
}

/// Ticks on months or years.
fn months(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let month_of = |at: f64| civil(at).map_or(0.0, |at| f64::from(at.year()) * 12.0 + f64::from(at.month()) - 1.0);
    let (first, last) = (month_of(low), month_of(high));
    let years = (0..4).flat_map(|k| [1.0, 2.0, 5.0].map(|n| 12.0 * n * 10_f64.powi(k)));
    let steps = [1.0, 2.0, 3.0, 6.0].into_iter().chain(years);
    let fits = |step: &f64| at_multiples(first, last, *step).len() <= most;
    let step = steps.clone().find(fits).or(steps.last()).unwrap_or(12.0);
    let format = if step >= 12.0 { "%Y" } else { "%Y-%m" };
    let tick = |month: f64| {
        let day = Date::new((month / 12.0).floor() as i16, month.rem_euclid(12.0) as i8 + 1, 1).ok()?;
        let since = day.duration_since(date(1970, 1, 1)).as_secs_f64();
        Some(Tick { at: since, label: day.strftime(format).to_string() })
    };
    let all = at_multiples(first, last, step).into_iter().filter_map(tick);
    all.filter(|tick| tick.at >= low && tick.at <= high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> String {
        ticks.iter().map(|tick| tick.label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_are_round() {
        assert_eq!(labels(&linear(0.0, 800.0, 6)), "0 200 400 600 800");
        assert_eq!(labels(&linear(1.32, 4.07, 6)), "2 3 4");
        assert_eq!(labels(&linear(1.32, 4.07, 7)), "1.5 2.0 2.5 3.0 3.5 4.0");
        assert_eq!(labels(&linear(-0.3, 0.3, 4)), "-0.2 0.0 0.2");
        assert_eq!(labels(&linear(0.0, 48_000.0, 6)), "0 10k 20k 30k 40k");
        assert_eq!(labels(&linear(0.0, 0.3, 4)), "0.0 0.1 0.2 0.3");
        assert_eq!(linear(5.0, 5.0, 4).len(), 1);
    }

    #[test]
    fn logarithms_have_powers_of_ten() {
        assert_eq!(labels(&logarithmic(13.0, 120_000.0, 6)), "100 1k 10k 100k");
        assert_eq!(labels(&logarithmic(1e-16, 10.0, 6)), "1e-15 1e-12 1e-9 1e-6 1e-3 1");
        assert_eq!(labels(&logarithmic(3.0, 120.0, 6)), "5 10 20 50 100");
    }

    #[test]
    fn times_are_whole_units() {
        let at = |text: &str| {
            let at: DateTime = text.parse().unwrap();
            at.duration_since(date(1970, 1, 1).to_datetime(Time::midnight())).as_secs_f64()
        };
        let of = |low, high, most| labels(&of_time(at(low), at(high), most));
        assert_eq!(of("1957-01-01", "1961-12-01", 7), "1957 1958 1959 1960 1961");
        assert_eq!(of("1957-02-01", "1957-12-01", 6), "1957-03 1957-05 1957-07 1957-09 1957-11");
        assert_eq!(of("1990-09-10", "1991-01-30", 7), "1990-10 1990-11 1990-12 1991-01");
        assert_eq!(
            of("1990-09-10", "1990-10-20", 7),
            "1990-09-10 1990-09-17 1990-09-24 1990-10-01 1990-10-08 1990-10-15"
        );
        assert_eq!(
            of("2020-01-01 10:03", "2020-01-01 12:10", 5),
            "2020-01-01 10:30 2020-01-01 11:00 2020-01-01 11:30 2020-01-01 12:00"
        );
    }
}
