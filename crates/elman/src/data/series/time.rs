//! Points in time as a table writes them: numbers, months, days, seconds; the differences between them, and what
//! follows the last. Not here: time zones, and calendars other than the Gregorian one.

/// What a time column counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Numbers, as they are.
    Number,
    /// `1949-01`: months.
    Month,
    /// `1981-01-31`: days.
    Day,
    /// `1981-01-31 23:59` or `1981-01-31T23:59:59`: seconds.
    Second,
}

/// The years that are understood: four digits.
const LAST_YEAR: i64 = 9999;
const SECONDS: f64 = 86_400.0;

/// A point in time: its scale, and its place on it (months since year 0, days or seconds since 1970). None where the
/// text is neither a finite number nor a date that exists.
pub fn parse(text: &str) -> Option<(Scale, f64)> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some((Scale::Number, number));
    }
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let mut parts = date.split('-').map(digits);
    let (year, month) = (parts.next()?.filter(|_| date.len() >= 7)?, parts.next()??);
    let (day, more) = (parts.next(), parts.next());
    if more.is_some()
        || year > LAST_YEAR
        || !(1..=12).contains(&month)
        || !date.is_char_boundary(4)
        || digits(&date[..4]).is_none()
    {
        return None;
    }
    let Some(day) = day else {
        return clock.is_none().then(|| (Scale::Month, (year * 12 + month - 1) as f64));
    };
    let day = day.filter(|&day| (1..=days_of(year, month)).contains(&day))?;
    let days = days_before(year, month, day) as f64;
    match clock {
        None => Some((Scale::Day, days)),
        Some(clock) => Some((Scale::Second, days * SECONDS + seconds(clock)?)),
    }
}

/// Digits as a number: nothing but digits, and not many.
fn digits(text: &str) -> Option<i64> {
    let is_short = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok()).flatten()
}

/// `23:59` or `23:59:59` in seconds.
fn seconds(clock: &str) -> Option<f64> {
    let mut parts = clock.split(':').map(digits);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let fits = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    fits.then_some((hour * 3600 + minute * 60 + second) as f64)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, so that the leap day is the last of one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The date of a day: year, month, day.
pub fn date(days: f64) -> (i64, i64, i64) {
    let days = days as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400 + i64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    (year, month, day)
}

/// A point in time as a table writes it.
pub fn text(scale: Scale, at: f64) -> String {
    match scale {
        Scale::Number => at.to_string(),
        Scale::Month => format!("{:04}-{:02}", (at as i64).div_euclid(12), (at as i64).rem_euclid(12) + 1),
        Scale::Day => {
            let (year, month, day) = date(at);
            format!("{year:04}-{month:02}-{day:02}")
        }
        Scale::Second => {
            let (days, clock) = ((at / SECONDS).floor(), at.rem_euclid(SECONDS) as i64);
            let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
            let clock =
                format!("{hour:02}:{minute:02}") + &if second > 0 { format!(":{second:02}") } else { String::new() };
            format!("{} {clock}", text(Scale::Day, days))
        }
    }
}

/// The position of a point within the year, the week and the day, each as an angle in turns; what a scale does not know
/// is None.
pub fn turns(scale: Scale, at: f64) -> [Option<f64>; 3] {
    let of_year = |days: f64| {
        let (year, _, _) = date(days);
        let start = days_before(year, 1, 1) as f64;
        (days - start) / if is_leap(year) { 366.0 } else { 365.0 }
    };
    match scale {
        Scale::Number => [None; 3],
        Scale::Month => [Some(at.rem_euclid(12.0) / 12.0), None, None],
        Scale::Day => [Some(of_year(at)), Some((at + 4.0).rem_euclid(7.0) / 7.0), None],
        Scale::Second => {
            let (days, clock) = ((at / SECONDS).floor(), at.rem_euclid(SECONDS) / SECONDS);
            [Some(of_year(days)), Some((days + 4.0).rem_euclid(7.0) / 7.0), Some(clock)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_and_come_back() {
        assert_eq!(parse("1970-01-01"), Some((Scale::Day, 0.0)));
        assert_eq!(parse("2000-03-01"), Some((Scale::Day, 11_017.0))); // date -d 2000-03-01 +%s / 86400
        assert_eq!(parse("1949-01"), Some((Scale::Month, 23_388.0)));
        assert_eq!(parse(" 7.5 "), Some((Scale::Number, 7.5)));
        assert_eq!(parse("1970-01-02T00:01:05"), Some((Scale::Second, 86_465.0)));
        for text in ["1969-12-31", "1900-02-28", "2024-02-29", "1749-01", "1999-12-31 23:59", "1999-12-31 23:59:07"] {
            let (scale, at) = parse(text).unwrap();
            assert_eq!(super::text(scale, at), text);
        }
        let mut last = days_before(1, 1, 1);
        for (year, month) in (1..=2400).flat_map(|year| (1..=12).map(move |month| (year, month))) {
            for day in 1..=days_of(year, month) {
                let days = days_before(year, month, day);
                assert!(days == last && date(days as f64) == (year, month, day), "{year}-{month}-{day}");
                last += 1;
            }
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "x",
            "NaN",
            "inf",
            "1981-13",
            "1981-00",
            "1981-02-29",
            "1900-02-29",
            "1981-01-32",
            "81-01-01",
            "1981-1-1-1",
            "1981-01-01 24:00",
            "1981-01-01 12",
            "1981-01 12:00",
            "-1981-01",
            "1981-01-01T12:00:60",
            "é981-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn turns_go_round_once() {
        assert_eq!(turns(Scale::Month, 23_388.0 + 6.0)[0], Some(0.5));
        let (_, sunday) = parse("2026-11-22").unwrap();
        assert_eq!(turns(Scale::Day, sunday)[1], Some(0.0));
        assert_eq!(turns(Scale::Second, 43_200.0)[2], Some(0.5));
    }
}
