//! Holds the walk of a recurrent layer from the last step to the first, and the products after it. Its mirror is
//! `forward.rs`. Refuses equations.

use std::marker::PhantomData;
use std::ops::Range;

use super::{Dims, Equations, Input, Step, WeightGrads, Weights};
use crate::cpu::{Shared, saturating_product};
use crate::gemm::{self, Columns, Init, Left, WeightGrad};
use crate::layout::PANEL;
use crate::simd::{Kernel, Simd};
use crate::{Buffer, Cpu, Element, linear, pad};

/// All steps back, with lengths checked: `gates` becomes the gradient by the pre-activations.
#[allow(clippy::too_many_arguments)]
pub(super) fn steps<E: Element, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    gates: &mut [E],
    hidden: &[E],
    cell: &[E],
    grad_hidden: &mut [E],
    grad_cell: &mut [E],
) {
    let inputs = d.panels() * Q::RECURRENT.width;
    let mut transposed = Buffer::zeros(d.hidden_size.div_ceil(PANEL) * inputs * PANEL);
    gemm::transpose(cpu, w.weight_hh, d.hidden_size, Q::RECURRENT, inputs, &mut transposed);
    let (gates, grad_hidden, grad_cell) = (Shared::new(gates), Shared::new(grad_hidden), Shared::new(grad_cell));
    cpu.split(d.batch, 1, d.recurrent_work(), |rows| {
        let (gates, grad_hidden, grad_cell) = (gates.get(), grad_hidden.get(), grad_cell.get());
        let equations = PhantomData::<Q>;
        let weight_hh_t = &transposed;
        cpu.run(BackwardRows { d, rows, weight_hh_t, hidden, cell, gates, grad_hidden, grad_cell, equations });
    });
}

/// What follows from the gradient by the pre-activations: the gradients by input, weights and biases.
#[allow(clippy::too_many_arguments)]
pub(super) fn products<E: Element, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    x: Input<'_, E>,
    gates: &[E],
    hidden: &[E],
    grad_x: Option<&mut [E]>,
    grads: WeightGrads<'_, E>,
) {
    if let (Input::Dense(_), Some(grad_x)) = (x, grad_x) {
        // d_x += d_a W_ih
        let inputs = d.panels() * Q::INPUT.width;
        let mut transposed = Buffer::zeros(d.input_size.div_ceil(PANEL) * inputs * PANEL);
        gemm::transpose(cpu, w.weight_ih, d.input_size, Q::INPUT, inputs, &mut transposed);
        let a = gate_rows(d, gates.as_ptr(), Q::INPUT);
        // SAFETY: `gates` has T*B rows in every panel.
        unsafe { linear::product(cpu, d.rows(), a, &transposed, pad(d.input_size), None, true, grad_x) };
    }
    let weight_grad = |a, lda, k, columns| WeightGrad {
        sum_rows: d.rows(),
        a,
        lda,
        k,
        b: gates,
        panel_stride: d.rows() * PANEL,
        ldb: PANEL,
        columns,
        outputs: d.panels() * columns.width,
    };
    // d_W_hh += d_a^T h before each step
    let before = &hidden[usize::from(d.reverse) * d.state_len()..];
    gemm::tn(cpu, &weight_grad(before, pad(d.hidden_size), d.hidden_size, Q::RECURRENT), grads.weight_hh);
    match x {
        // d_W_ih += d_a^T x
        Input::Dense(x) => {
            gemm::tn(cpu, &weight_grad(x, pad(d.input_size), d.input_size, Q::INPUT), grads.weight_ih);
        }
        Input::Tokens(tokens) => scatter(cpu, d, tokens, gates, Q::INPUT, grads.weight_ih),
    }
    // d_b += sum over steps and rows of d_a, each bias in its columns
    for (p, panel) in gates.chunks_exact((d.rows() * PANEL).max(1)).enumerate() {
        let mut sum = [E::ZERO; PANEL];
        for row in panel.chunks_exact(PANEL) {
            for (sum, &g) in sum.iter_mut().zip(row) {
                *sum += g;
            }
        }
        for (columns, bias) in [(Q::INPUT, &mut *grads.bias_ih), (Q::RECURRENT, &mut *grads.bias_hh)] {
            for j in columns.first..columns.first + columns.width {
                bias[p * PANEL + j] += sum[j];
            }
        }
    }
}

