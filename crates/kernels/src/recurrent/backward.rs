//! The time steps of a recurrent layer back, from the last to the first. `forward.rs` mirrors it; the products after it are
//! in `products.rs`. Not here: equations.

use std::marker::PhantomData;
use std::ops::Range;

use super::dims::{gate_pairs, gate_rows};
use super::mask::Mask;
use super::walk::{Share, walk};
use super::{Dims, Equations, Inner, Sequence, Step};
use crate::cpu::{Shared, saturating_product};
use crate::gemm::{self, Columns, Init, Left, Right};
use crate::layout::PANEL;
use crate::simd::{RawKernel, Simd};
use crate::{Cpu, Number, pad, pairs};

/// All steps back, with lengths checked: `gates` becomes the gradient by the pre-activations. The rows of masked
/// positions then hold any contents.
pub(super) fn steps<E: Number, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    weight_hh: &[E],
    mask: Mask<'_>,
    run: &mut Sequence<'_, E>,
) {
    let transposed = |columns: Columns| {
        let inputs = d.panels() * columns.width;
        let mut to = cpu.scratch(d.hidden_size.div_ceil(PANEL) * inputs * PANEL);
        gemm::transpose(cpu, weight_hh, d.hidden_size, columns, inputs, &mut to);
        to
    };
    let weight_hh_t = Q::RECURRENT.map_or_else(|| cpu.scratch(0), transposed);
    // Of a cell without an inner product, these are empty.
    let (inner_t, mut grad_operand) = match Q::INNER {
        None => (cpu.scratch(0), cpu.scratch(0)),
        Some(inner) => (transposed(inner.product), cpu.scratch(d.state_len())),
    };
    let _part = cpu.part("steps back");
    let paired = Q::RECURRENT.filter(|_| cpu.has_bfloat16::<E>());
    let weight_pairs = paired.map(|columns| pairs::of_panels(cpu, &weight_hh_t, d.panels() * columns.width));
    let mut gate_pairs = paired.map(|_| cpu.scratch(d.panels() * d.batch * PANEL));
    let gate_pairs = gate_pairs.as_deref_mut().map(Shared::new);
    let (hidden, cell) = (run.hidden, run.cell);
    let (gates, grad_operand) = (Shared::new(run.gates), Shared::new(&mut grad_operand));
    let (grad_hidden, grad_cell) = (Shared::new(run.grad_hidden), Shared::new(run.grad_cell));
    if mask.is_mask() {
        let work = d.hidden_factors();
        // SAFETY: `backward` checked the length, and the parts of a split are disjoint rows.
        cpu.split(d.batch, 1, saturating_product(&work), |rows| unsafe { carry_over(d, rows, mask, grad_hidden) });
    }
    // One turn more than steps: a turn begins with the product of the step before.
    walk::<Q>(cpu, d, d.seq_len + 1, |share| {
        let part = BackwardPart {
            d,
            share,
            mask,
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
        };
        // SAFETY: `backward` checked the lengths, and the shares of a walk are disjoint.
        unsafe { cpu.run_raw(part) };
    });
}

/// The h before a masked step is the h after it. So the gradients from above by the two are added first, and the sum of a
/// gradient starts from the same number as without the step. Where one is 0 the other is copied: adding would turn -0 into 0,
/// and more padding would change a bit.
///
/// # Safety
/// `grad_hidden` is `[T+1, B, pad(H)]`, of which `rows` of the batch are this call's alone.
unsafe fn carry_over<E: Number>(d: &Dims, rows: Range<usize>, mask: Mask<'_>, grad_hidden: Shared<E>) {
    let width = pad(d.hidden_size);
    for t in (0..d.seq_len).map(|step| d.time(step)) {
        let (before, after) = d.slots(t);
        for r in rows.clone().filter(|r| !mask.at(t * d.batch + r)) {
            // SAFETY: the caller's promise; the slots differ.
            let row = |slot: usize| unsafe {
                std::slice::from_raw_parts_mut(grad_hidden.get().add((slot * d.batch + r) * width), width)
            };
            for (&mut before, after) in row(before).iter_mut().zip(row(after)) {
                *after = if *after == E::ZERO { before } else { before + *after };
            }
        }
    }
}

/// One thread's share of the steps back. Its rows and units of every slot and panel of the gradients and of `gates` are
/// writable; those of other units, which the product reads, are readable from the turn on after that which writes them.
struct BackwardPart<'a, E, Q> {
    d: &'a Dims,
    share: Share,
    mask: Mask<'a>,
    /// Of pairs where there are `gate_pairs`, `[2][P][B][32]` for those of two steps' `gates`, by turns.
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

