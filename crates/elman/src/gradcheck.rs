//! Holds numerical differentiation with an honest verdict: analytic gradients in f64 against central differences.
//! Refuses to call a gradient right when the differences are too noisy to tell: that is INCONCLUSIVE.
//!
//! The stencil is of fourth order with step h = 1e-3. Its rounding noise is estimated as `4 eps S 1.5 / h`, S being the
//! sum of the magnitudes the loss is made of. An element fails when it is off by more than `TOLERANCE` of its size
//! and more than the noise. A tensor passes when none fails and its largest gradient stands so far above the noise
//! that an error of `TOLERANCE` would have been seen.

use elman_kernels::recurrent::Cell;
use elman_kernels::{Cpu, pad};
use serde::Serialize;

use crate::config::{self, Config};
use crate::error::Error;
use crate::layer::{self, Recurrent, State};
use crate::model::LanguageModel;
use crate::ops::Sequence;
use crate::params::{Declaration, Params};
use crate::rng::{self, Purpose};
use crate::tape::Tape;

/// Largest relative error of a gradient that passes.
pub const TOLERANCE: f64 = 1e-6;
const STEP: f64 = 1e-3;

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
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Configuration {
    /// `lstm`, `gru`, `rnn`, `rnn-relu` or `gru-reset-before`.
    pub cell: &'static str,
    /// L.
    pub layers: usize,
    /// Whether the layers run in both directions.
    pub bidirectional: bool,
    /// T.
    pub seq_len: usize,
    /// B.
    pub batch: usize,
    /// I; V for a whole language model, whose parameters' names begin with `rnn.`, `encoder.` or `decoder.`.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
}

/// One tensor's check in one configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The configuration.
    #[serde(flatten)]
    pub configuration: Configuration,
    /// A parameter's name, or `x`, `h_l0`, `c_l0`, ...
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
    let noise = 4.0 * f64::EPSILON * loss(values)?.magnitude * 1.5 / STEP;
    let mut finding = Finding { max_grad: 0.0, abs_error: 0.0, rel_error: 0.0, verdict: Verdict::Inconclusive };
    let mut failed = false;
    for (i, &analytic) in analytic.iter().enumerate() {
        let start = values[tensor][i];
        let mut at = |distance: f64| {
            values[tensor][i] = start + distance;
            let result = loss(values);
            values[tensor][i] = start;
            Ok::<f64, Error>(result?.value)
        };
        let near = at(STEP)? - at(-STEP)?;
        let far = at(2.0 * STEP)? - at(-2.0 * STEP)?;
        let numeric = (8.0 * near - far) / (12.0 * STEP);
        let (error, size) = ((numeric - analytic).abs(), numeric.abs().max(analytic.abs()));
        failed |= error.is_nan() || error > noise.max(TOLERANCE * size);
        finding.max_grad = finding.max_grad.max(analytic.abs());
        finding.abs_error = finding.abs_error.max(error);
        if size * TOLERANCE > noise {
            finding.rel_error = finding.rel_error.max(error / size);
        }
    }
    finding.verdict = match failed {
        true => Verdict::Fail,
        false if finding.max_grad * TOLERANCE > noise => Verdict::Pass,
        false => Verdict::Inconclusive,
    };
    Ok(finding)
}

/// Every cell and size: stacked layers of 1 to 3 with T from 1 to 12 and a given initial state, then language models
/// with and without embedding and dropout. `observer` is called after each configuration with the checks so far.
pub fn run_all(cpu: &Cpu, observer: &mut dyn FnMut(usize)) -> Result<Vec<Check>, Error> {
    let mut checks = Vec::new();
    for &cell in Cell::ALL {
        for num_layers in 1..=3 {
            for seq_len in 1..=12 {
                checks.extend(LayerProblem::new(cpu, cell, num_layers, [seq_len, 2, 3, 5])?.check(None)?);
                observer(checks.len());
            }
            for embed in [0, 4] {
                checks.extend(check_language_model(cpu, cell, num_layers, embed)?);
                observer(checks.len());
            }
        }
    }
    Ok(checks)
}

