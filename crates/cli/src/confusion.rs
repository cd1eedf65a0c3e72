//! Prints and draws a confusion matrix. Not here: computing its figures; the library does.

use std::fmt::Write as _;
use std::path::Path;

use elman::files::atomic_file::write_atomic;
use elman::metrics::Confusion;

/// Largest number of classes whose table fits a terminal.
const MOST_IN_LINES: usize = 24;
/// Side of a cell of the picture, in pixels.
const CELL: usize = 30;

/// A row for each true class with precision, recall and F1, and the counts if there are at most `MOST_IN_LINES` classes.
pub fn lines(confusion: &Confusion, classes: &[String]) -> String {
    let width = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(9);
    let is_small = classes.len() <= MOST_IN_LINES;
    let digits = (0..classes.len()).flat_map(|t| (0..classes.len()).map(move |p| (t, p)));
    let digits = digits.map(|(t, p)| confusion.count(t, p).to_string().len()).max().unwrap_or(1).max(3);
    let mut out = format!("{:width$}  precision  recall      F1", "true class");
    if is_small {
        out += "  predicted as";
        let _ = write!(out, "\n{:width$}  {:25}", "", "");
        classes.iter().for_each(|class| {
            let short: String = class.chars().take(digits).collect();
            let _ = write!(out, " {short:>digits$}");
        });
    }
    for (truth, class) in classes.iter().enumerate() {
        let figures = confusion.class(truth);
        let _ = write!(out, "\n{class:width$}  {:9.3} {:7.3} {:7.3}", figures.precision, figures.recall, figures.f1);
        if is_small {
            (0..classes.len()).for_each(|predicted| {
                let _ = write!(out, " {:>digits$}", confusion.count(truth, predicted));
            });
        }
    }
    out
}

/// Draws the counts into the file `picture`; the shade is the share of the row. Errors: it cannot be written.
pub fn draw(confusion: &Confusion, classes: &[String], title: &str, picture: &Path) -> anyhow::Result<()> {
    Ok(write_atomic(picture, svg(confusion, classes, title).as_bytes())?)
}

fn svg(confusion: &Confusion, classes: &[String], title: &str) -> String {
    let longest = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).min(24);
    let (left, top) = (30 + 8 * longest, 60 + 7 * longest);
    let side = CELL * classes.len();
    let (width, height) = ((left + side + 20).max(360), top + side + 20);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"12\" y=\"24\" font-size=\"16\">{}</text>\n\
         <text x=\"12\" y=\"44\" fill=\"#555\">rows: true class, columns: predicted; shade: share of the row</text>\n",
        escaped(title)
    );
    for (truth, class) in classes.iter().enumerate() {
        let name: String = escaped(&class.chars().take(24).collect::<String>());
        let (x, y) = (left + truth * CELL + CELL / 2 + 4, top - 6);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" transform=\"rotate(-60 {x} {y})\">{name}</text>");
        let y = top + truth * CELL + CELL / 2 + 4;
        let _ = writeln!(out, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{name}</text>", left - 6);
        let all = confusion.class(truth).examples.max(1) as f64;
        for predicted in 0..classes.len() {
            let count = confusion.count(truth, predicted);
            let share = count as f64 / all;
            let (x, y) = (left + predicted * CELL, top + truth * CELL);
            let shade = |full: f64| (255.0 - share * (255.0 - full)).round() as u8;
            let [r, g, b] = [0x1f, 0x77, 0xb4].map(|full| shade(f64::from(full)));
            let _ = write!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"#{r:02x}{g:02x}{b:02x}\" stroke=\"#ddd\"/>"
            );
            if count > 0 {
                let ink = if share > 0.6 { "white" } else { "black" };
                let (x, y) = (x + CELL / 2, y + CELL / 2 + 4);
                let _ = write!(
                    out,
                    "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{ink}\">{count}</text>"
                );
            }
            out.push('\n');
        }
    }
    out + "</svg>\n"
}

/// The text with the characters escaped that are special in SVG.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_in_both_forms() {
        let mut confusion = Confusion::new(2);
        [(0, 0), (0, 1), (1, 1), (0, 0)].iter().for_each(|&(truth, guess)| confusion.add(truth, guess));
        let classes = ["a<b".to_string(), "Welsh".to_string()];
        let lines = lines(&confusion, &classes);
        assert!(lines.contains("a<b            1.000   0.667   0.800   2   1"), "{lines}");
        let svg = svg(&confusion, &classes, "x & y");
        assert!(svg.contains("a&lt;b") && svg.contains("x &amp; y") && svg.contains(">2</text>"));
        // Shades of a share of 1 (second row) and of 2/3 (first row).
        assert!(svg.contains("fill=\"#1f77b4\"") && svg.contains("fill=\"#6aa4cd\""), "{svg}");
    }
}