impl<E: Number, Q: Equations> RawKernel<E> for BackwardPart<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let seq_len = self.d.seq_len;
        for turn in self.share.turns.clone() {
            // SAFETY: the caller's promise.
            unsafe {
                if turn > 0 {
                    self.multiply(s, turn - 1);
                }
                if turn < seq_len {
                    self.differentiate(s, turn);
                }
            }
        }
    }
}

impl<E: Number, Q: Equations> BackwardPart<'_, E, Q> {
    /// Row `r` and a block of units of the step that reads input `t`.
    ///
    /// # Safety
    /// They are within the sizes.
    #[inline(always)]
    unsafe fn step(&self, t: usize, block: usize, r: usize) -> Step<E> {
        let (d, (before, after)) = (self.d, self.d.slots(t));
        let at = |slot: usize| (slot * d.batch + r) * pad(d.hidden_size) + block * Q::UNITS;
        let has_many_states = Q::STATES.len() > 1;
        // SAFETY: the caller's promise.
        unsafe {
            let cell = |slot: usize| self.cell.as_ptr().add(if Q::STATES.is_empty() { 0 } else { at(slot) });
            Step {
                units: d.units_of(block),
                gates: self.gates.add((block * Q::PANELS * d.rows() + t * d.batch + r) * PANEL),
                panel_stride: d.rows() * PANEL,
                hidden_before: self.hidden.as_ptr().add(at(before)),
                hidden_after: self.hidden.as_ptr().add(at(after)).cast_mut(),
                cell_before: cell(before),
                cell_after: cell(after).cast_mut(),
                cell_stride: if has_many_states { d.hidden_len() } else { 0 },
                grad_before: self.grad_hidden.add(at(before)),
                grad_after: self.grad_hidden.add(at(after)),
                grad_cell: self.grad_cell.add(if Q::STATES.is_empty() { 0 } else { at(0) }),
                grad_cell_stride: if has_many_states { d.state_len() } else { 0 },
            }
        }
    }

    /// The input read at a turn: the last first.
    #[inline(always)]
    fn time(&self, turn: usize) -> usize {
        self.d.time(self.d.seq_len - 1 - turn)
    }

    /// This part's rows that read input `t`.
    #[inline(always)]
    fn rows_that_read(&self, t: usize) -> impl Iterator<Item = usize> {
        self.share.rows.clone().filter(move |r| self.mask.at(t * self.d.batch + r))
    }

    /// The equations of a turn: its gates become the gradient by the pre-activations.
    ///
    /// # Safety
    /// The pointers are valid and this part's rows and units its alone.
    #[inline(always)]
    unsafe fn differentiate<S: Simd<E>>(&self, s: S, turn: usize) {
        let (d, t) = (self.d, self.time(turn));
        let now = self.gates.wrapping_add(t * d.batch * PANEL);
        // SAFETY: the caller's promise.
        unsafe {
            for block in self.share.blocks.clone() {
                for r in self.rows_that_read(t) {
                    let step = self.step(t, block, r);
                    // The product adds to it.
                    let lines = gemm::lines(step.grad_before.cast_const(), step.units);
                    lines.for_each(|line| s.fetch_to_write(line));
                    Q::backward(s, step);
                }
            }
            if let Some(Inner { product, .. }) = Q::INNER {
                // d_operand = d_a W
                let (a, to) = (gate_rows(d, now, product), self.grad_operand);
                self.product(s, t, a, self.inner_t, to, Init::Zero, &mut |_| {});
                for block in 0..d.blocks() {
                    for r in self.rows_that_read(t) {
                        let to = to.add(r * pad(d.hidden_size) + block * Q::UNITS);
                        Q::backward_inner(s, self.step(t, block, r), to);
                    }
                }
            }
            if let Some(to) = self.pairs_of(turn) {
                for p in self.share.panels::<Q>() {
                    let (rows, panel) = (&self.share.rows, p * d.rows() * PANEL);
                    let from = now.add(panel + rows.start * PANEL);
                    let to = to.add((p * d.batch + rows.start) * PANEL / 2);
                    let from = std::slice::from_raw_parts(from, rows.len() * PANEL);
                    pairs::pair_row(from, std::slice::from_raw_parts_mut(to, from.len() / 2));
                }
            }
        }
    }

    /// The recurrent product of a turn, if the cell has one: d_h before the step += d_a W_hh, of this part's units.
    ///
    /// # Safety
    /// As `differentiate`, which is done for all units.
    #[inline(always)]
    unsafe fn multiply<S: Simd<E>>(&self, s: S, turn: usize) {
        let (d, t) = (self.d, self.time(turn));
        let (before, after) = d.slots(t);
        let columns = self.share.columns::<Q>(d);
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(columns) = Q::RECURRENT {
                let a = match self.pairs_of(turn) {
                    None => gate_rows(d, self.gates.wrapping_add(t * d.batch * PANEL), columns),
                    Some(pairs) => gate_pairs(d, pairs, d.batch, columns),
                };
                let mut beside = self.fetch_beside(s, t, self.time((turn + 1).min(d.seq_len - 1)), a.depth());
                let to = self.grad_hidden.add(before * d.state_len());
                self.product(s, t, a, self.weight_hh_t, to, Init::Keep, &mut beside);
            }
            // Masked: the gradient by the h after is that by the h before.
            for r in self.share.rows.clone().filter(|r| !self.mask.at(t * d.batch + r)) {
                let row = |slot: usize| self.grad_hidden.add((slot * d.batch + r) * pad(d.hidden_size) + columns.start);
                std::ptr::copy_nonoverlapping(row(after).cast_const(), row(before), columns.len());
            }
        }
    }

    /// The pairs of a turn's gates, if the product reads pairs.
    #[inline(always)]
    fn pairs_of(&self, turn: usize) -> Option<*mut E> {
        let len = self.d.panels() * self.d.batch * PANEL / 2;
        self.gate_pairs.map(|pairs| pairs.wrapping_add(turn % 2 * len))
    }

    /// What the product of step `t`, over `depth`, calls before its tiles: prefetches what this part reads at step `t_next`, in
    /// proportion to the progress of the product.
    #[inline(always)]
    fn fetch_beside<S: Simd<E>>(&self, s: S, t: usize, t_next: usize, depth: usize) -> impl FnMut(usize) {
        let blocks = self.share.blocks.clone();
        let work = self.rows_that_read(t).count() * depth * self.share.columns::<Q>(self.d).len();
        // Multiply-adds for each place that is prefetched.
        let each = work.div_ceil((blocks.len() * self.rows_that_read(t_next).count()).max(1)).max(1);
        let mut steps = blocks.flat_map(move |block| self.rows_that_read(t_next).map(move |r| (block, r)));
        let (mut done, mut fetched) = (0, 0);
        move |tile| {
            done += tile;
            let count = done / each - fetched;
            fetched += count;
            for (block, r) in steps.by_ref().take(count) {
                // SAFETY: within the sizes.
                let step = unsafe { self.step(t_next, block, r) };
                let state = if Q::STATES.is_empty() { step.hidden_before } else { step.cell_before };
                let lines = gemm::lines(step.gates.cast_const(), PANEL).chain(gemm::lines(state, step.units));
                lines.for_each(|line| s.fetch(line));
            }
        }
    }

    /// The product of this part's rows at step `t` with its columns of a transposed weight, to those of `to`
    /// `[B, pad(H)]`; `beside` as in `gemm::nn_beside`.
    ///
    /// # Safety
    /// As `gemm::nn`, at this part's rows.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    unsafe fn product<S: Simd<E>>(
        &self,
        s: S,
        t: usize,
        a: Left<E>,
        weight: &[E],
        to: *mut E,
        init: Init<E>,
        beside: &mut dyn FnMut(usize),
    ) {
        let (width, columns) = (pad(self.d.hidden_size), self.share.columns::<Q>(self.d));
        for rows in self.mask.runs(t * self.d.batch, self.share.rows.clone()) {
            // First the rest of the panel in which the columns begin, then whole panels.
            let whole = columns.start.next_multiple_of(PANEL).min(columns.end);
            let ranges = [columns.start..whole, whole..columns.end];
            for columns in ranges.into_iter().filter(|columns| !columns.is_empty()) {
                let (panel, column) = (columns.start / PANEL, columns.start % PANEL);
                let b = weight.as_ptr().wrapping_add(panel * a.depth() * PANEL + column);
                let c = to.wrapping_add(columns.start);
                let right = Right { b, cols: columns.len(), next: b, c, ldc: width, init };
                // SAFETY: the caller's promise.
                unsafe { gemm::nn_beside(s, rows.clone(), a, right, beside) };
            }
        }
    }
}
