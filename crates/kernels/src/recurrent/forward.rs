//! The time steps of a recurrent layer, from the first to the last. `backward.rs` mirrors it. Not here: equations.

use std::marker::PhantomData;
use std::ops::Range;

use super::dims::gate_rows;
use super::mask::Mask;
use super::walk::{Share, walk};
use super::{Dims, Equations, Inner, Input, Step, Weights};
use crate::cpu::{Shared, saturating_product};
use crate::gemm::{self, Columns, Init, Left, Right};
use crate::layout::PANEL;
use crate::linear::left;
use crate::rows::Rows;
use crate::simd::{RawKernel, Simd};
use crate::{Cpu, Number, pad, pairs};

/// All steps, with lengths checked and the biases summed.
#[allow(clippy::too_many_arguments)]
pub(super) fn run<E: Number, Q: Equations>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    x: Input<'_, E>,
    mask: Mask<'_>,
    bias: &[E],
    gates: &mut [E],
    hidden: &mut [E],
    cell: &mut [E],
) {
    let paired = cpu.has_bfloat16::<E>();
    let mut state_pairs = (paired && Q::RECURRENT.is_some()).then(|| cpu.scratch(d.state_len()));
    if let Some(pairs) = &mut state_pairs {
        let from = &hidden[d.first_slot() * d.state_len()..][..d.state_len()];
        cpu.run(pairs::Rows { from, to: &mut pairs[..d.state_len() / 2] });
    }
    let state_pairs = state_pairs.as_deref_mut().map(Shared::new);
    let (gates, hidden, cell) = (Shared::new(gates), Shared::new(hidden), Shared::new(cell));
    let of_panels = |weight, k| paired.then(|| pairs::of_panels(cpu, weight, k));
    if let Input::Dense(x) = x {
        let _part = cpu.part("products with the input");
        let (x_pairs, weight_pairs) = (paired.then(|| pairs::of_rows(cpu, x)), of_panels(w.weight_ih, d.input_size));
        let a = left(x_pairs.as_deref(), x, d.input_size);
        let weight_ih = weight_pairs.as_deref().unwrap_or(w.weight_ih);
        let work = saturating_product(&[d.rows(), Q::GATES, d.hidden_size, d.input_size]);
        cpu.split_rows(d.seq_len, d.batch, work, |rows| {
            let gates = gates.get();
            let product = InputProduct { d, columns: Q::INPUT, rows, mask, a, weight_ih, bias, gates };
            // SAFETY: `forward` checked the lengths, and the parts of a split are disjoint rows.
            unsafe { cpu.run_raw(product) };
        });
    }
    let _part = cpu.part("steps forward");
    let tokens = match x {
        Input::Dense(_) => None,
        Input::Tokens(tokens) => Some((tokens, w.weight_ih, bias)),
    };
    let weight_pairs = of_panels(w.weight_hh, d.hidden_size);
    let part = |share| ForwardPart {
        d,
        share,
        mask,
        tokens,
        recurrent: weight_pairs.as_deref().unwrap_or(w.weight_hh),
        state_pairs: state_pairs.map(Shared::get),
        inner: w.weight_hh,
        gates: gates.get(),
        hidden: hidden.get(),
        cell: cell.get(),
        equations: PhantomData::<Q>,
    };
    // SAFETY: `forward` checked the lengths, and the shares of a walk are disjoint.
    walk::<Q>(cpu, d, d.seq_len, |share| unsafe { cpu.run_raw(part(share)) });
}

/// The input's share of the pre-activations, on top of the bias, for some rows of `[T*B]`, all panels: `a` is readable and
/// `gates` writable there.
struct InputProduct<'a, E> {
    d: &'a Dims,
    columns: Columns,
    rows: Rows,
    mask: Mask<'a>,
    a: Left<E>,
    weight_ih: &'a [E],
    bias: &'a [E],
    gates: *mut E,
}

