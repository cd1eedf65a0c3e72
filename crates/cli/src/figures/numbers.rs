//! The figures of predicted numbers and of labels, and the picture of predictions against the true numbers. Not here: computing
//! them; the library does.

use std::path::Path;

use elman::files::atomic_file::write_atomic;
use elman::metrics::regression::{RegressionErrors, RegressionFigures};
use elman::task::numbers::{Figures, FiguresKind};
use serde::Serialize;

use super::Form;
use crate::columns::{self, number, words};
use crate::picture::chart::{Axis, Chart, Curve, LARGE, SMALL, Stroke};
use crate::picture::{Area, BLUE, INK, MARGIN, Svg, WIDTH};
use crate::terminal::grouped;
use crate::ticks::linear;

/// Points of the picture at most; of more, evenly chosen ones are drawn.
const MOST_POINTS: usize = 2000;
/// Height of a panel that has the page for itself, and of one of several, in pixels.
const ALONE: f64 = 560.0;
const SMALL_PANEL: f64 = 330.0;
/// Panels of the picture at most.
const MOST_PANELS: usize = 16;

/// The figures of numbers or labels in a JSON object.
#[derive(Serialize, Default)]
pub struct Json {
    /// Numbers that count.
    count: Option<usize>,
    mae: Option<f64>,
    rmse: Option<f64>,
    r2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f64>,
    /// The figures of each column, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<OfColumn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    micro_f1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    macro_f1: Option<f64>,
    /// Nats of all labels of a row together.
    #[serde(skip_serializing_if = "Option::is_none")]
    nll: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<OfLabel>,
}

#[derive(Serialize)]
struct OfColumn {
    column: String,
    #[serde(flatten)]
    figures: Option<RegressionFigures>,
}

#[derive(Serialize)]
struct OfLabel {
    label: String,
    threshold: f64,
    f1: f64,
    there: u64,
}

/// Lines and figures; `names` are the columns, `of` says what they are figures of.
pub fn figures(figures: &Figures, names: &[String], of: &str, form: Form) -> (Vec<String>, Json) {
    match &figures.kind {
        FiguresKind::Numbers(errors) => of_numbers(errors, names, (of, figures.count), form),
        FiguresKind::Labels { figures: labels, rows, thresholds } => {
            let nll = figures.loss * figures.count as f64 / (*rows).max(1) as f64;
            let head = [words("label"), number("threshold"), number("F1"), number("there")];
            let each = names.iter().zip(thresholds).zip(labels.f1.iter().zip(&labels.there));
            let all: Vec<OfLabel> = each
                .map(|((label, &threshold), (&f1, &there))| OfLabel { label: label.clone(), threshold, f1, there })
                .collect();
            let row = |of: &OfLabel| {
                vec![of.label.clone(), format!("{:.3}", of.threshold), format!("{:.4}", of.f1), grouped(of.there)]
            };
            let mut lines = vec![String::new()];
            lines.extend(columns::table(&head, 1, &all.iter().map(row).collect::<Vec<_>>(), form.width, 2));
            lines.extend([
                String::new(),
                (form.line)("micro F1", &format!("{:.4} of {of}", labels.micro_f1)),
                (form.line)("macro F1", &format!("{:.4}", labels.macro_f1)),
                (form.line)("NLL", &format!("{nll:.4} nats for all labels of a row")),
            ]);
            let json = Json {
                count: Some(figures.count),
                micro_f1: Some(labels.micro_f1),
                macro_f1: Some(labels.macro_f1),
                nll: Some(nll),
                labels: all,
                ..Json::default()
            };
            (lines, json)
        }
    }
}

fn of_numbers(
    errors: &RegressionErrors,
    names: &[String],
    (of, count): (&str, usize),
    form: Form,
) -> (Vec<String>, Json) {
    let (each, all) = (errors.each(), errors.all());
    let r2 = |r2: Option<f64>| r2.map_or("-".to_string(), |r2| format!("{r2:.4}"));
    let mut lines = vec![String::new()];
    if names.len() > 1 {
        let head = [words("column"), number("MAE"), number("RMSE"), number("R2")];
        let row = |(name, figures): (&String, &Option<RegressionFigures>)| {
            let cells = figures.map(|f| [significant(f.mae), significant(f.rmse), r2(f.r2)]);
            let cells = cells.unwrap_or_else(|| std::array::from_fn(|_| "-".to_string()));
            std::iter::once(name.clone()).chain(cells).collect::<Vec<String>>()
        };
        let rows: Vec<Vec<String>> = names.iter().zip(&each).map(row).collect();
        lines.extend(columns::table(&head, 1, &rows, form.width, 2));
        lines.push(String::new());
    }
    if let Some(all) = all {
        let mean = if names.len() > 1 { ", the mean of the columns" } else { "" };
        lines.extend([
            (form.line)("MAE", &format!("{} of {of}{mean}", significant(all.mae))),
            (form.line)("RMSE", &format!("{}{mean}", significant(all.rmse))),
            (form.line)("R2", &r2(all.r2)),
        ]);
        if let Some(coverage) = all.coverage {
            let words = format!("{:.1} % from the lowest to the highest quantile", 100.0 * coverage);
            lines.push((form.line)("within", &words));
        }
    }
    let columns = names.iter().zip(each).map(|(name, figures)| OfColumn { column: name.clone(), figures }).collect();
    let json = Json {
        count: Some(count),
        mae: all.map(|all| all.mae),
        rmse: all.map(|all| all.rmse),
        r2: all.and_then(|all| all.r2),
        coverage: all.and_then(|all| all.coverage),
        columns,
        ..Json::default()
    };
    (lines, json)
}

