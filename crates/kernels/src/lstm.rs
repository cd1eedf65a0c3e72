//! Holds a whole LSTM layer over time, forward beside backward: one call runs all steps.
//! Refuses stacking, dropout and graphs. The plain statement of the same equations is `reference.rs`.
//!
//! Equations (PyTorch's, gates in the order i, f, g, o):
//!
//! ```text
//! a[t] = x[t] W_ih^T + b_ih + b_hh + h[t-1] W_hh^T          one chain of sums per element, in this order
//! i = sigmoid(a_i)   f = sigmoid(a_f)   g = tanh(a_g)   o = sigmoid(a_o)
//! c[t] = f c[t-1] + i g                 h[t] = o tanh(c[t])
//! ```
//!
//! Memory: weights packed by [`Dims::weight_ih`] and [`Dims::weight_hh`]. `gates` is `[P][T*B][64]`, P panels of 16
//! units: it holds a, then i f g o, and backward turns it into the gradients by a. `hidden` and `cell` are
//! `[T+1][B][pad(H)]`; slot 0 is the initial state and slot t+1 the state after step t, so no step is special.
//!
//! Threads share the rows of the batch: each runs every step of its rows and meets the others only at the end.

use std::ops::Range;

use crate::cpu::Shared;
use crate::error::{check_len, check_tokens};
use crate::gemm::{self, Init, Left, WeightGrad};
use crate::layout::{Layout, PANEL, UNITS};
use crate::simd::{Kernel, Simd};
use crate::{Buffer, Cpu, Element, Error, linear, math, pad};

/// Sizes of one layer and one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// T.
    pub seq_len: usize,
    /// B.
    pub batch: usize,
    /// I; the vocabulary where the input is tokens.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
}

impl Dims {
    /// Packed layout of `weight_ih` `[4H, I]`.
    pub fn weight_ih(&self) -> Layout {
        Layout::Gates { gates: 4, hidden_size: self.hidden_size, cols: self.input_size }
    }
    /// Packed layout of `weight_hh` `[4H, H]`.
    pub fn weight_hh(&self) -> Layout {
        Layout::Gates { gates: 4, hidden_size: self.hidden_size, cols: self.hidden_size }
    }
    /// Packed layout of either bias `[4H]`.
    pub fn bias(&self) -> Layout {
        Layout::Gates { gates: 4, hidden_size: self.hidden_size, cols: 1 }
    }
    /// Length of `gates`.
    pub fn gates_len(&self) -> usize {
        self.panels() * self.rows() * PANEL
    }
    /// Length of `hidden` and of `cell`.
    pub fn states_len(&self) -> usize {
        (self.seq_len + 1) * self.state_len()
    }
    /// Length of one slot: the state of a batch.
    pub fn state_len(&self) -> usize {
        self.batch * pad(self.hidden_size)
    }
    fn panels(&self) -> usize {
        self.hidden_size.div_ceil(UNITS)
    }
    fn rows(&self) -> usize {
        self.seq_len * self.batch
    }
    /// Multiply-adds of one product with the recurrent weight over all steps.
    fn recurrent_work(&self) -> usize {
        self.rows() * 4 * self.hidden_size * self.hidden_size
    }
}

/// Packed weights of one layer.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, E> {
    /// `[4H, I]`.
    pub weight_ih: &'a [E],
    /// `[4H, H]`.
    pub weight_hh: &'a [E],
    /// `[4H]`.
    pub bias_ih: &'a [E],
    /// `[4H]`.
    pub bias_hh: &'a [E],
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