impl<E: Number> RawKernel<E> for InputProduct<'_, E> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let Columns { first, width } = self.columns;
        for p in 0..self.d.panels() {
            let bias = &self.bias[p * PANEL..][..PANEL];
            let panel = self.weight_ih[p * self.a.depth() * PANEL..].as_ptr();
            let product = |rows: Rows| {
                // SAFETY: the caller's promise.
                unsafe {
                    let gates = self.gates.add(p * self.d.rows() * PANEL);
                    let init = Init::Row(bias.as_ptr().add(first));
                    let b = panel.wrapping_add(first);
                    let next = b.wrapping_add(self.a.depth() * PANEL);
                    let right = Right { b, cols: width, next, c: gates.add(first), ldc: PANEL, init };
                    gemm::nn(s, rows, self.a, right);
                    if width < PANEL {
                        for r in rows.runs().flatten() {
                            let row = std::slice::from_raw_parts_mut(gates.add(r * PANEL), PANEL);
                            row[..first].copy_from_slice(&bias[..first]);
                            row[first + width..].copy_from_slice(&bias[first + width..]);
                        }
                    }
                }
            };
            if self.mask.is_mask() {
                self.rows.runs().flat_map(|run| self.mask.runs(0, run)).for_each(|run| product(run.into()));
            } else {
                product(self.rows);
            }
        }
    }
}

/// One thread's share of the steps. Its rows and units of `gates`, of the states after a step and of their pairs are
/// writable; no other thread reads these states before the next turn. The states before a step are readable in all units.
struct ForwardPart<'a, E, Q> {
    d: &'a Dims,
    share: Share,
    mask: Mask<'a>,
    /// Tokens, `weight_ih` and the bias, where `gates` does not yet hold the input's share.
    tokens: Option<(&'a [u32], &'a [E], &'a [E])>,
    /// The weight of the recurrent product, or its pairs of bfloat16; with these, `[2, B, pad(H)/2]` for those of the states
    /// before and after a step, by turns.
    recurrent: &'a [E],
    state_pairs: Option<*mut E>,
    /// The weight of the inner product.
    inner: &'a [E],
    gates: *mut E,
    hidden: *mut E,
    cell: *mut E,
    equations: PhantomData<Q>,
}

impl<E: Number, Q: Equations> RawKernel<E> for ForwardPart<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let d = self.d;
        let Share { turns, rows: rows_here, blocks } = self.share.clone();
        for turn in turns {
            let (t, t_next) = (d.time(turn), d.time((turn + 1).min(d.seq_len - 1)));
            let ((before, after), first) = (d.slots(t), t * d.batch);
            // Rising and falling order alternate: a step begins with the blocks that the step before has left in the cache.
            let block_at = |i: usize| if turn.is_multiple_of(2) { blocks.start + i } else { blocks.end - 1 - i };
            let panel_at = |i: usize| block_at(i / Q::PANELS) * Q::PANELS + i % Q::PANELS;
            let last_panel = blocks.len() * Q::PANELS - 1;
            let rows_read = || rows_here.clone().filter(|r| self.mask.at(first + r));
            // SAFETY: the caller's promise.
            unsafe {
                let now = self.gates.add(first * PANEL);
                let step = |block: usize, r: usize| self.step(t, block, r);
                let previous = self.previous(turn, before);
                for i in 0..blocks.len() {
                    for i in i * Q::PANELS..(i + 1) * Q::PANELS {
                        let (p, p_next) = (panel_at(i), panel_at((i + 1).min(last_panel)));
                        let gates = now.add(p * d.rows() * PANEL);
                        if let Some((tokens, weight_ih, bias)) = self.tokens {
                            for r in rows_read() {
                                let token = tokens[first + r] as usize;
                                let row = &weight_ih[(p * d.input_size + token) * PANEL..][..PANEL];
                                add_rows(s, &bias[p * PANEL..][..PANEL], row, gates.add(r * PANEL));
                            }
                        }
                        if let Some(Columns { first: column, width: cols }) = Q::RECURRENT {
                            let panel = |p: usize| self.recurrent[p * previous.depth() * PANEL..].as_ptr().add(column);
                            let (b, next) = (panel(p), panel(p_next));
                            for rows in self.mask.runs(first, rows_here.clone()) {
                                let right = Right { b, cols, next, c: gates.add(column), ldc: PANEL, init: Init::Keep };
                                gemm::nn(s, rows, previous, right);
                            }
                        }
                    }
                    let block = block_at(i);
                    for r in rows_read() {
                        self.fetch(s, self.step(t_next, block, r));
                        Q::activate(s, step(block, r));
                    }
                    for r in rows_here.clone() {
                        let step = step(block, r);
                        if self.mask.at(first + r) {
                            Q::forward(s, step);
                            step.zero_padding::<Q>(d.hidden_size, block);
                        } else {
                            copy_state::<E, Q>(step);
                        }
                    }
                }
                if let Some(Inner { operand, product }) = Q::INNER {
                    for p in 0..d.panels() {
                        let panel = self.inner[p * d.hidden_size * PANEL..].as_ptr().add(product.first);
                        let to = now.add(p * d.rows() * PANEL + product.first);
                        for rows in self.mask.runs(first, rows_here.clone()) {
                            inner_product(s, d, rows, now, operand, panel, product.width, to);
                        }
                        for r in rows_read() {
                            Q::forward_inner(s, step(p, r));
                        }
                    }
                }
                self.pair_states(turn + 1, after);
            }
        }
    }
}

