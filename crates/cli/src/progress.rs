//! Shows progress: a bar on a terminal, a line for each report elsewhere, and samples. Not here: what is printed before and
//! after training.

use std::time::{Duration, Instant};

use elman::train::{Plan, Report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::control::visible_but_styles;
use crate::terminal::{dim, measure, say, short, span, stderr_is_terminal};

/// Time between updates of the text beside the bar.
const REFRESH: Duration = Duration::from_millis(100);
/// Share of the old mean kept at each step in the loss that the bar shows.
const KEEP: f64 = 0.95;
/// Width of a sample, in characters.
const SAMPLE_WIDTH: usize = 76;

/// The progress of a training run.
pub struct Progress {
    is_quiet: bool,
    bar: Option<ProgressBar>,
    refreshed: Option<Instant>,
    steps: u64,
    /// The time and the step at the start.
    begun: (Instant, u64),
    /// The name of a token.
    unit: &'static str,
    /// Steps of a window, if losses are summed over them.
    summed: Option<usize>,
    /// Exponential moving average of the losses, and its total weight.
    mean: (f64, f64),
}

impl Progress {
    /// Starts the bar, if stderr is a terminal and the program is not quiet.
    pub fn start(plan: &Plan, unit: &'static str, summed: Option<usize>, is_quiet: bool) -> Progress {
        let bar = (stderr_is_terminal() && !is_quiet).then(|| {
            let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
            ProgressBar::new(plan.steps).with_style(style).with_position(plan.steps_done)
        });
        let begun = (Instant::now(), plan.steps_done);
        Progress { is_quiet, bar, refreshed: None, steps: plan.steps, begun, unit, summed, mean: (0.0, 0.0) }
    }

    /// Updates the bar after a step.
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
                self.speed(step, tokens_per_sec)
            ));
        }
    }

    /// Prints a report, if there is no bar or the report has a validation loss.
    pub fn report(&self, report: &Report) {
        if self.bar.is_some() && report.val_loss.is_none() {
            return;
        }
        let validation = report.val_loss.map(|loss| format!("  validation {loss:.4}")).unwrap_or_default();
        let speed = match self.bar {
            Some(_) => String::new(),
            None => format!("  {}", self.speed(report.step, report.tokens_per_sec)),
        };
        let loss = report.train_loss;
        let (measure, step, steps) = (measure(loss, self.unit), report.step, self.steps);
        let summed = self.summed.map(|n| format!("  sum over {n} {:.4}", loss * n as f64)).unwrap_or_default();
        let moving = report.moving_loss.map(|loss| format!("  moving {loss:.4}")).unwrap_or_default();
        self.words(&format!("step {step}/{steps}  loss {loss:.4}{summed}{moving}  {measure}{validation}{speed}"));
    }

    /// Prints that model and state are on the disk, if there is no bar.
    pub fn saved(&self, step: u64) {
        if self.bar.is_none() {
            self.words(&format!("step {step}/{}  saved", self.steps));
        }
    }

    /// Prints a warning about a bad step.
    pub fn bad(&self, words: &str) {
        self.words(&format!("warning: {words}"));
    }

    /// Prints a sample of the model.
    pub fn sample(&self, step: u64, text: &str) {
        let mut lines = vec![String::new(), dim(&format!("┌─ sample after step {step}"))];
        lines.extend(wrap(text, SAMPLE_WIDTH).into_iter().map(|line| format!("{} {line}", dim("│"))));
        lines.push(dim("└─"));
        self.words(&lines.join("\n"));
    }

    /// Prints lines, above the bar if there is one.
    pub fn words(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.println(visible_but_styles(words)),
            None if !self.is_quiet => say!("{words}"),
            None => {}
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn speed(&self, step: u64, tokens_per_sec: f64) -> String {
        let (since, first) = self.begun;
        let left = left(since.elapsed(), step.saturating_sub(first), self.steps.saturating_sub(step));
        format!("{} tokens/s  {} left", short(tokens_per_sec), left.map_or("?".to_string(), span))
    }
}

/// The time that `to_do` steps need at the mean speed of the `done` steps, evaluations included.
fn left(taken: Duration, done: u64, to_do: u64) -> Option<Duration> {
    Duration::try_from_secs_f64(taken.as_secs_f64() / done as f64 * to_do as f64).ok()
}

/// A bar for a download with `have` bytes done; hidden without a terminal.
pub fn bytes(all: u64, have: u64) -> ProgressBar {
    if !stderr_is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
    ProgressBar::new(all).with_style(style).with_position(have)
}

/// Shows a spinner while `work` runs; prints nothing without a terminal.
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

/// The text in lines of at most `width` characters, broken at spaces if possible. Control characters are replaced.
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
