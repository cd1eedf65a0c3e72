//! The equations of the sLSTM, forward beside backward. The loops around them are `recurrent`'s; the plain statement of
//! the same equations is `reference.rs`. Not here: heads, which would make the recurrent weight block-diagonal.
//!
//! Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", one head; gates in the order i, f, z, o. States h, c, n, m:
//!
//! ```text
//! a = x W_ih^T + b_ih + b_hh + h[t-1] W_hh^T
//! l = ln sigmoid(a_f)     z = tanh(a_z)     o = sigmoid(a_o)
//! m[t] = max(a_i, l + m[t-1])                                   where n[t-1] > 0, else a_i
//! i = exp(a_i - m[t])     f = exp(l + m[t-1] - m[t])
//! c[t] = f c[t-1] + i z   n[t] = f n[t-1] + i   h[t] = o c[t] / n[t]
//! ```
//!
//! n is the sum of weights that are above 0: it is 0 where nothing has been read, and above 0 afterwards. c and n carry the
//! factor exp(-m), so h does not depend on m. A loss that depends on the last c, n and m does: its gradient passes through
//! the operand that the maximum takes.
//!
//! A panel is a block of 16 units: columns i, f, z, o, 16 each. Between forward and backward they hold a_i, l, z, o.

use crate::layout::{Layout, UNITS};
use crate::recurrent::{Equations, Step};
use crate::simd::Simd;
use crate::{Number, math};

pub(crate) struct Slstm;

/// What a step computes of some units.
struct Unit<V> {
    /// 1 where m is `l + m[t-1]`, 0 where it is `a_i`.
    keeps: V,
    m: V,
    i: V,
    f: V,
    c: V,
    n: V,
}

/// The step of the units from `u` on, whose gates are activated.
///
/// # Safety
/// The pointers of `step` are valid for their ranges.
#[inline(always)]
unsafe fn unit<E: Number, S: Simd<E>>(s: S, step: Step<E>, u: usize) -> Unit<S::V> {
    let one = s.splat(E::ONE);
    // SAFETY: the caller's promise.
    unsafe {
        let [a_i, l, z] = [0, 1, 2].map(|gate| s.load(step.gates.add(gate * UNITS + u)));
        let [c, n, m] = [0, 1, 2].map(|state| s.load(step.state_before(state).add(u)));
        let kept = s.add(l, m);
        let keeps = s.if_positive(n, s.if_positive(s.sub(kept, a_i), one));
        // One of the two, exactly: the other is multiplied with 0.
        let m = s.fma(keeps, kept, s.mul(s.sub(one, keeps), a_i));
        let i = math::exp(s, s.sub(a_i, m));
        // Where n is 0, f is not bounded by 1: an infinite one would make NaN of c and n of 0.
        let f = math::exp(s, s.min(s.splat(E::from_f64(E::EXP_FINITE)), s.sub(kept, m)));
        Unit { keeps, m, i, f, c: s.fma(f, c, s.mul(i, z)), n: s.fma(f, n, i) }
    }
}

impl Equations for Slstm {
    const GATES: usize = 4;
    const UNITS: usize = UNITS;
    const STATES: &'static [&'static str] = &["c", "n", "m"];
    const KEEPS_ZERO: bool = false; // n is 1 after a step from 0

    fn layout(hidden_size: usize, cols: usize, _recurrent: bool) -> Layout {
        Layout::Gates { slots: &[0, 1, 2, 3], units: UNITS, panels: 1, hidden_size, cols }
    }

    #[inline(always)]
    unsafe fn activate<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let [f, z, o] = [1, 2, 3].map(|gate| step.gates.add(gate * UNITS + u));
                s.store(f, math::log_sigmoid(s, s.load(f)));
                s.store(z, math::tanh(s, s.load(z)));
                s.store(o, math::sigmoid(s, s.load(o)));
            }
        }
    }

    #[inline(always)]
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let Unit { m, c, n, .. } = unit(s, step, u);
                let o = s.load(step.gates.add(3 * UNITS + u));
                s.store(step.state_after(0).add(u), c);
                s.store(step.state_after(1).add(u), n);
                s.store(step.state_after(2).add(u), m);
                s.store(step.hidden_after.add(u), s.div(s.mul(o, c), n));
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        let one = s.splat(E::ONE);
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let Unit { keeps, i, f, c, n, .. } = unit(s, step, u);
                let gates = [0, 1, 2, 3].map(|gate| step.gates.add(gate * UNITS + u));
                let [l, z, o] = [gates[1], gates[2], gates[3]].map(|gate| s.load(gate));
                let [c_before, n_before] = [0, 1].map(|state| s.load(step.state_before(state).add(u)));
                let by_state = [0, 1, 2].map(|state| step.grad_state(state).add(u));
                let d_h = s.load(step.grad_after.add(u));
                // h[t] = o c[t] / n[t]
                let ratio = s.div(c, n);
                let d_ratio = s.div(s.mul(d_h, o), n);
                let d_c = s.add(s.load(by_state[0]), d_ratio);
                let d_n = s.fnma(d_ratio, ratio, s.load(by_state[1]));
                let d_o = s.mul(d_h, ratio);
                // c[t] = f c[t-1] + i z, n[t] = f n[t-1] + i; of i and f, by their logarithms
                let d_i = s.mul(s.fma(d_c, z, d_n), i);
                let d_f = s.mul(s.fma(d_c, c_before, s.mul(d_n, n_before)), f);
                // i = exp(a_i - m[t]), f = exp(l + m[t-1] - m[t])
                let d_m = s.sub(s.load(by_state[2]), s.add(d_i, d_f));
                let d_kept = s.fma(keeps, d_m, d_f);
                s.store(by_state[0], s.mul(d_c, f));
                s.store(by_state[1], s.mul(d_n, f));
                s.store(by_state[2], d_kept);
                // (ln sigmoid)' = 1 - sigmoid, tanh' = 1 - y^2, sigmoid' = y (1 - y)
                s.store(gates[0], s.fma(s.sub(one, keeps), d_m, d_i));
                s.store(gates[1], s.mul(d_kept, s.sub(one, math::exp(s, l))));
                s.store(gates[2], s.mul(s.mul(d_c, i), s.fnma(z, z, one)));
                s.store(gates[3], s.mul(d_o, s.fnma(o, o, o)));
            }
        }
    }
}
