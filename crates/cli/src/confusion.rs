//! Prints and draws a confusion matrix. Not here: computing its figures; the library does.

use std::path::Path;

use elman::files::atomic_file::write_atomic;
use elman::metrics::Confusion;

use crate::columns::{self, number, words};
use crate::picture::grid::Grid;
use crate::wrap::width_of;

/// Largest number of classes whose table fits a terminal.
const MOST_IN_LINES: usize = 24;

/// A row for each true class with precision, recall and F1, and the counts if there are at most `MOST_IN_LINES` classes. `width` is
/// that of the terminal, if there is one: a table of counts that is too wide comes below, in blocks of columns.
pub fn lines(confusion: &Confusion, classes: &[String], width: Option<usize>) -> String {
    let count = |truth: usize, predicted: usize| confusion.count(truth, predicted).to_string();
    let of_row = |truth: usize| (0..classes.len()).map(move |predicted| count(truth, predicted));
    let digits = (0..classes.len()).flat_map(of_row).map(|count| count.len()).max().unwrap_or(1).max(3);
    let cut: Vec<String> = classes.iter().map(|class| class.chars().take(digits).collect()).collect();
    let differ = (1..cut.len()).all(|at| !cut[..at].contains(&cut[at]));
    // Where the beginnings of two names are equal, the columns have the numbers of the rows.
    let heads: Vec<String> = if differ { cut } else { (1..=classes.len()).map(|at| at.to_string()).collect() };
    let named = |at: usize| if differ { classes[at].clone() } else { format!("{} {}", at + 1, classes[at]) };
    let classes: &[String] = &(0..classes.len()).map(named).collect::<Vec<_>>();
    let name = classes.iter().map(|class| width_of(class)).max().unwrap_or(0).max(10);
    let figures = |truth: usize, class: &String| {
        let of = confusion.class(truth);
        let numbers = [of.precision, of.recall, of.f1].map(|x| format!("{x:.3}"));
        [class.clone()].into_iter().chain(numbers).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = classes.iter().enumerate().map(|(truth, class)| figures(truth, class)).collect();
    let columns = [words("true class"), number("precision"), number("recall"), number("F1")];
    if classes.len() > MOST_IN_LINES {
        return columns::table(&columns, 1, &rows, width, 0).join("\n");
    }
    let counts = |truth: usize, block: &[usize]| {
        block.iter().map(|&predicted| format!(" {:>digits$}", count(truth, predicted))).collect::<String>()
    };
    let names = |block: &[usize]| block.iter().map(|&at| format!(" {:>digits$}", heads[at])).collect::<String>();
    let (all, whole): (Vec<usize>, _) = ((0..classes.len()).collect(), columns::table(&columns, 1, &rows, None, 0));
    let left = width_of(&whole[0]);
    if width.is_none_or(|width| left + 2 + (digits + 1) * classes.len().max(3) <= width) {
        let mut lines = vec![format!("{}  predicted as", whole[0]), format!("{:left$} {}", "", names(&all))];
        let rows = whole[1..].iter().enumerate();
        lines.extend(rows.map(|(truth, row)| format!("{row:<left$} {}", counts(truth, &all))));
        return lines.join("\n");
    }
    let mut lines = columns::table(&columns, 1, &rows, width, 0);
    let (name, columns_left) = (name.min(width.unwrap_or(name) / 2), width.unwrap_or(usize::MAX));
    let block = (columns_left.saturating_sub(name) / (digits + 1)).max(1);
    for block in all.chunks(block) {
        lines.extend([String::new(), format!("{:<name$}{}", "predicted", names(block))]);
        lines.extend(classes.iter().enumerate().map(|(truth, class)| {
            let class: String = class.chars().take(name).collect();
            format!("{class:<name$}{}", counts(truth, block))
        }));
    }
    lines.join("\n")
}

/// Draws the counts into the file `picture`; the shade is the share of the row. Errors: it cannot be written.
pub fn draw(confusion: &Confusion, classes: &[String], title: &str, picture: &Path) -> anyhow::Result<()> {
    Ok(write_atomic(picture, svg(confusion, classes, title).as_bytes())?)
}

fn svg(confusion: &Confusion, classes: &[String], title: &str) -> String {
    let cell = |truth: usize, predicted: usize| {
        let (count, all) = (confusion.count(truth, predicted), confusion.class(truth).examples.max(1));
        let words = if count > 0 { count.to_string() } else { String::new() };
        (count as f64 / all as f64, words, format!("{} as {}: {count}", classes[truth], classes[predicted]))
    };
    let about = "rows: true class; columns: predicted class; shade: share of the row";
    Grid { title, about, rows: classes, columns: classes, cell: &cell }.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_in_both_forms() {
        let mut confusion = Confusion::new(2);
        [(0, 0), (0, 1), (1, 1), (0, 0)].iter().for_each(|&(truth, guess)| confusion.add(truth, guess));
        let classes = ["a<b".to_string(), "Welsh".to_string()];
        let lines = lines(&confusion, &classes, None);
        assert!(lines.contains("a<b             1.000   0.667  0.800    2   1"), "{lines}");
        assert!(lines.starts_with("true class  precision  recall     F1  predicted as\n"), "{lines}");
        let svg = svg(&confusion, &classes, "x & y");
        assert!(svg.contains("a&lt;b") && svg.contains("x &amp; y") && svg.contains(">2</text>"));
        // Shades of a share of 1 (second row) and of 2/3 (first row).
        assert!(svg.contains("fill=\"#1f77b4\"") && svg.contains("fill=\"#6aa4cd\""), "{svg}");
    }

    #[test]
    fn narrow_terminals_get_counts_in_blocks() {
        let classes: Vec<String> = (0..12).map(|at| format!("language-{at}")).collect();
        let mut confusion = Confusion::new(12);
        (0..12).for_each(|at| (0..1234).for_each(|_| confusion.add(at, 11 - at)));
        for width in [40, 80] {
            let lines = lines(&confusion, &classes, Some(width));
            assert!(lines.lines().all(|line| width_of(line) <= width), "{lines}");
            assert_eq!(lines.matches("1234").count(), 12, "{lines}");
            assert_eq!(lines.matches("predicted").count(), if width == 40 { 3 } else { 1 }, "{lines}");
        }
    }
}