impl<E: Number, Q: Equations> ForwardPart<'_, E, Q> {
    /// The states that the product of a turn reads, of which `before` is the slot.
    ///
    /// # Safety
    /// The slot is within the sizes.
    #[inline(always)]
    unsafe fn previous(&self, turn: usize, before: usize) -> Left<E> {
        let (d, width) = (self.d, pad(self.d.hidden_size));
        match self.pairs_of(turn) {
            // SAFETY: the caller's promise.
            None => unsafe { Left::rows(self.hidden.add(before * d.state_len()).cast_const(), width, d.hidden_size) },
            Some(states) => {
                Left { pairs: true, ..Left::rows(states.cast_const(), width / 2, pairs::count(d.hidden_size)) }
            }
        }
    }

    /// Row `r` and a block of units of the step that reads input `t`.
    ///
    /// # Safety
    /// They are within the sizes.
    #[inline(always)]
    unsafe fn step(&self, t: usize, block: usize, r: usize) -> Step<E> {
        let (d, (before, after)) = (self.d, self.d.slots(t));
        let at = |slot: usize| (slot * d.batch + r) * pad(d.hidden_size) + block * Q::UNITS;
        // SAFETY: the caller's promise.
        unsafe {
            let cell = |slot: usize| if Q::STATES.is_empty() { self.cell } else { self.cell.add(at(slot)) };
            Step {
                units: d.units_of(block),
                gates: self.gates.add((block * Q::PANELS * d.rows() + t * d.batch + r) * PANEL),
                panel_stride: d.rows() * PANEL,
                hidden_before: self.hidden.add(at(before)),
                hidden_after: self.hidden.add(at(after)),
                cell_before: cell(before),
                cell_after: cell(after),
                cell_stride: if Q::STATES.len() > 1 { d.hidden_len() } else { 0 },
                grad_before: std::ptr::null_mut(),
                grad_after: std::ptr::null(),
                grad_cell: std::ptr::null_mut(),
                grad_cell_stride: 0,
            }
        }
    }

    /// Prefetches what a step writes.
    #[inline(always)]
    fn fetch<S: Simd<E>>(&self, s: S, step: Step<E>) {
        let fetch = |at, len| gemm::lines(at, len).for_each(|line: *const E| s.fetch_to_write(line));
        (0..Q::PANELS).for_each(|i| fetch(step.gates.wrapping_add(i * step.panel_stride), PANEL));
        fetch(step.hidden_after, step.units);
        (0..Q::STATES.len()).for_each(|i| fetch(step.cell_after.wrapping_add(i * step.cell_stride), step.units));
    }

    /// The pairs of the state before a turn, if the product reads pairs.
    #[inline(always)]
    fn pairs_of(&self, turn: usize) -> Option<*mut E> {
        self.state_pairs.map(|pairs| pairs.wrapping_add(turn % 2 * self.d.state_len() / 2))
    }

    /// Rounds this part's rows and units of the state in a slot to the pairs of a turn, if the product reads pairs.
    ///
    /// # Safety
    /// The pointers are valid and the rows and units this part's alone.
    #[inline(always)]
    unsafe fn pair_states(&self, turn: usize, slot: usize) {
        let Some(to) = self.pairs_of(turn) else { return };
        let columns = self.share.columns::<Q>(self.d);
        for r in self.share.rows.clone() {
            let start = r * pad(self.d.hidden_size) + columns.start;
            // SAFETY: the caller's promise; the pairs of a turn are half as many as the elements of a slot.
            unsafe {
                let from = self.hidden.add(slot * self.d.state_len() + start);
                let to = std::slice::from_raw_parts_mut(to.add(start / 2), columns.len() / 2);
                pairs::pair_row(std::slice::from_raw_parts(from, columns.len()), to);
            }
        }
    }
}

