//! What a cell's file states: the trait `Equations`, and `Step`, the memory of one step that they read and write. Not here:
//! equations; each cell's are in a file of its own.

use crate::Number;
use crate::gemm::Columns;
use crate::layout::Layout;
use crate::simd::Simd;

/// One step of a block of units of one row, as pointers to where they lie. `units` is a multiple of 16. `gates` is the
/// row of 64 in the block's first panel; the other pointers are to the block's first unit, before and after the step.
#[derive(Clone, Copy)]
pub(crate) struct Step<E> {
    pub units: usize,
    pub gates: *mut E,
    /// From the row in one panel of the block to that in the next.
    pub panel_stride: usize,
    pub hidden_before: *const E,
    pub hidden_after: *mut E,
    /// The first state beside h; the next ones follow `cell_stride` apart.
    pub cell_before: *const E,
    pub cell_after: *mut E,
    pub cell_stride: usize,
    /// Gradient by the h before the step, to add to (backward only).
    pub grad_before: *mut E,
    /// Gradient by the h after the step.
    pub grad_after: *const E,
    /// Before: the gradient by the first state beside h after the step. Then: by that before the step. The gradients by
    /// the next states follow `grad_cell_stride` apart.
    pub grad_cell: *mut E,
    pub grad_cell_stride: usize,
}

/// The equations of a cell.
pub(crate) trait Equations {
    /// Rows of a weight per unit.
    const GATES: usize;
    /// Hidden units of a block: 16, 32 or 64.
    const UNITS: usize;
    /// Panels of a block, one after the other. They hold at most `64 * PANELS / UNITS` gates.
    const PANELS: usize = 1;
    /// Names of the states beside h.
    const STATES: &'static [&'static str] = &[];
    /// Whether a step from states of zero with pre-activations of zero leads to states of zero. If not, the padding of the
    /// states is zeroed after every step.
    const KEEPS_ZERO: bool = true;
    /// Columns of every panel that the product with the input fills.
    const INPUT: Columns = Columns::ALL;
    /// Columns of every panel that the product with h fills; `None` where the cell has no such product.
    const RECURRENT: Option<Columns> = Some(Columns::ALL);

    /// A second recurrent product within the step, beside RECURRENT; its cell has one panel a block.
    const INNER: Option<Inner> = None;

    /// Layout of a weight with `cols` columns: of the input, or, where the cell has a recurrent product, of that.
    fn layout(hidden_size: usize, cols: usize, recurrent: bool) -> Layout;

    /// What of a step needs no other state than its gates, in place. A pass of its own over the rows: the chains of
    /// `forward` are then half as long, and the processor overlaps more rows.
    ///
    /// # Safety
    /// The pointers of `step` are valid for their ranges and this call's alone.
    #[inline(always)]
    unsafe fn activate<E: Number, S: Simd<E>>(_: S, _: Step<E>) {}

    /// From what `activate` left to what backward needs in `gates`, and the state after the step; where there is an
    /// inner product, to its operand.
    ///
    /// # Safety
    /// The pointers of `step` are valid for their ranges and this call's alone.
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>);

    /// From the gradient by the state after the step to that by the pre-activations, in `gates`, and to what of the
    /// state before does not pass the recurrent product.
    ///
    /// # Safety
    /// As forward.
    unsafe fn backward<E: Number, S: Simd<E>>(s: S, step: Step<E>);

    /// After the inner product, to the state after the step.
    ///
    /// # Safety
    /// As forward.
    #[inline(always)]
    unsafe fn forward_inner<E: Number, S: Simd<E>>(_: S, _: Step<E>) {}

    /// From the gradient by the inner product's operand, of which `grad_operand` holds this step's units, to what is
    /// left of that by the pre-activations.
    ///
    /// # Safety
    /// As forward; `grad_operand` is readable over the step's units.
    #[inline(always)]
    unsafe fn backward_inner<E: Number, S: Simd<E>>(_: S, _: Step<E>, _grad_operand: *const E) {}
}

/// A recurrent product that reads not h but what `forward` leaves in the columns `operand` of every panel, a unit each,
/// and that adds to the columns `product`. Its weight is the rest of `weight_hh`: RECURRENT has none of those columns.
#[derive(Clone, Copy)]
pub(crate) struct Inner {
    pub operand: Columns,
    pub product: Columns,
}

impl<E: Number> Step<E> {
    /// The row of 64 in panel `i` of the block.
    ///
    /// # Safety
    /// The block has that panel.
    #[cfg_attr(not(test), expect(dead_code, reason = "no cell in use has more than four gates yet"))]
    #[inline(always)]
    pub unsafe fn panel(&self, i: usize) -> *mut E {
        // SAFETY: the caller's promise.
        unsafe { self.gates.add(i * self.panel_stride) }
    }

    /// State `i` beside h, before the step.
    ///
    /// # Safety
    /// The cell has that state.
    #[inline(always)]
    pub unsafe fn state_before(&self, i: usize) -> *const E {
        // SAFETY: the caller's promise.
        unsafe { self.cell_before.add(i * self.cell_stride) }
    }

    /// State `i` beside h, after the step.
    ///
    /// # Safety
    /// As `state_before`.
    #[inline(always)]
    pub unsafe fn state_after(&self, i: usize) -> *mut E {
        // SAFETY: the caller's promise.
        unsafe { self.cell_after.add(i * self.cell_stride) }
    }

    /// The gradient by state `i` beside h.
    ///
    /// # Safety
    /// As `state_before`.
    #[inline(always)]
    pub unsafe fn grad_state(&self, i: usize) -> *mut E {
        // SAFETY: the caller's promise.
        unsafe { self.grad_cell.add(i * self.grad_cell_stride) }
    }

    /// Zeroes the padding of the states after the step of block `block`, where the equations do not.
    ///
    /// # Safety
    /// The states after the step are writable over the block's units.
    #[inline(always)]
    pub unsafe fn zero_padding<Q: Equations>(&self, hidden_size: usize, block: usize) {
        if Q::KEEPS_ZERO {
            return;
        }
        let first = (hidden_size - block * Q::UNITS).min(self.units);
        // SAFETY: the caller's promise.
        unsafe {
            let zero =
                |state: *mut E| std::slice::from_raw_parts_mut(state.add(first), self.units - first).fill(E::ZERO);
            zero(self.hidden_after);
            (0..Q::STATES.len()).for_each(|i| zero(self.state_after(i)));
        }
    }
}