/// Uniform numbers in [-1, 1) for the tensor number `tag`.
fn draws(tag: u64, n: usize) -> Vec<f64> {
    let mut rng = rng::generator(0, Purpose::Init, tag);
    (0..n).map(|_| 2.0 * rng::uniform(&mut rng) - 1.0).collect()
}

/// Where a tensor is checked. Numbers in [-1, 1) keep gates off saturation and gradients off zero, whatever T. A relu
/// has no derivative at its kink, where differences mean nothing: small weights under biases near 2 or -2 keep every
/// sum away from it.
fn start(cell: Cell, name: &str, tag: usize, n: usize) -> Vec<f64> {
    let draws = draws(tag as u64, n);
    let kind = name.rsplit('.').next().unwrap_or(name);
    match (cell, kind) {
        (Cell::RnnRelu, kind) if kind.starts_with("bias_ih") => {
            draws.iter().map(|x| 2.0 * x.signum() + 0.1 * x).collect()
        }
        (Cell::RnnRelu, kind) if kind.contains("_l") && !kind.starts_with("h_") => {
            draws.iter().map(|x| 0.1 * x).collect()
        }
        _ => draws,
    }
}

/// Stacked layers under a linear functional of y, h_n and c_n.
struct LayerProblem {
    tape: Tape<f64>,
    rnn: Recurrent,
    params: Params<f64>,
    state: State<f64>,
    configuration: Configuration,
    names: Vec<String>,
    /// The parameters, then x, then the parts of the state: what `names` names.
    values: Vec<Vec<f64>>,
    /// Gradients by y, and by h_n and c_n of every layer, padded.
    seeds: Vec<Vec<f64>>,
}

impl LayerProblem {
    /// `sizes`: T, B, I, H.
    fn new(cpu: &Cpu, cell: Cell, num_layers: usize, sizes: [usize; 4]) -> Result<Self, Error> {
        let [seq_len, batch, input_size, hidden_size] = sizes;
        let mut declaration = Declaration::default();
        let rnn = Recurrent::declare(&mut declaration, "", cell, input_size, hidden_size, num_layers, 0.0);
        let params = declaration.zeros()?;
        let state = rnn.zero_state(batch);
        let mut names: Vec<String> = params.names().map(str::to_owned).collect();
        let mut lens: Vec<usize> = names.iter().map(|n| params.shape(n).unwrap_or_default().iter().product()).collect();
        names.push("x".into());
        lens.push(seq_len * batch * input_size);
        for (name, [rows, cols], _) in state.tensors() {
            names.push(name);
            lens.push(rows * cols);
        }
        let values = names.iter().zip(lens).enumerate().map(|(i, (name, n))| start(cell, name, i, n)).collect();
        let parts = state.tensors().len();
        let rows = [seq_len * batch].into_iter().chain(std::iter::repeat_n(batch, parts));
        let seeds = rows.enumerate().map(|(i, rows)| padded(&draws(1000 + i as u64, rows * hidden_size), hidden_size));
        let (cell, layers, bidirectional) = (cell.name(), num_layers, false);
        let configuration = Configuration { cell, layers, bidirectional, seq_len, batch, input_size, hidden_size };
        let tape = Tape::new(cpu);
        Ok(LayerProblem { tape, rnn, params, state, configuration, names, seeds: seeds.collect(), values })
    }

    /// Checks every tensor. `flipped`: pretend that an LSTM's backward has a sign error in this gate.
    fn check(&mut self, flipped: Option<usize>) -> Result<Vec<Check>, Error> {
        let analytic = self.gradients(flipped)?;
        let mut values = self.values.clone();
        let configuration = self.configuration;
        let mut checks = Vec::new();
        for (i, parameter) in self.names.clone().into_iter().enumerate() {
            let loss: LossOf<'_> = &mut |values| Ok(self.forward(values, false)?.0);
            let finding = check_tensor(&mut values, i, &analytic[i], loss)?;
            checks.push(Check { configuration, parameter, finding });
        }
        Ok(checks)
    }

