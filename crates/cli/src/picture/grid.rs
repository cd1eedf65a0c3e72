//! Draws a table of shares as shaded cells with names at their rows and columns. Not here: computing the shares.

use super::{Anchor, Area, INK, LABEL, MARGIN, NAME, PALE, Svg, TITLE, WIDTH, cut, height_of, length_of, shade};

/// Smallest and largest side of a cell in pixels.
const CELL: (f64, f64) = (16.0, 40.0);
/// Smallest width of a page in pixels.
const NARROW: f64 = 520.0;
/// Most characters of a name.
const MOST: usize = 24;
/// The angle of the names of columns, degrees.
const TURN: f64 = -60.0;

/// A table of shares.
pub struct Grid<'a> {
    pub title: &'a str,
    /// What rows, columns and shades are.
    pub about: &'a str,
    pub rows: &'a [String],
    pub columns: &'a [String],
    /// For each row and column: its share, 0 to 1; what stands in the cell; the hint.
    pub cell: &'a dyn Fn(usize, usize) -> (f64, String, String),
}

impl Grid<'_> {
    /// The whole file.
    pub fn svg(&self) -> String {
        let names = |all: &[String]| -> Vec<String> { all.iter().map(|name| cut(name, MOST)).collect() };
        let (rows, columns) = (names(self.rows), names(self.columns));
        let longest = |all: &[String]| all.iter().map(|name| length_of(name, LABEL)).fold(0.0, f64::max);
        let left = MARGIN + longest(&rows) + 8.0;
        let (lean, rise) = (TURN.to_radians().cos(), -TURN.to_radians().sin());
        let (slant, right) = (longest(&columns) * rise + LABEL, MARGIN + longest(&columns) * lean);
        let share = (WIDTH - left - right) / columns.len().max(1) as f64;
        let side = share.clamp(CELL.0, CELL.1).floor();
        let width = (left + side * columns.len() as f64 + right).max(NARROW);
        let inner = width - 2.0 * MARGIN;
        let text = height_of(self.title, TITLE, inner) + height_of(self.about, NAME, inner);
        let top = MARGIN + text + 10.0 + slant;
        let mut svg = Svg::default();
        let head = Area { x: MARGIN, y: MARGIN, width: inner, height: 0.0 };
        let below = svg.title(head, TITLE, INK, self.title);
        svg.title(Area { y: MARGIN + below, ..head }, NAME, PALE, self.about);
        for (at, name) in columns.iter().enumerate() {
            let place = (left + (at as f64 + 0.5) * side + 0.3 * LABEL, top - 6.0);
            svg.text(place, LABEL, Anchor::Start, INK, TURN, name);
        }
        for (row, name) in rows.iter().enumerate() {
            let y = top + row as f64 * side;
            svg.text((left - 7.0, y + side / 2.0 + 0.35 * LABEL), LABEL, Anchor::End, INK, 0.0, name);
            for column in 0..columns.len() {
                let (share, words, hint) = (self.cell)(row, column);
                let x = left + column as f64 * side;
                svg.rect(Area { x, y, width: side, height: side }, &shade(share), Some(&hint));
                // A number too wide for its cell is in the hint.
                if !words.is_empty() && length_of(&words, 11.0) <= side {
                    let ink = if share > 0.6 { "#ffffff" } else { INK };
                    svg.text((x + side / 2.0, y + side / 2.0 + 4.0), 11.0, Anchor::Middle, ink, 0.0, &words);
                }
            }
        }
        svg.finish(width, top + side * rows.len() as f64 + MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_and_many_columns_stay_on_the_page() {
        for count in [1, 18, 60] {
            let names: Vec<String> = (0..count).map(|at| format!("a name that is rather long {at}")).collect();
            let cell = |row: usize, column: usize| (f64::from(row == column), "123".to_string(), String::new());
            let grid = Grid { title: "title", about: "about", rows: &names, columns: &names, cell: &cell };
            let svg = grid.svg();
            let number = |line: &str, name: &str| -> f64 {
                line.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let width = number(svg.lines().next().unwrap(), "width");
            assert!((NARROW..1400.0).contains(&width), "{width}");
            let cells: Vec<&str> = svg.lines().filter(|line| line.starts_with("<rect x")).collect();
            assert_eq!(cells.len(), count * count);
            assert!(
                cells.iter().all(|line| number(line, "x") + number(line, "width") < width && number(line, "x") > 160.0)
            );
        }
    }
}
