//! Draws losses over steps as text: training as a line of braille dots, validation as `o`, with round ticks. Not here: when it
//! is shown (`progress.rs`), pictures in files (`curves.rs`).

use elman::train::Report;

use crate::terminal::loss_unit;
use crate::ticks::{Tick, linear};
use crate::wrap::width_of;

/// Fewest and most rows between the legend and the axis.
const ROWS: (usize, usize) = (4, 8);
/// Fewest rows and columns of a terminal that shows a curve.
const LEAST: (usize, usize) = (12, 30);
/// Widest curve in columns.
const WIDEST: usize = 100;
/// Least distance of two losses of validation, in columns.
const APART: usize = 4;
/// The name of the axis.
const STEP: &str = "step";
/// Dots of a character of braille, across and down.
const DOTS: (usize, usize) = (2, 4);

/// Losses over steps.
#[derive(Clone, Default)]
pub struct Losses {
    training: Vec<(f64, f64)>,
    validation: Vec<(f64, f64)>,
}

impl Losses {
    /// The losses of reports.
    pub fn of(reports: &[Report]) -> Losses {
        let mut losses = Losses::default();
        reports.iter().for_each(|report| losses.add(report));
        losses
    }

    /// Adds the losses of a report that are finite.
    pub fn add(&mut self, report: &Report) {
        let step = report.step as f64;
        self.training.extend(Some((step, report.train_loss)).filter(|point| point.1.is_finite()));
        self.validation.extend(report.val_loss.filter(|loss| loss.is_finite()).map(|loss| (step, loss)));
    }

    /// Removes what comes after a step.
    pub fn retain(&mut self, last: u64) {
        self.training.retain(|point| point.0 <= last as f64);
        self.validation.retain(|point| point.0 <= last as f64);
    }

    /// The last step.
    pub fn last(&self) -> u64 {
        self.training.iter().chain(&self.validation).map(|point| point.0 as u64).max().unwrap_or(0)
    }
}

/// The size of the curve in a terminal of some rows and columns: rows of dots, and columns. None if the terminal is too small.
pub fn size_in((rows, columns): (usize, usize)) -> Option<(usize, usize)> {
    let is_large = rows >= LEAST.0 && columns >= LEAST.1;
    is_large.then(|| ((rows / 3).clamp(ROWS.0, ROWS.1), (columns - 1).min(WIDEST)))
}

/// The lines of the picture, none with fewer than two training losses; the axis ends at the step `last`; `unit` is the name of
/// a token.
pub fn draw(
    losses: &Losses,
    last: u64,
    (rows, columns): (usize, usize),
    unit: &'static str,
    is_coloured: bool,
) -> Vec<String> {
    let all = || losses.training.iter().chain(&losses.validation).map(|point| point.1);
    if losses.training.len() < 2 {
        return Vec::new();
    }
    let (least, most) = all().fold((f64::MAX, f64::MIN), |(least, most), loss| (least.min(loss), most.max(loss)));
    // A flat loss has an axis, too.
    let extra = (1e-3 - (most - least)).max(0.0) / 2.0;
    let (low, high) = (least - extra, most + extra);
    let ticks = linear(low, high, rows / 2 + 1);
    let margin = ticks.iter().map(|tick| width_of(&tick.label)).max().unwrap_or(0).max(STEP.len() - 1);
    let across = columns.saturating_sub(margin + 2).max(8);
    let (dots_across, dots_down) = (across * DOTS.0, rows * DOTS.1);
    let last = (last.max(losses.last()).max(1)) as f64;
    let x = |step: f64| (step / last * (dots_across - 1) as f64).round() as usize;
    let y = |loss: f64| ((high - loss) / (high - low) * (dots_down - 1) as f64).round() as usize;

    let mut cells = vec![vec![0_u8; across]; rows];
    let line: Vec<(usize, usize)> = means(&losses.training, x).into_iter().map(|(x, loss)| (x, y(loss))).collect();
    for pair in line.windows(2) {
        between(pair[0], pair[1], |x, y| cells[y / DOTS.1][x / DOTS.0] |= dot(x % DOTS.0, y % DOTS.1));
    }
    let mut validated = vec![vec![false; across]; rows];
    let mut free = usize::MAX;
    for &(step, loss) in losses.validation.iter().rev() {
        let (column, row) = (x(step) / DOTS.0, y(loss) / DOTS.1);
        if free == usize::MAX || column + APART <= free {
            (validated[row][column], free) = (true, column);
        }
    }

    let dot_of_validation = if is_coloured { "\x1b[33mo\x1b[0m" } else { "o" };
    let legend = if losses.validation.is_empty() { String::new() } else { format!("  {dot_of_validation} validation") };
    let mut lines = vec![format!("loss, {}  ⠒ training{legend}", loss_unit(unit))];
    if width_of(&lines[0]) > columns {
        lines[0] = format!("⠒ training{legend}");
    }
    for (row, (cells, validated)) in cells.iter().zip(&validated).enumerate() {
        let tick = ticks.iter().find(|tick| y(tick.at) / DOTS.1 == row);
        let (label, edge) = tick.map_or(("", '│'), |tick| (tick.label.as_str(), '┤'));
        let mut line = format!("{label:>margin$} {edge}");
        for (&dots, &is_validated) in cells.iter().zip(validated) {
            match (is_validated, dots) {
                (true, _) => line.push_str(dot_of_validation),
                (false, 0) => line.push(' '),
                (false, dots) => line.push(char::from_u32(0x2800 + u32::from(dots)).unwrap_or('.')),
            }
        }
        lines.push(line.trim_end().to_string());
    }
    let steps = linear(0.0, last, across / 12 + 2);
    lines.extend(axis(&steps, margin, across, |step| x(step) / DOTS.0));
    lines
}