/// A number with about five significant digits.
pub fn significant(x: f64) -> String {
    let digits = if x == 0.0 || !x.is_finite() { 0 } else { x.abs().log10().floor() as i32 };
    let after = (4 - digits).clamp(0, 12) as usize;
    format!("{x:.after$}")
}

/// Draws predictions over true numbers, a panel for each column. `pairs` has the true number and the prediction of each column of
/// a row; NaN is not drawn.
pub fn draw(names: &[String], pairs: &[Vec<(f64, f64)>], title: &str, picture: &Path) -> anyhow::Result<()> {
    Ok(write_atomic(picture, page(names, pairs, title).as_bytes())?)
}

/// The whole file: one panel, or several in two columns, below the title.
fn page(names: &[String], pairs: &[Vec<(f64, f64)>], title: &str) -> String {
    let mut svg = Svg::default();
    if let [only] = names {
        panel(&format!("{title}, {only}"), LARGE, pairs, 0)
            .draw(&mut svg, Area { x: 0.0, y: 0.0, width: WIDTH, height: ALONE });
        return svg.finish(WIDTH, ALONE);
    }
    let names = &names[..names.len().min(MOST_PANELS)];
    let head = Area { x: MARGIN, y: MARGIN, width: WIDTH - 2.0 * MARGIN, height: 0.0 };
    let top = MARGIN + svg.title(head, LARGE, INK, title);
    for (d, name) in names.iter().enumerate() {
        let (x, y) = ((d % 2) as f64 * WIDTH / 2.0, top + (d / 2) as f64 * SMALL_PANEL);
        panel(name, SMALL, pairs, d).draw(&mut svg, Area { x, y, width: WIDTH / 2.0, height: SMALL_PANEL });
    }
    svg.finish(WIDTH, top + names.len().div_ceil(2) as f64 * SMALL_PANEL)
}

/// The predictions of column `d`.
fn panel(title: &str, size: f64, pairs: &[Vec<(f64, f64)>], d: usize) -> Chart {
    let every = pairs.len().div_ceil(MOST_POINTS).max(1);
    let points = pairs.iter().step_by(every).map(|row| row[d]);
    let points: Vec<(f64, f64)> =
        points.filter(|(truth, predicted)| truth.is_finite() && predicted.is_finite()).collect();
    let numbers = points.iter().flat_map(|&(truth, predicted)| [truth, predicted]);
    let (low, high) = numbers.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), high.max(0.0) + 1.0) };
    let margin = 0.03 * (high - low);
    let (low, high) = (low - margin, high + margin);
    let axis = |name: &str| Axis { name: name.into(), low, high, is_log: false, ticks: linear(low, high, 7) };
    let diagonal = vec![(low, low), (high, high)];
    let curves = vec![
        Curve { name: String::new(), colour: "#888888", stroke: Stroke::Dashed, points: diagonal },
        Curve { name: String::new(), colour: BLUE, stroke: Stroke::Dots, points },
    ];
    Chart { title: title.into(), size, x: axis("true number"), y: axis("prediction"), curves }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        let shown = [0.0, 0.012_345_67, 1.0, 123.456, 1_234_567.8].map(significant);
        assert_eq!(shown, ["0.0000", "0.012346", "1.0000", "123.46", "1234568"]);
    }

    #[test]
    fn a_point_stands_at_the_true_number_and_the_prediction() {
        let pairs = vec![vec![(0.0, 1.0)], vec![(f64::NAN, 1.0)], vec![(1.0, 0.0)], vec![(1.0, 1.0)]];
        let svg = page(&["y".to_string()], &pairs, "t");
        let of = |circle: &str, name: &str| -> f64 {
            circle.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        let dots: Vec<(f64, f64)> = svg
            .lines()
            .filter(|line| line.starts_with("<circle") && line.contains("r=\"2.5\""))
            .map(|c| (of(c, "cx"), of(c, "cy")))
            .collect();
        assert_eq!(dots.len(), 3, "a dot for each row that is known: {svg}");
        // Up and left, down and right, up and right.
        assert!(dots[0].0 < dots[1].0 && dots[0].1 < dots[1].1 && dots[2] == (dots[1].0, dots[0].1), "{dots:?}");
        let several = page(&["y".to_string(), "z".to_string()], &[vec![(0.0, 1.0), (5.0, 6.0)]], "t");
        assert!(several.contains(">y<") && several.contains(">z<") && several.matches("<circle").count() == 2);
    }
}
