//! The lesson on vanishing gradients: the norm of d loss_t / d h_{t-k} over k, for an RNN, an LSTM and a GRU, untrained and
//! trained, checked against central differences. Not here: training; `runs.rs` does that.
//!
//! An LSTM carries two states, so both are measured: h with c held, and c with h held.

use std::path::Path;

use elman::autodiff::tape::Tape;
use elman::config::Cell;
use elman::files::atomic_file::write_atomic;
use elman::nn::state::State;
use elman::{Config, Corpus, Cpu, Error, LanguageModel};

use super::runs::{recipe, train};
use super::setting::Setting;
use super::table::Report;
use crate::picture::chart::{self, Axis, Chart, Stroke};
use crate::picture::{Area, COLOURS, Svg, WIDTH};
use crate::stream::Stream;
use crate::ticks::{linear, logarithmic};

const RECIPE: &str = include_str!("../../../../recipes/vanishing-gradient.toml");
/// Largest number of steps back.
const REACH: usize = 100;
/// Positions in the text over which a norm is averaged.
const ROWS: usize = 32;
/// A target that does not count.
const IGNORED: u32 = elman_kernels::softmax::IGNORED;

/// A curve: norms for k = 1, 2, ... `REACH`.
struct Curve {
    name: &'static str,
    norms: Vec<f64>,
}

pub fn run(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let corpus = Corpus::bundled();
    let base = recipe("vanishing-gradient", RECIPE)?;
    let mut panels: Vec<(&str, Vec<Curve>)> = vec![("untrained", Vec::new()), ("trained", Vec::new())];
    let mut worst: f64 = 0.0;
    for cell in [Cell::RNN_TANH, Cell::LSTM, Cell::GRU] {
        let config = Config { cell, ..base.clone() };
        let trainer = train(setting, &cell.name().to_uppercase(), &config, &corpus, |_, _| {})?;
        let windows = Windows::new(&trainer.vocab().encode(corpus.name(), corpus.text())?);
        for (panel, is_trained) in [(0, false), (1, true)] {
            let mut model: LanguageModel<f64> = LanguageModel::new(&config, trainer.vocab().len())?;
            if is_trained {
                copy(&trainer, &mut model)?;
            }
            let (curves, error) = measure(&setting.cpu, &model, &windows, cell)?;
            panels[panel].1.extend(curves);
            worst = worst.max(error);
        }
        setting.say(&format!("{} measured", cell.name().to_uppercase()));
    }
    rows(&panels, worst, report);
    write_picture(setting.picture, &draw(&panels))?;
    let width = Stream::Out.width().map_or(WIDEST, |width| width.saturating_sub(9).clamp(20, WIDEST));
    for (title, curves) in &panels {
        report.note(format!("{title}: norm of the gradient by k steps back"));
        plot(curves, width).into_iter().for_each(|line| report.note(line));
    }
    report.note(format!("picture  {}", setting.picture.display()));
    Ok(())
}

fn write_picture(path: &Path, svg: &str) -> Result<(), Error> {
    write_atomic(path, svg.as_bytes())
}

/// Copies the trained weights to f64, whose range holds the smallest gradients.
fn copy(trainer: &elman::Trainer, model: &mut LanguageModel<f64>) -> Result<(), Error> {
    let trained = trainer.model().params();
    for name in trained.names() {
        let values: Vec<f64> = trained.get(name).unwrap_or_default().into_iter().map(f64::from).collect();
        model.params_mut().set(name, &values)?;
    }
    Ok(())
}

/// `ROWS` positions of a text with the `REACH` tokens before each, time-major.
struct Windows {
    ids: Vec<u32>,
}

impl Windows {
    fn new(ids: &[u32]) -> Windows {
        let apart = (ids.len() - REACH - 1) / ROWS;
        let at = |t: usize, b: usize| ids[b * apart + t];
        Windows { ids: (0..=REACH).flat_map(|t| (0..ROWS).map(move |b| (t, b))).map(|(t, b)| at(t, b)).collect() }
    }

    /// Tokens from step `from` up to, not including, step `to`.
    fn steps(&self, from: usize, to: usize) -> &[u32] {
        &self.ids[from * ROWS..to * ROWS]
    }
}

