//! The rows of a lesson: the tutorial's figure, the figure here, the tolerance, and the verdict. Not here: how the figures are
//! measured.

use serde::Serialize;

use crate::columns::{self, words};
use crate::stream::Stream;
use crate::terminal::{bold_on, span};

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Within the tolerance.
    Pass,
    /// Outside the tolerance.
    Fail,
    /// Not compared: the tutorial prints no figure.
    Told,
}

/// A row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    quantity: String,
    tutorial: String,
    here: String,
    allowed: String,
    verdict: Verdict,
}

/// The results of a lesson.
#[derive(Serialize)]
pub struct Report {
    lesson: &'static str,
    about: &'static str,
    rows: Vec<Row>,
    notes: Vec<String>,
    /// Seconds of the whole lesson.
    pub seconds: f64,
    tutorial_time: Option<String>,
}

impl Report {
    /// A report without rows.
    pub fn new(lesson: &'static str, about: &'static str) -> Report {
        Report { lesson, about, rows: Vec::new(), notes: Vec::new(), seconds: 0.0, tutorial_time: None }
    }

    /// Adds a row with its verdict.
    pub fn check(
        &mut self,
        quantity: impl Into<String>,
        tutorial: impl Into<String>,
        here: impl Into<String>,
        allowed: impl Into<String>,
        passes: bool,
    ) {
        let verdict = if passes { Verdict::Pass } else { Verdict::Fail };
        self.push(quantity.into(), tutorial.into(), here.into(), allowed.into(), verdict);
    }

    /// Adds a row whose values must be equal.
    pub fn equal<T: PartialEq + ToString>(&mut self, quantity: impl Into<String>, tutorial: T, here: T) {
        let passes = tutorial == here;
        self.check(quantity, tutorial.to_string(), here.to_string(), "equal", passes);
    }

    /// Adds a row of two numbers that may differ by `allowed`, shown with `digits` after the point.
    pub fn near(&mut self, quantity: impl Into<String>, tutorial: f64, here: f64, allowed: f64, digits: usize) {
        let passes = (tutorial - here).abs() <= allowed;
        let show = |x: f64| format!("{x:.digits$}");
        self.check(quantity, show(tutorial), show(here), format!("± {allowed}"), passes);
    }

    /// Adds a row of a number that may be at most `most`.
    pub fn at_most(
        &mut self,
        quantity: impl Into<String>,
        tutorial: impl Into<String>,
        here: f64,
        most: f64,
        digits: usize,
    ) {
        self.check(quantity, tutorial, format!("{here:.digits$}"), format!("at most {most}"), here <= most);
    }

    /// Adds a row without a verdict.
    pub fn told(&mut self, quantity: impl Into<String>, tutorial: impl Into<String>, here: impl Into<String>) {
        self.push(quantity.into(), tutorial.into(), here.into(), String::new(), Verdict::Told);
    }

    fn push(&mut self, quantity: String, tutorial: String, here: String, allowed: String, verdict: Verdict) {
        self.rows.push(Row { quantity, tutorial, here, allowed, verdict });
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    /// Sets the time that the tutorial took.
    pub fn tutorial_took(&mut self, words: impl Into<String>) {
        self.tutorial_time = Some(words.into());
    }

    /// Whether no row fails.
    pub fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.verdict != Verdict::Fail)
    }

    /// The table, the notes and the times as text.
    pub fn text(&self) -> String {
        let row = |row: &Row| {
            let verdict = match row.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "FAIL",
                Verdict::Told => "",
            };
            let Row { quantity, tutorial, here, allowed, .. } = row;
            vec![quantity.clone(), tutorial.clone(), here.clone(), allowed.clone(), verdict.to_string()]
        };
        let rows: Vec<Vec<String>> = self.rows.iter().map(row).collect();
        let columns = ["quantity", "tutorial", "here", "allowed", "verdict"].map(words);
        let title = format!("{}: {}", self.lesson, self.about);
        let mut lines = vec![bold_on(Stream::Out, &title), String::new()];
        lines.extend(columns::table(&columns, 1, &rows, Stream::Out.width(), 0));
        if !self.notes.is_empty() {
            lines.push(String::new());
            lines.extend(self.notes.iter().cloned());
        }
        let here = format!("{} here", span(std::time::Duration::from_secs_f64(self.seconds)));
        let time = match &self.tutorial_time {
            Some(there) => format!("time     {here}, {there}"),
            None => format!("time     {here}"),
        };
        let failed = self.rows.iter().filter(|row| row.verdict == Verdict::Fail).count();
        let passed = self.rows.iter().filter(|row| row.verdict == Verdict::Pass).count();
        lines.extend([String::new(), time, format!("verdict  {passed} rows pass, {failed} fail")]);
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failing_row_fails_the_lesson() {
        let mut report = Report::new("t", "a test");
        report.equal("characters", 59, 59);
        report.near("loss", 1.0, 1.04, 0.05, 2);
        report.told("text", "-", "the the");
        assert!(report.passed());
        report.near("loss", 1.0, f64::NAN, 0.05, 2);
        assert!(!report.passed());
        let text = report.text();
        assert!(text.contains("characters  59        59       equal    pass"), "{text}");
        assert!(text.contains("FAIL") && text.ends_with("verdict  2 rows pass, 1 fail"), "{text}");
        let mut report = Report::new("t", "a test");
        report.at_most("perplexity", "1.0-1.4", 1.5, 1.4, 2);
        assert!(!report.passed());
    }
}
