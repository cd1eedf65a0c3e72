//! Draws curves over two axes: title, legend between title and plot so that it covers no data, grid at the ticks, curves. Not
//! here: the places of ticks (`ticks.rs`).

use super::{Anchor, Area, GRID, INK, LABEL, MARGIN, NAME, PALE, Svg, TITLE, length_of};
use crate::ticks::Tick;

/// An axis.
pub struct Axis {
    pub name: String,
    pub low: f64,
    pub high: f64,
    pub is_log: bool,
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// The share of the axis below a value.
    fn share(&self, value: f64) -> f64 {
        match self.is_log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }
}

/// What a curve looks like.
#[derive(Clone, Copy, PartialEq)]
pub enum Stroke {
    Plain,
    Dotted,
    Dashed,
    /// The points alone.
    Dots,
    /// The area that the points surround.
    Band,
}

/// Radius of a point that stands alone, in pixels.
const DOT: f64 = 2.5;

/// A curve, or an area.
pub struct Curve {
    /// In the legend; a curve without a name is not in it.
    pub name: String,
    pub colour: &'static str,
    pub stroke: Stroke,
    pub points: Vec<(f64, f64)>,
}

/// A picture of curves.
pub struct Chart {
    pub title: String,
    /// Size of the title.
    pub size: f64,
    pub x: Axis,
    pub y: Axis,
    pub curves: Vec<Curve>,
}

/// The whole file with one chart of some height.
pub fn alone(chart: &Chart, height: f64) -> String {
    let mut svg = Svg::default();
    chart.draw(&mut svg, Area { x: 0.0, y: 0.0, width: super::WIDTH, height });
    svg.finish(super::WIDTH, height)
}

impl Chart {
    /// Draws into an area, all of which is used.
    pub fn draw(&self, svg: &mut Svg, area: Area) {
        let named: Vec<&Curve> =
            self.curves.iter().filter(|curve| !curve.name.is_empty() && !curve.points.is_empty()).collect();
        let labels = self.y.ticks.iter().map(|tick| length_of(&tick.label, LABEL)).fold(0.0, f64::max);
        let left = area.x + MARGIN + 1.7 * NAME + labels + 6.0;
        let right = area.x + area.width - MARGIN - 12.0;
        let head = Area { x: left, y: area.y + MARGIN, width: right - left, height: 0.0 };
        let mut top = head.y + svg.title(head, self.size, INK, &self.title);
        if named.len() > 1 || named.iter().any(|curve| curve.name != self.title) {
            top = legend(svg, &named, Area { y: top, ..head });
        }
        let bottom =
            area.y + area.height - MARGIN - if self.x.name.is_empty() { 0.0 } else { 1.6 * NAME } - 1.6 * LABEL;
        let plot = Area { x: left, y: top + 10.0, width: right - left, height: bottom - top - 10.0 };
        self.axes(svg, area, plot);
        for curve in &self.curves {
            self.curve(svg, plot, curve);
        }
    }

    fn place(&self, plot: Area, (x, y): (f64, f64)) -> (f64, f64) {
        (plot.x + self.x.share(x) * plot.width, plot.y + (1.0 - self.y.share(y)) * plot.height)
    }

    fn axes(&self, svg: &mut Svg, area: Area, plot: Area) {
        let (right, bottom) = (plot.x + plot.width, plot.y + plot.height);
        for tick in &self.y.ticks {
            let y = plot.y + (1.0 - self.y.share(tick.at)) * plot.height;
            svg.line(&[(plot.x, y), (right, y)], GRID, 1.0, None);
            svg.text((plot.x - 7.0, y + 0.35 * LABEL), LABEL, Anchor::End, INK, 0.0, &tick.label);
        }
        let mut free = f64::MIN;
        for tick in &self.x.ticks {
            let x = plot.x + self.x.share(tick.at) * plot.width;
            svg.line(&[(x, plot.y), (x, bottom)], GRID, 1.0, None);
            let reach = length_of(&tick.label, LABEL) / 2.0;
            let middle = x.min(area.x + area.width - 3.0 - reach);
            if middle - reach >= free {
                svg.text((middle, bottom + 1.4 * LABEL), LABEL, Anchor::Middle, INK, 0.0, &tick.label);
                free = middle + reach + 6.0;
            }
        }
        svg.line(&[(plot.x, plot.y), (plot.x, bottom), (right, bottom)], "#888888", 1.0, None);
        let middle = (plot.x + plot.width / 2.0, area.y + area.height - MARGIN + 2.0);
        svg.text(middle, NAME, Anchor::Middle, PALE, 0.0, &self.x.name);
        let side = (area.x + MARGIN + 0.8 * NAME, plot.y + plot.height / 2.0);
        svg.text(side, NAME, Anchor::Middle, PALE, -90.0, &self.y.name);
    }