    /// The loss, and the leaves x, h_l0, c_l0, ... on the tape.
    fn forward(&mut self, values: &[Vec<f64>], recording: bool) -> Result<(Loss, Vec<crate::tape::Var>), Error> {
        let count = self.params.names().count();
        for (name, values) in self.names[..count].iter().zip(values) {
            self.params.set(name, values)?;
        }
        for (name, values) in self.names[count + 1..].iter().zip(&values[count + 1..]) {
            self.state.set(name, values)?;
        }
        let (input_size, tape) = (self.configuration.input_size, &mut self.tape);
        tape.start(recording);
        let x = tape.leaf(input_size, &padded(&values[count], input_size), true);
        let before = self.state.to_tape(tape, true);
        let (y, after) = self.rnn.forward(tape, &self.params, Sequence::Dense(x), &before, None)?;
        let mut loss = Loss { value: 0.0, magnitude: 0.0 };
        for (var, seed) in [y].into_iter().chain(layer::vars(&after)).zip(&self.seeds) {
            for (value, seed) in tape.value(var).iter().zip(seed) {
                loss.value += value * seed;
                loss.magnitude += (value * seed).abs();
            }
            if recording {
                tape.seed(var, seed);
            }
        }
        Ok((loss, [x].into_iter().chain(layer::vars(&before)).collect()))
    }

    /// The analytic gradient by every tensor. A sign error in a gate's d_a is, exactly, a backward that sees the
    /// gate's weight rows negated and then negates its rows of the weight gradients.
    fn gradients(&mut self, flipped: Option<usize>) -> Result<Vec<Vec<f64>>, Error> {
        let values = self.values.clone();
        let (_, leaves) = self.forward(&values, true)?;
        let (mut grads, mut seen) = (self.params.zeros_like(), self.params.clone());
        flip(&mut seen, flipped)?;
        self.tape.backward_seeded(&seen, &mut grads)?;
        flip(&mut grads, flipped)?;
        let mut all: Vec<Vec<f64>> = grads.names().filter_map(|name| grads.get(name)).collect();
        for (i, leaf) in leaves.into_iter().enumerate() {
            let width = if i == 0 { self.configuration.input_size } else { self.configuration.hidden_size };
            let rows = self.tape.grad(leaf).unwrap_or_default().chunks_exact(pad(width));
            all.push(rows.flat_map(|row| row[..width].to_vec()).collect());
        }
        Ok(all)
    }
}

/// Negates the rows of one LSTM gate in every parameter.
fn flip(params: &mut Params<f64>, gate: Option<usize>) -> Result<(), Error> {
    let Some(gate) = gate else { return Ok(()) };
    for name in params.names().map(str::to_owned).collect::<Vec<_>>() {
        let mut values = params.get(&name).unwrap_or_default();
        let quarter = values.len() / 4;
        values[gate * quarter..(gate + 1) * quarter].iter_mut().for_each(|x| *x = -*x);
        params.set(&name, &values)?;
    }
    Ok(())
}