/// The loss of the last prediction, `back` steps after `state`, averaged over the rows; with `wants`, also its gradients
/// with respect to each part of the state.
fn last_loss(
    tape: &mut Tape<f64>,
    model: &LanguageModel<f64>,
    windows: &Windows,
    state: &State<f64>,
    back: usize,
    wants: bool,
) -> Result<(f64, Vec<Vec<f64>>), Error> {
    let mut targets = vec![IGNORED; (back - 1) * ROWS];
    targets.extend_from_slice(windows.steps(REACH, REACH + 1));
    tape.start(wants);
    let before = state.to_tape(tape, wants);
    let (logits, _) = model.forward(tape, windows.steps(REACH - back, REACH), &before, None)?;
    let (loss, sum) = tape.cross_entropy(logits, &targets)?;
    if !wants {
        return Ok((sum / ROWS as f64, Vec::new()));
    }
    let mut grads = model.params().zeros_like();
    tape.backward(loss, model.params(), &mut grads)?;
    Ok((sum / ROWS as f64, before.into_iter().map(|part| tape.dense_grad(part)).collect()))
}

/// The curves of a model, one for each part of its state, and the largest relative error of a gradient, compared with central
/// differences in its own direction.
fn measure(cpu: &Cpu, model: &LanguageModel<f64>, windows: &Windows, cell: Cell) -> Result<(Vec<Curve>, f64), Error> {
    let names: &[&str] = match cell {
        Cell::LSTM => &["LSTM h", "LSTM c"],
        Cell::GRU => &["GRU h"],
        _ => &["RNN h"],
    };
    let (mut tape, mut worst) = (Tape::new(cpu), 0.0_f64);
    let mut curves: Vec<Curve> = names.iter().map(|&name| Curve { name, norms: Vec::new() }).collect();
    for back in 1..=REACH {
        let mut state = model.initial_state(ROWS);
        if back < REACH {
            let (inputs, targets) = (windows.steps(0, REACH - back), windows.steps(1, REACH - back + 1));
            model.loss_sum(&mut tape, inputs, targets, &mut state)?;
        }
        let (_, grads) = last_loss(&mut tape, model, windows, &state, back, true)?;
        for (part, (curve, grad)) in curves.iter_mut().zip(&grads).enumerate() {
            curve.norms.push(mean_norm(grad));
            if [1, 3, 6].contains(&back) {
                worst = worst.max(against_differences(&mut tape, model, windows, &state, (back, part), grad)?);
            }
        }
    }
    Ok((curves, worst))
}

/// The mean over the rows of the norm of the gradient of a row's own loss. `grad` is that of the mean loss, so each row has a
/// factor of 1/ROWS already.
fn mean_norm(grad: &[f64]) -> f64 {
    let rows = grad.chunks_exact(grad.len() / ROWS);
    rows.map(|row| row.iter().map(|g| g * g).sum::<f64>().sqrt()).sum()
}

/// The relative difference between the norm of a gradient and the slope of the loss in its direction.
fn against_differences(
    tape: &mut Tape<f64>,
    model: &LanguageModel<f64>,
    windows: &Windows,
    state: &State<f64>,
    (back, part): (usize, usize),
    grad: &[f64],
) -> Result<f64, Error> {
    let norm = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
    let (name, _, values) = state.tensors().swap_remove(part);
    let mut at = |distance: f64| {
        let moved: Vec<f64> = values.iter().zip(grad).map(|(x, g)| x + distance * g / norm).collect();
        let mut state = state.clone();
        state.set(&name, &moved)?;
        Ok::<f64, Error>(last_loss(tape, model, windows, &state, back, false)?.0)
    };
    let step = 1e-3;
    let (near, far) = (at(step)? - at(-step)?, at(2.0 * step)? - at(-2.0 * step)?);
    Ok(((8.0 * near - far) / (12.0 * step) / norm - 1.0).abs())
}

fn rows(panels: &[(&str, Vec<Curve>)], worst: f64, report: &mut Report) {
    let name = "gradients against differences along them, k = 1, 3, 6";
    report.check(name, "-", format!("{worst:.0e} apart"), "1e-5", worst <= 1e-5);
    for (title, curves) in panels {
        for curve in curves {
            let at = |k: usize| curve.norms[k - 1];
            let here = format!("{:.1e}, {:.1e}, {:.1e}, {:.1e}", at(1), at(10), at(50), at(100));
            report.told(format!("{}, {title}: k = 1, 10, 50, 100", curve.name), "described", here);
        }
    }
    let left = |panel: usize, curve: usize| panels[panel].1[curve].norms[49] / panels[panel].1[curve].norms[0];
    let (rnn, lstm, gru) = (left(1, 0), left(1, 2), left(1, 3));
    let says = "the RNN's vanishes, the LSTM's less";
    let name = "what is left at k = 50 of k = 1, trained: LSTM c over RNN h";
    report.check(name, says, format!("{:.1e} times", lstm / rnn), "more than 10 times", lstm > 10.0 * rnn);
    let name = "  GRU h over RNN h";
    report.check(name, says, format!("{:.1e} times", gru / rnn), "more than 10 times", gru > 10.0 * rnn);
    let fresh = left(0, 0);
    report.check("  RNN h, untrained", "vanishes", format!("{fresh:.1e}"), "below 1e-6", fresh < 1e-6);
}

