//! `Dims`: the sizes of a recurrent layer, the layouts of its weights and the lengths of its buffers. Not here: checks of
//! what callers give.

use super::cells::{Cell, with_equations};
use super::equations::Equations;
use crate::cpu::saturating_product;
use crate::error::product;
use crate::gemm::{Columns, Left};
use crate::layout::{Layout, PANEL};
use crate::pad;

/// Sizes of one layer and one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Which equations.
    pub cell: Cell,
    /// T.
    pub seq_len: usize,
    /// B.
    pub batch: usize,
    /// I; the vocabulary where the input is tokens.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// Whether the last step is read first.
    pub reverse: bool,
}

impl Dims {
    /// Packed layout of `weight_ih` `[G*H, I]`.
    pub fn weight_ih(&self) -> Layout {
        with_equations!(self.cell, Q => Q::layout(self.hidden_size, self.input_size, false))
    }
    /// Packed layout of `weight_hh` `[G*H, H]`; of no rows where there is no recurrent product.
    pub fn weight_hh(&self) -> Layout {
        self.recurrent_layout(self.hidden_size)
    }
    /// Packed layout of `bias_ih` `[G*H]`.
    pub fn bias_ih(&self) -> Layout {
        with_equations!(self.cell, Q => Q::layout(self.hidden_size, 1, false))
    }
    /// Packed layout of `bias_hh` `[G*H]`; of no rows where there is no recurrent product.
    pub fn bias_hh(&self) -> Layout {
        self.recurrent_layout(1)
    }
    pub(super) fn recurrent_layout(&self, cols: usize) -> Layout {
        if !self.cell.has_recurrent_product() {
            return Layout::Panels { rows: 0, cols };
        }
        with_equations!(self.cell, Q => Q::layout(self.hidden_size, cols, true))
    }
    /// Length of `gates`; `usize::MAX`, which no slice has, where that is beyond it. So with the other lengths.
    #[inline]
    pub fn gates_len(&self) -> usize {
        length(&self.gates_factors())
    }
    /// Length of `hidden`.
    #[inline]
    pub fn hidden_len(&self) -> usize {
        length(&self.hidden_factors())
    }
    /// Length of `cell`: as many times that of `hidden` as there are states beside h.
    pub fn cell_len(&self) -> usize {
        length(&self.cell_factors())
    }
    /// Length of one slot of `hidden`: the h of a batch.
    #[inline]
    pub fn state_len(&self) -> usize {
        length(&self.state_factors())
    }
    /// Length of `grad_cell`: one slot of every state beside h.
    pub fn cell_state_len(&self) -> usize {
        length(&self.cell_state_factors())
    }
    #[inline]
    pub(super) fn gates_factors(&self) -> [usize; 4] {
        [self.panels(), self.seq_len, self.batch, PANEL]
    }
    #[inline]
    pub(super) fn hidden_factors(&self) -> [usize; 3] {
        [self.seq_len.saturating_add(1), self.batch, pad(self.hidden_size)]
    }
    pub(super) fn cell_factors(&self) -> [usize; 4] {
        [self.cell.states().len(), self.seq_len.saturating_add(1), self.batch, pad(self.hidden_size)]
    }
    #[inline]
    pub(super) fn state_factors(&self) -> [usize; 2] {
        [self.batch, pad(self.hidden_size)]
    }
    pub(super) fn cell_state_factors(&self) -> [usize; 3] {
        [self.cell.states().len(), self.batch, pad(self.hidden_size)]
    }
    pub(super) fn x_factors(&self) -> [usize; 3] {
        [self.seq_len, self.batch, pad(self.input_size)]
    }
    /// The slot of the initial state.
    pub fn first_slot(&self) -> usize {
        if self.reverse { self.seq_len } else { 0 }
    }
    /// The slot of the state after the last step read.
    pub fn last_slot(&self) -> usize {
        if self.reverse { 0 } else { self.seq_len }
    }
    /// The slot of the state after reading input 0; those after the other inputs follow it.
    #[inline]
    pub fn output_slot(&self) -> usize {
        usize::from(!self.reverse)
    }
    /// Blocks of units.
    #[inline]
    pub(super) fn blocks(&self) -> usize {
        self.hidden_size.div_ceil(self.units())
    }
    /// Panels of all blocks.
    #[inline]
    pub(super) fn panels(&self) -> usize {
        self.blocks().saturating_mul(with_equations!(self.cell, Q => Q::PANELS))
    }
    #[inline]
    pub(super) fn units(&self) -> usize {
        with_equations!(self.cell, Q => Q::UNITS)
    }
    /// T*B, of checked sizes: their product is within that of `gates_factors`.
    #[inline]
    pub(super) fn rows(&self) -> usize {
        self.seq_len * self.batch
    }
    /// The input read at step `step`.
    #[inline]
    pub(super) fn time(&self, step: usize) -> usize {
        if self.reverse { self.seq_len - 1 - step } else { step }
    }
    /// Slots of the states before and after reading input `t`.
    #[inline]
    pub(super) fn slots(&self, t: usize) -> (usize, usize) {
        (t + usize::from(self.reverse), t + self.output_slot())
    }
    /// Multiply-adds of all steps, without the product with the input.
    pub(super) fn steps_work(&self) -> usize {
        let of_a_gate = if self.cell.has_recurrent_product() { self.hidden_size } else { ACTIVATION_WORK };
        saturating_product(&[self.rows(), self.cell.gates(), self.hidden_size, of_a_gate])
    }
    /// The same of one step.
    pub(super) fn step_work(&self) -> usize {
        self.steps_work() / self.seq_len.max(1)
    }
    /// Units of a block, rounded up to 16: the last block may be narrow.
    #[inline]
    pub(super) fn units_of(&self, block: usize) -> usize {
        (pad(self.hidden_size) - block * self.units()).min(self.units())
    }
}

/// About what an activation costs, in multiply-adds.
const ACTIVATION_WORK: usize = 16;

#[inline]
fn length(factors: &[usize]) -> usize {
    product(factors).unwrap_or(usize::MAX)
}

/// Some columns of the gate buffer from `gates` on as a left operand: the sum runs over panels, then over columns.
#[inline]
pub(super) fn gate_rows<E>(d: &Dims, gates: *const E, columns: Columns) -> Left<E> {
    let (ptr, panel_stride) = (gates.wrapping_add(columns.first), d.rows() * PANEL);
    Left { ptr, row_stride: PANEL, width: columns.width, panels: d.panels(), panel_stride, pairs: false }
}

/// The same of the pairs of gates, `[P][rows][32]`.
#[inline]
pub(super) fn gate_pairs<E>(d: &Dims, pairs: *const E, rows: usize, columns: Columns) -> Left<E> {
    let (ptr, row_stride) = (pairs.wrapping_add(columns.first / 2), PANEL / 2);
    let (width, panel_stride) = (columns.width / 2, rows * PANEL / 2);
    Left { ptr, row_stride, width, panels: d.panels(), panel_stride, pairs: true }
}
