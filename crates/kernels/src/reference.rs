//! The plain statement of every cell, forward beside backward: loops over PyTorch's own layout, one sum after another. The
//! fused layers are tested against it. Not here: anything that makes it faster.
//!
//! All memory is dense and row-major, without padding. S is the number of states beside h.

use crate::Number;
use crate::error::product;
use crate::recurrent::Cell;

fn sigmoid<E: Number>(x: E) -> E {
    E::from_f64(1.0 / (1.0 + libm::exp(-x.to_f64())))
}

fn tanh<E: Number>(x: E) -> E {
    E::from_f64(libm::tanh(x.to_f64()))
}

/// Weights of a layer: `weight_ih` `[G*H, I]`, `weight_hh` `[G*H, H]`, biases `[G*H]`, gates in the cell's order. Its
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
    /// `[G*H, H]`; empty where there is no recurrent product.
    pub weight_hh: Vec<E>,
    /// `[G*H]`.
    pub bias_ih: Vec<E>,
    /// `[G*H]`; empty where there is no recurrent product.
    pub bias_hh: Vec<E>,
}

/// What a forward pass leaves: the state after reading each input, and what backward needs of every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<E> {
    /// h after each input, `[T, B, H]`.
    pub y: Vec<E>,
    /// The last h, `[B, H]`.
    pub hidden: Vec<E>,
    /// The last states beside h, `[S, B, H]`.
    pub cell: Vec<E>,
    /// For every step and row: what was computed, if anything was read.
    steps: Vec<Option<Step<E>>>,
}

/// What a layer reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, E> {
    /// T.
    pub seq_len: usize,
    /// B.
    pub batch: usize,
    /// `[T, B, I]`.
    pub x: &'a [E],
    /// `[T, B]`: what is read of x, all where it is `None`. Elsewhere the state passes through unchanged.
    pub mask: Option<&'a [bool]>,
    /// `[B, H]`.
    pub h0: &'a [E],
    /// The states beside h, `[S, B, H]`.
    pub c0: &'a [E],
}

/// One row of one step.
#[derive(Clone, Debug, PartialEq)]
struct Step<E> {
    h_before: Vec<E>,
    /// The states beside h, `[S, H]`.
    c_before: Vec<E>,
    h: Vec<E>,
    c: Vec<E>,
    /// The input's and the recurrence's shares of the pre-activations, each with its bias.
    from_x: Vec<E>,
    from_h: Vec<E>,
    /// What the recurrent weight of gate 2 multiplies: h, or r h where a cell resets before the product.
    inner: Vec<E>,
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
    /// By c0, `[S, B, H]`.
    pub c0: Vec<E>,
}

impl<E: Number> Layer<E> {
    /// Weights of zero.
    pub fn zeros(cell: Cell, input_size: usize, hidden_size: usize, reverse: bool) -> Layer<E> {
        let zeros = |cols: usize| vec![E::ZERO; cell.gates() * hidden_size * cols];
        let recurrent = |cols: usize| if cell.has_recurrent_product() { zeros(cols) } else { vec![] };
        let (weight_ih, weight_hh) = (zeros(input_size), recurrent(hidden_size));
        let (bias_ih, bias_hh) = (zeros(1), recurrent(1));
        Layer { cell, input_size, hidden_size, reverse, weight_ih, weight_hh, bias_ih, bias_hh }
    }

    /// Input times at which the steps read, in order.
    fn times(&self, seq_len: usize) -> Vec<usize> {
        if self.reverse { (0..seq_len).rev().collect() } else { (0..seq_len).collect() }
    }

    /// Panics if a length is not that of its shape.
    fn check(&self, inputs: &Inputs<'_, E>) {
        let &Inputs { seq_len, batch, x, mask, h0, c0 } = inputs;
        assert_eq!(Some(x.len()), product(&[seq_len, batch, self.input_size]), "length of x [T, B, I]");
        assert!(mask.is_none_or(|mask| Some(mask.len()) == product(&[seq_len, batch])), "mask is not [T, B]");
        assert_eq!(Some(h0.len()), product(&[batch, self.hidden_size]), "length of h0 [B, H]");
        let states = self.cell.states().len();
        assert_eq!(Some(c0.len()), product(&[states, batch, self.hidden_size]), "length of c0 [S, B, H]");
    }

