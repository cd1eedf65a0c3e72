//! Holds the plain statement of every cell, forward beside backward: loops over PyTorch's own layout, one sum after
//! another. It is the truth the fused layers are tested against. Refuses speed: nothing here is ever optimised.
//!
//! All memory is dense and row-major, without padding.

use crate::Element;

fn sigmoid<E: Element>(x: E) -> E {
    E::from_f64(1.0 / (1.0 + libm::exp(-x.to_f64())))
}

fn tanh<E: Element>(x: E) -> E {
    E::from_f64(libm::tanh(x.to_f64()))
}

/// Weights of an LSTM layer: `weight_ih` `[4H, I]`, `weight_hh` `[4H, H]`, biases `[4H]`, gates i, f, g, o. Its
/// gradients have the same type.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm<E> {
    /// I.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// `[4H, I]`.
    pub weight_ih: Vec<E>,
    /// `[4H, H]`.
    pub weight_hh: Vec<E>,
    /// `[4H]`.
    pub bias_ih: Vec<E>,
    /// `[4H]`.
    pub bias_hh: Vec<E>,
}

/// What a forward pass leaves for backward: `gates` `[T, B, 4H]` after activation, `hidden` and `cell` `[T+1, B, H]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmRun<E> {
    /// i, f, g, o of every step.
    pub gates: Vec<E>,
    /// Slot 0 is h0, slot t+1 is `h[t]`.
    pub hidden: Vec<E>,
    /// Slot 0 is c0, slot t+1 is `c[t]`.
    pub cell: Vec<E>,
}

/// Gradients of a forward pass.
#[derive(Clone, Debug, PartialEq)]
pub struct LstmGrads<E> {
    /// By every weight.
    pub weights: Lstm<E>,
    /// By x, `[T, B, I]`.
    pub x: Vec<E>,
    /// By h0, `[B, H]`.
    pub h0: Vec<E>,
    /// By c0, `[B, H]`.
    pub c0: Vec<E>,
}

impl<E: Element> Lstm<E> {
    /// Weights of zero.
    pub fn zeros(input_size: usize, hidden_size: usize) -> Lstm<E> {
        let zeros = |cols: usize| vec![E::ZERO; 4 * hidden_size * cols];
        let (weight_ih, weight_hh) = (zeros(input_size), zeros(hidden_size));
        Lstm { input_size, hidden_size, weight_ih, weight_hh, bias_ih: zeros(1), bias_hh: zeros(1) }
    }

    /// Runs T steps of x `[T, B, I]` from h0 and c0 `[B, H]`.
    pub fn forward(&self, batch: usize, x: &[E], h0: &[E], c0: &[E]) -> LstmRun<E> {
        let (i_size, h_size) = (self.input_size, self.hidden_size);
        let seq_len = x.len() / (batch * i_size);
        let mut run = LstmRun { gates: Vec::new(), hidden: h0.to_vec(), cell: c0.to_vec() };
        for t in 0..seq_len {
            for b in 0..batch {
                let x_row = &x[(t * batch + b) * i_size..][..i_size];
                let before = (t * batch + b) * h_size;
                let a: Vec<E> = (0..4 * h_size)
                    .map(|n| {
                        let mut sum = self.bias_ih[n] + self.bias_hh[n];
                        for (&x, &w) in x_row.iter().zip(&self.weight_ih[n * i_size..]) {
                            sum += x * w;
                        }
                        for (&h, &w) in run.hidden[before..before + h_size].iter().zip(&self.weight_hh[n * h_size..]) {
                            sum += h * w;
                        }
                        sum
                    })
                    .collect();
                for u in 0..h_size {
                    let (i, f) = (sigmoid(a[u]), sigmoid(a[h_size + u]));
                    let (g, o) = (tanh(a[2 * h_size + u]), sigmoid(a[3 * h_size + u]));
                    let c = f * run.cell[before + u] + i * g;
                    run.cell.push(c);
                    run.hidden.push(o * tanh(c));
                }
                run.gates
                    .extend(a.iter().enumerate().map(|(n, &a)| if n / h_size == 2 { tanh(a) } else { sigmoid(a) }));
            }
        }
        run
    }

    /// Gradients of a loss whose gradients by every `h[t]` (`grad_y` `[T, B, H]`) and by the last c (`grad_cell`
    /// `[B, H]`) are given.
    pub fn backward(&self, batch: usize, x: &[E], run: &LstmRun<E>, grad_y: &[E], grad_cell: &[E]) -> LstmGrads<E> {
        let (i_size, h_size) = (self.input_size, self.hidden_size);
        let seq_len = x.len() / (batch * i_size);
        let mut d = LstmGrads {
            weights: Lstm::zeros(i_size, h_size),
            x: vec![E::ZERO; x.len()],
            h0: vec![E::ZERO; batch * h_size],
            c0: grad_cell.to_vec(),
        };
        for t in (0..seq_len).rev() {
            for b in 0..batch {
                let row = t * batch + b;
                let (before, after) = (row * h_size, (row + batch) * h_size);
                let mut d_a = vec![E::ZERO; 4 * h_size];
                for u in 0..h_size {
                    let gate = |n: usize| run.gates[row * 4 * h_size + n * h_size + u];
                    let (i, f, g, o) = (gate(0), gate(1), gate(2), gate(3));
                    let tanh_c = tanh(run.cell[after + u]);
                    // h = o tanh(c)
                    let d_h = grad_y[before + u] + d.h0[b * h_size + u];
                    let d_c = d.c0[b * h_size + u] + d_h * o * (E::ONE - tanh_c * tanh_c);
                    // c[t] = f c[t-1] + i g
                    d_a[u] = d_c * g * i * (E::ONE - i);
                    d_a[h_size + u] = d_c * run.cell[before + u] * f * (E::ONE - f);
                    d_a[2 * h_size + u] = d_c * i * (E::ONE - g * g);
                    d_a[3 * h_size + u] = d_h * tanh_c * o * (E::ONE - o);
                    d.c0[b * h_size + u] = d_c * f;
                    d.h0[b * h_size + u] = E::ZERO;
                }
                // a = x W_ih^T + h[t-1] W_hh^T + b_ih + b_hh
                for (n, &d_a) in d_a.iter().enumerate() {
                    for k in 0..i_size {
                        d.weights.weight_ih[n * i_size + k] += d_a * x[row * i_size + k];
                        d.x[row * i_size + k] += d_a * self.weight_ih[n * i_size + k];
                    }
                    for k in 0..h_size {
                        d.weights.weight_hh[n * h_size + k] += d_a * run.hidden[before + k];
                        d.h0[b * h_size + k] += d_a * self.weight_hh[n * h_size + k];
                    }
                    d.weights.bias_ih[n] += d_a;
                    d.weights.bias_hh[n] += d_a;
                }
            }
        }
        d
    }
}
