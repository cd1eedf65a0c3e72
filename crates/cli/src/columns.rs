//! A table of text: in columns if the width allows it; else under headings made of its first columns; else each row in several
//! lines of `name value`. No cell is cut. Not here: the width of the terminal (`terminal.rs`).

use std::borrow::Cow;

use crate::wrap::{indented, width_of};

/// A column.
#[derive(Clone)]
pub struct Column {
    name: Cow<'static, str>,
    /// The name where the table would otherwise be too wide.
    short: Cow<'static, str>,
    is_right: bool,
}

/// A column of words.
pub const fn words(name: &'static str) -> Column {
    Column { name: Cow::Borrowed(name), short: Cow::Borrowed(name), is_right: false }
}

/// A column of numbers, on the right.
pub const fn number(name: &'static str) -> Column {
    Column { name: Cow::Borrowed(name), short: Cow::Borrowed(name), is_right: true }
}

impl Column {
    /// A column whose name is known only now.
    pub fn of(name: String, is_right: bool) -> Column {
        Column { short: name.clone().into(), name: name.into(), is_right }
    }

    /// The same with a shorter name for narrow terminals.
    pub fn or(self, short: &'static str) -> Column {
        Column { short: Cow::Borrowed(short), ..self }
    }
}

/// How a table is laid out.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// All columns side by side.
    Whole,
    /// The first columns as a heading, the others below it, side by side.
    Headed,
    /// `name value` below the heading.
    Listed,
}

/// A layout for rows that may not be known yet.
pub struct Layout {
    columns: Vec<Column>,
    keys: usize,
    form: Form,
    is_short: bool,
    /// Spaces between two columns.
    gap: usize,
    widths: Vec<usize>,
    width: Option<usize>,
    heading: Option<String>,
}

impl Layout {
    /// Chooses the form. The first `keys` columns say what a row is about; `widths` are the widest cells; `width` is that of the
    /// terminal, if there is one.
    pub fn new(columns: &[Column], keys: usize, widths: &[usize], width: Option<usize>) -> Layout {
        let of = |is_short: bool| -> Vec<usize> {
            let name = |column: &Column| width_of(if is_short { &column.short } else { &column.name });
            columns.iter().zip(widths).map(|(column, &width)| width.max(name(column))).collect()
        };
        let all =
            |widths: &[usize], gap: usize| widths.iter().map(|width| width + gap).sum::<usize>().saturating_sub(gap);
        let fits = |columns: usize| width.is_none_or(|width| columns <= width);
        let (whole, headed) = (Form::Whole, Form::Headed);
        let forms = [(whole, false, 2), (whole, true, 2), (headed, false, 2), (headed, true, 2), (headed, true, 1)];
        let found = forms.into_iter().find(|&(form, is_short, gap)| match form {
            Form::Whole => fits(all(&of(is_short), gap)),
            _ => keys < columns.len() && fits(2 + all(&of(is_short)[keys..], gap)),
        });
        let (form, is_short, gap) = found.unwrap_or((Form::Listed, false, 2));
        let (columns, widths) = (columns.to_vec(), of(is_short));
        Layout { columns, keys, form, is_short, gap, widths, width, heading: None }
    }

    fn name(&self, at: usize) -> &str {
        if self.is_short { &self.columns[at].short } else { &self.columns[at].name }
    }

    /// The columns from `from` on, side by side.
    fn side_by_side(&self, from: usize, cells: &[String]) -> String {
        let mut line = " ".repeat(if from > 0 { 2 } else { 0 });
        for (at, cell) in cells.iter().enumerate().skip(from) {
            let blank = " ".repeat(self.widths[at].saturating_sub(width_of(cell)));
            line += &if self.columns[at].is_right { format!("{blank}{cell}") } else { format!("{cell}{blank}") };
            line += &" ".repeat(self.gap);
        }
        line.trim_end().to_string()
    }

    /// The heading of a row.
    fn heading(cells: &[String]) -> String {
        cells.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join(", ")
    }

