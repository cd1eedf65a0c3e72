//! What all recurrent layers share: the products, the loops over time, the weight gradients. One call runs all steps of a
//! layer in one direction. Not here: equations; each cell's are in a file of its own.
//!
//! Memory: weights are packed by [`Dims::weight_ih`] and [`Dims::weight_hh`]. `gates` is `[P][T*B][64]`: it holds the
//! pre-activations, then what the cell keeps of a step, and backward turns it into the gradients by the
//! pre-activations. `hidden` is `[T+1][B][pad(H)]`, and `cell` is `[S][T+1][B][pad(H)]` for the S states beside h. In the
//! forward direction slot 0 is the initial state and slot t+1 the state after step t; in reverse, slot T is the initial
//! state and slot t the state after reading input t. So no step is special.
//!
//! The sum of a pre-activation is one chain: biases, then input, then recurrence, each in rising k. How threads share the
//! steps is in `walk.rs`.
//!
//! Adding a cell is a file of equations and a line in `cells!`.

mod backward;
mod forward;
mod mask;
mod products;
pub mod step;
#[cfg(test)]
mod two_panels;
mod walk;

use crate::cpu::saturating_product;
use crate::entry_points::entry_points;
use crate::error::{check_len, check_tokens, product};
use crate::gemm::{Columns, Left};
use crate::layout::{Layout, PANEL};
use crate::simd::Simd;
use crate::{Cpu, Element, Error, pad};
use mask::Mask;

