//! Holds the plain statement of every cell, forward beside backward: loops over PyTorch's own layout, one sum after
//! another. It is the truth the fused layers are tested against. Refuses speed: nothing here is ever optimised.
//!
//! All memory is dense and row-major, without padding.

use crate::Element;
use crate::recurrent::Cell;

fn sigmoid<E: Element>(x: E) -> E {
    E::from_f64(1.0 / (1.0 + libm::exp(-x.to_f64())))
}

fn tanh<E: Element>(x: E) -> E {
    E::from_f64(libm::tanh(x.to_f64()))
}

/// Weights of a layer: `weight_ih` `[G*H, I]`, `weight_hh` `[G*H, H]`, biases `[G*H]`, gates in PyTorch's order. Its
/// gradients have the same type.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer<E> {
    /// Which equations.
    pub cell: Cell,
    /// I.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// Whether the last step is read first.
    pub reverse: bool,
    /// `[G*H, I]`.
    pub weight_ih: Vec<E>,
    /// `[G*H, H]`.
    pub weight_hh: Vec<E>,
    /// `[G*H]`.
    pub bias_ih: Vec<E>,
    /// `[G*H]`.
    pub bias_hh: Vec<E>,
}

/// What a forward pass leaves: the state after reading each input, and what backward needs of every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<E> {
    /// h after each input, `[T, B, H]`.
    pub y: Vec<E>,
    /// The last h, `[B, H]`.
    pub hidden: Vec<E>,
    /// The last c, `[B, H]`; zero where the cell has none.
    pub cell: Vec<E>,
    /// For every step and row: what was computed.
    steps: Vec<Step<E>>,
}

/// One row of one step.
#[derive(Clone, Debug, PartialEq)]
struct Step<E> {
    h_before: Vec<E>,
    c_before: Vec<E>,
    h: Vec<E>,
    c: Vec<E>,
    /// The input's and the recurrence's shares of the pre-activations, each with its bias.
    from_x: Vec<E>,
    from_h: Vec<E>,
}

/// Gradients of a forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Grads<E> {
    /// By every weight.
    pub weights: Layer<E>,
    /// By x, `[T, B, I]`.
    pub x: Vec<E>,
    /// By h0, `[B, H]`.
    pub h0: Vec<E>,
    /// By c0, `[B, H]`; as it came where the cell has none.
    pub c0: Vec<E>,
}

impl<E: Element> Layer<E> {
    /// Weights of zero.
    pub fn zeros(cell: Cell, input_size: usize, hidden_size: usize, reverse: bool) -> Layer<E> {
        let zeros = |cols: usize| vec![E::ZERO; cell.gates() * hidden_size * cols];
        let (weight_ih, weight_hh) = (zeros(input_size), zeros(hidden_size));
        let (bias_ih, bias_hh) = (zeros(1), zeros(1));
        Layer { cell, input_size, hidden_size, reverse, weight_ih, weight_hh, bias_ih, bias_hh }
    }

    /// Input times at which the steps read, in order.
    fn times(&self, seq_len: usize) -> Vec<usize> {
        if self.reverse { (0..seq_len).rev().collect() } else { (0..seq_len).collect() }
    }

    /// Runs T steps of x `[T, B, I]` from h0 and c0 `[B, H]`.
    pub fn forward(&self, batch: usize, x: &[E], h0: &[E], c0: &[E]) -> Run<E> {
        let (i_size, h_size) = (self.input_size, self.hidden_size);
        let seq_len = x.len() / (batch * i_size).max(1);
        let (mut hidden, mut cell) = (h0.to_vec(), c0.to_vec());
        let mut run = Run { y: vec![E::ZERO; seq_len * batch * h_size], hidden: vec![], cell: vec![], steps: vec![] };
        for t in self.times(seq_len) {
            for b in 0..batch {
                let state = b * h_size..(b + 1) * h_size;
                let mut step = Step {
                    h_before: hidden[state.clone()].to_vec(),
                    c_before: cell[state.clone()].to_vec(),
                    h: vec![E::ZERO; h_size],
                    c: vec![E::ZERO; h_size],
                    from_x: affine(&self.weight_ih, &self.bias_ih, &x[(t * batch + b) * i_size..][..i_size]),
                    from_h: affine(&self.weight_hh, &self.bias_hh, &hidden[state.clone()]),
                };
                for u in 0..h_size {
                    (step.h[u], step.c[u]) = self.unit(&step, u);
                }
                hidden[state.clone()].copy_from_slice(&step.h);
                cell[state].copy_from_slice(&step.c);
                run.y[(t * batch + b) * h_size..][..h_size].copy_from_slice(&step.h);
                run.steps.push(step);
            }
        }
        (run.hidden, run.cell) = (hidden, cell);
        run
    }

    /// h and c of one unit after a step.
    fn unit(&self, step: &Step<E>, u: usize) -> (E, E) {
        let from_x = |gate: usize| step.from_x[gate * self.hidden_size + u];
        let from_h = |gate: usize| step.from_h[gate * self.hidden_size + u];
        let a = |gate: usize| from_x(gate) + from_h(gate);
        match self.cell {
            Cell::RnnTanh => (tanh(a(0)), step.c_before[u]),
            Cell::RnnRelu => (if a(0) > E::ZERO { a(0) } else { E::ZERO }, step.c_before[u]),
            Cell::Lstm => {
                let (i, f, g, o) = (sigmoid(a(0)), sigmoid(a(1)), tanh(a(2)), sigmoid(a(3)));
                let c = f * step.c_before[u] + i * g;
                (o * tanh(c), c)
            }
            Cell::Gru => {
                let (r, z) = (sigmoid(a(0)), sigmoid(a(1)));
                let n = tanh(from_x(2) + r * from_h(2));
                ((E::ONE - z) * n + z * step.h_before[u], step.c_before[u])
            }
        }
    }