fn check<E: Element>(d: &Dims, w: &Weights<'_, E>, x: &Input<'_, E>, lens: [usize; 3]) -> Result<(), Error> {
    match x {
        Input::Dense(x) => check_len("lstm input", x.len(), "T * B * pad(I)", d.rows() * pad(d.input_size))?,
        Input::Tokens(x) => {
            check_len("lstm input tokens", x.len(), "T * B", d.rows())?;
            check_tokens(x, d.input_size)?;
        }
    }
    check_len("lstm weight_ih", w.weight_ih.len(), "P * I * 64", d.weight_ih().packed_len())?;
    check_len("lstm weight_hh", w.weight_hh.len(), "P * H * 64", d.weight_hh().packed_len())?;
    check_len("lstm bias_ih", w.bias_ih.len(), "P * 64", d.bias().packed_len())?;
    check_len("lstm bias_hh", w.bias_hh.len(), "P * 64", d.bias().packed_len())?;
    check_len("lstm gates", lens[0], "P * T * B * 64", d.gates_len())?;
    check_len("lstm hidden", lens[1], "(T+1) * B * pad(H)", d.states_len())?;
    check_len("lstm cell", lens[2], "(T+1) * B * pad(H)", d.states_len())
}

/// Runs the layer over all steps from the initial state in slot 0 of `hidden` and `cell`.
///
/// Saved: `gates` (overwritten), `hidden` and `cell` from slot 1 on; backward needs all three.
/// Allocates: one sum of the biases.
/// Errors: a length that differs from its shape; a token out of range.
pub fn forward<E: Element>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    x: Input<'_, E>,
    gates: &mut [E],
    hidden: &mut [E],
    cell: &mut [E],
) -> Result<(), Error> {
    check(d, w, &x, [gates.len(), hidden.len(), cell.len()])?;
    let mut bias = Buffer::zeros(d.bias().packed_len());
    for (sum, (&a, &b)) in bias.iter_mut().zip(w.bias_ih.iter().zip(w.bias_hh)) {
        *sum = a + b;
    }
    let (gates, hidden, cell) = (Shared::new(gates), Shared::new(hidden), Shared::new(cell));
    if let Input::Dense(x) = x {
        let a = Left::rows(x.as_ptr(), pad(d.input_size), d.input_size);
        let work = d.rows() * 4 * d.hidden_size * d.input_size;
        cpu.split(d.rows(), 1, work, |rows| {
            cpu.run(InputProduct { d, rows, a, weight_ih: w.weight_ih, bias: &bias, gates: gates.get() });
        });
    }
    let tokens = match x {
        Input::Dense(_) => None,
        Input::Tokens(tokens) => Some((tokens, w.weight_ih, &bias[..])),
    };
    cpu.split(d.batch, 1, d.recurrent_work(), |rows| {
        let (gates, hidden, cell) = (gates.get(), hidden.get(), cell.get());
        cpu.run(ForwardRows { d, rows, tokens, weight_hh: w.weight_hh, gates, hidden, cell });
    });
    Ok(())
}

/// a = x W_ih^T + b for some rows of `[T*B]`, all panels.
struct InputProduct<'a, E> {
    d: &'a Dims,
    rows: Range<usize>,
    a: Left<E>,
    weight_ih: &'a [E],
    bias: &'a [E],
    gates: *mut E,
}

impl<E: Element> Kernel<E> for InputProduct<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        for p in 0..self.d.panels() {
            let panel = self.weight_ih[p * self.d.input_size * PANEL..].as_ptr();
            let init = Init::Row(self.bias[p * PANEL..].as_ptr());
            // SAFETY: `forward` checked the lengths; this part alone writes its rows of every panel.
            unsafe {
                let gates = self.gates.add(p * self.d.rows() * PANEL);
                gemm::nn(s, self.rows.clone(), self.a, panel, PANEL, gates, PANEL, init);
            }
        }
    }
}

/// All steps for some rows of the batch.
struct ForwardRows<'a, E> {
    d: &'a Dims,
    rows: Range<usize>,
    /// Tokens, `weight_ih` and the bias, where `gates` does not yet hold the input's share.
    tokens: Option<(&'a [u32], &'a [E], &'a [E])>,
    weight_hh: &'a [E],
    gates: *mut E,
    hidden: *mut E,
    cell: *mut E,
}

