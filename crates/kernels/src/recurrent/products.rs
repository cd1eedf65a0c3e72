//! The products of a recurrent layer's backward that need no order in time: gradients by input, weights and biases. Rows of
//! masked positions are removed first, so that no sum includes them.

use std::ops::Range;

use super::dims::{gate_pairs, gate_rows};
use super::mask::Mask;
use super::{Dims, Equations, Inner, Input, WeightGrads};
use crate::cpu::Shared;
use crate::gemm::{self, Columns};
use crate::layout::PANEL;
use crate::scratch::Scratch;
use crate::simd::{Kernel, Simd};
use crate::weight_grad::{self, OutputGrad, WeightGrad};
use crate::{Cpu, Number, linear, pad, pairs};

/// The gradient by the pre-activations, without the rows of masked positions.
struct GateGrads<'a, E> {
    d: &'a Dims,
    /// `[P][T*B][64]`, of which the first `rows` rows of each panel count.
    gates: &'a [E],
    rows: usize,
    /// The position of each row, where not every position has one.
    positions: Option<Vec<usize>>,
}

/// Adds the gradients that follow from that by the pre-activations, which `gates` holds.
#[allow(clippy::too_many_arguments)]
pub(super) fn add<E: Number, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    weight_ih: &[E],
    x: Input<'_, E>,
    mask: Mask<'_>,
    gates: &mut [E],
    hidden: &[E],
    grad_x: Option<&mut [E]>,
    grads: WeightGrads<'_, E>,
) {
    let g = GateGrads::new(cpu, d, mask, gates);
    if let (Input::Dense(_), Some(grad_x)) = (x, grad_x) {
        g.add_to_input(cpu, weight_ih, Q::INPUT, grad_x);
    }
    let positions = g.positions.as_deref();
    let b = g.output_grad();
    // d_W_hh += d_a^T h before each step
    let before = &hidden[usize::from(d.reverse) * d.state_len()..];
    let by_hidden =
        Q::RECURRENT.map(|columns| g.weight(columns, before, positions, d.hidden_size, &mut *grads.weight_hh));
    // d_b += sum of d_a, each bias in its columns
    let mut sums = cpu.scratch(d.panels() * PANEL);
    sums.fill(E::ZERO);
    let all_sums = Shared::new(&mut sums);
    let add_to_sums = |p: usize, rows: Range<usize>| {
        // SAFETY: panel p is one thread's, and within the sums.
        let sums = unsafe { std::slice::from_raw_parts_mut(all_sums.get().add(p * PANEL), PANEL) };
        cpu.run(ColumnSums { panel: g.rows_of(p, rows), sums });
    };
    match x {
        // d_W_ih += d_a^T x
        Input::Dense(x) => {
            let by_x = g.weight(Q::INPUT, x, positions, d.input_size, grads.weight_ih);
            match by_hidden {
                Some(by_hidden) => weight_grad::add(cpu, &b, [by_hidden, by_x], &add_to_sums),
                None => weight_grad::add(cpu, &b, [by_x], &add_to_sums),
            }
        }
        // The same where x is one-hot: the gradient of a row goes to the weight row of its token, in rising row.
        Input::Tokens(tokens) => {
            let (len, grad) = (d.input_size * PANEL, Shared::new(grads.weight_ih));
            let add_to_rows = |p: usize, rows: Range<usize>| {
                add_to_sums(p, rows.clone());
                // SAFETY: panel p is one thread's, and within the gradient.
                let grad = unsafe { std::slice::from_raw_parts_mut(grad.get().add(p * len), len) };
                let token = |row: usize| tokens[positions.map_or(row, |positions| positions[row])] as usize;
                cpu.run(Scatter { panel: g.rows_of(p, rows.clone()), rows, token, columns: Q::INPUT, grad });
            };
            match by_hidden {
                Some(by_hidden) => weight_grad::add(cpu, &b, [by_hidden], &add_to_rows),
                None => weight_grad::each_panel(cpu, &b, d.panels(), &add_to_rows),
            }
        }
    }
    if let Some(Inner { operand, product }) = Q::INNER {
        // ... and d_a^T times the operand of the inner product
        let operand = g.columns(cpu, operand);
        weight_grad::add(cpu, &b, [g.weight(product, &operand, None, d.hidden_size, grads.weight_hh)], &|_, _| {});
    }
    if g.rows > 0 {
        let recurrent = [Q::RECURRENT, Q::INNER.map(|inner| inner.product)];
        add_to_bias(&sums, grads.bias_ih, &[Some(Q::INPUT)]);
        add_to_bias(&sums, grads.bias_hh, &recurrent);
    }
}

impl<'a, E: Number> GateGrads<'a, E> {
    /// Moves the rows that are read to the front of their panels.
    fn new(cpu: &Cpu, d: &'a Dims, mask: Mask<'_>, gates: &'a mut [E]) -> GateGrads<'a, E> {
        let positions = mask.positions();
        if let Some(positions) = &positions {
            let len = d.rows() * PANEL;
            cpu.fill(gates, len, 1, |_, panels| {
                for panel in panels.chunks_exact_mut(len) {
                    for (row, &position) in positions.iter().enumerate() {
                        panel.copy_within(position * PANEL..(position + 1) * PANEL, row * PANEL);
                    }
                }
            });
        }
        let rows = positions.as_ref().map_or(d.rows(), Vec::len);
        GateGrads { d, gates, rows, positions }
    }

    /// The rows of each panel that count.
    fn panels(&self) -> impl Iterator<Item = &'a [E]> {
        let len = self.rows * PANEL;
        self.gates.chunks_exact((self.d.rows() * PANEL).max(1)).map(move |panel| &panel[..len])
    }