    /// Gradients of a loss whose gradients by every h (`grad_y` `[T, B, H]`) and by the last c (`grad_cell` `[B, H]`)
    /// are given.
    pub fn backward(&self, batch: usize, x: &[E], run: &Run<E>, grad_y: &[E], grad_cell: &[E]) -> Grads<E> {
        let (i_size, h_size) = (self.input_size, self.hidden_size);
        let seq_len = x.len() / (batch * i_size).max(1);
        let mut d = Grads {
            weights: Layer::zeros(self.cell, i_size, h_size, self.reverse),
            x: vec![E::ZERO; x.len()],
            h0: vec![E::ZERO; batch * h_size],
            c0: grad_cell.to_vec(),
        };
        for (place, t) in self.times(seq_len).into_iter().enumerate().rev() {
            for b in 0..batch {
                let step = &run.steps[place * batch + b];
                let (mut d_x, mut d_h) = (vec![E::ZERO; step.from_x.len()], vec![E::ZERO; step.from_h.len()]);
                for u in 0..h_size {
                    let at = b * h_size + u;
                    let d_after = grad_y[(t * batch + b) * h_size + u] + d.h0[at];
                    let by_unit = self.unit_backward(step, u, d_after, d.c0[at]);
                    (d.h0[at], d.c0[at]) = (by_unit.h_before, by_unit.c_before);
                    for gate in 0..self.cell.gates() {
                        d_x[gate * h_size + u] = by_unit.from_x[gate];
                        d_h[gate * h_size + u] = by_unit.from_h[gate];
                    }
                }
                let row = t * batch + b;
                for n in 0..d_x.len() {
                    for k in 0..i_size {
                        d.weights.weight_ih[n * i_size + k] += d_x[n] * x[row * i_size + k];
                        d.x[row * i_size + k] += d_x[n] * self.weight_ih[n * i_size + k];
                    }
                    for k in 0..h_size {
                        d.weights.weight_hh[n * h_size + k] += d_h[n] * step.h_before[k];
                        d.h0[b * h_size + k] += d_h[n] * self.weight_hh[n * h_size + k];
                    }
                    d.weights.bias_ih[n] += d_x[n];
                    d.weights.bias_hh[n] += d_h[n];
                }
            }
        }
        d
    }

    /// From the gradients by h and c of one unit after a step to those by all it came from.
    fn unit_backward(&self, step: &Step<E>, u: usize, d_h: E, d_c: E) -> UnitGrads<E> {
        let from_x = |gate: usize| step.from_x[gate * self.hidden_size + u];
        let from_h = |gate: usize| step.from_h[gate * self.hidden_size + u];
        let a = |gate: usize| from_x(gate) + from_h(gate);
        let both =
            |by_a: [E; 4], h_before: E, c_before: E| UnitGrads { from_x: by_a, from_h: by_a, h_before, c_before };
        let (zero, one) = (E::ZERO, E::ONE);
        match self.cell {
            Cell::RnnTanh => both([d_h * (one - step.h[u] * step.h[u]), zero, zero, zero], zero, d_c),
            Cell::RnnRelu => both([if a(0) > zero { d_h } else { zero }, zero, zero, zero], zero, d_c),
            Cell::Lstm => {
                let (i, f, g, o) = (sigmoid(a(0)), sigmoid(a(1)), tanh(a(2)), sigmoid(a(3)));
                let tanh_c = tanh(step.c[u]);
                // h = o tanh(c), c = f c_before + i g
                let d_c = d_c + d_h * o * (one - tanh_c * tanh_c);
                let d_i = d_c * g * i * (one - i);
                let d_f = d_c * step.c_before[u] * f * (one - f);
                let d_g = d_c * i * (one - g * g);
                let d_o = d_h * tanh_c * o * (one - o);
                both([d_i, d_f, d_g, d_o], zero, d_c * f)
            }
            Cell::Gru => {
                let (r, z) = (sigmoid(a(0)), sigmoid(a(1)));
                let n = tanh(from_x(2) + r * from_h(2));
                // h = (1 - z) n + z h_before, n = tanh(from_x + r from_h)
                let d_n = d_h * (one - z) * (one - n * n);
                let d_z = d_h * (step.h_before[u] - n) * z * (one - z);
                let d_r = d_n * from_h(2) * r * (one - r);
                let (from_x, from_h) = ([d_r, d_z, d_n, zero], [d_r, d_z, d_n * r, zero]);
                UnitGrads { from_x, from_h, h_before: d_h * z, c_before: d_c }
            }
        }
    }
}

/// Gradients by what one unit's step came from; gates the cell lacks are zero.
struct UnitGrads<E> {
    from_x: [E; 4],
    from_h: [E; 4],
    /// What does not pass the recurrent weight.
    h_before: E,
    c_before: E,
}

/// W v + b.
fn affine<E: Element>(weight: &[E], bias: &[E], v: &[E]) -> Vec<E> {
    let row = |n: usize| weight[n * v.len()..].iter().zip(v).fold(bias[n], |sum, (&w, &v)| sum + w * v);
    (0..bias.len()).map(row).collect()
}