impl<E: Element> Kernel<E> for ForwardRows<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let d = self.d;
        let width = pad(d.hidden_size);
        for t in 0..d.seq_len {
            // SAFETY: `forward` checked the lengths; this part alone touches its rows of every slot and panel.
            unsafe {
                let previous = Left::rows(self.hidden.add(t * d.state_len()).cast_const(), width, d.hidden_size);
                for p in 0..d.panels() {
                    let gates = self.gates.add((p * d.rows() + t * d.batch) * PANEL);
                    if let Some((tokens, weight_ih, bias)) = self.tokens {
                        for r in self.rows.clone() {
                            let token = tokens[t * d.batch + r] as usize;
                            let row = &weight_ih[(p * d.input_size + token) * PANEL..][..PANEL];
                            add_rows(s, &bias[p * PANEL..][..PANEL], row, gates.add(r * PANEL));
                        }
                    }
                    let panel = self.weight_hh[p * d.hidden_size * PANEL..].as_ptr();
                    gemm::nn(s, self.rows.clone(), previous, panel, PANEL, gates, PANEL, Init::Keep);
                    for r in self.rows.clone() {
                        let at = (t * d.batch + r) * width + p * UNITS;
                        self.step(s, gates.add(r * PANEL), at);
                    }
                }
            }
        }
    }
}

impl<E: Element> ForwardRows<'_, E> {
    /// Activations and new state of 16 units of one row; `at` is their place in the slot before.
    ///
    /// # Safety
    /// 64 elements at `gates` and 16 at `at` and one slot later in `hidden` and `cell` are this part's alone.
    #[inline(always)]
    unsafe fn step<S: Simd<E>>(&self, s: S, gates: *mut E, at: usize) {
        let after = at + self.d.state_len();
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let i = math::sigmoid(s, s.load(gates.add(u)));
                let f = math::sigmoid(s, s.load(gates.add(UNITS + u)));
                let g = math::tanh(s, s.load(gates.add(2 * UNITS + u)));
                let o = math::sigmoid(s, s.load(gates.add(3 * UNITS + u)));
                let c = s.fma(f, s.load(self.cell.add(at + u)), s.mul(i, g));
                s.store(self.cell.add(after + u), c);
                s.store(self.hidden.add(after + u), s.mul(o, math::tanh(s, c)));
                s.store(gates.add(u), i);
                s.store(gates.add(UNITS + u), f);
                s.store(gates.add(2 * UNITS + u), g);
                s.store(gates.add(3 * UNITS + u), o);
            }
        }
    }
}

/// Writes `a + b`, 64 elements.
///
/// # Safety
/// `to` is writable over 64 elements.
#[inline(always)]
unsafe fn add_rows<E: Element, S: Simd<E>>(s: S, a: &[E], b: &[E], to: *mut E) {
    assert!(a.len() == PANEL && b.len() == PANEL);
    for j in (0..PANEL).step_by(S::LANES) {
        // SAFETY: the lengths above and the caller's promise.
        unsafe { s.store(to.add(j), s.add(s.load(a.as_ptr().add(j)), s.load(b.as_ptr().add(j)))) };
    }
}