/// Makes the enum of cells, and `with_equations!(cell, Q => body)`, which runs the body with Q bound to the type of the
/// cell's equations. `$dollar` is the sign itself.
macro_rules! cells {
    ($dollar:tt $($(#[doc = $doc:literal])* $(#[cfg($when:meta)])? $cell:ident $name:literal $equations:ty;)*) => {
        /// The cells there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cell {
            $($(#[doc = $doc])* $(#[cfg($when)])? $cell,)*
        }

        impl Cell {
            /// Every cell.
            pub const ALL: &'static [Cell] = &[$($(#[cfg($when)])? Cell::$cell),*];

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $($(#[cfg($when)])? Cell::$cell => $name,)*
                }
            }
        }

        macro_rules! with_equations {
            ($dollar cell:expr, $dollar equations:ident => $dollar body:expr) => {
                match $dollar cell {
                    $($(#[cfg($when)])? Cell::$cell => {
                        type $dollar equations = $equations;
                        $dollar body
                    })*
                }
            };
        }
    };
}

cells! { $
    /// Long short-term memory, gates i, f, g, o.
    Lstm "lstm" crate::lstm::Lstm;
    /// Gated recurrent unit, gates r, z, n, reset after the product: PyTorch's.
    Gru "gru" crate::gru::Gru;
    /// Elman's network with tanh.
    RnnTanh "rnn" crate::rnn::Rnn<crate::rnn::Tanh>;
    /// Elman's network with relu.
    RnnRelu "rnn-relu" crate::rnn::Rnn<crate::rnn::Relu>;
    /// Gated recurrent unit, gates r, z, n, reset before the product: Cho et al. 2014.
    GruResetBefore "gru-reset-before" crate::gru_reset_before::GruResetBefore;
    /// Minimal gated recurrent unit, gates z, h: Feng et al. 2024. It has no recurrent product.
    MinGru "min-gru" crate::min_gru::MinGru;
    /// Long short-term memory with exponential gates i, f, z, o: Beck et al. 2024.
    Slstm "slstm" crate::slstm::Slstm;
    /// The LSTM with its gates on two panels: the test that panels of a block change no bit.
    #[cfg(test)]
    LstmOnTwoPanels "lstm-on-two-panels" crate::recurrent::two_panels::LstmOnTwoPanels;
}

use with_equations;

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
    unsafe fn activate<E: Element, S: Simd<E>>(_: S, _: Step<E>) {}

    /// From what `activate` left to what backward needs in `gates`, and the state after the step; where there is an
    /// inner product, to its operand.
    ///
    /// # Safety
    /// The pointers of `step` are valid for their ranges and this call's alone.
    unsafe fn forward<E: Element, S: Simd<E>>(s: S, step: Step<E>);

    /// From the gradient by the state after the step to that by the pre-activations, in `gates`, and to what of the
    /// state before does not pass the recurrent product.
    ///
    /// # Safety
    /// As forward.
    unsafe fn backward<E: Element, S: Simd<E>>(s: S, step: Step<E>);

    /// After the inner product, to the state after the step.
    ///
    /// # Safety
    /// As forward.
    #[inline(always)]
    unsafe fn forward_inner<E: Element, S: Simd<E>>(_: S, _: Step<E>) {}

    /// From the gradient by the inner product's operand, of which `grad_operand` holds this step's units, to what is
    /// left of that by the pre-activations.
    ///
    /// # Safety
    /// As forward; `grad_operand` is readable over the step's units.
    #[inline(always)]
    unsafe fn backward_inner<E: Element, S: Simd<E>>(_: S, _: Step<E>, _grad_operand: *const E) {}
}

/// A recurrent product that reads not h but what `forward` leaves in the columns `operand` of every panel, a unit each,
/// and that adds to the columns `product`. Its weight is the rest of `weight_hh`: RECURRENT has none of those columns.
#[derive(Clone, Copy)]
pub(crate) struct Inner {
    pub operand: Columns,
    pub product: Columns,
}

/// Some columns of the gate buffer from `gates` on as a left operand: the sum runs over panels, then over columns.
#[inline]
fn gate_rows<E>(d: &Dims, gates: *const E, columns: Columns) -> Left<E> {
    let (ptr, panel_stride) = (gates.wrapping_add(columns.first), d.rows() * PANEL);
    Left { ptr, row_stride: PANEL, width: columns.width, panels: d.panels(), panel_stride, pairs: false }
}

/// The same of the pairs of gates, `[P][rows][32]`.
#[inline]
fn gate_pairs<E>(d: &Dims, pairs: *const E, rows: usize, columns: Columns) -> Left<E> {
    let (ptr, row_stride) = (pairs.wrapping_add(columns.first / 2), PANEL / 2);
    let (width, panel_stride) = (columns.width / 2, rows * PANEL / 2);
    Left { ptr, row_stride, width, panels: d.panels(), panel_stride, pairs: true }
}

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

impl Cell {
    /// Names of the states beside h, in the order in which `cell` buffers hold them: `["c"]` for an LSTM.
    #[inline]
    pub fn states(self) -> &'static [&'static str] {
        with_equations!(self, Q => Q::STATES)
    }
    /// Whether there is any state beside h.
    pub fn has_cell(self) -> bool {
        !self.states().is_empty()
    }
    /// Whether a step multiplies h with a weight. If not, `weight_hh` and `bias_hh` have length 0.
    #[inline]
    pub fn has_recurrent_product(self) -> bool {
        with_equations!(self, Q => Q::RECURRENT.is_some())
    }
    /// Rows of a weight per hidden unit: PyTorch's G.
    pub fn gates(self) -> usize {
        with_equations!(self, Q => Q::GATES)
    }
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
    fn recurrent_layout(&self, cols: usize) -> Layout {
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
    fn gates_factors(&self) -> [usize; 4] {
        [self.panels(), self.seq_len, self.batch, PANEL]
    }
    #[inline]
    fn hidden_factors(&self) -> [usize; 3] {
        [self.seq_len.saturating_add(1), self.batch, pad(self.hidden_size)]
    }
    fn cell_factors(&self) -> [usize; 4] {
        [self.cell.states().len(), self.seq_len.saturating_add(1), self.batch, pad(self.hidden_size)]
    }
    #[inline]
    fn state_factors(&self) -> [usize; 2] {
        [self.batch, pad(self.hidden_size)]
    }
    fn cell_state_factors(&self) -> [usize; 3] {
        [self.cell.states().len(), self.batch, pad(self.hidden_size)]
    }
    fn x_factors(&self) -> [usize; 3] {
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
    fn blocks(&self) -> usize {
        self.hidden_size.div_ceil(self.units())
    }
    /// Panels of all blocks.
    #[inline]
    fn panels(&self) -> usize {
        self.blocks().saturating_mul(with_equations!(self.cell, Q => Q::PANELS))
    }
    #[inline]
    fn units(&self) -> usize {
        with_equations!(self.cell, Q => Q::UNITS)
    }
    /// T*B, of checked sizes: their product is within that of `gates_factors`.
    #[inline]
    fn rows(&self) -> usize {
        self.seq_len * self.batch
    }
    /// The input read at step `step`.
    #[inline]
    fn time(&self, step: usize) -> usize {
        if self.reverse { self.seq_len - 1 - step } else { step }
    }
    /// Slots of the states before and after reading input `t`.
    #[inline]
    fn slots(&self, t: usize) -> (usize, usize) {
        (t + usize::from(self.reverse), t + self.output_slot())
    }
    /// Multiply-adds of all steps, without the product with the input.
    fn steps_work(&self) -> usize {
        let of_a_gate = if self.cell.has_recurrent_product() { self.hidden_size } else { ACTIVATION_WORK };
        saturating_product(&[self.rows(), self.cell.gates(), self.hidden_size, of_a_gate])
    }
    /// The same of one step.
    fn step_work(&self) -> usize {
        self.steps_work() / self.seq_len.max(1)
    }
    /// Units of a block, rounded up to 16: the last block may be narrow.
    #[inline]
    fn units_of(&self, block: usize) -> usize {
        (pad(self.hidden_size) - block * self.units()).min(self.units())
    }
}

/// About what an activation costs, in multiply-adds.
const ACTIVATION_WORK: usize = 16;

impl<E: Element> Step<E> {
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
    unsafe fn zero_padding<Q: Equations>(&self, d: &Dims, block: usize) {
        if Q::KEEPS_ZERO {
            return;
        }
        let first = (d.hidden_size - block * Q::UNITS).min(self.units);
        // SAFETY: the caller's promise.
        unsafe {
            let zero =
                |state: *mut E| std::slice::from_raw_parts_mut(state.add(first), self.units - first).fill(E::ZERO);
            zero(self.hidden_after);
            (0..Q::STATES.len()).for_each(|i| zero(self.state_after(i)));
        }
    }
}

#[inline]
fn length(factors: &[usize]) -> usize {
    product(factors).unwrap_or(usize::MAX)
}

/// Packed weights of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, E> {
    /// `[G*H, I]`.
    pub weight_ih: &'a [E],
    /// `[G*H, H]`.
    pub weight_hh: &'a [E],
    /// `[G*H]`.
    pub bias_ih: &'a [E],
    /// `[G*H]`.
    pub bias_hh: &'a [E],
}

impl<E: Element> Weights<'_, E> {
    /// Writes the sum of the biases, of which the recurrent one may be empty.
    fn add_biases(&self, sums: &mut [E]) {
        sums.copy_from_slice(self.bias_ih);
        sums.iter_mut().zip(self.bias_hh).for_each(|(sum, &b)| *sum += b);
    }
}

/// Packed gradients of one layer's weights; backward adds to them.
#[derive(Debug)]
pub struct WeightGrads<'a, E> {
    /// As [`Weights::weight_ih`].
    pub weight_ih: &'a mut [E],
    /// As [`Weights::weight_hh`].
    pub weight_hh: &'a mut [E],
    /// As [`Weights::bias_ih`].
    pub bias_ih: &'a mut [E],
    /// As [`Weights::bias_hh`].
    pub bias_hh: &'a mut [E],
}

