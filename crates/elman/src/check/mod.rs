//! Numerical differentiation: analytic gradients in f64 against central differences. Where the differences are too
//! noisy to decide, the verdict is INCONCLUSIVE, never right.
//!
//! The stencil is of fourth order with step h = 1e-3. Its rounding noise is estimated as `4 eps S 1.5 / h`, S being the
//! sum of the magnitudes the loss is made of. An element fails when it is off by more than `TOLERANCE` of its size and
//! more than the noise. A tensor passes when none fails and its largest gradient is so far above the noise that an
//! error of `TOLERANCE` would have been seen, or when both sides are exactly zero: the loss does not depend on it. An
//! element that is off is looked at again with a quarter of the step. What the stencil leaves out of the series is then
//! 256 times smaller, which tells a curved loss from a wrong gradient; the noise is 4 times larger, and counts as such.

mod grid;
mod language_model;
mod layers;
mod parts;
mod translator;

use crate::nn::cells::Cell;
use serde::Serialize;

use crate::autodiff::params::Params;
use crate::error::Error;
use crate::nn::model::{Declared, Model};
use crate::rng::{self, Purpose};

pub use grid::{Scope, run};

/// Largest relative error of a gradient that passes.
pub const TOLERANCE: f64 = 1e-6;
const STEP: f64 = 1e-3;
/// The step of the second look.
const SHORT_STEP: f64 = STEP / 4.0;

/// Checks every parameter of a network, in layers of `cell`, by the loss that `loss_of` computes; it overwrites the
/// gradients.
fn check_network<L: Declared>(
    mut model: Model<f64, L>,
    cell: Cell,
    subject: &Subject,
    mut loss_of: impl FnMut(&Model<f64, L>, &mut Params<f64>) -> Result<f64, Error>,
) -> Result<Vec<Check>, Error> {
    let mut grads = model.params().zeros_like();
    let names: Vec<String> = model.params().names().map(str::to_owned).collect();
    let shape = |name: &str| model.params().shape(name).unwrap_or_default();
    let starts = names.iter().enumerate().map(|(i, name)| start(cell, name, i, shape(name)));
    let mut values: Vec<Vec<f64>> = starts.collect();
    let mut loss = |values: &[Vec<f64>], grads: &mut Params<f64>| -> Result<Loss, Error> {
        for (name, values) in names.iter().zip(values) {
            model.params_mut().set(name, values)?;
        }
        let value = loss_of(&model, grads)?;
        Ok(Loss { value, magnitude: value })
    };
    loss(&values, &mut grads)?;
    let analytic: Vec<Vec<f64>> = names.iter().filter_map(|name| grads.get(name)).collect();
    let mut checks = Vec::new();
    for (i, parameter) in names.iter().enumerate() {
        let finding = check_tensor(&mut values, i, &analytic[i], &mut |values| loss(values, &mut grads))?;
        checks.push(Check { subject: subject.clone(), parameter: parameter.clone(), finding });
    }
    Ok(checks)
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Every element agrees, and an error would have been seen.
    Pass,
    /// Some element is off by more than noise and tolerance.
    Fail,
    /// No element disagrees, but the gradients are too small for the differences to tell.
    Inconclusive,
}

/// What was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Configuration {
    /// The cell's name.
    pub cell: &'static str,
    /// `layers`, under a linear functional of their outputs and last states, or `language-model`, with its loss.
    pub network: Network,
    /// L.
    pub layers: usize,
    /// H of each layer.
    pub hidden_sizes: Vec<usize>,
    /// Whether the layers run in both directions.
    pub bidirectional: bool,
    /// What the layers begin from.
    pub initial_state: InitialState,
    /// Whether some positions are masked in the layers' sequences, or in a language model's loss.
    pub masked: bool,
    /// T.
    pub seq_len: usize,
    /// B.
    pub batch: usize,
    /// I; V for a language model.
    pub input_size: usize,
    /// Width of a language model's embedding; 0 for one-hot tokens.
    pub embed: usize,
    /// Whether a language model's embedding is its head's weight.
    pub tied: bool,
    /// Whether a language model's dropout, which is always on, keeps its masks over all steps.
    pub locked_dropout: bool,
}

/// What kind of network was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Recurrent layers.
    Layers,
    /// A whole language model.
    LanguageModel,
}

/// What the layers begin from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitialState {
    /// Zero.
    Zero,
    /// Numbers whose gradient is checked too.
    Given,
    /// Parameters.
    Learned,
}

/// A part of a network that is checked by itself, or a translator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// What it is.
    #[serde(rename = "network")]
    pub kind: Kind,
    /// Which of its kind.
    pub name: String,
    /// What is special about it; empty where nothing is.
    pub options: String,
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// From outputs to a mean loss.
    Loss,
    /// From the outputs of all steps to one row of each sequence.
    Head,
    /// The same, as a node of the tape.
    Pooling,
    /// A softmax of scores, and the mean with its weights.
    Attention,
    /// A whole sequence-to-sequence network with its loss, by its attention.
    Translator,
}

