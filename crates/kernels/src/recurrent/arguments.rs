//! What callers give to a recurrent layer: weights, inputs, and the buffers of a sequence. Not here: their lengths (`dims.rs`).

use crate::Number;

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

impl<E: Number> Weights<'_, E> {
    /// Writes the sum of the biases, of which the recurrent one may be empty.
    pub(super) fn add_biases(&self, sums: &mut [E]) {
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
