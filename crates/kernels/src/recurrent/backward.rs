//! Holds the walk of a recurrent layer from the last step to the first. Its mirror is `forward.rs`; the products after
//! it are in `products.rs`. Refuses equations.

use std::marker::PhantomData;
use std::ops::Range;

use super::{Dims, Equations, Inner, Present, Sequence, Step, gate_pairs, gate_rows};
use crate::cpu::Shared;
use crate::gemm::{self, Columns, Init, Left, Right};
use crate::layout::PANEL;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element, pad, pairs};

/// All steps back, with lengths checked: `gates` becomes the gradient by the pre-activations. The rows of absent
/// positions are left with anything in them.
pub(super) fn steps<E: Element, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    weight_hh: &[E],
    present: Present<'_>,
    run: &mut Sequence<'_, E>,
) {
    let transposed = |columns: Columns| {
        let inputs = d.panels() * columns.width;
        let mut to = cpu.scratch(d.hidden_size.div_ceil(PANEL) * inputs * PANEL);
        gemm::transpose(cpu, weight_hh, d.hidden_size, columns, inputs, &mut to);
        to
    };
    let weight_hh_t = transposed(Q::RECURRENT);
    // Of a cell without an inner product, these are empty.
    let (inner_t, mut grad_operand) = match Q::INNER {
        None => (cpu.scratch(0), cpu.scratch(0)),
        Some(inner) => (transposed(inner.product), cpu.scratch(d.state_len())),
    };
    let _part = cpu.part("steps back");
    let paired = cpu.has_bfloat16::<E>();
    let weight_pairs = paired.then(|| pairs::of_panels(cpu, &weight_hh_t, d.panels() * Q::RECURRENT.width));
    let mut gate_pairs = paired.then(|| cpu.scratch(d.panels() * d.batch * PANEL / 2));
    let gate_pairs = gate_pairs.as_deref_mut().map(Shared::new);
    let (hidden, cell) = (run.hidden, run.cell);
    let (gates, grad_operand) = (Shared::new(run.gates), Shared::new(&mut grad_operand));
    let (grad_hidden, grad_cell) = (Shared::new(run.grad_hidden), Shared::new(run.grad_cell));
    cpu.split(d.batch, 1, d.recurrent_work(), |rows| {
        cpu.run(BackwardRows {
            d,
            rows,
            present,
            weight_hh_t: weight_pairs.as_deref().unwrap_or(&weight_hh_t),
            gate_pairs: gate_pairs.map(Shared::get),
            inner_t: &inner_t,
            hidden,
            cell,
            gates: gates.get(),
            grad_hidden: grad_hidden.get(),
            grad_cell: grad_cell.get(),
            grad_operand: grad_operand.get(),
            equations: PhantomData::<Q>,
        });
    });
}

/// All steps back for some rows of the batch.
struct BackwardRows<'a, E, Q> {
    d: &'a Dims,
    rows: Range<usize>,
    present: Present<'a>,
    /// Of pairs where there are `gate_pairs`, `[P][B][32]` for those of one step's `gates`.
    weight_hh_t: &'a [E],
    gate_pairs: Option<*mut E>,
    /// The transposed weight of the inner product, and `[B, pad(H)]` for the gradient by its operand, where a cell has
    /// one.
    inner_t: &'a [E],
    hidden: &'a [E],
    cell: &'a [E],
    gates: *mut E,
    grad_hidden: *mut E,
    grad_cell: *mut E,
    grad_operand: *mut E,
    equations: PhantomData<Q>,
}

impl<E: Element, Q: Equations> Kernel<E> for BackwardRows<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let d = self.d;
        let width = pad(d.hidden_size);
        if self.present.is_mask() {
            // SAFETY: as below.
            unsafe { self.carry_over() };
        }
        for (t, t_next) in d.times_back() {
            let ((before, after), first) = (d.slots(t), t * d.batch);
            // SAFETY: `backward` checked the lengths; this part alone touches its rows of every slot and panel of the
            // gradients and of `gates`; `hidden` and `cell` are only read.
            unsafe {
                let now = self.gates.add(first * PANEL);
                let step = |p: usize, r: usize| self.step(t, p, r);
                for p in 0..d.panels() {
                    for r in self.rows.clone().filter(|r| self.present.at(first + r)) {
                        let this = step(p, r);
                        // What the product adds to.
                        let lines = gemm::lines(this.grad_before.cast_const(), Q::UNITS);
                        lines.for_each(|line| s.fetch_to_write(line));
                        Q::backward(s, this);
                    }
                }
                if let Some(Inner { product, .. }) = Q::INNER {
                    // d_operand = d_a W
                    let (a, to) = (gate_rows(d, now, product), self.grad_operand);
                    self.product(s, first, a, self.inner_t, to, Init::Zero, |_| {});
                    for p in 0..d.panels() {
                        for r in self.rows.clone().filter(|r| self.present.at(first + r)) {
                            Q::backward_inner(s, step(p, r), to.add(r * width + p * Q::UNITS));
                        }
                    }
                }
                // d_h before the step += d_a W_hh
                let (a, to) = (self.gate_operand(now), self.grad_hidden.add(before * d.state_len()));
                let beside = self.fetch_beside(s, t, t_next, a.depth());
                self.product(s, first, a, self.weight_hh_t, to, Init::Keep, beside);
                // Nothing was read: what came for the h after is all there is for the h before.
                for r in self.rows.clone().filter(|r| !self.present.at(first + r)) {
                    let row = |slot: usize| self.grad_hidden.add((slot * d.batch + r) * width);
                    std::ptr::copy_nonoverlapping(row(after).cast_const(), row(before), width);
                }
            }
        }
    }
}

