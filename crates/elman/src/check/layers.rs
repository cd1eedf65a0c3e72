//! The check of recurrent layers: a linear functional of y, h_n and c_n, differentiated by every parameter, by x and by
//! a given initial state. Not here: heads and losses.

use elman_kernels::{Cpu, pad};

use super::{Check, Configuration, InitialState, Loss, LossOf, Network, Subject, check_tensor, draws, start};
use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::{Declaration, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::cells::Cell;
use crate::nn::layer::Pass;
use crate::nn::stack::{Recurrent, Stack};
use crate::nn::state::State;

/// What varies from one problem to the next.
#[derive(Clone, Debug)]
pub struct Problem {
    pub cell: Cell,
    pub hidden_sizes: Vec<usize>,
    pub bidirectional: bool,
    pub initial_state: InitialState,
    pub masked: bool,
    pub seq_len: usize,
    pub batch: usize,
    pub input_size: usize,
}

/// A problem with its numbers.
pub struct LayerProblem {
    tape: Tape<f64>,
    rnn: Stack<f64>,
    params: Params<f64>,
    state: State<f64>,
    /// `[T*B]`; None where no position is masked.
    mask: Option<Vec<bool>>,
    configuration: Configuration,
    names: Vec<String>,
    /// The parameters, then x, then the parts of a given state: what `names` names.
    values: Vec<Vec<f64>>,
    /// Gradients by y, and by h_n and c_n of every layer, padded.
    seeds: Vec<Vec<f64>>,
}

impl LayerProblem {
    pub fn new(cpu: &Cpu, problem: &Problem) -> Result<Self, Error> {
        let Problem { cell, bidirectional, initial_state, masked, seq_len, batch, input_size, .. } = *problem;
        let learned_state = initial_state == InitialState::Learned;
        let recurrent =
            Recurrent { bidirectional, learned_state, ..Recurrent::plain(cell, input_size, &problem.hidden_sizes) };
        let mut declaration = Declaration::default();
        let rnn = recurrent.declare(&mut declaration, "");
        let params = declaration.zeros()?;
        let state = rnn.as_layer().initial_state(&params, batch);
        let mut names: Vec<String> = params.names().map(str::to_owned).collect();
        let mut sizes: Vec<Vec<usize>> = names.iter().map(|n| params.shape(n).unwrap_or_default().to_vec()).collect();
        names.push("x".into());
        sizes.push(vec![seq_len * batch, input_size]);
        let parts = state.tensors();
        for (name, [rows, cols], _) in parts.iter().filter(|_| initial_state == InitialState::Given) {
            names.push(name.clone());
            sizes.push(vec![*rows, *cols]);
        }
        let values =
            names.iter().zip(&sizes).enumerate().map(|(i, (name, shape))| start(cell, name, i, shape)).collect();
        let num_directions = if bidirectional { 2 } else { 1 };
        let output = num_directions * problem.hidden_sizes.last().copied().unwrap_or_default();
        let shapes = [[seq_len * batch, output]].into_iter().chain(parts.iter().map(|&(_, shape, _)| shape));
        let seeds = shapes.enumerate().map(|(i, [rows, cols])| padded(&draws(1000 + i as u64, rows * cols), cols));
        let configuration = Configuration {
            cell: cell.name(),
            network: Network::Layers,
            layers: problem.hidden_sizes.len(),
            hidden_sizes: problem.hidden_sizes.clone(),
            bidirectional,
            initial_state,
            masked,
            seq_len,
            batch,
            input_size,
            embed: 0,
            tied: false,
            locked_dropout: false,
        };
        // Padding at both ends, and a gap: row b lacks the steps t with t + b divisible by 3.
        let mask = masked.then(|| (0..seq_len * batch).map(|i| (i / batch + i % batch) % 3 != 0).collect());
        let tape = Tape::new(cpu);
        Ok(LayerProblem { tape, rnn, params, state, mask, configuration, names, seeds: seeds.collect(), values })
    }

    /// Checks every tensor. `flipped`: pretend that an LSTM's backward has a sign error in this gate.
    pub fn check(&mut self, flipped: Option<usize>) -> Result<Vec<Check>, Error> {
        let analytic = self.gradients(flipped)?;
        let mut values = self.values.clone();
        let mut checks = Vec::new();
        for (i, parameter) in self.names.clone().into_iter().enumerate() {
            let loss: LossOf<'_> = &mut |values| Ok(self.forward(values, false)?.0);
            let finding = check_tensor(&mut values, i, &analytic[i], loss)?;
            let subject = Subject::Network(self.configuration.clone());
            checks.push(Check { subject, parameter, finding });
        }
        Ok(checks)
    }

    /// The loss, and x and the state before the first step on the tape.
    fn forward(&mut self, values: &[Vec<f64>], recording: bool) -> Result<(Loss, Var, Vec<Var>), Error> {
        let count = self.params.names().count();
        for (name, values) in self.names[..count].iter().zip(values) {
            self.params.set(name, values)?;
        }
        self.rnn.as_layer().reset(&self.params, &mut self.state);
        for (name, values) in self.names[count + 1..].iter().zip(&values[count + 1..]) {
            self.state.set(name, values)?;
        }
        let (input_size, tape) = (self.configuration.input_size, &mut self.tape);
        tape.start(recording);
        let x = tape.leaf(input_size, &padded(&values[count], input_size), true);
        let before = self.rnn.as_layer().begin(tape, &self.params, &self.state, true)?;
        let mut pass = Pass { batch: self.state.batch(), mask: self.mask.as_deref(), dropout: None };
        let (y, after) = self.rnn.as_layer().run(tape, &self.params, Sequence::Dense(x), &before, &mut pass)?;
        let mut loss = Loss { value: 0.0, magnitude: 0.0 };
        for (var, seed) in [y].into_iter().chain(after).zip(&self.seeds) {
            for (value, seed) in tape.value(var).iter().zip(seed) {
                loss.value += value * seed;
                loss.magnitude += (value * seed).abs();
            }
            if recording {
                tape.seed(var, seed);
            }
        }
        Ok((loss, x, before))
    }

    /// The analytic gradient by every tensor. A sign error in a gate's d_a is, exactly, a backward that sees the
    /// gate's weight rows negated and then negates its rows of the weight gradients.
    fn gradients(&mut self, flipped: Option<usize>) -> Result<Vec<Vec<f64>>, Error> {
        let values = self.values.clone();
        let (_, x, before) = self.forward(&values, true)?;
        let (mut grads, mut seen) = (self.params.zeros_like(), self.params.clone());
        flip(&mut seen, flipped)?;
        self.tape.backward_seeded(&seen, &mut grads)?;
        flip(&mut grads, flipped)?;
        let by_params = grads.names().filter_map(|name| grads.get(name));
        let leaves = [x].into_iter().chain(before);
        let all = by_params.chain(leaves.map(|leaf| self.tape.dense_grad(leaf)));
        Ok(all.take(self.names.len()).collect())
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
pub(super) fn padded(dense: &[f64], width: usize) -> Vec<f64> {
    let mut rows = vec![0.0; dense.len() / width * pad(width)];
    for (to, from) in rows.chunks_exact_mut(pad(width)).zip(dense.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_sign_error_in_any_gate_fails() {
        let cpu = Cpu::new(Some(1)).unwrap();
        for layers in 1..=2 {
            let problem = Problem {
                cell: Cell::LSTM,
                hidden_sizes: vec![5; layers],
                bidirectional: false,
                initial_state: InitialState::Given,
                masked: false,
                seq_len: 3,
                batch: 2,
                input_size: 3,
            };
            let mut problem = LayerProblem::new(&cpu, &problem).unwrap();
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
}