    /// The states beside h of one row, `[S, H]`, from those of a batch.
    fn of_row(&self, states: &[E], batch: usize, row: usize) -> Vec<E> {
        let at = |i: usize| &states[(i * batch + row) * self.hidden_size..][..self.hidden_size];
        (0..self.cell.states().len()).flat_map(at).copied().collect()
    }

    /// Puts the states beside h of one row where they belong in those of a batch.
    fn put_row(&self, states: &mut [E], batch: usize, row: usize, values: &[E]) {
        for (i, values) in values.chunks_exact(self.hidden_size.max(1)).enumerate() {
            states[(i * batch + row) * self.hidden_size..][..self.hidden_size].copy_from_slice(values);
        }
    }

    /// Runs T steps from the initial state. Panics if a length is wrong.
    pub fn forward(&self, inputs: &Inputs<'_, E>) -> Run<E> {
        self.check(inputs);
        let &Inputs { seq_len, batch, x, mask, h0, c0 } = inputs;
        let (i_size, h_size) = (self.input_size, self.hidden_size);
        let (mut hidden, mut cell) = (h0.to_vec(), c0.to_vec());
        let mut run = Run { y: vec![E::ZERO; seq_len * batch * h_size], hidden: vec![], cell: vec![], steps: vec![] };
        for t in self.times(seq_len) {
            for b in 0..batch {
                let (row, state) = (t * batch + b, b * h_size..(b + 1) * h_size);
                let step = mask.is_none_or(|mask| mask[row]).then(|| {
                    self.step(
                        &x[row * i_size..][..i_size],
                        hidden[state.clone()].to_vec(),
                        self.of_row(&cell, batch, b),
                    )
                });
                if let Some(step) = &step {
                    hidden[state.clone()].copy_from_slice(&step.h);
                    self.put_row(&mut cell, batch, b, &step.c);
                }
                run.y[row * h_size..][..h_size].copy_from_slice(&hidden[state]);
                run.steps.push(step);
            }
        }
        (run.hidden, run.cell) = (hidden, cell);
        run
    }

    /// One row of one step.
    fn step(&self, x: &[E], h_before: Vec<E>, c_before: Vec<E>) -> Step<E> {
        let h_size = self.hidden_size;
        let mut step = Step {
            h: vec![E::ZERO; h_size],
            c: vec![E::ZERO; c_before.len()],
            from_x: affine(&self.weight_ih, &self.bias_ih, x),
            from_h: affine(&self.weight_hh, &self.bias_hh, &h_before),
            inner: h_before.clone(),
            h_before,
            c_before,
        };
        if self.cell == Cell::GruResetBefore {
            let n = 2 * h_size;
            step.inner = (0..h_size).map(|u| sigmoid(step.from_x[u] + step.from_h[u]) * step.h_before[u]).collect();
            let from_inner = affine(&self.weight_hh[n * h_size..], &self.bias_hh[n..], &step.inner);
            step.from_h[n..].copy_from_slice(&from_inner);
        }
        for u in 0..h_size {
            let (h, states) = self.unit(&step, u);
            step.h[u] = h;
            step.c.iter_mut().skip(u).step_by(h_size).zip(states).for_each(|(c, state)| *c = state);
        }
        step
    }

