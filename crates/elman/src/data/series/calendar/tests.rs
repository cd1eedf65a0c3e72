//! Whole columns: the style and the frequency that are found, and the rows that follow, as pandas and as people would
//! continue them. Not here: single parts, which have their tests beside them.

use serde::Deserialize;

use super::{Clock, Frequency, Stamp};
use crate::rng::{self, Purpose};

/// A case of `testdata/calendar.json`.
#[derive(Deserialize)]
struct Case {
    name: String,
    zone: Option<String>,
    alias: Option<String>,
    frequency: String,
    rows: Vec<String>,
    next: Vec<String>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/calendar.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A column that was read: its clock, stamps and frequency.
fn column(texts: &[&str], zone: Option<&str>) -> Result<(Clock, Vec<Stamp>, Frequency), (usize, String)> {
    let clock = Clock::detect(texts.iter().copied(), zone)?;
    let stamps = stamps(&clock, texts);
    let frequency = Frequency::detect(&clock, &stamps)?;
    Ok((clock, stamps, frequency))
}

fn stamps(clock: &Clock, texts: &[&str]) -> Vec<Stamp> {
    texts.iter().map(|text| clock.read(text).unwrap()).collect()
}

/// The frequency of a column and the rows that follow its last.
fn continued(texts: &[&str], zone: Option<&str>, count: i64) -> Result<(String, Vec<String>), (usize, String)> {
    let (clock, stamps, frequency) = column(texts, zone)?;
    let last = *stamps.last().unwrap();
    let next = (1..=count).map(|steps| clock.write(frequency.add(&clock, last, steps).unwrap())).collect();
    Ok((frequency.to_string(), next))
}

/// What [`continued`] gives, of words with ` | ` between them.
fn next(rows: &str, zone: Option<&str>, count: i64) -> String {
    let rows: Vec<&str> = rows.split(" | ").collect();
    match continued(&rows, zone, count) {
        Ok((frequency, next)) => format!("{frequency}: {}", next.join(" | ")),
        Err((row, problem)) => format!("row {row}: {problem}"),
    }
}

#[test]
fn columns_are_continued_as_pandas_does() {
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    for case in cases {
        let rows: Vec<&str> = case.rows.iter().map(String::as_str).collect();
        let (clock, stamps, frequency) = column(&rows, case.zone.as_deref()).unwrap();
        assert_eq!(frequency.to_string(), case.frequency, "{}", case.name);
        for (stamp, text) in stamps.iter().zip(&rows) {
            assert_eq!(clock.write(*stamp), *text, "{}", case.name);
        }
        let (first, last) = (stamps[0], stamps[stamps.len() - 1]);
        for (steps, text) in (1..).zip(&case.next) {
            let next = frequency.add(&clock, last, steps).unwrap();
            assert_eq!(clock.write(next), *text, "{}", case.name);
            let of_first = steps + rows.len() as i64 - 1;
            assert_eq!(frequency.add(&clock, first, of_first), Ok(next), "{}", case.name);
            assert_eq!(frequency.steps(&clock, first, next), Some(of_first), "{}", case.name);
            assert_eq!(frequency.add(&clock, next, -of_first), Ok(first), "{}", case.name);
        }
        assert_eq!(frequency.fit(&clock, &stamps).as_ref(), Ok(&frequency), "{}", case.name);
        if let Some(alias) = case.alias {
            let given: Frequency = alias.parse().unwrap();
            assert_eq!(given.fit(&clock, &stamps).as_ref(), Ok(&frequency), "{}", case.name);
        }
        let json = serde_json::to_string(&clock).unwrap();
        assert_eq!(serde_json::from_str::<Clock>(&json).unwrap(), clock, "{json}");
    }
}

#[test]
fn gaps_do_not_change_the_frequency() {
    for case in cases() {
        let mut rows: Vec<&str> = case.rows.iter().chain(&case.next).map(String::as_str).collect();
        rows.remove(6);
        rows.remove(3);
        let (_, _, frequency) = column(&rows, case.zone.as_deref()).unwrap();
        assert_eq!(frequency.to_string(), case.frequency, "{}", case.name);
    }
}

#[test]
fn faults_of_the_first_calendar_are_gone() {
    // Months of 30.44 days.
    assert_eq!(next("2022-11-01 | 2022-12-01 | 2023-01-01", None, 2), "month start: 2023-02-01 | 2023-03-01");
    // Months as numbers.
    assert_eq!(next("202210 | 202211 | 202212", None, 2), "month start: 202301 | 202302");
    // Years of 365 days.
    assert_eq!(next("1994-01-01 | 1995-01-01 | 1996-01-01", None, 2), "year start: 1997-01-01 | 1998-01-01");
    // Business days followed by a Saturday.
    let business =
        "2022-12-28 | 2022-12-29 | 2022-12-30 | 2023-01-02 | 2023-01-03 | 2023-01-04 | 2023-01-05 | 2023-01-06";
    assert_eq!(next(business, None, 2), "business day: 2023-01-09 | 2023-01-10");
    // A weekly series beside a daily one: each has a frequency of its own.
    let (weekly, daily) = ("2022-12-04 | 2022-12-11 | 2022-12-18", "2022-12-16 | 2022-12-17 | 2022-12-18");
    assert_eq!(next(weekly, None, 2), "week sunday: 2022-12-25 | 2023-01-01");
    assert_eq!(next(daily, None, 2), "day: 2022-12-19 | 2022-12-20");
    // Times .1 apart are not gaps.
    let tenths: Vec<String> = (0..56).map(|n| format!("{}.{}", n / 10, n % 10)).collect();
    let tenths: Vec<&str> = tenths.iter().map(String::as_str).collect();
    let (clock, stamps, frequency) = column(&tenths, None).unwrap();
    assert_eq!(frequency.steps(&clock, stamps[0], stamps[55]), Some(55));
    assert_eq!(next(&tenths.join(" | "), None, 3), "number 0.1: 5.6 | 5.7 | 5.8");
}

#[test]
fn a_clock_of_another_kind_is_refused() {
    let months = Clock::detect(["1949-01", "1949-02"].into_iter(), None).unwrap();
    // It was continued as -277-08.
    let problem = months.read("1949-01-01").unwrap_err();
    assert_eq!(problem, "\"1949-01-01\" is given, expected a month such as 2022-12");
    // An hourly model given dates wrote 1970.
    let hours = Clock::detect(["2022-12-31 22:00", "2022-12-31 23:00"].into_iter(), None).unwrap();
    let problem = hours.read("2022-12-31").unwrap_err();
    assert_eq!(problem, "\"2022-12-31\" is given, expected a date and time such as 2022-12-31 23:59");
    let dates = Clock::detect(["2022-12-31"].into_iter(), None).unwrap();
    let hour: Frequency = "hour".parse().unwrap();
    assert!(hour.add(&dates, dates.read("2022-12-31").unwrap(), 1).is_err());
    // The frequency of months explains dates of another file at the start of months.
    let month: Frequency = "month start".parse().unwrap();
    let first = dates.read("1949-01-01").unwrap();
    assert_eq!(month.fit(&dates, &[first]).as_ref(), Ok(&month));
    assert_eq!(dates.write(month.add(&dates, first, 1).unwrap()), "1949-02-01");
    // Stamps of another clock are written as something, and cause no panic.
    assert_eq!(dates.write(Stamp::number(7.5)), "7.5");
    assert_eq!(Clock::counting().write(first), first.axis().to_string());
}

#[test]
fn styles_that_were_refused_are_read() {
    for (rows, zone, expected) in [
        ("2022-12-31 23:59:59.5 | 2023-01-01 00:00:00.0", None, "500 millisecond: 2023-01-01 00:00:00.5"),
        ("30.12.2022 | 31.12.2022", None, "day: 01.01.2023"),
        ("12/30/2022 | 12/31/2022", None, "day: 01/01/2023"),
        ("2020-W52 | 2020-W53", None, "week monday: 2021-W01"),
        ("2026-W52 | 2026-W53", None, "week monday: 2027-W01"),
        ("2022Q3 | 2022Q4", None, "quarter start: 2023Q1"),
        ("2022-12-31T22:00+01:00 | 2022-12-31T23:00+01:00", None, "hour: 2023-01-01T00:00+01:00"),
        ("2022-12-31 22:00-0500 | 2022-12-31 23:00-0500", None, "hour: 2023-01-01 00:00-0500"),
        ("2022-12-31T22:00Z | 2022-12-31T23:00Z", Some("Asia/Kolkata"), "hour: 2023-01-01T00:00Z"),
        (
            "2022-03-26T12:00+01:00[Europe/Berlin] | 2022-03-27T12:00+02:00[Europe/Berlin]",
            None,
            "day: 2022-03-28T12:00+02:00[Europe/Berlin]",
        ),
        (
            "2022-03-26T12:00[Europe/Berlin] | 2022-03-27T12:00[Europe/Berlin]",
            None,
            "day: 2022-03-28T12:00[Europe/Berlin]",
        ),
        // The offset that holds in the zone is written.
        ("2022-03-27T00:00+00:00 | 2022-03-27T01:00+00:00", Some("Europe/Berlin"), "hour: 2022-03-27T04:00+02:00"),
        // Texts of mixed length, as pandas prints times some of which have a fraction.
        ("2022-12-31 00:00:00 | 2022-12-31 00:00:00.250", None, "250 millisecond: 2022-12-31 00:00:00.500"),
        ("2022-12-31 00:00 | 2022-12-31 00:00:30", None, "30 second: 2022-12-31 00:01"),
    ] {
        assert_eq!(next(rows, zone, 1), expected, "{rows}");
    }
}

#[test]
fn leap_days_and_ends_of_months_are_met() {
    assert_eq!(next("2022-01-31 | 2022-02-28 | 2022-03-31", None, 2), "month end: 2022-04-30 | 2022-05-31");
    assert_eq!(next("2023-12-31 | 2024-01-31", None, 2), "month end: 2024-02-29 | 2024-03-31");
    assert_eq!(next("2024-02-27 | 2024-02-28", None, 2), "day: 2024-02-29 | 2024-03-01");
    assert_eq!(next("2023-01-30 | 2023-02-28 | 2023-03-30", None, 2), "month 30: 2023-04-30 | 2023-05-30");
    assert_eq!(next("2000-07-09 | 2001-07-09", None, 1), "year july 9: 2002-07-09");
    assert_eq!(next("2022-02-28 | 2023-02-28", None, 1), "year end february: 2024-02-29");
    assert_eq!(next("2023-02-28 | 2024-02-28", None, 1), "year february 28: 2025-02-28");
}

#[test]
fn days_of_23_and_25_hours_are_days() {
    let berlin = Some("Europe/Berlin");
    // Civil texts: the hour that occurs twice is written twice, the one that is missing is left out.
    assert_eq!(
        next("2022-10-30 00:00 | 2022-10-30 01:00", berlin, 4),
        "hour: 2022-10-30 02:00 | 2022-10-30 02:00 | 2022-10-30 03:00 | 2022-10-30 04:00"
    );
    assert_eq!(next("2022-03-27 00:00 | 2022-03-27 01:00", berlin, 2), "hour: 2022-03-27 03:00 | 2022-03-27 04:00");
    // 02:30 does not exist on the 27th.
    let daily = "2022-03-25 02:30 | 2022-03-26 02:30";
    assert_eq!(next(daily, berlin, 2), "day: 2022-03-27 03:30 | 2022-03-28 02:30");
    assert_eq!(next(&format!("{daily} | 2022-03-27 03:30 | 2022-03-28 02:30"), berlin, 1), "day: 2022-03-29 02:30");
    // Without a zone every day has 24 hours.
    assert_eq!(next("2022-03-27 00:00 | 2022-03-27 01:00", None, 1), "hour: 2022-03-27 02:00");
    // A day of 24 hours is no civil day.
    assert_eq!(next("2022-03-26T12:00+01:00 | 2022-03-27T13:00+02:00", berlin, 1), "24 hour: 2022-03-28T13:00+02:00");
}

#[test]
fn gaps_are_explained_or_refused() {
    // Three days are missing.
    assert_eq!(next("2022-01-01 | 2022-01-02 | 2022-01-06 | 2022-01-07", None, 1), "day: 2022-01-08");
    // Monday, Wednesday, Friday.
    assert_eq!(next("2022-01-03 | 2022-01-05 | 2022-01-07 | 2022-01-10 | 2022-01-12", None, 1), "day: 2022-01-13");
    // A holiday among business days.
    let holiday = "2022-12-22 | 2022-12-23 | 2022-12-27 | 2022-12-28 | 2022-12-29 | 2022-12-30 | 2023-01-02";
    assert_eq!(next(holiday, None, 1), "business day: 2023-01-03");
    for (rows, expected) in [
        ("2022-01-01", "row 0: a frequency needs at least 2 rows, 1 is given"),
        (
            "2022-01-01 | 2022-02-01 | 2022-03-02 | 2022-04-01",
            "row 2: 2022-03-02 is no month start, expected one as most rows are",
        ),
        (
            "2022-01-01 00:00 | 2022-01-01 06:00 | 2022-01-01 12:00 | 2022-01-01 13:00 | 2022-01-01 19:00",
            "row 3: 2022-01-01 13:00 follows 2022-01-01 12:00 by hour, expected a multiple of 6 hour, the commonest step",
        ),
        ("3 | 2", "row 1: 2 follows 3, expected rising times"),
        ("2022-01-01 | 2022-01-01", "row 1: 2022-01-01 follows 2022-01-01, expected rising times"),
        ("1 | 8 | 17 | 31 | 32", "row 1: 8 follows 1 by 7, in steps of 1 most rows would be missing"),
    ] {
        assert_eq!(next(rows, None, 1), expected, "{rows}");
    }
}

#[test]
fn integers_are_dates_where_that_makes_sense() {
    for (rows, expected) in [
        ("0 | 1 | 2", "number 1: 3"),
        ("1 | 2 | 3", "number 1: 4"),
        ("1949 | 1950 | 1951", "year start: 1952"),
        ("1990 | 1995 | 2000", "5 year start: 2005"),
        ("1498 | 1499 | 1500", "number 1: 1501"),
        ("2000 | 2003 | 2005", "number 1: 2006"),
        ("202211 | 202212", "month start: 202301"),
        ("202211 | 202212 | 202213", "number 1: 202214"),
        ("202201 | 202206 | 202211", "number 5: 202216"),
        ("202203 | 202206 | 202209", "quarter start march: 202212"),
        ("20221230 | 20221231", "day: 20230101"),
        ("20221230 | 20221231 | 20221232", "number 1: 20221233"),
        ("1672444800 | 1672448400", "hour: 1672452000"),
        ("1672444800000 | 1672444801000", "second: 1672444802000"),
        ("1672444800000 | 1672444800500", "number 500: 1672444801000"),
        ("978307199 | 978307200", "number 1: 978307201"),
        ("-1 | 0", "number 1: 1"),
        ("5 | 7.5 | 10", "number 2.5: 12.5"),
        ("0.50 | 0.75", "number 0.25: 1.00"),
    ] {
        assert_eq!(next(rows, None, 1), expected, "{rows}");
    }
    let one = Clock::detect(["2022"].into_iter(), None).unwrap();
    assert_eq!(one.read("-3.5").map(Stamp::axis), Ok(-3.5));
    // Several series in one column.
    let both = Clock::detect(["1949", "1949", "1950", "1950", "1949"].into_iter(), None).unwrap();
    assert_eq!(both.read("1950").map(|stamp| both.write(stamp)), Ok("1950".to_string()));
    assert!(both.read("-3.5").is_err());
}

#[test]
fn day_and_month_are_told_apart_by_the_whole_column() {
    // 13 as a day; a step that is regular only one way round; going back in time.
    assert_eq!(next("11/12/2022 | 12/12/2022 | 13/12/2022", None, 1), "day: 14/12/2022");
    assert_eq!(next("12/11/2022 | 12/12/2022 | 12/13/2022", None, 1), "day: 12/14/2022");
    let months = "01/11/2022 | 01/12/2022 | 01/01/2023 | 01/02/2023";
    assert_eq!(next(months, None, 1), "month start: 01/03/2023");
    assert_eq!(next("1/9/2023 | 1/10/2023 | 1/11/2023 | 1/12/2023 | 1/1/2024", None, 1), "month start: 1/2/2024");
    let undecided = next("01/02/2022 | 02/02/2022 | 03/02/2022", None, 1);
    assert_eq!(
        undecided,
        "row 0: \"01/02/2022\" may have the day or the month first, and no row decides it, expected dates such as 2022-12-31"
    );
}

#[test]
fn the_row_that_breaks_a_style_is_named() {
    for (rows, zone, expected) in [
        (
            "monday",
            None,
            "row 0: \"monday\" is given, expected a number, or a date such as 2022-12-31, 2022-12-31 23:59, 2022-12, 2022Q4 or 2022-W05",
        ),
        ("1949-01 | 1949-02 | 7", None, "row 2: \"7\" is given, expected a month such as 2022-12 as before"),
        ("1949-01-01 | 1949-01", None, "row 1: \"1949-01\" is given, expected a date such as 2022-12-31 as before"),
        (
            "2022-02-28 | 2022-02-29",
            None,
            "row 1: \"2022-02-29\" is given, expected a date such as 2022-12-31 as before",
        ),
        (
            "2022-02-28 | 2022-02-28 12:00",
            None,
            "row 1: \"2022-02-28 12:00\" is given, expected a date such as 2022-12-31 as before",
        ),
        (
            "2022-02-28 12:00 | 2022-02-28T13:00",
            None,
            "row 1: \"2022-02-28T13:00\" is given, expected a date and time such as 2022-12-31 23:59 as before",
        ),
        ("1 | 2 | x", None, "row 2: \"x\" is given, expected a number as before"),
        (
            "13/12/2022 | 12/13/2022",
            None,
            "row 1: \"12/13/2022\" is given, expected a date with the day first such as 31/12/2022 as before",
        ),
        (
            "2022-03-27T01:00+01:00 | 2022-03-27T03:00+02:00",
            None,
            "row 1: \"2022-03-27T03:00+02:00\" is given, its offset is +02:00, the one before +01:00: name the time zone, such as Europe/Berlin",
        ),
        (
            "2022-01-01",
            Some("Berlin"),
            "row 0: no time zone is called \"Berlin\", expected a name such as Europe/Berlin or UTC",
        ),
    ] {
        assert_eq!(next(rows, zone, 1), expected, "{rows}");
    }
    assert_eq!(Clock::detect([].into_iter(), None), Err((0, "there are no rows, expected at least 1".to_string())));
}

#[test]
fn a_given_frequency_is_completed_and_checked() {
    let fit = |frequency: &str, rows: &str| {
        let rows: Vec<&str> = rows.split(" | ").collect();
        let clock = Clock::detect(rows.iter().copied(), None).unwrap();
        match frequency.parse::<Frequency>().unwrap().fit(&clock, &stamps(&clock, &rows)) {
            Ok(frequency) => frequency.to_string(),
            Err((row, problem)) => format!("row {row}: {problem}"),
        }
    };
    for (frequency, rows, expected) in [
        ("week", "2022-12-04 | 2022-12-18", "week sunday"),
        ("month", "2022-01-31 | 2022-02-28", "month end"),
        ("month", "2022-01-30", "month 30"),
        ("quarter", "2022-02-01 | 2022-05-01", "quarter start february"),
        ("year", "2022-07-09", "year july 9"),
        ("year", "1949 | 1950", "year start"),
        ("YE", "1949 | 1950", "year start"),
        ("ME", "2022-11 | 2022-12", "month start"),
        ("QE", "2022Q1 | 2022Q2", "quarter start"),
        ("B", "2022-12-26 | 2022-12-27", "business day"),
        ("15min", "2022-12-26 12:00 | 2022-12-26 13:00", "15 minute"),
        ("number 0.1", "0.1 | 0.7", "number 0.1"),
        ("day", "2022-12-26 | 2023-12-26", "day"),
        (
            "MS",
            "2022-01-01 | 2022-02-02",
            "row 1: 2022-02-02 is not on the grid of month start that begins at 2022-01-01; 32 day would fit",
        ),
        ("W-SUN", "2022-01-03 | 2022-01-10", "row 0: 2022-01-03 is not a time of week sunday; week monday would fit"),
        ("h", "2022-01-03 | 2022-01-10", "row 0: the times are dates, which have no steps of hour"),
        ("D", "3 | 4", "row 0: the times are numbers, which have no steps of day"),
        ("number 0.5", "3 | 4", "row 0: the times are whole numbers, which have no steps of number 0.5"),
        ("D", "2022-01-03 | 2022-01-02", "row 1: 2022-01-02 follows 2022-01-03, expected rising times"),
    ] {
        assert_eq!(fit(frequency, rows), expected, "{frequency} {rows}");
    }
    assert!("D".parse::<Frequency>().unwrap().fit(&Clock::counting(), &[]).is_err());
}

#[test]
fn rows_are_counted() {
    let clock = Clock::counting();
    let stamps: Vec<Stamp> = (0..5).map(|row| Stamp::number(f64::from(row))).collect();
    let frequency = Frequency::detect(&clock, &stamps).unwrap();
    assert_eq!(clock.write(frequency.add(&clock, stamps[4], 1).unwrap()), "5");
    assert_eq!(frequency.turns(&clock, stamps[2]), [None; 4]);
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(Frequency::detect(&clock, &[Stamp::number(0.0), Stamp::number(1.0), Stamp::number(bad)]).is_err());
        assert!(frequency.add(&clock, Stamp::number(bad), 1).is_err());
    }
}