/// Dense rows padded with zeros.
fn padded(dense: &[f64], width: usize) -> Vec<f64> {
    let mut rows = vec![0.0; dense.len() / width * pad(width)];
    for (to, from) in rows.chunks_exact_mut(pad(width)).zip(dense.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    rows
}

/// A whole language model: tokens, dropout with a fixed mask between layers, head and cross-entropy.
fn check_language_model(cpu: &Cpu, cell: Cell, num_layers: usize, embed: usize) -> Result<Vec<Check>, Error> {
    let (seq_len, batch, vocab_size, hidden_size) = (4, 3, 7, 5);
    let equations = cell;
    let (kind, nonlinearity) = match cell {
        Cell::Lstm => (config::Cell::Lstm, config::Nonlinearity::Tanh),
        Cell::Gru => (config::Cell::Gru, config::Nonlinearity::Tanh),
        Cell::GruResetBefore => (config::Cell::GruResetBefore, config::Nonlinearity::Tanh),
        Cell::RnnTanh => (config::Cell::Rnn, config::Nonlinearity::Tanh),
        Cell::RnnRelu => (config::Cell::Rnn, config::Nonlinearity::Relu),
    };
    let (cell, layers, input_size) = (cell.name(), num_layers, vocab_size);
    let configuration = Configuration { cell, layers, bidirectional: false, seq_len, batch, input_size, hidden_size };
    let config = Config {
        cell: kind,
        nonlinearity,
        num_layers,
        embed,
        hidden_size,
        dropout: 0.4,
        output_dropout: 0.3,
        ..Config::default()
    };
    let mut model = LanguageModel::<f64>::new(&config, vocab_size)?;
    let mut tape = Tape::new(cpu);
    let mut grads = model.params().zeros_like();
    // Every token occurs, so that no row of a table goes without a gradient.
    let tokens = |step: usize| (0..seq_len * batch).map(|i| ((i * step + 2) % vocab_size) as u32).collect::<Vec<_>>();
    let (inputs, targets) = (tokens(1), tokens(3));
    let names: Vec<String> = model.params().names().map(str::to_owned).collect();
    let lens = names.iter().map(|n| model.params().shape(n).unwrap_or_default().iter().product());
    let sizes = names.iter().zip(lens).enumerate();
    let mut values: Vec<Vec<f64>> = sizes.map(|(i, (name, n))| start(equations, name, i, n)).collect();
    let mut loss = |values: &[Vec<f64>], grads: &mut Params<f64>| -> Result<Loss, Error> {
        for (name, values) in names.iter().zip(values) {
            model.params_mut().set(name, values)?;
        }
        let (mut state, dropout) = (model.zero_state(batch), rng::generator(1, Purpose::Dropout, 1));
        let value = model.loss_and_grads(&mut tape, &inputs, &targets, &mut state, Some(dropout), grads)?;
        Ok(Loss { value, magnitude: value })
    };
    loss(&values, &mut grads)?;
    let analytic: Vec<Vec<f64>> = names.iter().filter_map(|name| grads.get(name)).collect();
    let mut checks = Vec::new();
    for (i, parameter) in names.iter().enumerate() {
        let finding = check_tensor(&mut values, i, &analytic[i], &mut |values| loss(values, &mut grads))?;
        checks.push(Check { configuration, parameter: parameter.clone(), finding });
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_error_in_any_gate_fails() {
        let cpu = Cpu::new(Some(1)).unwrap();
        for layers in 1..=2 {
            let mut problem = LayerProblem::new(&cpu, Cell::Lstm, layers, [3, 2, 3, 5]).unwrap();
            assert!(problem.check(None).unwrap().iter().all(|c| c.finding.verdict == Verdict::Pass));
            for gate in 0..4 {
                let checks = problem.check(Some(gate)).unwrap();
                let verdict = |name: &str| checks.iter().find(|c| c.parameter == name).map(|c| c.finding.verdict);
                assert_eq!(verdict("weight_ih_l0"), Some(Verdict::Fail), "gate {gate}");
                assert_eq!(verdict("bias_hh_l0"), Some(Verdict::Fail), "gate {gate}");
                assert_eq!(verdict("x"), Some(Verdict::Fail), "gate {gate}");
            }
        }
    }

    #[test]
    fn gradients_below_the_noise_are_inconclusive_and_wrong_ones_fail() {
        let square = &mut |v: &[Vec<f64>]| Ok(Loss { value: 1.0 + 1e-9 * v[0][0] * v[0][0], magnitude: 1.0 });
        let mut verdict = |analytic: f64| check_tensor(&mut [vec![0.5]], 0, &[analytic], square).unwrap().verdict;
        // The true gradient, 1e-9, drowns in noise of about 1e-12 / 1e-6.
        assert_eq!(verdict(1e-9), Verdict::Inconclusive);
        assert_eq!(verdict(1e-3), Verdict::Fail);
        assert_eq!(verdict(f64::NAN), Verdict::Fail);
    }
}
