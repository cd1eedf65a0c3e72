//! Draws the attention weights of a translation: a row for each written token, a column for each read token. Not here: the
//! weights themselves; the library computes them.

use std::fmt::Write as _;
use std::path::Path;

use elman::files::atomic_file::write_atomic;
use elman::task::translate::Look;

use crate::confusion::escaped;

/// Pixels of a cell.
const CELL: usize = 32;

/// Draws the attention weights into the file `picture`. Errors: it cannot be written.
pub fn draw(look: &Look, picture: &Path) -> anyhow::Result<()> {
    Ok(write_atomic(picture, svg(look).as_bytes())?)
}

fn svg(look: &Look) -> String {
    let longest = |words: &[String]| words.iter().map(|word| word.chars().count()).max().unwrap_or(0);
    let (left, top) = (24 + 8 * longest(&look.written), 60 + 7 * longest(&look.read));
    let (width, height) = ((left + CELL * look.read.len() + 24).max(320), top + CELL * look.written.len() + 20);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"12\" y=\"24\" fill=\"#555\">each row: the attention weights of \
         a written word</text>\n"
    );
    for (at, word) in look.read.iter().enumerate() {
        let (x, y) = (left + at * CELL + CELL / 2 + 4, top - 8);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" transform=\"rotate(-60 {x} {y})\">{}</text>", escaped(word));
    }
    for (row, (word, weights)) in look.written.iter().zip(&look.weights).enumerate() {
        let y = top + row * CELL;
        let (x, middle) = (left - 8, y + CELL / 2 + 4);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{middle}\" text-anchor=\"end\">{}</text>", escaped(word));
        for (at, &weight) in weights.iter().enumerate() {
            let shade = |full: f64| (255.0 - weight * (255.0 - full)).round() as u8;
            let [r, g, b] = [0x1f, 0x77, 0xb4].map(|full| shade(f64::from(full)));
            let x = left + at * CELL;
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"#{r:02x}{g:02x}{b:02x}\" stroke=\"#ddd\">\
                 <title>{weight:.3}</title></rect>"
            );
        }
    }
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_has_its_cell() {
        let look = Look {
            read: vec!["a<b".into(), "go".into()],
            written: vec!["va".into(), "<eos>".into()],
            weights: vec![vec![1.0, 0.0], vec![0.25, 0.75]],
        };
        let svg = svg(&look);
        assert_eq!(svg.matches("<rect").count(), 5);
        assert!(svg.contains("a&lt;b") && svg.contains("&lt;eos&gt;") && svg.contains("<title>0.750</title>"));
        assert!(svg.contains("fill=\"#1f77b4\"") && svg.contains("fill=\"#ffffff\""));
    }
}