#[test]
fn random_texts_cause_no_panic() {
    let pieces = [
        "2022",
        "12",
        "31",
        "-",
        "/",
        ".",
        ":",
        "T",
        " ",
        "Z",
        "+",
        "W05",
        "Q4",
        "0",
        "9",
        "1e",
        "Jan",
        "[Europe/Berlin]",
        "é",
        "23:59",
        "9999",
        "99999999",
        "1672444800",
        "+02:00",
        "2022-03-27",
        "\u{feff}",
        "[",
        "]",
        "-1",
        "02",
        "30",
        "nan",
    ];
    let mut rng = rng::generator(1, Purpose::Sample, 0);
    let mut draw = |count: usize| (rng::uniform(&mut rng) * count as f64) as usize;
    let frequencies = ["hour", "day", "business day", "week", "month", "quarter end", "year", "number 0.1", "second"];
    let (mut read, mut refused) = (0, 0);
    for _ in 0..10_000 {
        let mut text = || (0..draw(6) + 1).map(|_| pieces[draw(pieces.len())]).collect::<String>();
        let texts = [text(), text(), text()];
        let rows: Vec<&str> = texts.iter().take(draw(3) + 1).map(String::as_str).collect();
        let zone = [None, Some("Europe/Berlin")][draw(2)];
        let _ = texts[0].parse::<Frequency>();
        let Ok(clock) = Clock::detect(rows.iter().copied(), zone) else {
            refused += 1;
            continue;
        };
        read += 1;
        let stamps: Vec<Stamp> = rows.iter().filter_map(|text| clock.read(text).ok()).collect();
        let given: Frequency = frequencies[draw(frequencies.len())].parse().unwrap();
        let found = [Frequency::detect(&clock, &stamps).ok(), given.fit(&clock, &stamps).ok(), Some(given)];
        for frequency in found.into_iter().flatten() {
            for steps in [1, -1, 1_000_000, i64::MAX, i64::MIN] {
                if let Some(Ok(after)) = stamps.last().map(|&last| frequency.add(&clock, last, steps)) {
                    let _ =
                        (clock.write(after), frequency.steps(&clock, stamps[0], after), frequency.turns(&clock, after));
                    let _ = (after.axis(), frequency.usual_season());
                }
            }
        }
    }
    // Both happen, so both are tested.
    assert!(read > 300 && refused > 3000, "{read} {refused}");
}
