//! Draws pictures as SVG: shapes and text of one style, on a white page of a fixed width, so that they read the same on a light
//! and on a dark page. Not here: charts (`picture/chart.rs`), grids of shades (`picture/grid.rs`), what is drawn.

pub mod chart;
pub mod grid;

use std::fmt::Write as _;

use crate::wrap::{paragraphs, width_of};

/// Width of a page in pixels, at which text has its size.
pub const WIDTH: f64 = 840.0;
/// Space around a page.
pub const MARGIN: f64 = 14.0;
/// Sizes of text in pixels.
pub const TITLE: f64 = 18.0;
pub const NAME: f64 = 14.0;
pub const LABEL: f64 = 13.0;

pub const INK: &str = "#222222";
pub const PALE: &str = "#555555";
pub const GRID: &str = "#e0e0e0";
pub const BLUE: &str = "#1f77b4";
pub const ORANGE: &str = "#d65f00";
/// Colours of several curves, which colour-blind readers can tell apart.
pub const COLOURS: [&str; 5] = [BLUE, ORANGE, "#2c8c4a", "#7b4fa3", "#555555"];

/// Which part of a text stands at its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

/// A rectangle in pixels.
#[derive(Clone, Copy)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// The shapes of a picture.
#[derive(Default)]
pub struct Svg {
    body: String,
}

impl Svg {
    /// A text; `turn` is in degrees, clockwise.
    pub fn text(&mut self, (x, y): (f64, f64), size: f64, anchor: Anchor, colour: &str, turn: f64, words: &str) {
        let turned =
            if turn == 0.0 { String::new() } else { format!(" transform=\"rotate({turn} {} {})\"", px(x), px(y)) };
        let _ = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"{}\" fill=\"{colour}\"{turned}>{}</text>",
            px(x),
            px(y),
            anchor.name(),
            escaped(words)
        );
    }

    /// A filled rectangle; `hint` is shown where the pointer rests.
    pub fn rect(&mut self, area: Area, fill: &str, hint: Option<&str>) {
        let Area { x, y, width, height } = area;
        let shape = format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"",
            px(x),
            px(y),
            px(width),
            px(height)
        );
        let _ = match hint {
            Some(hint) => writeln!(self.body, "{shape} stroke=\"#dddddd\"><title>{}</title></rect>", escaped(hint)),
            None => writeln!(self.body, "{shape}/>"),
        };
    }

    /// A line through points; `dash` is the pattern of a broken one.
    pub fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64, dash: Option<&str>) {
        let dash = dash.map_or(String::new(), |dash| format!(" stroke-dasharray=\"{dash}\""));
        let points = places(points);
        let _ = writeln!(
            self.body,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"{dash}/>"
        );
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: &[(f64, f64)], fill: &str, opacity: f64) {
        let _ =
            writeln!(self.body, "<polygon points=\"{}\" fill=\"{fill}\" fill-opacity=\"{opacity}\"/>", places(points));
    }

    /// A dot.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, fill: &str) {
        let _ = writeln!(self.body, "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\" fill=\"{fill}\"/>", px(x), px(y));
    }

    /// A title in as many lines as it takes, from the left; returns the height of the lines.
    pub fn title(&mut self, area: Area, size: f64, colour: &str, words: &str) -> f64 {
        let lines = lines_of(words, size, area.width);
        for (at, line) in lines.iter().enumerate() {
            let y = area.y + size * (1.0 + 1.3 * at as f64);
            self.text((area.x, y), size, Anchor::Start, colour, 0.0, line);
        }
        height_of(words, size, area.width)
    }

    /// The whole file, on a white page.
    pub fn finish(self, width: f64, height: f64) -> String {
        let (width, height) = (px(width.ceil()), px(height.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

fn lines_of(words: &str, size: f64, width: f64) -> Vec<String> {
    if words.is_empty() { Vec::new() } else { paragraphs(words, ((width / (0.62 * size)) as usize).max(8)) }
}

/// The height of a title.
pub fn height_of(words: &str, size: f64, width: f64) -> f64 {
    1.3 * size * lines_of(words, size, width).len() as f64
}

/// At least the width of a text in pixels, in a wide font.
pub fn length_of(words: &str, size: f64) -> f64 {
    0.62 * size * width_of(words) as f64
}

/// A text of at most `most` characters: of a longer one the beginning and the end.
pub fn cut(words: &str, most: usize) -> String {
    let (count, first) = (words.chars().count(), (most - 1) * 2 / 3);
    match count {
        count if count <= most => words.to_string(),
        _ => words.chars().take(first).chain(['…']).chain(words.chars().skip(count - (most - 1 - first))).collect(),
    }
}

/// A colour between white and `BLUE`: the full one for 1.
pub fn shade(share: f64) -> String {
    let of = |full: f64| (255.0 - share.clamp(0.0, 1.0) * (255.0 - full)).round() as u8;
    let [r, g, b] = [0x1f, 0x77, 0xb4].map(|full| of(f64::from(full)));
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A number of pixels with at most one digit after the point.
fn px(x: f64) -> String {
    let rounded = (x * 10.0).round() / 10.0;
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

fn places(points: &[(f64, f64)]) -> String {
    points.iter().map(|&(x, y)| format!("{},{}", px(x), px(y))).collect::<Vec<_>>().join(" ")
}

/// The text with the characters escaped that are special in SVG, and without those that XML refuses.
fn escaped(text: &str) -> String {
    let allowed: String = text.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    allowed.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_titles_take_lines() {
        let mut svg = Svg::default();
        svg.text((1.0, 2.25), 13.0, Anchor::Middle, INK, -90.0, "a<b & \"c\"\x07");
        let area = Area { x: 0.0, y: 0.0, width: 200.0, height: 0.0 };
        let height = svg.title(area, 18.0, INK, "the attention weights of a written word");
        assert_eq!(height, 1.3 * 18.0 * 3.0);
        let svg = svg.finish(10.0, 20.5);
        assert!(svg.contains("<text x=\"1\" y=\"2.3\"") && svg.contains("rotate(-90 1 2.3)"), "{svg}");
        assert!(svg.contains("a&lt;b &amp; &quot;c&quot;·") && svg.contains("height=\"21\""), "{svg}");
    }

    #[test]
    fn shades_and_cuts() {
        assert_eq!([shade(0.0), shade(1.0), shade(2.0 / 3.0)], ["#ffffff", "#1f77b4", "#6aa4cd"]);
        assert_eq!((cut("abcdef", 6), cut("abcdef", 4)), ("abcdef".to_string(), "ab…f".to_string()));
    }
}