/// What the layer reads at each step.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, E> {
    /// Vectors `[T*B, pad(I)]`.
    Dense(&'a [E]),
    /// Tokens `[T*B]` below I, each standing for a one-hot vector: the product becomes a row of the weight.
    Tokens(&'a [u32]),
}

/// What the layer reads over all steps.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a, E> {
    /// At every position.
    pub x: Input<'a, E>,
    /// `[T*B]`, true where a position is read; `None`: all are. At a masked position x may be anything. The state passes
    /// unchanged, and so does its gradient; x and the weights get no gradient from there.
    pub mask: Option<&'a [bool]>,
}

impl<'a, E> Inputs<'a, E> {
    /// Every position is read.
    pub fn all(x: Input<'a, E>) -> Inputs<'a, E> {
        Inputs { x, mask: None }
    }
}

entry_points! {
    /// Runs the layer over all steps from the initial state in slot [`Dims::first_slot`] of `hidden` and `cell`.
    ///
    /// Saved: `gates` (overwritten) and the other slots of `hidden` and `cell`; backward needs all three.
    /// Allocates: scratch memory, which the `Cpu` keeps for the next call.
    /// Errors: a length that differs from its shape; a token out of range that is read.
    pub fn forward(
        cpu: &Cpu,
        d: &Dims,
        w: &Weights<'_, E>,
        inputs: Inputs<'_, E>,
        gates: &mut [E],
        hidden: &mut [E],
        cell: &mut [E],
    ) -> Result<(), Error> = forward_for;

    /// Gradients of [`forward`], from the last step read to the first. `grad_x` and `grads` are added to; `grad_x` is
    /// optional, and `None` for tokens. The sums of a weight's gradient run over the positions that are read, in the
    /// order of `[T, B]`: masked positions take no part, so more of them change no bit.
    ///
    /// Allocates: scratch memory, which the `Cpu` keeps for the next call; with a mask, the positions that are read.
    /// Errors: a length that differs from its shape; a token out of range that is read. Then nothing is written.
    pub fn backward(
        cpu: &Cpu,
        d: &Dims,
        w: &Weights<'_, E>,
        inputs: Inputs<'_, E>,
        run: Sequence<'_, E>,
        grad_x: Option<&mut [E]>,
        grads: WeightGrads<'_, E>,
    ) -> Result<(), Error> = backward_for;
}

fn check<E: Element>(d: &Dims, w: &Weights<'_, E>, inputs: &Inputs<'_, E>, lens: [usize; 3]) -> Result<(), Error> {
    if let Some(mask) = inputs.mask {
        check_len("mask", mask.len(), "T * B", &[d.seq_len, d.batch])?;
    }
    match inputs.x {
        Input::Dense(x) => check_len("input", x.len(), "T * B * pad(I)", &d.x_factors())?,
        Input::Tokens(tokens) => {
            check_len("input tokens", tokens.len(), "T * B", &[d.seq_len, d.batch])?;
            check_tokens(tokens, inputs.mask, d.input_size)?;
        }
    }
    check_len("weight_ih", w.weight_ih.len(), "P * I * 64", &d.weight_ih().factors())?;
    check_len("weight_hh", w.weight_hh.len(), "P * H * 64", &d.weight_hh().factors())?;
    check_len("bias_ih", w.bias_ih.len(), "P * 64", &d.bias_ih().factors())?;
    check_len("bias_hh", w.bias_hh.len(), "P * 64", &d.bias_hh().factors())?;
    check_len("gates", lens[0], "P * T * B * 64", &d.gates_factors())?;
    check_len("hidden", lens[1], "(T+1) * B * pad(H)", &d.hidden_factors())?;
    check_len("cell", lens[2], "S * (T+1) * B * pad(H)", &d.cell_factors())
}

fn forward_for<E: Element>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    inputs: Inputs<'_, E>,
    gates: &mut [E],
    hidden: &mut [E],
    cell: &mut [E],
) -> Result<(), Error> {
    check(d, w, &inputs, [gates.len(), hidden.len(), cell.len()])?;
    if d.state_len() == 0 {
        return Ok(());
    }
    let mut bias = cpu.scratch(w.bias_ih.len());
    w.add_biases(&mut bias);
    let (x, mask) = (inputs.x, Mask::new(inputs.mask));
    with_equations!(d.cell, Q => forward::run::<E, Q>(cpu, d, w, x, mask, &bias, gates, hidden, cell));
    Ok(())
}