    /// h and the states beside it of one unit after a step.
    fn unit(&self, step: &Step<E>, u: usize) -> (E, Vec<E>) {
        let from_x = |gate: usize| step.from_x[gate * self.hidden_size + u];
        let from_h = |gate: usize| step.from_h[gate * self.hidden_size + u];
        let state = |i: usize| step.c_before[i * self.hidden_size + u];
        let a = |gate: usize| from_x(gate) + from_h(gate);
        match self.cell {
            Cell::RnnTanh => (tanh(a(0)), vec![]),
            Cell::RnnRelu => (if a(0) > E::ZERO { a(0) } else { E::ZERO }, vec![]),
            Cell::Lstm => {
                let (i, f, g, o) = (sigmoid(a(0)), sigmoid(a(1)), tanh(a(2)), sigmoid(a(3)));
                let c = f * state(0) + i * g;
                (o * tanh(c), vec![c])
            }
            Cell::Gru => {
                let (r, z) = (sigmoid(a(0)), sigmoid(a(1)));
                let n = tanh(from_x(2) + r * from_h(2));
                ((E::ONE - z) * n + z * step.h_before[u], vec![])
            }
            Cell::GruResetBefore => {
                let (z, n) = (sigmoid(a(1)), tanh(a(2)));
                ((E::ONE - z) * n + z * step.h_before[u], vec![])
            }
            Cell::MinGru => {
                let z = sigmoid(from_x(0));
                ((E::ONE - z) * step.h_before[u] + z * min_gru_candidate(from_x(1)).0, vec![])
            }
            Cell::Slstm => {
                let s = SlstmUnit::new([a(0), a(1), a(2), a(3)], [state(0), state(1), state(2)]);
                (s.o * s.c / s.n, vec![s.c, s.n, s.m])
            }
            #[cfg(test)]
            Cell::LstmOnTwoPanels => unreachable!("the layout of an LSTM is not stated here"),
        }
    }

    /// Gradients of a loss whose gradients by every h (`grad_y` `[T, B, H]`) and by the last states beside it (`grad_cell`
    /// `[S, B, H]`) are given. Panics if a length is wrong.
    pub fn backward(&self, inputs: &Inputs<'_, E>, run: &Run<E>, grad_y: &[E], grad_cell: &[E]) -> Grads<E> {
        self.check(inputs);
        let &Inputs { seq_len, batch, x, .. } = inputs;
        let (i_size, h_size) = (self.input_size, self.hidden_size);
        let mut d = Grads {
            weights: Layer::zeros(self.cell, i_size, h_size, self.reverse),
            x: vec![E::ZERO; x.len()],
            h0: vec![E::ZERO; batch * h_size],
            c0: grad_cell.to_vec(),
        };
        for (place, t) in self.times(seq_len).into_iter().enumerate().rev() {
            for b in 0..batch {
                let (row, state) = (t * batch + b, b * h_size);
                // y is the h after the step.
                for u in 0..h_size {
                    d.h0[state + u] += grad_y[row * h_size + u];
                }
                if let Some(step) = &run.steps[place * batch + b] {
                    self.step_backward(step, &x[row * i_size..][..i_size], row, b, &mut d);
                }
            }
        }
        d
    }

