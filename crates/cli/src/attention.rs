//! Draws the attention weights of a translation: a row for each written token, a column for each read token. Not here: the
//! weights themselves; the library computes them.

use std::path::Path;

use elman::files::atomic_file::write_atomic;
use elman::task::translate::Look;

use crate::picture::grid::Grid;

/// Draws the attention weights into the file `picture`. Errors: it cannot be written.
pub fn draw(look: &Look, picture: &Path) -> anyhow::Result<()> {
    Ok(write_atomic(picture, svg(look).as_bytes())?)
}

fn svg(look: &Look) -> String {
    let cell = |row: usize, column: usize| {
        let weight = look.weights[row].get(column).copied().unwrap_or(0.0);
        (weight, String::new(), format!("{weight:.3}"))
    };
    let about =
        "rows: words that are written; columns: words that are read; shade: weight, 0 to 1, the sum of a row is 1";
    Grid { title: "Attention weights", about, rows: &look.written, columns: &look.read, cell: &cell }.svg()
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
