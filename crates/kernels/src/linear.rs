//! The affine map y = x W^T + b on packed weights, forward and backward. Not here: activations and losses.

use crate::cpu::{Shared, saturating_product};
use crate::entry_points::entry_points;
use crate::error::check_len;
use crate::gemm::{self, Columns, Init, Left, Right};
use crate::layout::{Layout, PANEL};
use crate::rows::Rows;
use crate::simd::{Kernel, RawKernel, Simd};
use crate::weight_grad::{self, OutputGrad, WeightGrad};
use crate::{Cpu, Error, Number, pad, pairs};

/// Sizes of an affine map: `rows` inputs of `inputs` numbers each become `outputs` numbers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Rows, usually `T*B`.
    pub rows: usize,
    /// K.
    pub inputs: usize,
    /// N.
    pub outputs: usize,
}

impl Dims {
    /// Packed layout of the weight `[N, K]`.
    pub fn weight(&self) -> Layout {
        Layout::Panels { rows: self.outputs, cols: self.inputs }
    }
    /// Packed layout of the bias `[N]`.
    pub fn bias(&self) -> Layout {
        Layout::Panels { rows: self.outputs, cols: 1 }
    }
    fn check<E>(&self, x: &[E], weight: &[E], y: &[E]) -> Result<(), Error> {
        check_len("linear input", x.len(), "rows * pad(K)", &[self.rows, pad(self.inputs)])?;
        check_len("linear weight", weight.len(), "P * K * 64", &self.weight().factors())?;
        check_len("linear output", y.len(), "rows * pad(N)", &[self.rows, pad(self.outputs)])
    }
}

entry_points! {
    /// y = x W^T + b.
    ///
    /// Shapes: x `[rows, pad(K)]`, weight and bias packed, y `[rows, pad(N)]`, overwritten.
    /// Errors: a length that differs from its shape.
    pub fn forward(
        cpu: &Cpu,
        d: &Dims,
        x: &[E],
        weight: &[E],
        bias: Option<&[E]>,
        y: &mut [E],
    ) -> Result<(), Error> = forward_for;

    /// Gradients of [`forward`]: each accumulates onto what it holds; `grad_x` is optional.
    ///
    /// Shapes: as forward. `grad_y` has zero padding, as forward leaves y's.
    /// Errors: a length that differs from its shape; then nothing is written.
    pub fn backward(
        cpu: &Cpu,
        d: &Dims,
        x: &[E],
        weight: &[E],
        grad_y: &[E],
        grad_x: Option<&mut [E]>,
        grad_weight: &mut [E],
        grad_bias: Option<&mut [E]>,
    ) -> Result<(), Error> = backward_for;
}

/// The first `k` columns of rows `[rows][pad(k)]` as a left operand, of their pairs where there are such.
pub(crate) fn left<E>(pairs: Option<&[E]>, rows: &[E], k: usize) -> Left<E> {
    match pairs {
        Some(pairs) => Left { pairs: true, ..Left::rows(pairs.as_ptr(), pad(k) / 2, pairs::count(k)) },
        None => Left::rows(rows.as_ptr(), pad(k), k),
    }
}

/// Rows times a packed weight of `k` inputs: `C = (bias | C | 0) + X W`, of pairs where the processor is told so.
///
/// Shapes: x `[rows][pad(k)]`, weight `[P][k][64]`, c `[rows][outputs]`.
#[allow(clippy::too_many_arguments)]
fn rows_product<E: Number>(
    cpu: &Cpu,
    rows: usize,
    x: &[E],
    weight: &[E],
    k: usize,
    outputs: usize,
    bias: Option<&[E]>,
    accumulate: bool,
    c: &mut [E],
) {
    assert_eq!(x.len(), rows * pad(k));
    let paired = cpu.has_bfloat16::<E>();
    let (x_pairs, weight_pairs) =
        (paired.then(|| pairs::of_rows(cpu, x)), paired.then(|| pairs::of_panels(cpu, weight, k)));
    let (a, b) = (left(x_pairs.as_deref(), x, k), weight_pairs.as_deref().unwrap_or(weight));
    // SAFETY: x and its pairs have `rows` rows.
    unsafe { product(cpu, [rows, 1], a, b, outputs, bias, accumulate, c) };
}

/// One thread's rows of a product with every panel of a packed weight, `[P][K][64]`: `a` is readable at `rows`, and `c`,
/// `[R][outputs]`, writable there.
pub(crate) struct Product<'a, E> {
    pub rows: Rows,
    pub a: Left<E>,
    pub b: &'a [E],
    pub outputs: usize,
    pub bias: Option<&'a [E]>,
    pub accumulate: bool,
    pub c: Shared<E>,
}

