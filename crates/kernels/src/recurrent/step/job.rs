//! One step of a network as the threads of a team run it: the layers in turn, then the head. Not here: laying out weights,
//! and checks of what callers give.

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::null_mut;

use super::state::Sizes;
use crate::cpu::Shared;
use crate::gemm::Columns;
use crate::layout::PANEL;
use crate::matvec::{BoxedProduct, Product};
use crate::recurrent::cells::with_equations;
use crate::recurrent::{Dims, Equations, Step};
use crate::simd::{Backend, Kernel, RawKernel, Simd};
use crate::team::TeamThread;
use crate::{Buffer, Number, gemm, number, pad};

/// What a layer's gates hold before the recurrent product.
pub(super) enum Reads<E> {
    /// Bias and one-hot row of every token, `[V][P][64]`.
    Rows(Buffer<E>),
    /// A product with the embedding's row, of `[V, pad(width)]`.
    Embedded { width: usize, table: Buffer<E>, bias: Buffer<E>, product: BoxedProduct<E> },
    /// A product with the h of the layer below.
    Below { bias: Buffer<E>, product: BoxedProduct<E> },
}

/// A layer, laid out for steps.
pub(super) struct Layer<E> {
    /// Of one row and one step.
    pub(super) d: Dims,
    pub(super) reads: Reads<E>,
    /// `None` where the cell has no such product.
    pub(super) recurrent: Option<BoxedProduct<E>>,
}

impl<E: Number> Reads<E> {
    /// Width of the vector that the product multiplies.
    pub(super) fn width(&self) -> usize {
        if let Reads::Embedded { width, .. } = self { *width } else { 0 }
    }
}

impl<E: Number> Layer<E> {
    pub(super) fn bytes(&self) -> usize {
        let input = match &self.reads {
            Reads::Rows(_) => self.d.gates_len() * size_of::<E>(),
            Reads::Embedded { product, .. } | Reads::Below { product, .. } => product.bytes(),
        };
        input + self.recurrent.as_ref().map_or(0, |product| product.bytes())
    }
}

/// A step, as every thread of the team reads it. Nothing writes it, its weights and its sizes meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Job<'a, E> {
    pub(super) backend: Backend,
    pub(super) token: usize,
    pub(super) layers: &'a [Layer<E>],
    pub(super) head: &'a dyn Product<E>,
    /// Whether all threads compute the head; if not, the caller does when they are done.
    pub(super) shares_head: bool,
    pub(super) head_bias: &'a [E],
    /// pad(V).
    pub(super) outputs: usize,
    pub(super) sizes: &'a Sizes,
    /// The slot of the h before the step.
    pub(super) before: usize,
    pub(super) state: Shared<E>,
    pub(super) gates: Shared<E>,
    pub(super) logits: Shared<E>,
    pub(super) scratch: Shared<f32>,
    /// Of one thread.
    pub(super) scratch_len: usize,
}