    /// The names of the columns; nothing where each row repeats them.
    pub fn head(&self) -> Option<String> {
        let names: Vec<String> = (0..self.columns.len()).map(|at| self.name(at).to_string()).collect();
        match self.form {
            Form::Whole => Some(self.side_by_side(0, &names)),
            Form::Headed => {
                Some(format!("{}\n{}", Layout::heading(&names[..self.keys]), self.side_by_side(self.keys, &names)))
            }
            Form::Listed => None,
        }
    }

    /// A row, in one line or in several.
    pub fn row(&mut self, cells: &[String]) -> String {
        if self.form == Form::Whole {
            return self.side_by_side(0, cells);
        }
        let heading = Layout::heading(&cells[..self.keys]);
        let is_new = self.heading.as_ref() != Some(&heading);
        let body = match self.form {
            Form::Listed => {
                let named = cells.iter().enumerate().skip(self.keys).filter(|(_, cell)| !cell.is_empty());
                format!(
                    "  {}",
                    named.map(|(at, cell)| format!("{} {cell}", self.name(at))).collect::<Vec<_>>().join("  ")
                )
            }
            _ => self.side_by_side(self.keys, cells),
        };
        let fit = |line: &str| self.width.map_or(line.to_string(), |width| indented(line, width, 4));
        let lines = if is_new { format!("{}\n{}", fit(&heading), fit(&body)) } else { fit(&body) };
        self.heading = Some(heading);
        lines
    }
}

/// A table whose rows are known. `indent` columns are left free before each line.
pub fn table(
    columns: &[Column],
    keys: usize,
    rows: &[Vec<String>],
    width: Option<usize>,
    indent: usize,
) -> Vec<String> {
    let widest = |at: usize| rows.iter().map(|row| width_of(&row[at])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let mut layout = Layout::new(columns, keys, &widths, width.map(|width| width.saturating_sub(indent)));
    let mut lines: Vec<String> = layout.head().into_iter().collect();
    lines.extend(rows.iter().map(|row| layout.row(row)));
    let space = " ".repeat(indent);
    lines.iter().flat_map(|line| line.split('\n')).map(|line| format!("{space}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> [Column; 4] {
        [words("cell"), words("network"), number("worst relative error").or("worst"), number("pass")]
    }

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_string).to_vec();
        vec![row(["lstm", "language model", "1.2e-9", "12"]), row(["lstm", "language model", "3.0e-10", "8"])]
    }

    #[test]
    fn what_is_too_wide_gets_short_names_then_headings_then_lists() {
        let of = |width| table(&columns(), 2, &rows(), width, 0);
        assert_eq!(
            of(None),
            [
                "cell  network         worst relative error  pass",
                "lstm  language model                1.2e-9    12",
                "lstm  language model               3.0e-10     8",
            ]
        );
        assert_eq!(of(Some(48)), of(None));
        assert_eq!(of(Some(47))[0], "cell  network           worst  pass");
        assert_eq!(
            of(Some(34)),
            [
                "cell, network",
                "  worst relative error  pass",
                "lstm, language model",
                "                1.2e-9    12",
                "               3.0e-10     8"
            ]
        );
        assert_eq!((&of(Some(15))[1], &of(Some(14))[1]), (&"    worst  pass".into(), &"    worst pass".into()));
        assert_eq!(
            of(Some(13)),
            [
                "lstm,",
                "    language",
                "    model",
                "  worst",
                "    relative",
                "    error",
                "    1.2e-9",
                "    pass 12",
                "  worst",
                "    relative",
                "    error",
                "    3.0e-10",
                "    pass 8"
            ]
        );
    }

    #[test]
    fn an_indent_takes_its_columns() {
        assert_eq!(table(&columns(), 2, &rows(), Some(50), 2)[1], "  lstm  language model                1.2e-9    12");
        assert_eq!(table(&columns(), 2, &rows(), Some(49), 2)[0], "  cell  network           worst  pass");
    }
}