impl<E: Number> RawKernel<E> for Product<'_, E> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let init = match self.bias {
            Some(bias) => Init::Row(bias.as_ptr()),
            None if self.accumulate => Init::Keep,
            None => Init::Zero,
        };
        let (b, cols, c) = (self.b.as_ptr(), self.outputs, self.c.get());
        // SAFETY: the caller's promise.
        unsafe { gemm::nn(s, self.rows, self.a, Right { b, cols, next: b, c, ldc: cols, init }) };
    }
}

/// `C[r] = (bias | C[r] | 0) + A[r] B` for all rows `[T, B]`; C is `[rows][outputs]`, `outputs` a multiple of 16.
///
/// # Safety
/// `a` is readable over all rows.
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn product<E: Number>(
    cpu: &Cpu,
    [seq_len, batch]: [usize; 2],
    a: Left<E>,
    b: &[E],
    outputs: usize,
    bias: Option<&[E]>,
    accumulate: bool,
    c: &mut [E],
) {
    let (k, rows) = (a.depth(), seq_len * batch);
    assert!(c.len() == rows * outputs && b.len() == outputs.div_ceil(PANEL) * k * PANEL);
    let c = Shared::new(c);
    cpu.split_rows(seq_len, batch, saturating_product(&[rows, k, outputs]), |rows| {
        // SAFETY: the caller's promise on `a`; the parts of a split are disjoint, and the lengths are checked above.
        unsafe { cpu.run_raw(Product { rows, a, b, outputs, bias, accumulate, c }) }
    });
}

fn forward_for<E: Number>(
    cpu: &Cpu,
    d: &Dims,
    x: &[E],
    weight: &[E],
    bias: Option<&[E]>,
    y: &mut [E],
) -> Result<(), Error> {
    d.check(x, weight, y)?;
    if let Some(bias) = bias {
        check_len("linear bias", bias.len(), "P * 64", &d.bias().factors())?;
    }
    rows_product(cpu, d.rows, x, weight, d.inputs, pad(d.outputs), bias, false, y);
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn backward_for<E: Number>(
    cpu: &Cpu,
    d: &Dims,
    x: &[E],
    weight: &[E],
    grad_y: &[E],
    grad_x: Option<&mut [E]>,
    grad_weight: &mut [E],
    grad_bias: Option<&mut [E]>,
) -> Result<(), Error> {
    d.check(x, weight, grad_y)?;
    check_len("linear weight gradient", grad_weight.len(), "P * K * 64", &[weight.len()])?;
    if let Some(grad_x) = &grad_x {
        check_len("linear input gradient", grad_x.len(), "rows * pad(K)", &[x.len()])?;
    }
    if let Some(grad_bias) = &grad_bias {
        check_len("linear bias gradient", grad_bias.len(), "P * 64", &d.bias().factors())?;
    }
    let outputs = pad(d.outputs);
    if let Some(grad_x) = grad_x {
        // d_x += d_y W
        let mut transposed = cpu.scratch(d.inputs.div_ceil(PANEL) * outputs * PANEL);
        gemm::transpose(cpu, weight, d.inputs, Columns::ALL, outputs, &mut transposed);
        rows_product(cpu, d.rows, grad_y, &transposed, outputs, pad(d.inputs), None, true, grad_x);
    }
    add_to_weight(cpu, d, d.rows, x, grad_y, grad_weight);
    if let Some(grad_bias) = grad_bias {
        add_to_bias(cpu, outputs, grad_y, grad_bias);
    }
    Ok(())
}

/// d_W += d_y^T x, over `rows` rows.
pub(crate) fn add_to_weight<E: Number>(cpu: &Cpu, d: &Dims, rows: usize, x: &[E], grad_y: &[E], grad_weight: &mut [E]) {
    let outputs = pad(d.outputs);
    let b = OutputGrad { rows, values: grad_y, panel_stride: PANEL, ldb: outputs };
    let (k, columns) = (d.inputs, Columns::ALL);
    let w = WeightGrad { a: x, lda: pad(k), positions: None, k, columns, outputs, grad: grad_weight };
    weight_grad::add(cpu, &b, [w], &|_, _| {});
}

/// d_b += the sum over the rows of d_y, `[rows][outputs]`, in rising row.
pub(crate) fn add_to_bias<E: Number>(cpu: &Cpu, outputs: usize, grad_y: &[E], grad_bias: &mut [E]) {
    let rows = grad_y.len() / outputs.max(1);
    cpu.fill(&mut grad_bias[..outputs], 16, rows, |first, sums| cpu.run(ColumnSums { grad_y, outputs, first, sums }));
}

/// Adds some columns of every row, in rising row.
struct ColumnSums<'a, E> {
    grad_y: &'a [E],
    outputs: usize,
    first: usize,
    sums: &'a mut [E],
}

impl<E: Number> Kernel<E> for ColumnSums<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        for row in self.grad_y.chunks_exact(self.outputs) {
            for (sum, &g) in self.sums.iter_mut().zip(&row[self.first..]) {
                *sum += g;
            }
        }
    }
}