/// What was differentiated.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Subject {
    /// Recurrent layers, or a language model.
    Network(Configuration),
    /// Anything else.
    Part(Part),
}

/// One tensor's check in one configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What was differentiated.
    #[serde(flatten)]
    pub subject: Subject,
    /// A parameter's name (a language model's begin with `rnn.`, `encoder.` or `decoder.`), or that of an input: `x`, `h_l0`,
    /// `c_l0`, ...
    pub parameter: String,
    /// The figures.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A loss and the sum of the magnitudes it is made of, which sets its rounding noise.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// The loss.
    pub value: f64,
    /// Sum of the absolute values of its terms.
    pub magnitude: f64,
}

/// The figures of one tensor's check.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Largest analytic gradient.
    pub max_grad: f64,
    /// Largest absolute error.
    pub abs_error: f64,
    /// Largest relative error of the elements that stand above the noise.
    pub rel_error: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A loss as a function of all tensors it depends on.
pub type LossOf<'a> = &'a mut dyn FnMut(&[Vec<f64>]) -> Result<Loss, Error>;

/// Checks the gradient of `loss` by every element of `values[tensor]` against `analytic`. `values` comes back as it
/// was. For a cell of one's own: give a closure that computes the loss from all tensors.
pub fn check_tensor(
    values: &mut [Vec<f64>],
    tensor: usize,
    analytic: &[f64],
    loss: LossOf<'_>,
) -> Result<Finding, Error> {
    let magnitude = loss(values)?.magnitude;
    let noise_of = |step: f64| 4.0 * f64::EPSILON * magnitude * 1.5 / step;
    let noise = noise_of(STEP);
    let mut finding = Finding { max_grad: 0.0, abs_error: 0.0, rel_error: 0.0, verdict: Verdict::Inconclusive };
    let (mut failed, mut depends) = (false, false);
    for (i, &analytic) in analytic.iter().enumerate() {
        let mut numeric = difference(values, tensor, i, STEP, loss)?;
        let is_off = |numeric: f64, noise: f64| {
            let (error, size) = ((numeric - analytic).abs(), numeric.abs().max(analytic.abs()));
            error.is_nan() || error > noise.max(TOLERANCE * size)
        };
        let mut fails = is_off(numeric, noise);
        if fails && noise_of(SHORT_STEP) < TOLERANCE * analytic.abs() {
            numeric = difference(values, tensor, i, SHORT_STEP, loss)?;
            fails = is_off(numeric, noise_of(SHORT_STEP));
        }
        let (error, size) = ((numeric - analytic).abs(), numeric.abs().max(analytic.abs()));
        depends |= size != 0.0;
        failed |= fails;
        finding.max_grad = finding.max_grad.max(analytic.abs());
        finding.abs_error = finding.abs_error.max(error);
        if size * TOLERANCE > noise {
            finding.rel_error = finding.rel_error.max(error / size);
        }
    }
    finding.verdict = match failed {
        true => Verdict::Fail,
        false if !depends || finding.max_grad * TOLERANCE > noise => Verdict::Pass,
        false => Verdict::Inconclusive,
    };
    Ok(finding)
}

/// The derivative of `loss` by one element, by the stencil of fourth order.
fn difference(
    values: &mut [Vec<f64>],
    tensor: usize,
    element: usize,
    step: f64,
    loss: LossOf<'_>,
) -> Result<f64, Error> {
    let start = values[tensor][element];
    let mut at = |distance: f64| {
        values[tensor][element] = start + distance;
        let result = loss(values);
        values[tensor][element] = start;
        Ok::<f64, Error>(result?.value)
    };
    let near = at(step)? - at(-step)?;
    let far = at(2.0 * step)? - at(-2.0 * step)?;
    Ok((8.0 * near - far) / (12.0 * step))
}

/// Uniform numbers in [-1, 1) for the tensor number `tag`.
fn draws(tag: u64, n: usize) -> Vec<f64> {
    let mut rng = rng::generator(0, Purpose::Init, tag);
    (0..n).map(|_| 2.0 * rng::uniform(&mut rng) - 1.0).collect()
}

