//! A recurrent layer with operands rounded to bfloat16, in plain loops in f64, and for each of its results how far a layer
//! that computes in f32 may be off. Not here: tests.
//!
//! A running error analysis: each number carries a bound of its error ([`Near`]).
//! - The product of two bfloat16 (significands of 8 bits) is exact in f32 (24 bits): the products themselves have no error.
//! - A sum in f32 is off by at most u = 2^-24 of every partial sum.
//! - An operand whose error bound crosses the middle between two bfloat16 may be rounded to either: then its error is
//!   their distance, up to 2^-7 of it. Else rounding removes the error altogether.
//!
//! Each step starts from the h that the tested layer itself computed before it, so that errors of h do not add up, and
//! relu's derivative is that of the layer's own y.

use std::ops::Range;

use elman_kernels::Scalar;
use elman_kernels::recurrent::Cell;
use elman_kernels::recurrent::step::rounded_to_bfloat16;

use crate::case::Case;

const U: f64 = f32::ROUNDING;

/// A number, and a bound of how far the layer's is off.
#[derive(Clone, Copy, Debug)]
pub struct Near {
    pub value: f64,
    pub error: f64,
}

impl Near {
    const ZERO: Near = Near { value: 0.0, error: 0.0 };

    fn exact(value: f32) -> Near {
        Near { value: value.into(), error: 0.0 }
    }

    /// The result of one operation in f32.
    fn computed(value: f64, error: f64) -> Near {
        Near { value, error: error + U * (value.abs() + error) }
    }

    /// The nearest bfloat16. Rounding is monotonic: what lies between two numbers is rounded to between their roundings.
    fn rounded(self) -> Near {
        let round = |x: f64| f64::from(rounded_to_bfloat16(x as f32));
        let value = round(self.value);
        let (low, high) = (round(self.value - self.error), round(self.value + self.error));
        Near { value, error: (high - value).max(value - low) }
    }

    /// A function of slope at most `slope` that is computed to 2 units in the last place.
    fn function(self, f: impl Fn(f64) -> f64, slope: f64) -> Near {
        let value = f(self.value);
        Near { value, error: slope * self.error + 4.0 * U * (value.abs() + slope * self.error) }
    }

    fn sigmoid(self) -> Near {
        self.function(|x| 1.0 / (1.0 + (-x).exp()), 0.25)
    }

    fn tanh(self) -> Near {
        self.function(f64::tanh, 1.0)
    }
}

impl std::ops::Add for Near {
    type Output = Near;
    fn add(self, other: Near) -> Near {
        Near::computed(self.value + other.value, self.error + other.error)
    }
}

impl std::ops::Sub for Near {
    type Output = Near;
    fn sub(self, other: Near) -> Near {
        Near::computed(self.value - other.value, self.error + other.error)
    }
}

impl std::ops::Mul for Near {
    type Output = Near;
    fn mul(self, other: Near) -> Near {
        let error = self.value.abs() * other.error + (other.value.abs() + other.error) * self.error;
        Near::computed(self.value * other.value, error)
    }
}

/// 1 - x.
fn rest(x: Near) -> Near {
    Near::exact(1.0) - x
}

/// A sum of products: one chain in the layer.
#[derive(Clone, Copy)]
struct Sum {
    value: f64,
    error: f64,
    /// Of the magnitudes of all partial sums.
    partial: f64,
    /// What the partial sums of the layer's chain have beside those here, at most.
    beside: f64,
}

impl Sum {
    /// From what the chain starts with.
    fn from(start: Near, beside: f64) -> Sum {
        Sum { value: start.value, error: start.error, partial: 0.0, beside }
    }

    fn add(&mut self, a: Near, b: Near) {
        self.value += a.value * b.value;
        self.error += a.value.abs() * b.error + (b.value.abs() + b.error) * a.error;
        self.partial += self.value.abs() + self.error + self.beside;
    }

    /// Each partial sum is rounded once; twice, for the order within a pair and of a sum's blocks.
    fn result(self) -> Near {
        Near { value: self.value, error: self.error + 2.0 * U * (self.partial + self.value.abs() + self.beside) }
    }
}

fn exact(values: &[f32]) -> Vec<Near> {
    values.iter().map(|&x| Near::exact(x)).collect()
}

fn rounded(values: &[f32]) -> Vec<Near> {
    values.iter().map(|&x| Near::exact(x).rounded()).collect()
}

/// W v + b, of the rows `rows` of W; `beside` has what else the chain of a row holds.
fn affine(weight: &[Near], bias: &[f32], v: &[Near], rows: Range<usize>, beside: impl Fn(usize) -> f64) -> Vec<Near> {
    let row = |n: usize| {
        let mut sum = Sum::from(Near::exact(bias[n]), beside(n));
        weight[n * v.len()..].iter().zip(v).for_each(|(&w, &v)| sum.add(w, v));
        sum.result()
    };
    rows.map(row).collect()
}