impl<E: Element, Q: Equations> BackwardRows<'_, E, Q> {
    /// Row `r` and panel `p` of the step that reads input `t`.
    ///
    /// # Safety
    /// They are within the sizes.
    #[inline(always)]
    unsafe fn step(&self, t: usize, p: usize, r: usize) -> Step<E> {
        let (d, (before, after)) = (self.d, self.d.slots(t));
        let at = |slot: usize| (slot * d.batch + r) * pad(d.hidden_size) + p * Q::UNITS;
        // SAFETY: the caller's promise.
        unsafe {
            let cell = |slot: usize| self.cell.as_ptr().add(if Q::HAS_CELL { at(slot) } else { 0 });
            Step {
                units: d.units_of(p),
                gates: self.gates.add((p * d.rows() + t * d.batch + r) * PANEL),
                hidden_before: self.hidden.as_ptr().add(at(before)),
                hidden_after: self.hidden.as_ptr().add(at(after)).cast_mut(),
                cell_before: cell(before),
                cell_after: cell(after).cast_mut(),
                grad_before: self.grad_hidden.add(at(before)),
                grad_after: self.grad_hidden.add(at(after)),
                grad_cell: self.grad_cell.add(if Q::HAS_CELL { at(0) } else { 0 }),
            }
        }
    }

    /// What the product of step `t`, over `depth`, calls before its tiles: fetches what step `t_next` reads, in the measure in
    /// which the product is done.
    #[inline(always)]
    fn fetch_beside<S: Simd<E>>(&self, s: S, t: usize, t_next: usize, depth: usize) -> impl FnMut(usize) {
        let d = self.d;
        let present = move |t: usize| self.rows.clone().filter(move |r| self.present.at(t * self.d.batch + r));
        let work = present(t).count() * depth * pad(d.hidden_size);
        let places = d.panels() * present(t_next).count();
        let mut steps = (0..d.panels()).flat_map(move |p| present(t_next).map(move |r| (p, r)));
        let (mut done, mut fetched) = (0, 0);
        move |tile| {
            done += tile;
            let count = done * places / work - fetched;
            fetched += count;
            for (p, r) in steps.by_ref().take(count) {
                // SAFETY: within the sizes.
                let step = unsafe { self.step(t_next, p, r) };
                let state = if Q::HAS_CELL { step.cell_before } else { step.hidden_before };
                let lines = gemm::lines(step.gates.cast_const(), PANEL).chain(gemm::lines(state, Q::UNITS));
                lines.for_each(|line| s.fetch(line));
            }
        }
    }

    /// The h before a step that reads nothing is the h after it: what comes from above for the one is added to what comes
    /// for the other, so that the sum of a gradient starts from the whole, as it does where the step is not there. Adding
    /// to 0 would turn -0 into 0, and more padding change a bit.
    ///
    /// # Safety
    /// `grad_hidden` is valid and its rows are this part's alone.
    #[inline(always)]
    unsafe fn carry_over(&self) {
        let (d, width) = (self.d, pad(self.d.hidden_size));
        for t in (0..d.seq_len).map(|step| d.time(step)) {
            let (before, after) = d.slots(t);
            for r in self.rows.clone().filter(|r| !self.present.at(t * d.batch + r)) {
                // SAFETY: the caller's promise; the slots differ.
                let row = |slot: usize| unsafe {
                    std::slice::from_raw_parts_mut(self.grad_hidden.add((slot * d.batch + r) * width), width)
                };
                for (&mut before, after) in row(before).iter_mut().zip(row(after)) {
                    *after = if *after == E::ZERO { before } else { before + *after };
                }
            }
        }
    }

    /// One step's gates as the operand of the recurrent product, rounded to pairs where it reads such.
    ///
    /// # Safety
    /// The pointers are valid and the rows this part's alone.
    #[inline(always)]
    unsafe fn gate_operand(&self, now: *mut E) -> Left<E> {
        let (d, gates) = (self.d, gate_rows(self.d, now, Q::RECURRENT));
        let Some(to) = self.gate_pairs else { return gates };
        for p in 0..d.panels() {
            let (from, rows) = (p * gates.panel_stride, self.rows.clone());
            // SAFETY: the caller's promise; `gate_pairs` has half as many elements as a step's gates.
            unsafe {
                let from = std::slice::from_raw_parts(now.add(from + rows.start * PANEL), rows.len() * PANEL);
                let to = to.add((p * d.batch + rows.start) * PANEL / 2);
                pairs::pair_row(from, std::slice::from_raw_parts_mut(to, from.len() / 2));
            }
        }
        gate_pairs(d, to, d.batch, Q::RECURRENT)
    }

    /// The product of this part's rows of one step with a transposed weight, to `to` `[B, pad(H)]`. `first` is the
    /// step's first position; `beside` as in `gemm::nn_beside`.
    ///
    /// # Safety
    /// As `gemm::nn`, at this part's rows.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn product<S: Simd<E>>(
        &self,
        s: S,
        first: usize,
        a: Left<E>,
        weight: &[E],
        to: *mut E,
        init: Init<E>,
        mut beside: impl FnMut(usize),
    ) {
        let width = pad(self.d.hidden_size);
        for rows in self.present.runs(first, self.rows.clone()) {
            let b = weight.as_ptr();
            // SAFETY: the caller's promise.
            unsafe {
                gemm::nn_beside(s, rows, a, Right { b, cols: width, next: b, c: to, ldc: width, init }, &mut beside)
            };
        }
    }
}
