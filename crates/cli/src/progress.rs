//! Shows progress on stderr: on a terminal a bar, in training with a curve of the losses above it; elsewhere lines. Not here:
//! what is printed before and after training, drawing the curve (`terminal_curve.rs`).

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use elman::train::{Plan, Report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::control::visible_but_styles;
use crate::stream::{Stream, shows_progress};
use crate::terminal::{dim, grouped, measure, say, short, short_unit, span, spoken};
use crate::terminal_curve::{self, Losses};
use crate::wrap::{fitted, paragraphs, width_of};

/// Time between updates of the terminal.
const REFRESH: Duration = Duration::from_millis(100);
/// Share of the old mean kept at each step in the loss that the bar shows.
const KEEP: f64 = 0.95;
/// Widest line of a sample, in columns.
const SAMPLE_WIDTH: usize = 76;
/// Fewest and most columns of a bar.
const BAR: (usize, usize) = (8, 40);
/// Most lines about the training loss of a run that is not validated, where there is no terminal.
const MOST_LINES: u64 = 20;

/// The progress of a training run.
pub struct Progress {
    is_quiet: bool,
    bar: Option<ProgressBar>,
    refreshed: Cell<Option<Instant>>,
    steps: u64,
    /// Whether losses of validation are to come.
    validates: bool,
    /// The next step whose report is printed without validation.
    next_line: Cell<u64>,
    /// The time and the step at the start.
    begun: (Instant, u64),
    /// The name of a token.
    unit: &'static str,
    /// Steps of a window, if losses are summed over them.
    summed: Option<usize>,
    /// Exponential moving average of the losses, and its total weight.
    mean: (f64, f64),
    losses: RefCell<Losses>,
    /// The last text of the bar: step, loss, other figures.
    told: RefCell<(u64, Vec<String>)>,
}

impl Progress {
    /// Starts the bar, if stderr is a terminal and the program is not quiet. `before` are the reports of earlier sessions.
    pub fn start(
        plan: &Plan,
        validates: bool,
        before: &[Report],
        unit: &'static str,
        summed: Option<usize>,
        is_quiet: bool,
    ) -> Progress {
        let bar = (shows_progress() && !is_quiet).then(block);
        Progress {
            is_quiet,
            bar,
            refreshed: Cell::new(None),
            steps: plan.steps,
            validates,
            next_line: Cell::new(0),
            begun: (Instant::now(), plan.steps_done),
            unit,
            summed,
            mean: (0.0, 0.0),
            losses: RefCell::new(Losses::of(before)),
            told: RefCell::new((plan.steps_done, Vec::new())),
        }
    }

    /// Updates the bar after a step.
    pub fn step(&mut self, step: u64, loss: f64, tokens_per_sec: f64) {
        self.mean = (KEEP * self.mean.0 + (1.0 - KEEP) * loss, KEEP * self.mean.1 + (1.0 - KEEP));
        if self.bar.is_none() || self.refreshed.get().is_some_and(|at| at.elapsed() <= REFRESH) {
            return;
        }
        let loss = self.mean.0 / self.mean.1;
        let [speed, left] = self.speed(step, tokens_per_sec);
        *self.told.borrow_mut() = (step, vec![format!("loss {loss:.3}"), left, speed, measure(loss, self.unit)]);
        self.redraw();
    }

    /// Draws the curve and the bar as they are now.
    fn redraw(&self) {
        let (Some(bar), Some(size)) = (&self.bar, Stream::Err.size()) else { return };
        self.refreshed.set(Some(Instant::now()));
        let mut lines = self.curve(self.steps);
        let (step, figures) = &*self.told.borrow();
        lines.push(bar_line("step", *step, Some(self.steps), figures, size.1 - 1));
        bar.set_message(lines.join("\n"));
    }

    /// The curve of the losses up to the step `last`; empty where the terminal is too small.
    fn curve(&self, last: u64) -> Vec<String> {
        let Some(size) = Stream::Err.size().and_then(terminal_curve::size_in) else { return Vec::new() };
        terminal_curve::draw(&self.losses.borrow(), last, size, short_unit(self.unit), Stream::Err.is_coloured())
    }

    /// Adds a report to the curve. Prints it if it has a validation loss; without a terminal and without any validation, prints
    /// some of the reports.
    pub fn report(&self, report: &Report) {
        self.losses.borrow_mut().add(report);
        if report.val_loss.is_none() {
            let is_due = report.step >= self.next_line.get() || report.step == self.steps;
            if self.bar.is_some() || self.validates || !is_due {
                return;
            }
            self.next_line.set(report.step + self.steps.div_ceil(MOST_LINES).max(1));
        }
        let validation = report.val_loss.map(|loss| format!("  validation {loss:.4}")).unwrap_or_default();
        let speed = match self.bar {
            Some(_) => String::new(),
            None => format!("  {}", self.speed(report.step, report.tokens_per_sec).join("  ")),
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

    /// Prints a warning about a bad step, and removes what came after the step `continues_after` from the curve.
    pub fn bad(&self, words: &str, continues_after: u64) {
        self.losses.borrow_mut().retain(continues_after);
        self.words(&format!("warning: {words}"));
    }

    /// Prints a sample of the model.
    pub fn sample(&self, step: u64, text: &str) {
        let width = Stream::Err.width().map_or(SAMPLE_WIDTH, |width| (width - 3).min(SAMPLE_WIDTH));
        let mut lines = vec![String::new(), dim(&format!("┌─ sample after step {step}"))];
        lines.extend(paragraphs(text, width).into_iter().map(|line| format!("{} {line}", dim("│"))));
        lines.push(dim("└─"));
        self.words(&lines.join("\n"));
    }

    /// Prints lines, above the bar if there is one.
    pub fn words(&self, words: &str) {
        if !self.is_quiet {
            above(self.bar.as_ref(), words);
        }
    }

    /// Removes the bar, and prints the curve of what was trained, if there was a bar.
    pub fn finish(&self) {
        let Some(bar) = &self.bar else { return };
        bar.finish_and_clear();
        if self.losses.borrow().last() > self.begun.1 {
            let lines = self.curve(self.losses.borrow().last());
            lines.iter().for_each(|line| say!("{line}"));
        }
    }

    /// The speed, and the time that is left.
    fn speed(&self, step: u64, tokens_per_sec: f64) -> [String; 2] {
        let (since, first) = self.begun;
        let left = left(since.elapsed(), step.saturating_sub(first), self.steps.saturating_sub(step));
        [
            format!("{} {}s/s", short(tokens_per_sec), spoken(self.unit)),
            format!("{} left", left.map_or("?".to_string(), span)),
        ]
    }
}

/// Prints lines, above the bar if there is one. The last column then stays free: after a full line the bar relies on the terminal
/// to start a row.
fn above(bar: Option<&ProgressBar>, words: &str) {
    match (bar, Stream::Err.width()) {
        (Some(bar), Some(width)) => bar.println(fitted(&visible_but_styles(words), width - 1)),
        _ => say!("{words}"),
    }
}

/// A bar whose text is drawn here.
fn block() -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

/// A line `step 120/800 ━━━━╸─── loss 1.234  41.5k tokens/s` of at most `width` columns: as many figures as fit, the first ones
/// first.
fn bar_line(what: &str, done: u64, all: Option<u64>, figures: &[String], width: usize) -> String {
    let start = match all {
        Some(all) => format!("{what} {done}/{all}"),
        None => format!("{what} {}", grouped(done)),
    };
    let bar = if all.is_some() { BAR.0 + 1 } else { 0 };
    let fits = |count: &usize| {
        let shown = figures[..*count].iter().map(|figure| width_of(figure) + 2).sum::<usize>();
        width_of(&start) + bar + shown <= width
    };
    let count = (0..=figures.len()).rev().find(fits).unwrap_or(0);
    let end: String = figures[..count].iter().map(|figure| format!("  {figure}")).collect();
    let columns = width.saturating_sub(width_of(&start) + width_of(&end) + 1).min(BAR.1);
    match all {
        Some(all) if columns >= BAR.0 => format!("{start} {}{end}", stripes(done, all, columns)),
        _ => format!("{start}{end}"),
    }
}

/// A bar of `width` columns.
fn stripes(done: u64, all: u64, width: usize) -> String {
    let share = done as f64 / all.max(1) as f64;
    let full = ((share * width as f64) as usize).min(width);
    let head = if full < width { "╸" } else { "" };
    format!("{}{head}{}", "━".repeat(full), "─".repeat((width - full).saturating_sub(1)))
}

/// The time that `to_do` steps need at the mean speed of the `done` steps, evaluations included.
fn left(taken: Duration, done: u64, to_do: u64) -> Option<Duration> {
    Duration::try_from_secs_f64(taken.as_secs_f64() / done as f64 * to_do as f64).ok()
}

/// A bar for a download with `have` bytes done; hidden without a terminal.
pub fn bytes(all: u64, have: u64) -> ProgressBar {
    if !shows_progress() {
        return ProgressBar::hidden();
    }
    let is_wide = Stream::Err.width().is_some_and(|width| width >= 60);
    let template = if is_wide {
        "{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}"
    } else {
        "{bytes}/{total_bytes} {wide_bar}"
    };
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
    ProgressBar::new(all).with_style(style).with_position(have)
}

/// The progress of work that is counted: a bar, or without a known end a number; nothing without a terminal. It disappears when it
/// is dropped.
pub struct Work {
    bar: Option<ProgressBar>,
    begun: Instant,
    refreshed: Cell<Option<Instant>>,
}

impl Work {
    /// Shows nothing yet.
    pub fn new() -> Work {
        Work::shown_if(true)
    }

    /// The same for work whose results go to stdout one by one: on a terminal those are the progress.
    pub fn beside_output() -> Work {
        Work::shown_if(Stream::Out.size().is_none())
    }

    fn shown_if(is_shown: bool) -> Work {
        let bar = (is_shown && shows_progress()).then(block);
        Work { bar, begun: Instant::now(), refreshed: Cell::new(None) }
    }

    /// `done` of `all` are done; `what` names one of them.
    pub fn at(&self, what: &str, done: u64, all: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        if self.refreshed.get().is_some_and(|at| at.elapsed() <= REFRESH) {
            return;
        }
        self.refreshed.set(Some(Instant::now()));
        let width = Stream::Err.width().unwrap_or(80) - 1;
        bar.set_message(bar_line(what, done, all, &[span(self.begun.elapsed())], width));
    }

    /// Prints a line above the bar.
    pub fn say(&self, words: &str) {
        above(self.bar.as_ref(), words);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows a spinner while `work` runs; prints nothing without a terminal.
pub fn wait_for<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if !shows_progress() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_steps_whatever_they_hold() {
        let seconds = Duration::from_secs;
        assert_eq!(left(seconds(10), 20, 300), Some(seconds(150)));
        assert_eq!((left(seconds(10), 20, 0), left(seconds(10), 0, 5)), (Some(seconds(0)), None));
    }

    #[test]
    fn a_bar_shows_what_fits() {
        let figures = ["loss 1.234", "1m 05s left", "41.5k tokens/s", "1.78 bits/char"].map(str::to_string);
        let line = |width| bar_line("step", 120, Some(800), &figures, width);
        assert_eq!(line(79), "step 120/800 ━╸───────  loss 1.234  1m 05s left  41.5k tokens/s  1.78 bits/char");
        assert_eq!(line(39), "step 120/800 ━━╸───────────  loss 1.234");
        assert_eq!(line(20), "step 120/800");
        assert_eq!(bar_line("row", 1200, None, &figures[1..2], 39), "row 1,200  1m 05s left");
        assert_eq!((stripes(0, 8, 8), stripes(8, 8, 8)), ("╸───────".to_string(), "━━━━━━━━".to_string()));
    }
}