/// One row of one step.
struct Step {
    from_x: Vec<Near>,
    from_h: Vec<Near>,
    /// r h, the operand of the inner product of a cell that resets before it.
    inner: Vec<Near>,
    h_before: Vec<Near>,
    c_before: Vec<Near>,
    c: Vec<Near>,
    h: Vec<Near>,
    /// The layer's own h.
    y: Vec<f32>,
}

/// What a gradient by h and c after a step becomes.
struct UnitGrads {
    from_x: [Near; 4],
    from_h: [Near; 4],
    h_before: Near,
    c_before: Near,
}

/// The layer of a case, whose f32 computation gave `y` `[T, B, H]`. The names are those of `Case::fused`.
pub struct Rounded<'a> {
    case: &'a Case<f32>,
    y: &'a [f32],
    weight_ih: Vec<Near>,
    weight_hh: Vec<Near>,
}

impl Rounded<'_> {
    pub fn results(case: &Case<f32>, y: &[f32]) -> Vec<(&'static str, Vec<Near>)> {
        let (weight_ih, weight_hh) = (rounded(&case.cell.weight_ih), rounded(&case.cell.weight_hh));
        Rounded { case, y, weight_ih, weight_hh }.run()
    }

    fn run(&self) -> Vec<(&'static str, Vec<Near>)> {
        let (case, d) = (self.case, &self.case.d);
        let (batch, h_size) = (d.batch, d.hidden_size);
        let mut times: Vec<usize> = (0..d.seq_len).collect();
        if d.reverse {
            times.reverse();
        }
        let is_read = |row: usize| case.mask.as_ref().is_none_or(|mask| mask[row]);
        // Forward.
        let (mut own, mut h) = (case.h0.clone(), exact(&case.h0));
        // A cell without a state beside h has an empty one.
        let mut c = if case.c0.is_empty() { vec![Near::ZERO; h.len()] } else { exact(&case.c0) };
        let mut y = vec![Near::ZERO; self.y.len()];
        let mut steps = Vec::new();
        for &t in &times {
            for b in 0..batch {
                let (row, state) = (t * batch + b, b * h_size..(b + 1) * h_size);
                let at = row * h_size..(row + 1) * h_size;
                if is_read(row) {
                    let step = self.forward(row, &own[state.clone()], &c[state.clone()]);
                    h[state.clone()].copy_from_slice(&step.h);
                    c[state.clone()].copy_from_slice(&step.c);
                    own[state.clone()].copy_from_slice(&step.y);
                    steps.push(Some(step));
                } else {
                    h[state.clone()].copy_from_slice(&exact(&own[state.clone()]));
                    steps.push(None);
                }
                y[at].copy_from_slice(&h[state]);
            }
        }
        // Backward.
        let before = &case.before;
        let mut g = Grads {
            weight_ih: sums(&before.weights.weight_ih),
            weight_hh: sums(&before.weights.weight_hh),
            bias_ih: sums(&before.weights.bias_ih),
            bias_hh: sums(&before.weights.bias_hh),
            x: exact(&before.x),
            h: vec![Near::ZERO; h.len()],
            c: if before.c0.is_empty() { vec![Near::ZERO; before.h0.len()] } else { exact(&before.c0) },
        };
        for (place, &t) in times.iter().enumerate().rev() {
            for b in 0..batch {
                let (row, state) = (t * batch + b, b * h_size);
                for u in 0..h_size {
                    g.h[state + u] = g.h[state + u] + Near::exact(case.grad_y[row * h_size + u]);
                }
                if let Some(step) = &steps[place * batch + b] {
                    self.backward(step, row, state, &mut g);
                }
            }
        }
        let h0 = g.h.iter().zip(&before.h0).map(|(&g, &before)| g + Near::exact(before)).collect();
        let finish = |sums: Vec<Sum>| sums.into_iter().map(|sum| sum.result()).collect();
        let mut all = vec![("y", y), ("hidden", h), ("d_h0", h0)];
        all.extend([("d_weight_ih", finish(g.weight_ih)), ("d_weight_hh", finish(g.weight_hh))]);
        all.extend([("d_bias_ih", finish(g.bias_ih)), ("d_bias_hh", finish(g.bias_hh))]);
        if d.cell.has_cell() {
            all.extend([("cell", c), ("d_c0", g.c)]);
        }
        if case.tokens.is_none() {
            all.push(("d_x", g.x));
        }
        all
    }

    /// One row of one step, from the layer's own h and the c of this computation.
    fn forward(&self, row: usize, own: &[f32], c_before: &[Near]) -> Step {
        let (case, d) = (self.case, &self.case.d);
        let (h_size, i_size, rows) = (d.hidden_size, d.input_size, d.cell.gates() * d.hidden_size);
        let layer = &case.cell;
        let from_x = match &case.tokens {
            None => {
                let x = rounded(&case.x[row * i_size..][..i_size]);
                affine(&self.weight_ih, &layer.bias_ih, &x, 0..rows, |n| layer.bias_hh[n].abs().into())
            }
            // A row of the weight is added; there is no product.
            Some(tokens) => {
                let weight = |n: usize| Near::exact(layer.weight_ih[n * i_size + tokens[row] as usize]);
                (0..rows).map(|n| Near::exact(layer.bias_ih[n]) + weight(n)).collect()
            }
        };
        let h = rounded(own);
        let h_before = exact(own);
        let beside = |n: usize| from_x[n].value.abs();
        let mut from_h = affine(&self.weight_hh, &layer.bias_hh, &h, 0..rows, beside);
        let mut inner = Vec::new();
        if d.cell == Cell::GruResetBefore {
            // The inner product's operands are not rounded.
            inner = (0..h_size).map(|u| (from_x[u] + from_h[u]).sigmoid() * h_before[u]).collect();
            let weight = exact(&layer.weight_hh);
            let n = affine(&weight, &layer.bias_hh, &inner, 2 * h_size..rows, beside);
            from_h.splice(2 * h_size.., n);
        }
        let y = self.y[row * h_size..][..h_size].to_vec();
        let c_before = c_before.to_vec();
        let mut step = Step { from_x, from_h, inner, h_before, c: c_before.clone(), h: Vec::new(), c_before, y };
        for u in 0..h_size {
            let (h, c) = self.unit(&step, u);
            step.h.push(h);
            step.c[u] = c;
        }
        step
    }

    /// The share of x, that of h, and the pre-activation of a gate of one unit.
    fn gate(&self, step: &Step, gate: usize, u: usize) -> (Near, Near, Near) {
        let n = gate * self.case.d.hidden_size + u;
        (step.from_x[n], step.from_h[n], step.from_x[n] + step.from_h[n])
    }

    fn unit(&self, step: &Step, u: usize) -> (Near, Near) {
        let (h, c) = (step.h_before[u], step.c_before[u]);
        let a = |gate: usize| self.gate(step, gate, u).2;
        match self.case.d.cell {
            Cell::RnnTanh => (a(0).tanh(), c),
            Cell::RnnRelu => (Near { value: a(0).value.max(0.0), error: a(0).error }, c),
            Cell::Lstm => {
                let (i, f, g, o) = (a(0).sigmoid(), a(1).sigmoid(), a(2).tanh(), a(3).sigmoid());
                let c = f * c + i * g;
                (o * c.tanh(), c)
            }
            Cell::Gru => {
                let (r, z) = (a(0).sigmoid(), a(1).sigmoid());
                let (from_x, from_h, _) = self.gate(step, 2, u);
                let n = (from_x + r * from_h).tanh();
                (rest(z) * n + z * h, c)
            }
            Cell::GruResetBefore => {
                let (z, n) = (a(1).sigmoid(), a(2).tanh());
                (rest(z) * n + z * h, c)
            }
            Cell::MinGru | Cell::Slstm => unreachable!("not among the cells that the test states"),
        }
    }

    fn backward(&self, step: &Step, row: usize, state: usize, g: &mut Grads) {
        let (case, d) = (self.case, &self.case.d);
        let (h_size, i_size, rows) = (d.hidden_size, d.input_size, d.cell.gates() * d.hidden_size);
        let (mut d_x, mut d_h) = (vec![Near::ZERO; rows], vec![Near::ZERO; rows]);
        for u in 0..h_size {
            let by_unit = self.unit_backward(step, u, g.h[state + u], g.c[state + u]);
            (g.h[state + u], g.c[state + u]) = (by_unit.h_before, by_unit.c_before);
            for gate in 0..d.cell.gates() {
                d_x[gate * h_size + u] = by_unit.from_x[gate];
                d_h[gate * h_size + u] = by_unit.from_h[gate];
            }
        }
        let by_inner = |n: usize| d.cell == Cell::GruResetBefore && n >= 2 * h_size;
        if d.cell == Cell::GruResetBefore {
            for u in 0..h_size {
                // inner = r h_before
                let mut sum = Sum::from(Near::ZERO, 0.0);
                let weight = |n: usize| Near::exact(case.cell.weight_hh[n * h_size + u]);
                (2 * h_size..rows).for_each(|n| sum.add(d_h[n], weight(n)));
                let d_inner = sum.result();
                let r = self.gate(step, 0, u).2.sigmoid();
                let d_r = d_inner * step.h_before[u] * (r * rest(r));
                (d_x[u], d_h[u]) = (d_r, d_r);
                g.h[state + u] = g.h[state + u] + d_inner * r;
            }
        }
        let (d_x_rounded, d_h_rounded): (Vec<Near>, Vec<Near>) =
            (d_x.iter().map(|a| a.rounded()).collect(), d_h.iter().map(|a| a.rounded()).collect());
        // The gradient by the input.
        if case.tokens.is_none() {
            for k in 0..i_size {
                let mut sum = Sum::from(g.x[row * i_size + k], 0.0);
                (0..rows).for_each(|n| sum.add(d_x_rounded[n], self.weight_ih[n * i_size + k]));
                g.x[row * i_size + k] = sum.result();
            }
        }
        // That by h before the step; the layer adds it to the gradient from above, which is below 1.
        for k in 0..h_size {
            let mut sum = Sum::from(g.h[state + k], 1.0);
            let outer = (0..rows).filter(|&n| !by_inner(n));
            outer.for_each(|n| sum.add(d_h_rounded[n], self.weight_hh[n * h_size + k]));
            g.h[state + k] = sum.result();
        }
        // Those by the weights and biases.
        let one = Near::exact(1.0);
        for n in 0..rows {
            match &case.tokens {
                Some(tokens) => g.weight_ih[n * i_size + tokens[row] as usize].add(d_x[n], one),
                None => {
                    let x = rounded(&case.x[row * i_size..][..i_size]);
                    (0..i_size).for_each(|k| g.weight_ih[n * i_size + k].add(d_x_rounded[n], x[k]));
                }
            }
            for k in 0..h_size {
                let operand = if by_inner(n) { step.inner[k] } else { step.h_before[k] };
                g.weight_hh[n * h_size + k].add(d_h_rounded[n], operand.rounded());
            }
            g.bias_ih[n].add(d_x[n], one);
            g.bias_hh[n].add(d_h[n], one);
        }
    }

    fn unit_backward(&self, step: &Step, u: usize, d_h: Near, d_c: Near) -> UnitGrads {
        let a = |gate: usize| self.gate(step, gate, u).2;
        let both = |by_a: [Near; 4], h_before, c_before| UnitGrads { from_x: by_a, from_h: by_a, h_before, c_before };
        let (zero, h_before, c_before) = (Near::ZERO, step.h_before[u], step.c_before[u]);
        // sigmoid' = s (1 - s), tanh' = 1 - t^2
        let slope = |s: Near| s * rest(s);
        match self.case.d.cell {
            Cell::RnnTanh => {
                let y = Near::exact(step.y[u]);
                both([d_h * rest(y * y), zero, zero, zero], zero, d_c)
            }
            Cell::RnnRelu => both([if step.y[u] > 0.0 { d_h } else { zero }, zero, zero, zero], zero, d_c),
            Cell::Lstm => {
                let (i, f, g, o) = (a(0).sigmoid(), a(1).sigmoid(), a(2).tanh(), a(3).sigmoid());
                let tanh_c = step.c[u].tanh();
                let d_c = d_c + d_h * o * rest(tanh_c * tanh_c);
                let (d_i, d_f) = (d_c * g * slope(i), d_c * c_before * slope(f));
                both([d_i, d_f, d_c * i * rest(g * g), d_h * tanh_c * slope(o)], zero, d_c * f)
            }
            Cell::Gru => {
                let (r, z) = (a(0).sigmoid(), a(1).sigmoid());
                let (from_x, from_h, _) = self.gate(step, 2, u);
                let n = (from_x + r * from_h).tanh();
                let d_n = d_h * rest(z) * rest(n * n);
                let d_z = d_h * (h_before - n) * slope(z);
                let d_r = d_n * from_h * slope(r);
                let (from_x, from_h) = ([d_r, d_z, d_n, zero], [d_r, d_z, d_n * r, zero]);
                UnitGrads { from_x, from_h, h_before: d_h * z, c_before: d_c }
            }
            Cell::GruResetBefore => {
                let (z, n) = (a(1).sigmoid(), a(2).tanh());
                let (d_n, d_z) = (d_h * rest(z) * rest(n * n), d_h * (h_before - n) * slope(z));
                both([zero, d_z, d_n, zero], d_h * z, d_c)
            }
            Cell::MinGru | Cell::Slstm => unreachable!("not among the cells that the test states"),
        }
    }
}

struct Grads {
    weight_ih: Vec<Sum>,
    weight_hh: Vec<Sum>,
    bias_ih: Vec<Sum>,
    bias_hh: Vec<Sum>,
    x: Vec<Near>,
    h: Vec<Near>,
    c: Vec<Near>,
}

fn sums(before: &[f32]) -> Vec<Sum> {
    before.iter().map(|&x| Sum::from(Near::exact(x), 0.0)).collect()
}