    fn curve(&self, svg: &mut Svg, plot: Area, curve: &Curve) {
        let points: Vec<(f64, f64)> = curve.points.iter().map(|&point| self.place(plot, point)).collect();
        if points.is_empty() {
            return;
        }
        match curve.stroke {
            Stroke::Band => svg.polygon(&points, curve.colour, 0.22),
            Stroke::Dashed => svg.line(&points, curve.colour, 2.0, Some("6 4")),
            Stroke::Plain | Stroke::Dotted => svg.line(&points, curve.colour, 2.0, None),
            Stroke::Dots => points.iter().for_each(|&point| svg.dot(point, DOT, curve.colour)),
        }
        if curve.stroke == Stroke::Dotted || (points.len() == 1 && curve.stroke != Stroke::Dots) {
            points.iter().for_each(|&point| svg.dot(point, 3.0, curve.colour));
        }
    }
}

/// The names of the curves in rows below `area.y`; returns the end of the last.
fn legend(svg: &mut Svg, curves: &[&Curve], area: Area) -> f64 {
    let (mut x, mut y) = (area.x, area.y + 1.3 * LABEL);
    for curve in curves {
        let width = 32.0 + length_of(&curve.name, LABEL) + 12.0;
        if x > area.x && x + width > area.x + area.width {
            (x, y) = (area.x, y + 1.5 * LABEL);
        }
        let middle = y - 0.35 * LABEL;
        let ends = [(x, middle), (x + 26.0, middle)];
        match curve.stroke {
            Stroke::Band => {
                let (low, high) = (middle - 5.0, middle + 5.0);
                svg.polygon(&[(x, low), (x + 26.0, low), (x + 26.0, high), (x, high)], curve.colour, 0.22);
            }
            Stroke::Dashed => svg.line(&ends, curve.colour, 2.0, Some("6 4")),
            Stroke::Plain | Stroke::Dotted => svg.line(&ends, curve.colour, 2.0, None),
            Stroke::Dots => svg.dot((x + 13.0, middle), DOT, curve.colour),
        }
        if curve.stroke == Stroke::Dotted {
            svg.dot((x + 13.0, middle), 3.0, curve.colour);
        }
        svg.text((x + 32.0, y), LABEL, Anchor::Start, INK, 0.0, &curve.name);
        x += width;
    }
    y + 0.4 * LABEL
}

/// The size of a title that stands alone on a page.
pub const LARGE: f64 = TITLE;
/// Size of the title of one of several charts.
pub const SMALL: f64 = NAME;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticks::{linear, logarithmic};

    fn axis(low: f64, high: f64, is_log: bool) -> Axis {
        let ticks = if is_log { logarithmic(low, high, 6) } else { linear(low, high, 6) };
        Axis { name: "a name".into(), low, high, is_log, ticks }
    }

    #[test]
    fn curves_stand_at_their_values_and_the_legend_above_the_plot() {
        let curve = |name: &str, points: &[(f64, f64)]| Curve {
            name: name.into(),
            colour: super::super::BLUE,
            stroke: Stroke::Plain,
            points: points.to_vec(),
        };
        let (x, y) = (axis(0.0, 10.0, false), axis(1.0, 100.0, true));
        let curves = vec![curve("one", &[(0.0, 1.0), (5.0, 10.0), (10.0, 100.0)]), curve("two", &[])];
        let chart = Chart { title: "a title".into(), size: LARGE, x, y, curves };
        let svg = alone(&chart, 400.0);
        // A logarithmic middle is in the middle: the three points are on a straight line from corner to corner.
        let line =
            svg.lines().find(|line| line.contains("stroke=\"#1f77b4\"") && line.matches(',').count() == 3).unwrap();
        let places = line.split('"').nth(1).unwrap();
        let numbers: Vec<f64> = places.split([' ', ',']).map(|number| number.parse().unwrap()).collect();
        assert!((numbers[2] - (numbers[0] + numbers[4]) / 2.0).abs() < 0.2, "{places}");
        assert!((numbers[3] - (numbers[1] + numbers[5]) / 2.0).abs() < 0.2, "{places}");
        let y_of = |words: &str| -> f64 {
            let line = svg.lines().find(|line| line.contains(words)).unwrap();
            line.split("y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        assert!(y_of(">a title<") < y_of(">one<") && y_of(">one<") < numbers[5], "{svg}");
        assert!(!svg.contains(">two<"));
    }
}