/// Where a tensor is checked. Numbers in [-1, 1) keep gates off saturation and gradients off zero, whatever T; wide
/// weights are scaled down, so that no network is chaotic and its derivatives of fifth order stay small. A relu, and
/// the candidate of a minGRU, have no derivative at their kink, where differences mean nothing: small weights under
/// biases near 2 or -2, in turn, keep every sum away from it.
fn start(cell: Cell, name: &str, tag: usize, shape: &[usize]) -> Vec<f64> {
    let mut draws = draws(tag as u64, shape.iter().product());
    if let [_, columns] = *shape
        && columns > 5
        && name.contains("weight")
    {
        let scale = (5.0 / columns as f64).sqrt();
        draws.iter_mut().for_each(|x| *x *= scale);
    }
    let kind = name.rsplit('.').next().unwrap_or(name);
    match (cell, kind) {
        // The normaliser of an sLSTM is a sum of positive numbers. Its maximum has a kink where its operands are equal. With
        // small weights and a forget gate of about exp(-3) the input gate's is larger, but for the first step where m starts
        // high.
        (Cell::SLSTM, kind) if kind.starts_with("n_") || kind.starts_with("initial_n") => {
            draws.iter().map(|x| 1.5 + 0.5 * x).collect()
        }
        (Cell::SLSTM, kind) if kind.starts_with("m_") || kind.starts_with("initial_m") => {
            draws.iter().enumerate().map(|(i, x)| if i % 2 == 0 { -3.0 } else { 5.0 } + 0.1 * x).collect()
        }
        (Cell::SLSTM, kind) if kind.starts_with("bias_ih") => {
            let units = draws.len() / 4;
            let is_forget = |i: usize| (units..2 * units).contains(&i);
            draws.iter().enumerate().map(|(i, x)| if is_forget(i) { -3.0 } else { 0.0 } + 0.2 * x).collect()
        }
        (Cell::SLSTM, kind) if kind.starts_with("weight_") || kind.starts_with("bias_") => {
            draws.iter().map(|x| 0.2 * x).collect()
        }
        // The norm divides by the deviation over a layer's units, which is small at some steps where the units are few. Small
        // gains keep the derivatives of fifth order small.
        (Cell::LAYER_NORM_LSTM, kind) if kind.starts_with("gain_") => draws.iter().map(|x| 0.5 * x).collect(),
        // The biases of the candidates differ from unit to unit, so that the deviation of c is not small either.
        (Cell::LAYER_NORM_LSTM, kind) if kind.starts_with("bias_ih") => {
            let units = draws.len() / 4;
            let apart = |i: usize| if i / units.max(1) == 2 { (i % units % 3) as f64 - 1.0 } else { 0.0 };
            draws.iter().enumerate().map(|(i, x)| 0.3 * x + 1.5 * apart(i)).collect()
        }
        (Cell::RNN_RELU | Cell::MIN_GRU, kind) if kind.starts_with("bias_ih") => {
            draws.iter().enumerate().map(|(i, x)| if i % 2 == 0 { 2.0 } else { -2.0 } + 0.1 * x).collect()
        }
        (Cell::RNN_RELU | Cell::MIN_GRU, kind)
            if kind.contains("_l") && !kind.starts_with("h_") && !kind.starts_with("initial_") =>
        {
            draws.iter().map(|x| 0.1 * x).collect()
        }
        _ => draws,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curved_loss_is_told_from_a_wrong_gradient() {
        // The stencil leaves out 3e-6 of this derivative, and at a quarter of the step 1e-8.
        let wave = &mut |v: &[Vec<f64>]| Ok(Loss { value: (100.0 * v[0][0]).sin(), magnitude: 1.0 });
        let right = 100.0 * 50.0_f64.cos();
        let mut verdict = |analytic: f64| check_tensor(&mut [vec![0.5]], 0, &[analytic], wave).unwrap().verdict;
        assert_eq!(verdict(right), Verdict::Pass);
        assert_eq!(verdict(right * (1.0 + 1e-5)), Verdict::Fail);
        assert_eq!(verdict(right * (1.0 - 1e-5)), Verdict::Fail);
        assert_eq!(verdict(-right), Verdict::Fail);
    }

    #[test]
    fn gradients_below_the_noise_are_inconclusive_and_wrong_ones_fail() {
        let square = &mut |v: &[Vec<f64>]| Ok(Loss { value: 1.0 + 1e-9 * v[0][0] * v[0][0], magnitude: 1.0 });
        let mut verdict = |analytic: f64| check_tensor(&mut [vec![0.5]], 0, &[analytic], square).unwrap().verdict;
        // The true gradient, 1e-9, drowns in noise of about 1e-12 / 1e-6.
        assert_eq!(verdict(1e-9), Verdict::Inconclusive);
        assert_eq!(verdict(1e-3), Verdict::Fail);
        assert_eq!(verdict(f64::NAN), Verdict::Fail);
        let constant = &mut |_: &[Vec<f64>]| Ok(Loss { value: 1.0, magnitude: 1.0 });
        let mut verdict = |analytic: f64| check_tensor(&mut [vec![0.5]], 0, &[analytic], constant).unwrap().verdict;
        assert_eq!(verdict(0.0), Verdict::Pass);
        assert_eq!(verdict(1e-15), Verdict::Inconclusive);
        assert_eq!(verdict(1e-3), Verdict::Fail);
    }
}