    /// One row of one step: `d.h0` and `d.c0` of row `b` of the batch come with the gradients by the states after it and
    /// leave with those before it.
    fn step_backward(&self, step: &Step<E>, x: &[E], row: usize, b: usize, d: &mut Grads<E>) {
        let (i_size, h_size, batch) = (self.input_size, self.hidden_size, d.h0.len() / self.hidden_size.max(1));
        let (state, mut d_c) = (b * h_size, self.of_row(&d.c0, batch, b));
        let (mut d_x, mut d_h) = (vec![E::ZERO; step.from_x.len()], vec![E::ZERO; step.from_h.len()]);
        for u in 0..h_size {
            let of_unit: Vec<E> = d_c.iter().skip(u).step_by(h_size).copied().collect();
            let by_unit = self.unit_backward(step, u, d.h0[state + u], &of_unit);
            d.h0[state + u] = by_unit.h_before;
            d_c.iter_mut().skip(u).step_by(h_size).zip(by_unit.c_before).for_each(|(d_c, by_state)| *d_c = by_state);
            for gate in 0..self.cell.gates() {
                d_x[gate * h_size + u] = by_unit.from_x[gate];
                if self.cell.has_recurrent_product() {
                    d_h[gate * h_size + u] = by_unit.from_h[gate];
                }
            }
        }
        self.put_row(&mut d.c0, batch, b, &d_c);
        let by_inner = |n: usize| self.cell == Cell::GruResetBefore && n >= 2 * h_size;
        if self.cell == Cell::GruResetBefore {
            // inner = r h_before
            for u in 0..h_size {
                let terms = (2 * h_size..3 * h_size).map(|n| d_h[n] * self.weight_hh[n * h_size + u]);
                let d_inner = terms.fold(E::ZERO, |sum, term| sum + term);
                let r = sigmoid(step.from_x[u] + step.from_h[u]);
                let d_r = d_inner * step.h_before[u] * r * (E::ONE - r);
                (d_x[u], d_h[u]) = (d_r, d_r);
                d.h0[state + u] += d_inner * r;
            }
        }
        for (n, &d_a) in d_x.iter().enumerate() {
            for (k, &x) in x.iter().enumerate() {
                d.weights.weight_ih[n * i_size + k] += d_a * x;
                d.x[row * i_size + k] += d_a * self.weight_ih[n * i_size + k];
            }
            d.weights.bias_ih[n] += d_a;
        }
        for (n, &d_a) in d_h.iter().enumerate() {
            for k in 0..h_size {
                if by_inner(n) {
                    d.weights.weight_hh[n * h_size + k] += d_a * step.inner[k];
                } else {
                    d.weights.weight_hh[n * h_size + k] += d_a * step.h_before[k];
                    d.h0[state + k] += d_a * self.weight_hh[n * h_size + k];
                }
            }
            d.weights.bias_hh[n] += d_a;
        }
    }

    /// From the gradients by h and the states beside it of one unit after a step to those by all it came from.
    fn unit_backward(&self, step: &Step<E>, u: usize, d_h: E, d_states: &[E]) -> UnitGrads<E> {
        let from_x = |gate: usize| step.from_x[gate * self.hidden_size + u];
        let from_h = |gate: usize| step.from_h[gate * self.hidden_size + u];
        let state = |i: usize| step.c_before[i * self.hidden_size + u];
        let a = |gate: usize| from_x(gate) + from_h(gate);
        let both =
            |by_a: [E; 4], h_before: E, c_before: Vec<E>| UnitGrads { from_x: by_a, from_h: by_a, h_before, c_before };
        let (zero, one) = (E::ZERO, E::ONE);
        match self.cell {
            Cell::RnnTanh => both([d_h * (one - step.h[u] * step.h[u]), zero, zero, zero], zero, vec![]),
            Cell::RnnRelu => both([if a(0) > zero { d_h } else { zero }, zero, zero, zero], zero, vec![]),
            Cell::Lstm => {
                let (i, f, g, o) = (sigmoid(a(0)), sigmoid(a(1)), tanh(a(2)), sigmoid(a(3)));
                let tanh_c = tanh(step.c[u]);
                // h = o tanh(c), c = f c_before + i g
                let d_c = d_states[0] + d_h * o * (one - tanh_c * tanh_c);
                let d_i = d_c * g * i * (one - i);
                let d_f = d_c * state(0) * f * (one - f);
                let d_g = d_c * i * (one - g * g);
                let d_o = d_h * tanh_c * o * (one - o);
                both([d_i, d_f, d_g, d_o], zero, vec![d_c * f])
            }
            Cell::Gru => {
                let (r, z) = (sigmoid(a(0)), sigmoid(a(1)));
                let n = tanh(from_x(2) + r * from_h(2));
                // h = (1 - z) n + z h_before, n = tanh(from_x + r from_h)
                let d_n = d_h * (one - z) * (one - n * n);
                let d_z = d_h * (step.h_before[u] - n) * z * (one - z);
                let d_r = d_n * from_h(2) * r * (one - r);
                let (from_x, from_h) = ([d_r, d_z, d_n, zero], [d_r, d_z, d_n * r, zero]);
                UnitGrads { from_x, from_h, h_before: d_h * z, c_before: vec![] }
            }
            Cell::GruResetBefore => {
                let (z, n) = (sigmoid(a(1)), tanh(a(2)));
                // h = (1 - z) n + z h_before; r follows from the inner product's operand
                let d_n = d_h * (one - z) * (one - n * n);
                let d_z = d_h * (step.h_before[u] - n) * z * (one - z);
                both([zero, d_z, d_n, zero], d_h * z, vec![])
            }
            Cell::MinGru => {
                let (z, (n, slope)) = (sigmoid(from_x(0)), min_gru_candidate(from_x(1)));
                // h = (1 - z) h_before + z n
                let d_z = d_h * (n - step.h_before[u]) * z * (one - z);
                both([d_z, d_h * z * slope, zero, zero], d_h * (one - z), vec![])
            }
            Cell::Slstm => {
                let s = SlstmUnit::new([a(0), a(1), a(2), a(3)], [state(0), state(1), state(2)]);
                // h = o c / n, c = f c_before + i z, n = f n_before + i
                let d_c = d_states[0] + d_h * s.o / s.n;
                let d_n = d_states[1] - d_h * s.o * s.c / (s.n * s.n);
                // i = exp(a_i - m), f = exp(l + m_before - m)
                let d_i = (d_c * s.z + d_n) * s.i;
                let d_f = (d_c * state(0) + d_n * state(1)) * s.f;
                let d_m = d_states[2] - d_i - d_f;
                let (d_i, d_kept) = if s.keeps { (d_i, d_f + d_m) } else { (d_i + d_m, d_f) };
                let d_z = d_c * s.i * (one - s.z * s.z);
                let d_o = d_h * s.c / s.n * s.o * (one - s.o);
                both([d_i, d_kept * sigmoid(-a(1)), d_z, d_o], zero, vec![d_c * s.f, d_n * s.f, d_kept])
            }
            #[cfg(test)]
            Cell::LstmOnTwoPanels => unreachable!("the layout of an LSTM is not stated here"),
        }
    }
}