/// Smaller norms are not drawn.
const FLOOR: f64 = 1e-16;
/// Height of a panel in pixels.
const PANEL: f64 = 330.0;
/// Widest plot in columns.
const WIDEST: usize = 60;

/// Both panels, one above the other, norms on a logarithmic axis.
fn draw(panels: &[(&str, Vec<Curve>)]) -> String {
    let mut svg = Svg::default();
    for (at, (title, curves)) in panels.iter().enumerate() {
        let reach = REACH as f64;
        let x =
            Axis { name: "k, steps back".into(), low: 0.0, high: reach, is_log: false, ticks: linear(0.0, reach, 11) };
        let name = "norm of the gradient".into();
        let y = Axis { name, low: FLOOR, high: 10.0, is_log: true, ticks: logarithmic(FLOOR, 10.0, 7) };
        let curve = |(curve, colour): (&Curve, &'static str)| {
            let points = curve.norms.iter().enumerate().map(|(i, &norm)| ((i + 1) as f64, norm));
            let points = points.take_while(|&(_, norm)| norm >= FLOOR).collect();
            chart::Curve { name: curve.name.into(), colour, stroke: Stroke::Plain, points }
        };
        let title = format!("{title}: norm of the loss's gradient by the state k steps back");
        let curves = curves.iter().zip(COLOURS).map(curve).collect();
        let area = Area { x: 0.0, y: at as f64 * PANEL, width: WIDTH, height: PANEL };
        Chart { title, size: 16.0, x, y, curves }.draw(&mut svg, area);
    }
    svg.finish(WIDTH, panels.len() as f64 * PANEL)
}

/// The curves as text, `width` columns wide: R and G for the h of RNN and GRU, L and C for h and c of the LSTM; a line for each decade.
fn plot(curves: &[Curve], width: usize) -> Vec<String> {
    let decades = 1..=17_i32;
    let mut lines: Vec<Vec<char>> = decades.clone().map(|_| vec![' '; width]).collect();
    for (curve, letter) in curves.iter().zip(['R', 'L', 'C', 'G']) {
        for (column, place) in (0..width).map(|column| (column, column * (REACH - 1) / (width - 1))) {
            let decade = (1.0 - curve.norms[place].log10()).floor();
            if (0.0..lines.len() as f64).contains(&decade) {
                lines[decade as usize][column] = letter;
            }
        }
    }
    let mut out: Vec<String> = lines
        .into_iter()
        .zip(decades)
        .map(|(line, decade)| format!("  1e{:+03} |{}", 1 - decade, line.into_iter().collect::<String>().trim_end()))
        .collect();
    out.push(format!("        +{}", "-".repeat(width)));
    out.push(format!("         k = 1{:>rest$}", format!("k = {REACH}"), rest = width - 5));
    out.push("  R: RNN h   L: LSTM h   C: LSTM c   G: GRU h".to_string());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(ratio: f64) -> Vec<Curve> {
        let norms = |first: f64| (0..REACH as i32).map(|k| first * ratio.powi(k)).collect();
        ["RNN h", "LSTM h", "LSTM c", "GRU h"].into_iter().map(|name| Curve { name, norms: norms(0.5) }).collect()
    }

    #[test]
    fn pictures_hold_every_curve_down_to_the_floor() {
        let svg = draw(&[("untrained", curves(0.3)), ("trained", curves(0.9))]);
        assert_eq!(svg.matches("LSTM c").count(), 2);
        assert!(svg.contains("untrained") && svg.contains("k, steps back"));
        let lines = plot(&curves(0.5), 60);
        // The last curve covers the others: 0.5 is in the decade below 1, then a decade every 3.3 steps.
        assert!(lines[1].starts_with("  1e-01 |GG") || lines[1].contains('G'), "{lines:?}");
        assert!(lines[0].trim_end().ends_with('|'), "{lines:?}");
    }
}
