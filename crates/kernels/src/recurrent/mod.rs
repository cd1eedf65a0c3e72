//! What all recurrent layers share: the products, the loops over time, the weight gradients. One call runs all steps of a
//! layer in one direction. Not here: equations; each cell's are in a file of its own.
//!
//! Memory: weights are packed by [`Dims::weight_ih`] and [`Dims::weight_hh`]. `gates` is `[P][T*B][64]`: first the
//! pre-activations, then what the cell keeps of a step; backward replaces it by the gradients with respect to the
//! pre-activations. `hidden` is `[T+1][B][pad(H)]`, and `cell` is `[S][T+1][B][pad(H)]` for the S states beside h. In the
//! forward direction slot 0 is the initial state and slot t+1 the state after step t; in reverse, slot T is the initial
//! state and slot t the state after reading input t. So no step is special.
//!
//! The sum of a pre-activation is one chain: biases, then input, then recurrence, each in rising k. How threads share the
//! steps is in `walk.rs`.
//!
//! Adding a cell is a file of equations and a line in `cells!` in `cells.rs`.

mod arguments;
mod backward;
mod cells;
mod dims;
mod equations;
mod forward;
mod mask;
pub(crate) mod precision;
mod products;
pub mod step;
#[cfg(test)]
mod two_panels;
mod walk;

use crate::entry_points::entry_points;
use crate::error::{check_len, check_tokens};
use crate::{Cpu, Error, Number};
use cells::with_equations;
use mask::Mask;

pub use arguments::{Input, Inputs, Sequence, WeightGrads, Weights};
pub use cells::Cell;
pub use dims::Dims;
pub(crate) use equations::{Equations, Inner, Step};

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

fn check<E: Number>(d: &Dims, w: &Weights<'_, E>, inputs: &Inputs<'_, E>, lens: [usize; 3]) -> Result<(), Error> {
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

fn forward_for<E: Number>(
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

fn backward_for<E: Number>(
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