/// Copies the state of some units over a masked step.
///
/// # Safety
/// The pointers of `step` are valid for their ranges and this call's alone.
#[inline(always)]
unsafe fn copy_state<E: Number, Q: Equations>(step: Step<E>) {
    // SAFETY: the caller's promise; the states before and after are different slots.
    unsafe {
        std::ptr::copy_nonoverlapping(step.hidden_before, step.hidden_after, step.units);
        for i in 0..Q::STATES.len() {
            std::ptr::copy_nonoverlapping(step.state_before(i), step.state_after(i), step.units);
        }
    }
}

/// Adds the product of the columns `operand` of one step's gates, over the H units, with one panel of the recurrent
/// weight: one chain in rising k, over the panels whose units all exist and then over the rest of the last.
///
/// # Safety
/// As `gemm::nn`: `now` is one step's gates, `panel` has H rows of 64, `to` is written `cols` wide at `rows`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn inner_product<E: Number, S: Simd<E>>(
    s: S,
    d: &Dims,
    rows: Range<usize>,
    now: *mut E,
    operand: Columns,
    panel: *const E,
    cols: usize,
    to: *mut E,
) {
    let (whole, rest) = (d.hidden_size / operand.width, d.hidden_size % operand.width);
    let a = gate_rows(d, now, operand);
    let right = Right { b: panel, cols, next: panel, c: to, ldc: PANEL, init: Init::Keep };
    // SAFETY: the caller's promise; both products stay within the H rows of the panel.
    unsafe {
        if whole > 0 {
            gemm::nn(s, rows.clone(), Left { panels: whole, ..a }, right);
        }
        if rest > 0 {
            let a = Left::rows(a.ptr.wrapping_add(whole * a.panel_stride), PANEL, rest);
            gemm::nn(s, rows, a, Right { b: panel.add(whole * operand.width * PANEL), ..right });
        }
    }
}

/// Writes `a + b`, 64 elements.
///
/// # Safety
/// `to` is writable over 64 elements.
#[inline(always)]
unsafe fn add_rows<E: Number, S: Simd<E>>(s: S, a: &[E], b: &[E], to: *mut E) {
    assert!(a.len() == PANEL && b.len() == PANEL);
    for j in (0..PANEL).step_by(S::LANES) {
        // SAFETY: the lengths above and the caller's promise.
        unsafe { s.store(to.add(j), s.add(s.load(a.as_ptr().add(j)), s.load(b.as_ptr().add(j)))) };
    }
}
