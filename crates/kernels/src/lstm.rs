//! The equations of the LSTM, forward beside backward. The loops around them are `recurrent`'s; the plain
//! statement of the same equations is `reference.rs`.
//!
//! PyTorch's, gates in the order i, f, g, o:
//!
//! ```text
//! a = x W_ih^T + b_ih + b_hh + h[t-1] W_hh^T
//! i = sigmoid(a_i)   f = sigmoid(a_f)   g = tanh(a_g)   o = sigmoid(a_o)
//! c[t] = f c[t-1] + i g                 h[t] = o tanh(c[t])
//! ```
//!
//! A panel is 16 units: columns i, f, g, o, 16 each. Between forward and backward they hold the activations.

use crate::layout::{Layout, UNITS};
use crate::recurrent::{Equations, Step};
use crate::simd::Simd;
use crate::{Number, math};

pub(crate) struct Lstm;

impl Equations for Lstm {
    const GATES: usize = 4;
    const UNITS: usize = UNITS;
    const STATES: &'static [&'static str] = &["c"];

    fn layout(hidden_size: usize, cols: usize, _recurrent: bool) -> Layout {
        Layout::Gates { slots: &[0, 1, 2, 3], units: UNITS, panels: 1, hidden_size, cols }
    }

    #[inline(always)]
    unsafe fn activate<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let [i, f, g, o] = [0, 1, 2, 3].map(|gate| step.gates.add(gate * UNITS + u));
                s.store(i, math::sigmoid(s, s.load(i)));
                s.store(f, math::sigmoid(s, s.load(f)));
                s.store(g, math::tanh(s, s.load(g)));
                s.store(o, math::sigmoid(s, s.load(o)));
            }
        }
    }

    #[inline(always)]
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let gates = step.gates.add(u);
                let i = s.load(gates);
                let f = s.load(gates.add(UNITS));
                let g = s.load(gates.add(2 * UNITS));
                let o = s.load(gates.add(3 * UNITS));
                let c = s.fma(f, s.load(step.cell_before.add(u)), s.mul(i, g));
                s.store(step.cell_after.add(u), c);
                s.store(step.hidden_after.add(u), s.mul(o, math::tanh(s, c)));
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        let one = s.splat(E::ONE);
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let gates = step.gates.add(u);
                let i = s.load(gates);
                let f = s.load(gates.add(UNITS));
                let g = s.load(gates.add(2 * UNITS));
                let o = s.load(gates.add(3 * UNITS));
                let c_before = s.load(step.cell_before.add(u));
                let tanh_c = math::tanh(s, s.load(step.cell_after.add(u)));
                let d_h = s.load(step.grad_after.add(u));
                // h = o tanh(c)
                let d_o = s.mul(d_h, tanh_c);
                let d_c = s.fma(s.mul(d_h, o), s.fnma(tanh_c, tanh_c, one), s.load(step.grad_cell.add(u)));
                // c[t] = f c[t-1] + i g
                s.store(step.grad_cell.add(u), s.mul(d_c, f));
                let (d_i, d_f, d_g) = (s.mul(d_c, g), s.mul(d_c, c_before), s.mul(d_c, i));
                // sigmoid' = y (1 - y), tanh' = 1 - y^2
                s.store(gates, s.mul(d_i, s.fnma(i, i, i)));
                s.store(gates.add(UNITS), s.mul(d_f, s.fnma(f, f, f)));
                s.store(gates.add(2 * UNITS), s.mul(d_g, s.fnma(g, g, one)));
                s.store(gates.add(3 * UNITS), s.mul(d_o, s.fnma(o, o, o)));
            }
        }
    }
}