/// Gradients by what one unit's step came from; gates the cell lacks are zero.
struct UnitGrads<E> {
    from_x: [E; 4],
    from_h: [E; 4],
    /// What does not pass the recurrent weight.
    h_before: E,
    c_before: Vec<E>,
}

/// g(a) of the minimal GRU, and its derivative.
fn min_gru_candidate<E: Number>(a: E) -> (E, E) {
    if a >= E::ZERO {
        return (a + E::from_f64(0.5), E::ONE);
    }
    let y = sigmoid(a);
    (y, y * (E::ONE - y))
}

/// What a step of the sLSTM computes of one unit.
struct SlstmUnit<E> {
    z: E,
    o: E,
    /// Whether m is that of before, decayed.
    keeps: bool,
    i: E,
    f: E,
    c: E,
    n: E,
    m: E,
}

impl<E: Number> SlstmUnit<E> {
    fn new([a_i, a_f, a_z, a_o]: [E; 4], [c, n, m]: [E; 3]) -> SlstmUnit<E> {
        let exp = |x: E| E::from_f64(libm::exp(x.to_f64()));
        // ln sigmoid
        let least = if a_f < E::ZERO { a_f } else { E::ZERO };
        let l = least - E::from_f64(libm::log1p(libm::exp(-a_f.to_f64().abs())));
        let (z, o, kept) = (tanh(a_z), sigmoid(a_o), l + m);
        let keeps = n > E::ZERO && kept > a_i;
        let m = if keeps { kept } else { a_i };
        // Finite, because it may be multiplied with 0.
        let largest = E::from_f64(E::EXP_FINITE);
        let (i, f) = (exp(a_i - m), exp(if kept - m < largest { kept - m } else { largest }));
        SlstmUnit { z, o, keeps, i, f, c: f * c + i * z, n: f * n + i, m }
    }
}

/// W v + b.
fn affine<E: Number>(weight: &[E], bias: &[E], v: &[E]) -> Vec<E> {
    let row = |n: usize| weight[n * v.len()..].iter().zip(v).fold(bias[n], |sum, (&w, &v)| sum + w * v);
    (0..bias.len()).map(row).collect()
}