/// Gradients of [`forward`], from the last step to the first.
///
/// `gates`, `hidden`, `cell`: as forward left them; `gates` becomes the gradient by a.
/// `grad_hidden` `[T+1, B, pad(H)]`: comes with the gradient by `h[t]` from above in slot t+1 (and anything for h0 in
/// slot 0), leaves with the whole gradient by every h. `grad_cell` `[B, pad(H)]`: comes with the gradient by the last
/// c, leaves with that by c0. `grad_x` and `grads` are added to; `grad_x` may be absent and must be for tokens.
///
/// Allocates: the transposed weights. Errors: a length that differs from its shape; a token out of range.
#[allow(clippy::too_many_arguments)]
pub fn backward<E: Element>(
    cpu: &Cpu,
    d: &Dims,
    w: &Weights<'_, E>,
    x: Input<'_, E>,
    gates: &mut [E],
    hidden: &[E],
    cell: &[E],
    grad_hidden: &mut [E],
    grad_cell: &mut [E],
    grad_x: Option<&mut [E]>,
    grads: WeightGrads<'_, E>,
) -> Result<(), Error> {
    check(d, w, &x, [gates.len(), hidden.len(), cell.len()])?;
    check_len("lstm hidden gradient", grad_hidden.len(), "(T+1) * B * pad(H)", d.states_len())?;
    check_len("lstm cell gradient", grad_cell.len(), "B * pad(H)", d.state_len())?;
    check_len("lstm weight_ih gradient", grads.weight_ih.len(), "P * I * 64", w.weight_ih.len())?;
    check_len("lstm weight_hh gradient", grads.weight_hh.len(), "P * H * 64", w.weight_hh.len())?;
    check_len("lstm bias_ih gradient", grads.bias_ih.len(), "P * 64", w.bias_ih.len())?;
    check_len("lstm bias_hh gradient", grads.bias_hh.len(), "P * 64", w.bias_hh.len())?;

    let (width, outputs) = (pad(d.hidden_size), d.panels() * PANEL);
    let mut transposed = Buffer::zeros(d.hidden_size.div_ceil(PANEL) * outputs * PANEL);
    gemm::transpose(cpu, w.weight_hh, d.hidden_size, outputs, &mut transposed);
    let (shared_gates, shared_hidden) = (Shared::new(gates), Shared::new(grad_hidden));
    let shared_cell = Shared::new(grad_cell);
    cpu.split(d.batch, 1, d.recurrent_work(), |rows| {
        let (gates, grad_hidden, grad_cell) = (shared_gates.get(), shared_hidden.get(), shared_cell.get());
        cpu.run(BackwardRows { d, rows, weight_hh_t: &transposed, cell, gates, grad_hidden, grad_cell });
    });

    // From here on `gates` is the gradient by a, read-only.
    let gates = &*gates;
    if let (Input::Dense(_), Some(grad_x)) = (x, grad_x) {
        // d_x += d_a W_ih
        check_len("lstm input gradient", grad_x.len(), "T * B * pad(I)", d.rows() * pad(d.input_size))?;
        let mut transposed = Buffer::zeros(d.input_size.div_ceil(PANEL) * outputs * PANEL);
        gemm::transpose(cpu, w.weight_ih, d.input_size, outputs, &mut transposed);
        let a = gate_rows(d, gates.as_ptr());
        // SAFETY: `gates` has T*B rows in every panel.
        unsafe { linear::product(cpu, d.rows(), a, &transposed, pad(d.input_size), None, true, grad_x) };
    }
    // d_W_hh += d_a^T h[t-1]: slots 0 to T-1.
    let weight_grad = |a, lda, k| WeightGrad {
        sum_rows: d.rows(),
        a,
        lda,
        k,
        b: gates,
        panel_stride: d.rows() * PANEL,
        ldb: PANEL,
        outputs,
    };
    gemm::tn(cpu, &weight_grad(hidden, width, d.hidden_size), grads.weight_hh);
    match x {
        // d_W_ih += d_a^T x
        Input::Dense(x) => gemm::tn(cpu, &weight_grad(x, pad(d.input_size), d.input_size), grads.weight_ih),
        Input::Tokens(tokens) => scatter(cpu, d, tokens, gates, grads.weight_ih),
    }
    // d_b += sum over steps and rows of d_a, for both biases
    for (p, panel) in gates.chunks_exact((d.rows() * PANEL).max(1)).enumerate() {
        let mut sum = [E::ZERO; PANEL];
        for row in panel.chunks_exact(PANEL) {
            for (sum, &g) in sum.iter_mut().zip(row) {
                *sum += g;
            }
        }
        for (j, &sum) in sum.iter().enumerate() {
            grads.bias_ih[p * PANEL + j] += sum;
            grads.bias_hh[p * PANEL + j] += sum;
        }
    }
    Ok(())
}

/// The gate buffer from `gates` on as a left operand: the sum runs over panels, then over a panel's 64 columns.
fn gate_rows<E>(d: &Dims, gates: *const E) -> Left<E> {
    Left { ptr: gates, row_stride: PANEL, width: PANEL, panels: d.panels(), panel_stride: d.rows() * PANEL }
}