impl<E: Number> Job<'_, E> {
    /// One thread's share of the step.
    ///
    /// # Safety
    /// The pointers are valid over what `sizes` and `layers` state; every thread of the team runs this once at a time.
    pub(super) unsafe fn run(&self, this: &TeamThread<'_>) {
        for (l, layer) in self.layers.iter().enumerate() {
            let blocks = this.share(layer.d.blocks());
            if !blocks.is_empty() {
                // SAFETY: the caller's promise; the shares of the threads are disjoint.
                with_equations!(layer.d.cell, Q => unsafe { self.layer::<Q>(l, layer, blocks, this.index()) });
            }
            // The end of the team's work is a barrier, too.
            if l + 1 < self.layers.len() || self.shares_head {
                this.barrier();
            }
        }
        if self.shares_head {
            // SAFETY: as above.
            unsafe { self.head(this.share(self.head.panels()), this.index()) };
        }
    }

    /// What a product of `thread` may write to.
    ///
    /// # Safety
    /// There are more threads than `thread`, and no earlier result for it is still in use.
    #[allow(clippy::mut_from_ref)]
    unsafe fn scratch(&self, thread: usize, len: usize) -> &mut [f32] {
        assert!(len <= self.scratch_len);
        // SAFETY: there is a scratch for every thread, of `scratch_len`; the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.scratch.get().add(thread * self.scratch_len), len) }
    }

    /// Some panels of the logits, by `thread`.
    ///
    /// # Safety
    /// As `run`; no other thread works on these panels, and the last h is written.
    pub(super) unsafe fn head(&self, panels: Range<usize>, thread: usize) {
        if panels.is_empty() {
            return;
        }
        let end = if panels.end == self.head.panels() { self.outputs } else { panels.end * PANEL };
        let columns = panels.start * PANEL..end;
        // SAFETY: the last h was written before the last barrier and is only read now; these panels of the logits, and the
        // scratch, are this thread's.
        unsafe {
            let h = self.hidden(1 - self.before, self.layers.len() - 1);
            number::run(self.backend, Fetch { read: [h, &[]], written: null_mut()..null_mut() });
            self.write(self.logits, columns, self.head_bias);
            self.head.add(self.backend, panels, h, self.scratch(thread, h.len()), self.logits.get());
        }
    }

    /// Some blocks of a layer, by `thread`.
    ///
    /// # Safety
    /// As `run`; no other thread works on these blocks, and what the layer reads is written.
    unsafe fn layer<Q: Equations>(&self, l: usize, layer: &Layer<E>, blocks: Range<usize>, thread: usize) {
        let (d, gates) = (&layer.d, self.gates.get());
        let panels = blocks.start * Q::PANELS..blocks.end * Q::PANELS;
        let columns = panels.start * PANEL..panels.end * PANEL;
        let at = |range: Range<usize>| self.state.get().wrapping_add(range.start);
        let (before, after) = (at(self.sizes.hidden(self.before, l)), at(self.sizes.hidden(1 - self.before, l)));
        // SAFETY: the gates and states of `panels` are written by this thread alone until the next barrier; the h before
        // the step, and that of the layer below after it, are written by none. A scratch is its thread's, for one product at
        // a time.
        unsafe {
            let add = |product: &dyn Product<E>, x: &[E], columns: Columns| {
                let scratch = self.scratch(thread, x.len());
                product.add(self.backend, panels.clone(), x, scratch, gates.add(columns.first));
            };
            let x = match &layer.reads {
                Reads::Rows(_) => &[],
                Reads::Embedded { width, table, .. } => &table[self.token * pad(*width)..][..pad(*width)],
                Reads::Below { .. } => self.hidden(1 - self.before, l - 1),
            };
            let h = self.hidden(self.before, l);
            let unit = |block: usize| after.wrapping_add((block * Q::UNITS).min(pad(d.hidden_size)));
            let written = unit(blocks.start)..unit(blocks.end);
            number::run(self.backend, Fetch { read: [x, h], written });
            match &layer.reads {
                Reads::Rows(rows) => self.write(self.gates, columns, &rows[self.token * d.gates_len()..]),
                Reads::Embedded { bias, product, .. } | Reads::Below { bias, product } => {
                    self.write(self.gates, columns, bias);
                    add(&**product, x, Q::INPUT);
                }
            }
            if let (Some(product), Some(columns)) = (&layer.recurrent, Q::RECURRENT) {
                add(&**product, h, columns);
            }
            let cell = at(self.sizes.cell(l));
            E::run(self.backend, Activate::<E, Q> { d, blocks, gates, before, after, cell, equations: PhantomData });
        }
    }

    /// h of layer `l` in a slot.
    ///
    /// # Safety
    /// Nothing writes it while it is borrowed.
    unsafe fn hidden(&self, slot: usize, l: usize) -> &[E] {
        let range = self.sizes.hidden(slot, l);
        // SAFETY: the sizes are the state's own; the caller's promise.
        unsafe { std::slice::from_raw_parts(self.state.get().add(range.start), range.len()) }
    }

    /// Copies `columns` of `from` to `to`; where `from` ends earlier, the rest is left.
    ///
    /// # Safety
    /// `columns` of `to` are this thread's alone.
    unsafe fn write(&self, to: Shared<E>, columns: Range<usize>, from: &[E]) {
        let from = &from[columns.clone()];
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(to.get().add(columns.start), from.len()) }.copy_from_slice(from);
    }
}

/// Prefetches all lines that another thread has written or read: moving them one by one between cores takes long.
struct Fetch<'a, E> {
    read: [&'a [E]; 2],
    written: Range<*mut E>,
}

impl<E: Number> Kernel<E> for Fetch<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        for read in self.read {
            gemm::lines(read.as_ptr(), read.len()).for_each(|line| s.fetch(line));
        }
        let len = (self.written.end as usize - self.written.start as usize) / size_of::<E>();
        gemm::lines(self.written.start.cast_const(), len).for_each(|line| s.fetch_to_write(line));
    }
}

/// The equations of some blocks, in place: `gates` `[P][64]`, `after` `[pad(H)]` and `cell` `[S, pad(H)]` are writable there,
/// and `before` `[pad(H)]` is readable.
struct Activate<'a, E, Q> {
    d: &'a Dims,
    blocks: Range<usize>,
    gates: *mut E,
    before: *mut E,
    after: *mut E,
    cell: *mut E,
    equations: PhantomData<Q>,
}

impl<E: Number, Q: Equations> RawKernel<E> for Activate<'_, E, Q> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        for block in self.blocks {
            // SAFETY: the caller's promise. A state beside h is its own predecessor, and each unit's is read before it is
            // written; without one, nothing touches the pointer.
            unsafe {
                let units = block * Q::UNITS;
                let cell = if Q::STATES.is_empty() { self.cell } else { self.cell.add(units) };
                let step = Step {
                    units: self.d.units_of(block),
                    gates: self.gates.add(block * Q::PANELS * PANEL),
                    panel_stride: PANEL,
                    hidden_before: self.before.add(units),
                    hidden_after: self.after.add(units),
                    cell_before: cell,
                    cell_after: cell,
                    cell_stride: pad(self.d.hidden_size),
                    grad_before: null_mut(),
                    grad_after: std::ptr::null(),
                    grad_cell: null_mut(),
                    grad_cell_stride: 0,
                };
                Q::activate(s, step);
                Q::forward(s, step);
                step.zero_padding::<Q>(self.d.hidden_size, block);
            }
        }
    }
}
