//! Holds what a person sees while the program works: a bar on a terminal, a line for each report elsewhere, samples
//! set off from both. Refuses to write anything when asked to be quiet.

use std::time::{Duration, Instant};

use elman::train::{Plan, Report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::{dim, measure, say, short, span, stderr_is_terminal};

/// How often the words behind the bar change.
const REFRESH: Duration = Duration::from_millis(100);
/// Share of the old mean kept at each step in the loss that the bar shows.
const KEEP: f64 = 0.95;
/// Columns of a sample's line.
const SAMPLE_WIDTH: usize = 76;

/// The progress of a training run.
pub struct Progress {
    is_quiet: bool,
    bar: Option<ProgressBar>,
    refreshed: Option<Instant>,
    steps: u64,
    /// When it began, after which step.
    begun: (Instant, u64),
    /// What a token is called.
    unit: &'static str,
    /// Steps of a window, where losses are summed over them.
    summed: Option<usize>,
    /// Falling mean of the losses and the weight in it.
    mean: (f64, f64),
}

impl Progress {
    /// Starts the bar where there is a terminal and somebody who wants to see it.
    pub fn start(plan: &Plan, unit: &'static str, summed: Option<usize>, is_quiet: bool) -> Progress {
        let bar = (stderr_is_terminal() && !is_quiet).then(|| {
            let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
            ProgressBar::new(plan.steps).with_style(style).with_position(plan.steps_done)
        });
        let begun = (Instant::now(), plan.steps_done);
        Progress { is_quiet, bar, refreshed: None, steps: plan.steps, begun, unit, summed, mean: (0.0, 0.0) }
    }

    /// A step was taken.
    pub fn step(&mut self, step: u64, loss: f64, tokens_per_sec: f64) {
        self.mean = (KEEP * self.mean.0 + (1.0 - KEEP) * loss, KEEP * self.mean.1 + (1.0 - KEEP));
        let Some(bar) = &self.bar else {
            return;
        };
        bar.set_position(step);
        if self.refreshed.is_none_or(|at| at.elapsed() > REFRESH) {
            self.refreshed = Some(Instant::now());
            let loss = self.mean.0 / self.mean.1;
            bar.set_message(format!(
                "loss {loss:.3}  {}  {}",
                measure(loss, self.unit),
                self.pace(step, tokens_per_sec)
            ));
        }
    }

    /// A report was made: a line of its own where there is no bar, or where it brings a validation loss.
    pub fn report(&self, report: &Report) {
        if self.bar.is_some() && report.val_loss.is_none() {
            return;
        }
        let validation = report.val_loss.map(|loss| format!("  validation {loss:.4}")).unwrap_or_default();
        let pace = match self.bar {
            Some(_) => String::new(),
            None => format!("  {}", self.pace(report.step, report.tokens_per_sec)),
        };
        let loss = report.train_loss;
        let (measure, step, steps) = (measure(loss, self.unit), report.step, self.steps);
        let summed = self.summed.map(|n| format!("  sum over {n} {:.4}", loss * n as f64)).unwrap_or_default();
        let moving = report.moving_loss.map(|loss| format!("  moving {loss:.4}")).unwrap_or_default();
        self.words(&format!("step {step}/{steps}  loss {loss:.4}{summed}{moving}  {measure}{validation}{pace}"));
    }

    /// Model and state are on the disk: a line where there is no bar.
    pub fn saved(&self, step: u64) {
        if self.bar.is_none() {
            self.words(&format!("step {step}/{}  saved", self.steps));
        }
    }

    /// A step went bad.
    pub fn bad(&self, words: &str) {
        self.words(&format!("warning: {words}"));
    }

    /// The model wrote something.
    pub fn sample(&self, step: u64, text: &str) {
        let mut lines = vec![String::new(), dim(&format!("┌─ it writes, after step {step}"))];
        lines.extend(wrap(text, SAMPLE_WIDTH).into_iter().map(|line| format!("{} {line}", dim("│"))));
        lines.push(dim("└─"));
        self.words(&lines.join("\n"));
    }

    /// Words that stand above the bar.
    pub fn words(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.println(words),
            None if !self.is_quiet => say!("{words}"),
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn pace(&self, step: u64, tokens_per_sec: f64) -> String {
        let (since, first) = self.begun;
        let left = left(since.elapsed(), step.saturating_sub(first), self.steps.saturating_sub(step));
        format!("{} tokens/s  {} left", short(tokens_per_sec), left.map_or("?".to_string(), span))
    }
}

/// The time that more steps will take if they go as those before them did, evaluations included.
fn left(taken: Duration, done: u64, to_do: u64) -> Option<Duration> {
    Duration::try_from_secs_f64(taken.as_secs_f64() / done as f64 * to_do as f64).ok()
}

/// A bar of bytes, of which `have` are there; hidden without a terminal.
#[cfg(feature = "download")]
pub fn bytes(all: u64, have: u64) -> ProgressBar {
    if !stderr_is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
    ProgressBar::new(all).with_style(style).with_position(have)
}

/// Shows that something is under way that cannot say how far it is. Refuses nothing; without a terminal it is mute.
pub fn wait_for<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if !stderr_is_terminal() {
        return work();
    }
    let style =
        ProgressStyle::with_template("{spinner} {msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style).with_message(what);
    spinner.enable_steady_tick(REFRESH);
    let done = work();
    spinner.finish_and_clear();
    done
}

/// The text in lines of at most `width` characters, broken at spaces where it has them; nothing in it moves a cursor.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let visible = |c: char| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '·'
            } else {
                c
            }
        };
        let mut rest: Vec<char> = paragraph.chars().filter(|&c| c != '\r').map(visible).collect();
        while rest.len() > width {
            let space = rest[..=width].iter().rposition(|&c| c == ' ').filter(|&at| at > 0);
            let tail = rest.split_off(space.map_or(width, |at| at + 1));
            lines.push(rest.iter().collect::<String>().trim_end().to_string());
            rest = tail;
        }
        lines.push(rest.into_iter().collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_wrapped_at_spaces() {
        assert_eq!(wrap("one two three\n\nfour", 8), ["one two", "three", "", "four"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("ab cd", 2), ["ab", "cd"]);
    }

    #[test]
    fn the_time_left_goes_by_steps_whatever_they_hold() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(10), 20, 300), Some(seconds(150)));
        assert_eq!((left(seconds(10), 20, 0), left(seconds(10), 0, 5)), (Some(seconds(0)), None));
    }

    #[test]
    fn samples_move_no_cursor() {
        assert_eq!(wrap("a\x1b[2Jb\r\tc", 20), ["a·[2Jb c"]);
    }
}