/// d_W_ih of one-hot input: the gradient of row r goes to the weight row of its token, in rising r.
fn scatter<E: Element>(cpu: &Cpu, d: &Dims, tokens: &[u32], gates: &[E], grad: &mut [E]) {
    let grad = Shared::new(grad);
    cpu.split(d.panels(), 1, d.rows() * d.panels() * PANEL, |panels| {
        for p in panels {
            let len = d.input_size * PANEL;
            // SAFETY: panel p lies within the gradient and belongs to this part alone.
            let grad = unsafe { std::slice::from_raw_parts_mut(grad.get().add(p * len), len) };
            for (row, &token) in gates[p * d.rows() * PANEL..].chunks_exact(PANEL).zip(tokens) {
                for (sum, &g) in grad[token as usize * PANEL..][..PANEL].iter_mut().zip(row) {
                    *sum += g;
                }
            }
        }
    });
}

/// All steps back for some rows of the batch.
struct BackwardRows<'a, E> {
    d: &'a Dims,
    rows: Range<usize>,
    weight_hh_t: &'a [E],
    cell: &'a [E],
    gates: *mut E,
    grad_hidden: *mut E,
    grad_cell: *mut E,
}

impl<E: Element> Kernel<E> for BackwardRows<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let d = self.d;
        let width = pad(d.hidden_size);
        for t in (0..d.seq_len).rev() {
            // SAFETY: `backward` checked the lengths; this part alone touches its rows of every slot and panel.
            unsafe {
                for p in 0..d.panels() {
                    for r in self.rows.clone() {
                        let gates = self.gates.add((p * d.rows() + t * d.batch + r) * PANEL);
                        self.step(s, gates, t, r * width + p * UNITS);
                    }
                }
                // d_h[t-1] += d_a[t] W_hh
                let a = gate_rows(d, self.gates.add(t * d.batch * PANEL).cast_const());
                for q in 0..d.hidden_size.div_ceil(PANEL) {
                    let panel = self.weight_hh_t[q * d.panels() * PANEL * PANEL..].as_ptr();
                    let c = self.grad_hidden.add(t * d.state_len() + q * PANEL);
                    gemm::nn(s, self.rows.clone(), a, panel, (width - q * PANEL).min(PANEL), c, width, Init::Keep);
                }
            }
        }
    }
}

impl<E: Element> BackwardRows<'_, E> {
    /// Gradients by the pre-activations of 16 units of one row at step t; `at` is their place in a slot.
    ///
    /// # Safety
    /// 64 elements at `gates` and 16 at `at` in `grad_cell` and slot t+1 of `grad_hidden` are this part's alone.
    #[inline(always)]
    unsafe fn step<S: Simd<E>>(&self, s: S, gates: *mut E, t: usize, at: usize) {
        let one = s.splat(E::ONE);
        let before = t * self.d.state_len() + at;
        let after = before + self.d.state_len();
        assert!(after + UNITS <= self.cell.len());
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise and the assertion above.
            unsafe {
                let i = s.load(gates.add(u));
                let f = s.load(gates.add(UNITS + u));
                let g = s.load(gates.add(2 * UNITS + u));
                let o = s.load(gates.add(3 * UNITS + u));
                let c_before = s.load(self.cell.as_ptr().add(before + u));
                let tanh_c = math::tanh(s, s.load(self.cell.as_ptr().add(after + u)));
                let d_h = s.load(self.grad_hidden.add(after + u));
                // h = o tanh(c)
                let d_o = s.mul(d_h, tanh_c);
                let d_c = s.fma(s.mul(d_h, o), s.fnma(tanh_c, tanh_c, one), s.load(self.grad_cell.add(at + u)));
                // c[t] = f c[t-1] + i g
                s.store(self.grad_cell.add(at + u), s.mul(d_c, f));
                let (d_i, d_f, d_g) = (s.mul(d_c, g), s.mul(d_c, c_before), s.mul(d_c, i));
                // sigmoid' = y (1 - y), tanh' = 1 - y^2
                s.store(gates.add(u), s.mul(d_i, s.fnma(i, i, i)));
                s.store(gates.add(UNITS + u), s.mul(d_f, s.fnma(f, f, f)));
                s.store(gates.add(2 * UNITS + u), s.mul(d_g, s.fnma(g, g, one)));
                s.store(gates.add(3 * UNITS + u), s.mul(d_o, s.fnma(o, o, o)));
            }
        }
    }
}
