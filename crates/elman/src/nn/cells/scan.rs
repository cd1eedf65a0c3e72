//! A cell that is written as operations of the tape, as a layer. What of the input needs no state is computed for all steps
//! at once; the rest runs step by step in one scan node. Not here: cells (one file each beside this one).

use std::fmt::Debug;

use elman_kernels::Element;

use crate::autodiff::nodes::{ScanOptions, Sequence};
use crate::autodiff::params::Params;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass};
use crate::nn::state::StatePart;

/// The equations of a step, as operations of the tape.
pub trait ScanCell<E: Element>: Debug + Send + Sync {
    /// Columns of the output.
    fn outputs(&self) -> usize;

    /// The parts of its state.
    fn states(&self) -> &[StatePart];

    /// What of the input needs no state, for all steps at once: `[T*B, *]`.
    fn input(&self, tape: &mut Tape<E>, params: &Params<E>, x: Sequence<'_>) -> Result<Var, Error>;

    /// One step over `x`, the rows of [`ScanCell::input`] of this step `[B, *]`: y `[B, outputs]`. The states after it are
    /// pushed to `after`, in the order of [`ScanCell::states`].
    fn step(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Var,
        before: &[Var],
        after: &mut Vec<Var>,
    ) -> Result<Var, Error>;

    /// Numbers that a step keeps for backward for one row, padding included.
    fn kept(&self) -> usize;
}

/// A [`ScanCell`] in one direction.
#[derive(Clone, Debug)]
pub struct Scan<C> {
    /// The equations and their parameters.
    pub cell: C,
    /// Whether the last step is read first.
    pub reverse: bool,
}

impl<C> Scan<C> {
    /// The cell's input where something is read, and zero elsewhere: x may be anything there. The mask has a place for each row.
    fn masked_input<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        mask: &[bool],
    ) -> Result<Var, Error>
    where
        C: ScanCell<E>,
    {
        let at: Vec<usize> = (0..mask.len()).filter(|&position| mask[position]).collect();
        let picked: Vec<u32>;
        let read = match x {
            Sequence::Dense(x) => Sequence::Dense(tape.select(x, &at)?),
            Sequence::Tokens { tokens, vocab_size } => {
                picked = at.iter().map(|&position| tokens[position]).collect();
                Sequence::Tokens { tokens: &picked, vocab_size }
            }
        };
        let y = self.cell.input(tape, params, read)?;
        let zero = tape.zeros(mask.len(), y.cols());
        tape.merge(zero, y, &at)
    }
}

impl<E: Element, C: ScanCell<E>> Layer<E> for Scan<C> {
    fn outputs(&self) -> usize {
        self.cell.outputs()
    }

    fn states(&self) -> &[StatePart] {
        self.cell.states()
    }

    fn is_causal(&self) -> bool {
        !self.reverse
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        before: &[Var],
        after: &mut Vec<Var>,
        pass: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        if pass.mask.is_some_and(|mask| !mask.contains(&true)) {
            // Nothing is read.
            after.extend_from_slice(before);
            let (rows, width) = (x.rows(), self.cell.outputs());
            return Ok(tape.zeros(rows, width));
        }
        let x = match pass.mask.filter(|mask| mask.contains(&false)) {
            None => self.cell.input(tape, params, x)?,
            Some(mask) => self.masked_input(tape, params, x, mask)?,
        };
        if x.rows() == pass.batch && pass.mask.is_none() {
            return self.cell.step(tape, params, x, before, after);
        }
        let seq_len = x.rows() / pass.batch.max(1);
        let options = ScanOptions { seq_len, reverse: self.reverse, mask: pass.mask };
        tape.scan_states(options, x, before, after, &mut |tape, x, before, after| {
            self.cell.step(tape, params, x, before, after)
        })
    }

    fn memory(&self) -> Footprint {
        let output = elman_kernels::pad(self.cell.outputs());
        Footprint { kept: self.cell.kept() + output, output, working: self.cell.kept(), dropped: 0, widest: output }
    }
}