/// What backward reads and turns into gradients of the states.
#[derive(Debug)]
pub struct Sequence<'a, E> {
    /// As forward left it. Overwritten with intermediate results.
    pub gates: &'a mut [E],
    /// As forward left it.
    pub hidden: &'a [E],
    /// As forward left it.
    pub cell: &'a [E],
    /// `[T+1, B, pad(H)]`: before, the gradient from above by every h (and any values for h0); after, the whole gradients.
    pub grad_hidden: &'a mut [E],
    /// `[S, B, pad(H)]`, S the number of states beside h: before, the gradients by the last ones; after, those
    /// by the initial ones.
    pub grad_cell: &'a mut [E],
}

fn backward_for<E: Element>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    inputs: Inputs<'_, E>,
    mut run: Sequence<'_, E>,
    grad_x: Option<&mut [E]>,
    grads: WeightGrads<'_, E>,
) -> Result<(), Error> {
    check(d, w, &inputs, [run.gates.len(), run.hidden.len(), run.cell.len()])?;
    check_len("hidden gradient", run.grad_hidden.len(), "(T+1) * B * pad(H)", &d.hidden_factors())?;
    check_len("cell gradient", run.grad_cell.len(), "S * B * pad(H)", &d.cell_state_factors())?;
    check_len("weight_ih gradient", grads.weight_ih.len(), "P * I * 64", &[w.weight_ih.len()])?;
    check_len("weight_hh gradient", grads.weight_hh.len(), "P * H * 64", &[w.weight_hh.len()])?;
    check_len("bias_ih gradient", grads.bias_ih.len(), "P * 64", &[w.bias_ih.len()])?;
    check_len("bias_hh gradient", grads.bias_hh.len(), "P * 64", &[w.bias_hh.len()])?;
    if let Some(grad_x) = &grad_x {
        match inputs.x {
            Input::Dense(x) => check_len("input gradient", grad_x.len(), "T * B * pad(I)", &[x.len()])?,
            Input::Tokens(_) => check_len("input gradient of tokens", grad_x.len(), "nothing", &[0])?,
        }
    }
    if d.state_len() == 0 {
        return Ok(());
    }
    let (x, mask) = (inputs.x, Mask::new(inputs.mask));
    with_equations!(d.cell, Q => {
        backward::steps::<E, Q>(cpu, d, w.weight_hh, mask, &mut run);
        // From here on `gates` is the gradient by the pre-activations.
        products::add::<E, Q>(cpu, d, w.weight_ih, x, mask, run.gates, run.hidden, grad_x, grads);
    });
    Ok(())
}
