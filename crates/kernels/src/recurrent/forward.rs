//! Holds the walk of a recurrent layer from the first step to the last. Its mirror is `backward.rs`. Refuses equations.

use std::marker::PhantomData;
use std::ops::Range;

use super::{Dims, Equations, Input, Step, Weights};
use crate::cpu::{Shared, saturating_product};
use crate::gemm::{self, Columns, Init, Left};
use crate::layout::PANEL;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element, pad};

/// All steps, with lengths checked and the biases summed.
#[allow(clippy::too_many_arguments)]
pub(super) fn run<E: Element, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    x: Input<'_, E>,
    bias: &[E],
    gates: &mut [E],
    hidden: &mut [E],
    cell: &mut [E],
) {
    let (gates, hidden, cell) = (Shared::new(gates), Shared::new(hidden), Shared::new(cell));
    if let Input::Dense(x) = x {
        let a = Left::rows(x.as_ptr(), pad(d.input_size), d.input_size);
        let work = saturating_product(&[d.rows(), Q::GATES, d.hidden_size, d.input_size]);
        cpu.split(d.rows(), 1, work, |rows| {
            let (weight_ih, gates) = (w.weight_ih, gates.get());
            cpu.run(InputProduct { d, columns: Q::INPUT, rows, a, weight_ih, bias, gates });
        });
    }
    let tokens = match x {
        Input::Dense(_) => None,
        Input::Tokens(tokens) => Some((tokens, w.weight_ih, bias)),
    };
    cpu.split(d.batch, 1, d.recurrent_work(), |rows| {
        let (gates, hidden, cell) = (gates.get(), hidden.get(), cell.get());
        let equations = PhantomData::<Q>;
        cpu.run(ForwardRows { d, rows, tokens, weight_hh: w.weight_hh, gates, hidden, cell, equations });
    });
}

/// The input's share of the pre-activations, on top of the bias, for some rows of `[T*B]`, all panels.
struct InputProduct<'a, E> {
    d: &'a Dims,
    columns: Columns,
    rows: Range<usize>,
    a: Left<E>,
    weight_ih: &'a [E],
    bias: &'a [E],
    gates: *mut E,
}

impl<E: Element> Kernel<E> for InputProduct<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let Columns { first, width } = self.columns;
        for p in 0..self.d.panels() {
            let bias = &self.bias[p * PANEL..][..PANEL];
            let panel = self.weight_ih[p * self.d.input_size * PANEL..].as_ptr();
            // SAFETY: `forward` checked the lengths; this part alone writes its rows of every panel.
            unsafe {
                let gates = self.gates.add(p * self.d.rows() * PANEL);
                let init = Init::Row(bias.as_ptr().add(first));
                gemm::nn(s, self.rows.clone(), self.a, panel.wrapping_add(first), width, gates.add(first), PANEL, init);
                if width < PANEL {
                    for r in self.rows.clone() {
                        let row = std::slice::from_raw_parts_mut(gates.add(r * PANEL), PANEL);
                        row[..first].copy_from_slice(&bias[..first]);
                        row[first + width..].copy_from_slice(&bias[first + width..]);
                    }
                }
            }
        }
    }
}

/// All steps for some rows of the batch.
struct ForwardRows<'a, E, Q> {
    d: &'a Dims,
    rows: Range<usize>,
    /// Tokens, `weight_ih` and the bias, where `gates` does not yet hold the input's share.
    tokens: Option<(&'a [u32], &'a [E], &'a [E])>,
    weight_hh: &'a [E],
    gates: *mut E,
    hidden: *mut E,
    cell: *mut E,
    equations: PhantomData<Q>,
}

impl<E: Element, Q: Equations> Kernel<E> for ForwardRows<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let d = self.d;
        let width = pad(d.hidden_size);
        for t in (0..d.seq_len).map(|step| d.time(step)) {
            let (before, after) = d.slots(t);
            // SAFETY: `forward` checked the lengths; this part alone touches its rows of every slot and panel.
            unsafe {
                let previous = Left::rows(self.hidden.add(before * d.state_len()).cast_const(), width, d.hidden_size);
                for p in 0..d.panels() {
                    let gates = self.gates.add((p * d.rows() + t * d.batch) * PANEL);
                    if let Some((tokens, weight_ih, bias)) = self.tokens {
                        for r in self.rows.clone() {
                            let token = tokens[t * d.batch + r] as usize;
                            let row = &weight_ih[(p * d.input_size + token) * PANEL..][..PANEL];
                            add_rows(s, &bias[p * PANEL..][..PANEL], row, gates.add(r * PANEL));
                        }
                    }
                    let Columns { first, width: cols } = Q::RECURRENT;
                    let panel = self.weight_hh[p * d.hidden_size * PANEL..].as_ptr().add(first);
                    gemm::nn(s, self.rows.clone(), previous, panel, cols, gates.add(first), PANEL, Init::Keep);
                    for r in self.rows.clone() {
                        let at = |slot: usize| (slot * d.batch + r) * width + p * Q::UNITS;
                        let cell = |slot: usize| if Q::HAS_CELL { self.cell.add(at(slot)) } else { self.cell };
                        let step = Step {
                            units: d.units_of(p),
                            gates: gates.add(r * PANEL),
                            hidden_before: self.hidden.add(at(before)),
                            hidden_after: self.hidden.add(at(after)),
                            cell_before: cell(before),
                            cell_after: cell(after),
                            grad_before: std::ptr::null_mut(),
                            grad_after: std::ptr::null(),
                            grad_cell: std::ptr::null_mut(),
                        };
                        Q::forward(s, step);
                    }
                }
            }
        }
    }
}

/// Writes `a + b`, 64 elements.
///
/// # Safety
/// `to` is writable over 64 elements.
#[inline(always)]
unsafe fn add_rows<E: Element, S: Simd<E>>(s: S, a: &[E], b: &[E], to: *mut E) {
    assert!(a.len() == PANEL && b.len() == PANEL);
    for j in (0..PANEL).step_by(S::LANES) {
        // SAFETY: the lengths above and the caller's promise.
        unsafe { s.store(to.add(j), s.add(s.load(a.as_ptr().add(j)), s.load(b.as_ptr().add(j)))) };
    }
}