/// Some columns of the gate buffer from `gates` on as a left operand: the sum runs over panels, then over columns.
fn gate_rows<E>(d: &Dims, gates: *const E, columns: Columns) -> Left<E> {
    let ptr = gates.wrapping_add(columns.first);
    Left { ptr, row_stride: PANEL, width: columns.width, panels: d.panels(), panel_stride: d.rows() * PANEL }
}

/// d_W_ih of one-hot input: the gradient of row r goes to the weight row of its token, in rising r.
fn scatter<E: Element>(cpu: &Cpu, d: &Dims, tokens: &[u32], gates: &[E], columns: Columns, grad: &mut [E]) {
    let grad = Shared::new(grad);
    let columns = columns.first..columns.first + columns.width;
    cpu.split(d.panels(), 1, saturating_product(&[d.rows(), d.panels(), PANEL]), |panels| {
        for p in panels {
            let len = d.input_size * PANEL;
            // SAFETY: panel p lies within the gradient and belongs to this part alone.
            let grad = unsafe { std::slice::from_raw_parts_mut(grad.get().add(p * len), len) };
            for (row, &token) in gates[p * d.rows() * PANEL..].chunks_exact(PANEL).zip(tokens) {
                let sums = &mut grad[token as usize * PANEL..][..PANEL][columns.clone()];
                for (sum, &g) in sums.iter_mut().zip(&row[columns.clone()]) {
                    *sum += g;
                }
            }
        }
    });
}

/// All steps back for some rows of the batch.
struct BackwardRows<'a, E, Q> {
    d: &'a Dims,
    rows: Range<usize>,
    weight_hh_t: &'a [E],
    hidden: &'a [E],
    cell: &'a [E],
    gates: *mut E,
    grad_hidden: *mut E,
    grad_cell: *mut E,
    equations: PhantomData<Q>,
}

impl<E: Element, Q: Equations> Kernel<E> for BackwardRows<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let d = self.d;
        let width = pad(d.hidden_size);
        let inputs = d.panels() * Q::RECURRENT.width;
        for t in (0..d.seq_len).rev().map(|step| d.time(step)) {
            let (before, after) = d.slots(t);
            // SAFETY: `backward` checked the lengths; this part alone touches its rows of every slot and panel of the
            // gradients and of `gates`; `hidden` and `cell` are only read.
            unsafe {
                for p in 0..d.panels() {
                    for r in self.rows.clone() {
                        let at = |slot: usize| (slot * d.batch + r) * width + p * Q::UNITS;
                        let cell = |slot: usize| {
                            let offset = if Q::HAS_CELL { at(slot) } else { 0 };
                            self.cell.as_ptr().add(offset)
                        };
                        let grad_cell = if Q::HAS_CELL { at(0) } else { 0 };
                        let step = Step {
                            units: d.units_of(p),
                            gates: self.gates.add((p * d.rows() + t * d.batch + r) * PANEL),
                            hidden_before: self.hidden.as_ptr().add(at(before)),
                            hidden_after: self.hidden.as_ptr().add(at(after)).cast_mut(),
                            cell_before: cell(before),
                            cell_after: cell(after).cast_mut(),
                            grad_before: self.grad_hidden.add(at(before)),
                            grad_after: self.grad_hidden.add(at(after)),
                            grad_cell: self.grad_cell.add(grad_cell),
                        };
                        Q::backward(s, step);
                    }
                }
                // d_h before the step += d_a W_hh
                let a = gate_rows(d, self.gates.add(t * d.batch * PANEL).cast_const(), Q::RECURRENT);
                for q in 0..d.hidden_size.div_ceil(PANEL) {
                    let panel = self.weight_hh_t[q * inputs * PANEL..].as_ptr();
                    let c = self.grad_hidden.add(before * d.state_len() + q * PANEL);
                    gemm::nn(s, self.rows.clone(), a, panel, (width - q * PANEL).min(PANEL), c, width, Init::Keep);
                }
            }
        }
    }
}
