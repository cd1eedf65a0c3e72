"""Writes calendar.json: rows of series in many styles, and the rows that pandas continues them with.

Holds the table of cases and the styles. Refuses to write where the installed pandas is not the version below, or where
a case has no row of its own that decides between the day and the month first.

Made with pandas 3.1.1 (requirements.txt). Run: python testdata/make_calendar.py
A case is a frequency of pandas' `date_range` (or a `DateOffset` for fixed days), a start, a number of rows, a style
and a time zone. In the file: `name`; `zone`, that of the calendar, or null; `alias`, pandas' name of the frequency, or
null; `frequency`, the text of elman's; `rows`; `next`, the 5 rows after them.
"""

import json
import pathlib

import pandas as pd

PANDAS = "3.1.1"
NEXT = 5


def offset_with_colon(format):
    def write(t):
        text = t.strftime(format + "%z")
        return text[:-2] + ":" + text[-2:]

    return write


# What strftime does not write. The others are formats of strftime.
STYLES = {
    "YQ": lambda t: f"{t.year}Q{t.quarter}",
    "Y-Q": lambda t: f"{t.year}-Q{t.quarter}",
    "Q Y": lambda t: f"Q{t.quarter} {t.year}",
    "m/d/Y unpadded": lambda t: f"{t.month}/{t.day}/{t.year}",
    "milliseconds": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
    "epoch seconds": lambda t: str(int(t.timestamp())),
    "epoch milliseconds": lambda t: str(int(t.timestamp()) * 1000 + t.microsecond // 1000),
    "T offset": offset_with_colon("%Y-%m-%dT%H:%M:%S"),
    "space offset": offset_with_colon("%Y-%m-%d %H:%M"),
    "Z": lambda t: t.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
    "name": lambda t: offset_with_colon("%Y-%m-%dT%H:%M")(t) + f"[{t.tz}]",
}

DATES = ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"]
MONTHS = ["%Y-%m", "%Y%m", "%Y/%m", "%b %Y", "%B %Y"]
QUARTERS = ["YQ", "Y-Q", "Q Y"]
TIMES = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M:%S"]

# pandas' frequency, elman's, the start, the rows, the styles, the zone.
CASES = [
    ("100ms", "100 millisecond", "2022-12-31 23:59:59.500", 7, ["milliseconds", "%Y-%m-%d %H:%M:%S.%f"], None),
    ("s", "second", "2022-12-31 23:59:55", 6, ["%Y-%m-%d %H:%M:%S", "epoch seconds", "epoch milliseconds"], None),
    ("30s", "30 second", "2024-02-28 23:58:00", 5, ["%Y-%m-%dT%H:%M:%S"], None),
    ("min", "minute", "2024-02-28 23:56", 6, TIMES, None),
    ("15min", "15 minute", "2022-12-31 22:45", 8, TIMES, None),
    ("h", "hour", "2024-02-28 20:00", 8, TIMES + ["epoch seconds"], None),
    ("6h", "6 hour", "2022-12-29 06:00", 8, TIMES, None),
    ("D", "day", "2022-12-27", 6, DATES + ["m/d/Y unpadded", "%G-W%V-%u"], None),
    ("D", "day", "2024-02-24 06:30", 5, TIMES, None),
    ("2D", "2 day", "2024-02-19", 5, DATES[:2], None),
    ("B", "business day", "2022-12-28", 6, DATES, None),
    ("W-SUN", "week sunday", "2020-12-06", 5, DATES, None),
    ("W-MON", "week monday", "2020-11-23", 6, ["%Y-%m-%d", "%G-W%V", "%GW%V", "%G-W%V-%u"], None),
    ("2W-WED", "2 week wednesday", "2024-01-03", 5, ["%Y-%m-%d"], None),
    ("MS", "month start", "2022-09-01", 6, MONTHS + ["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y"], None),
    ("ME", "month end", "2023-10-31", 5, DATES, None),
    ("2MS", "2 month start", "2022-01-01", 5, ["%Y-%m-%d", "%Y-%m"], None),
    ("QS", "quarter start", "2022-01-01", 5, QUARTERS + ["%Y-%m-%d", "%Y-%m"], None),
    ("QE", "quarter end", "2022-03-31", 6, ["%Y-%m-%d", "%d/%m/%Y"], None),
    ("QS-FEB", "quarter start february", "2022-02-01", 5, ["%Y-%m-%d", "%b %Y"], None),
    ("QE-NOV", "quarter end february", "2022-02-28", 6, ["%Y-%m-%d"], None),
    ("2QS", "2 quarter start", "2020-01-01", 5, ["%Y-%m-%d", "YQ"], None),
    ("YS", "year start", "1949-01-01", 6, ["%Y", "%Y-%m-%d"], None),
    ("YE", "year end", "1991-12-31", 5, ["%Y-%m-%d", "%m/%d/%Y"], None),
    ("YS-APR", "year start april", "2015-04-01", 5, ["%Y-%m-%d"], None),
    ("YE-JUN", "year end june", "2015-06-30", 5, ["%Y-%m-%d"], None),
    ("YE-FEB", "year end february", "2019-02-28", 6, ["%Y-%m-%d"], None),
    ("5YE", "5 year end", "1990-12-31", 5, ["%Y-%m-%d"], None),
    (pd.DateOffset(months=1), "month 15", "2022-10-15", 5, ["%Y-%m-%d", "%d.%m.%Y"], None),
    (pd.DateOffset(years=1), "year july 9", "1990-07-09", 5, ["%Y-%m-%d"], None),
    ("h", "hour", "2022-03-26 22:00", 6, ["T offset", "space offset", "Z", "name", "epoch seconds"], "Europe/Berlin"),
    ("h", "hour", "2022-10-29 22:00", 6, ["T offset", "space offset", "Z", "name", "epoch seconds"], "Europe/Berlin"),
    ("30min", "30 minute", "2022-10-30 00:00", 5, ["T offset", "Z"], "Europe/Berlin"),
    ("D", "day", "2022-03-24", 5, ["T offset", "Z", "name", "%Y-%m-%d %H:%M", "epoch seconds"], "Europe/Berlin"),
    ("D", "day", "2022-10-27 12:00", 5, ["T offset", "Z", "name", "%Y-%m-%d %H:%M", "epoch seconds"], "Europe/Berlin"),
    ("B", "business day", "2022-10-26 09:00", 5, ["T offset"], "Europe/Berlin"),
    ("W-SUN", "week sunday", "2022-10-02", 5, ["T offset"], "America/New_York"),
    ("MS", "month start", "2022-08-01", 5, ["T offset", "Z"], "America/New_York"),
    ("h", "hour", "2022-11-05 22:00", 6, ["%Y-%m-%dT%H:%M:%S%z"], "America/New_York"),
]


def cases():
    for freq, frequency, start, count, styles, zone in CASES:
        times = pd.date_range(start, periods=count + NEXT, freq=freq, tz=zone)
        assert str(times[0].tz_localize(None)) == str(pd.Timestamp(start)), f"{freq} does not begin at {start}"
        for style in styles:
            write = STYLES.get(style) or (lambda t: t.strftime(style))
            texts = [write(t) for t in times]
            if style.startswith(("%d/", "%m/", "m/")):
                date = [text.replace(" ", "/").split("/") for text in texts[:count]]
                assert any(int(a) > 12 or int(b) > 12 for a, b, *_ in date), f"{freq} {style}: day or month first?"
            yield {
                "name": f"{frequency} from {start} as {style}" + (f" in {zone}" if zone else ""),
                "zone": zone,
                "alias": freq if isinstance(freq, str) else None,
                "frequency": frequency,
                "rows": texts[:count],
                "next": texts[count:],
            }


def main():
    if pd.__version__ != PANDAS:
        raise SystemExit(f"pandas is {pd.__version__}, expected {PANDAS} (requirements.txt)")
    lines = ",\n".join(json.dumps(case) for case in cases())
    path = pathlib.Path(__file__).with_name("calendar.json")
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{path.name}: {lines.count(chr(10)) + 1} cases")


if __name__ == "__main__":
    main()