/// The axis of steps and its labels, after its name.
fn axis(ticks: &[Tick], margin: usize, across: usize, column: impl Fn(f64) -> usize) -> [String; 2] {
    let (mut edge, mut labels) = (vec!['─'; across], vec![' '; margin + 2 + across]);
    labels.splice(..STEP.len(), STEP.chars());
    let (mut free, end) = (STEP.len() + 1, labels.len());
    for tick in ticks {
        let (at, width) = (column(tick.at), tick.label.len());
        edge[at] = '┬';
        let from = (margin + 2 + at - width / 2).min(end - width);
        if from >= free && from + width <= end {
            labels.splice(from..from + width, tick.label.chars());
            free = from + width + 1;
        }
    }
    let edge: String = edge.into_iter().collect();
    [format!("{:margin$} └{edge}", ""), labels.into_iter().collect()]
}

/// The mean loss of each column of dots that has a step.
fn means(points: &[(f64, f64)], x: impl Fn(f64) -> usize) -> Vec<(usize, f64)> {
    let mut out: Vec<(usize, f64, f64)> = Vec::new();
    for &(step, loss) in points {
        match out.last_mut() {
            Some((at, sum, count)) if *at == x(step) => (*sum, *count) = (*sum + loss, *count + 1.0),
            _ => out.push((x(step), loss, 1.0)),
        }
    }
    out.into_iter().map(|(at, sum, count)| (at, sum / count)).collect()
}

/// Calls `set` with every dot of a straight line.
fn between(from: (usize, usize), to: (usize, usize), mut set: impl FnMut(usize, usize)) {
    let apart = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
    let at =
        |a: usize, b: usize, k: usize| (a as f64 + (b as f64 - a as f64) * k as f64 / apart as f64).round() as usize;
    (0..=apart).for_each(|k| set(at(from.0, to.0, k), at(from.1, to.1, k)));
}

/// The bit of a dot in a character of braille: columns from the left, rows from the top.
fn dot(x: usize, y: usize) -> u8 {
    [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]][x][y]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(training: &[(f64, f64)], validation: &[(f64, f64)]) -> Losses {
        Losses { training: training.to_vec(), validation: validation.to_vec() }
    }

    #[test]
    fn dots_stand_where_the_losses_are() {
        // 28 columns: a label of 3, a space and the edge leave 23, or 46 dots; the axis goes from 1 to 3 in 16 dots. So the line
        // falls a dot in three, and the `o` of 2.0 is in column 11, that of 2.5 a quarter of the height from the top.
        let falling = losses(&[(0.0, 3.0), (10.0, 1.0)], &[(5.0, 2.0), (10.0, 2.5)]);
        let lines = draw(&falling, 10, (4, 28), "char", false);
        assert_eq!(
            lines,
            [
                "⠒ training  o validation",
                "  3 ┤⠉⠒⠢⠤⣀⡀",
                "    │     ⠈⠉⠒⠢⠤⣀⡀          o",
                "  2 ┤           o⠉⠒⠢⠤⣀⡀",
                "  1 ┤                 ⠈⠉⠒⠢⠤⣀",
                "    └┬──────────┬──────────┬",
                "step 0          5         10",
            ]
        );
    }

    #[test]
    fn a_flat_loss_is_a_flat_line_and_one_loss_is_none() {
        let flat = draw(&losses(&[(1.0, 2.0), (8.0, 2.0)], &[]), 8, (4, 30), "char", false);
        assert_eq!(flat.len(), 7);
        assert_eq!(flat.iter().filter(|line| line.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c))).count(), 2);
        assert!(draw(&losses(&[(1.0, 2.0)], &[]), 8, (4, 30), "char", false).is_empty());
        assert!(draw(&Losses::default(), 8, (4, 30), "char", false).is_empty());
    }

    #[test]
    fn no_line_is_wider_than_it_may_be_and_labels_do_not_collide() {
        for columns in [29, 39, 79, 100] {
            for last in [7, 800, 48_000, 12_345_678] {
                let points: Vec<(f64, f64)> = (1..=9).map(|k| (k as f64 / 9.0 * last as f64, 1e4 / k as f64)).collect();
                let lines = draw(&losses(&points, &points), last, (8, columns), "character", true);
                assert!(lines.iter().all(|line| width_of(line) <= columns), "{columns} {last}: {lines:#?}");
                let labels = lines.last().unwrap();
                assert!(labels.starts_with("step 0"), "{labels}");
            }
        }
    }

    #[test]
    fn losses_of_validation_leave_the_line_visible() {
        let many: Vec<(f64, f64)> = (1..=100).map(|k| (k as f64, 2.0)).collect();
        let lines = draw(&losses(&[(1.0, 1.0), (100.0, 3.0)], &many), 100, (4, 40), "char", false);
        let row = lines[1..].iter().find(|line| line.contains('o')).unwrap();
        assert!(row.ends_with('o') && row.matches('o').count() == 9, "{row}");
    }

    #[test]
    fn small_terminals_have_none() {
        assert_eq!((size_in((11, 80)), size_in((24, 29))), (None, None));
        assert_eq!(
            (size_in((12, 30)), size_in((24, 80)), size_in((60, 300))),
            (Some((4, 29)), Some((8, 79)), Some((8, 100)))
        );
    }

    #[test]
    fn what_a_bad_step_took_back_is_removed() {
        let mut some = losses(&[(1.0, 2.0), (2.0, 3.0)], &[(2.0, 3.0)]);
        some.retain(1);
        assert_eq!((some.training.len(), some.validation.len(), some.last()), (1, 0, 1));
    }
}