    /// d_x += d_a W_ih.
    fn add_to_input(&self, cpu: &Cpu, weight_ih: &[E], columns: Columns, grad_x: &mut [E]) {
        let (inputs, width) = (self.d.panels() * columns.width, pad(self.d.input_size));
        let mut transposed = cpu.scratch(self.d.input_size.div_ceil(PANEL) * inputs * PANEL);
        gemm::transpose(cpu, weight_ih, self.d.input_size, columns, inputs, &mut transposed);
        let _part = cpu.part("gradients by the input");
        let (mut a, mut weight) = (gate_rows(self.d, self.gates.as_ptr(), columns), transposed);
        let pairs = cpu.has_bfloat16::<E>().then(|| self.pairs(cpu));
        if let Some(pairs) = &pairs {
            a = gate_pairs(self.d, pairs.as_ptr(), self.rows, columns);
            weight = pairs::of_panels(cpu, &weight, inputs);
        }
        let product = |grad_x: &mut [E]| {
            let rows = if self.positions.is_some() { [self.rows, 1] } else { [self.d.seq_len, self.d.batch] };
            // SAFETY: `gates` has at least `rows` rows in every panel.
            unsafe { linear::product(cpu, rows, a, &weight, width, None, true, grad_x) }
        };
        let Some(positions) = &self.positions else { return product(grad_x) };
        let mut some = cpu.scratch::<E>(self.rows * width);
        for (row, &position) in some.chunks_exact_mut(width.max(1)).zip(positions) {
            row.copy_from_slice(&grad_x[position * width..][..width]);
        }
        product(&mut some);
        for (row, &position) in some.chunks_exact(width.max(1)).zip(positions) {
            grad_x[position * width..][..width].copy_from_slice(row);
        }
    }

    /// The pairs of the rows that count, `[P][rows][32]`.
    fn pairs<'c>(&self, cpu: &'c Cpu) -> Scratch<'c, E> {
        let mut pairs = cpu.scratch(self.d.panels() * self.rows * PANEL / 2);
        let len = (self.rows * PANEL / 2).max(1);
        cpu.fill(&mut pairs, len, 2, |start, to| {
            for (from, to) in self.panels().skip(start / len).zip(to.chunks_exact_mut(len)) {
                cpu.run(pairs::Rows { from, to });
            }
        });
        pairs
    }

    /// Some rows of a panel.
    fn rows_of(&self, p: usize, rows: Range<usize>) -> &'a [E] {
        &self.gates[(p * self.d.rows() + rows.start) * PANEL..][..rows.len() * PANEL]
    }

    /// The right operand of all weight gradients.
    fn output_grad(&self) -> OutputGrad<'a, E> {
        OutputGrad { rows: self.rows, values: self.gates, panel_stride: self.d.rows() * PANEL, ldb: PANEL }
    }

    /// d_W += d_a^T a, for the columns of a packed weight with `k` inputs. Row r of `a`, `pad(k)` long, is that of
    /// `positions[r]`, or r where there are none.
    fn weight<'w>(
        &self,
        columns: Columns,
        a: &'w [E],
        positions: Option<&'w [usize]>,
        k: usize,
        grad: &'w mut [E],
    ) -> WeightGrad<'w, E> {
        let outputs = self.d.panels() * columns.width;
        WeightGrad { a, lda: pad(k), positions, k, columns, outputs, grad }
    }

    /// Some columns of every panel side by side, as rows `[rows, pad(H)]`.
    fn columns<'c>(&self, cpu: &'c Cpu, columns: Columns) -> Scratch<'c, E> {
        let width = self.d.panels() * columns.width;
        let mut all = cpu.scratch(self.rows * width);
        cpu.fill(&mut all, width, 1, |start, rows| {
            for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                let at = (start / width + i) * PANEL + columns.first;
                for (p, to) in row.chunks_exact_mut(columns.width).enumerate() {
                    to.copy_from_slice(&self.gates[p * self.d.rows() * PANEL + at..][..columns.width]);
                }
            }
        });
        all
    }
}

/// Adds the sums over d_a's columns to a bias, in its columns of every panel.
fn add_to_bias<E: Number>(sums: &[E], bias: &mut [E], columns: &[Option<Columns>]) {
    for (bias, sums) in bias.chunks_exact_mut(PANEL).zip(sums.chunks_exact(PANEL)) {
        for &Columns { first, width } in columns.iter().flatten() {
            bias[first..first + width].iter_mut().zip(&sums[first..]).for_each(|(bias, &sum)| *bias += sum);
        }
    }
}

/// Adds a panel's rows to sums of its columns, in rising row.
struct ColumnSums<'a, E> {
    panel: &'a [E],
    sums: &'a mut [E],
}

impl<E: Number> Kernel<E> for ColumnSums<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let mut sums = [E::ZERO; PANEL];
        sums.copy_from_slice(self.sums);
        for row in self.panel.chunks_exact(PANEL) {
            for (sum, &g) in sums.iter_mut().zip(row) {
                *sum += g;
            }
        }
        self.sums.copy_from_slice(&sums);
    }
}

/// Adds some columns of a panel's rows to the rows of their tokens.
struct Scatter<'a, E, T> {
    panel: &'a [E],
    rows: Range<usize>,
    token: T,
    columns: Columns,
    grad: &'a mut [E],
}

impl<E: Number, T: Fn(usize) -> usize> Kernel<E> for Scatter<'_, E, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let columns = self.columns.first..self.columns.first + self.columns.width;
        for (r, row) in self.rows.zip(self.panel.chunks_exact(PANEL)) {
            let sums = &mut self.grad[(self.token)(r) * PANEL..][..PANEL][columns.clone()];
            for (sum, &g) in sums.iter_mut().zip(&row[columns.clone()]) {
                *sum += g;
            }
        }
    }
}
