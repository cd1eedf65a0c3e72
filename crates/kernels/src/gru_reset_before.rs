//! The equations of the GRU that resets h before the product, forward beside backward. The loops around them are
//! `recurrent`'s; the plain statement of the same equations is `reference.rs`. Not here: PyTorch's form, which resets
//! after the product and stands in `gru.rs`: the weights of one mean nothing to the other.
//!
//! Cho et al. 2014 (char-rnn's GRU), gates in the order r, z, n; z is the share of the old state that stays:
//!
//! ```text
//! r = sigmoid(x W_ir^T + b_ir + h[t-1] W_hr^T + b_hr)
//! z = sigmoid(x W_iz^T + b_iz + h[t-1] W_hz^T + b_hz)
//! q = r h[t-1]
//! n = tanh(x W_in^T + b_in + q W_hn^T + b_hn)
//! h[t] = (1 - z) n + z h[t-1]
//! ```
//!
//! A panel is 16 units: columns n, r, z, q, 16 each. The input fills the first three, the product with h the middle two,
//! the product with q the first. Between forward and backward they hold the activations and q; q stays.

use crate::gemm::Columns;
use crate::layout::{Layout, UNITS};
use crate::recurrent::{Equations, Inner, Step};
use crate::simd::Simd;
use crate::{Number, math};

pub(crate) struct GruResetBefore;

impl Equations for GruResetBefore {
    const GATES: usize = 3;
    const UNITS: usize = UNITS;
    const INPUT: Columns = Columns { first: 0, width: 3 * UNITS };
    const RECURRENT: Option<Columns> = Some(Columns { first: UNITS, width: 2 * UNITS });
    const INNER: Option<Inner> = Some(Inner {
        operand: Columns { first: 3 * UNITS, width: UNITS },
        product: Columns { first: 0, width: UNITS },
    });

    fn layout(hidden_size: usize, cols: usize, _recurrent: bool) -> Layout {
        // Where r, z and n stand.
        Layout::Gates { slots: &[1, 2, 0], units: UNITS, panels: 1, hidden_size, cols }
    }

    #[inline(always)]
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let gates = step.gates.add(u);
                let r = math::sigmoid(s, s.load(gates.add(UNITS)));
                let z = math::sigmoid(s, s.load(gates.add(2 * UNITS)));
                s.store(gates.add(UNITS), r);
                s.store(gates.add(2 * UNITS), z);
                s.store(gates.add(3 * UNITS), s.mul(r, s.load(step.hidden_before.add(u))));
            }
        }
    }

    #[inline(always)]
    unsafe fn forward_inner<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let gates = step.gates.add(u);
                let n = math::tanh(s, s.load(gates));
                let z = s.load(gates.add(2 * UNITS));
                // (1 - z) n + z h = n + z (h - n)
                let h = s.load(step.hidden_before.add(u));
                s.store(step.hidden_after.add(u), s.fma(z, s.sub(h, n), n));
                s.store(gates, n);
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
                let n = s.load(gates);
                let z = s.load(gates.add(2 * UNITS));
                let h = s.load(step.hidden_before.add(u));
                let d_h = s.load(step.grad_after.add(u));
                // h[t] = (1 - z) n + z h[t-1]
                let d_n = s.mul(s.mul(d_h, s.sub(one, z)), s.fnma(n, n, one));
                let d_z = s.mul(s.mul(d_h, s.sub(h, n)), s.fnma(z, z, z));
                s.store(step.grad_before.add(u), s.fma(d_h, z, s.load(step.grad_before.add(u))));
                s.store(gates, d_n);
                s.store(gates.add(2 * UNITS), d_z);
            }
        }
    }

    #[inline(always)]
    unsafe fn backward_inner<E: Number, S: Simd<E>>(s: S, step: Step<E>, grad_operand: *const E) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let gates = step.gates.add(u);
                let r = s.load(gates.add(UNITS));
                let h = s.load(step.hidden_before.add(u));
                let d_q = s.load(grad_operand.add(u));
                // q = r h[t-1]
                s.store(step.grad_before.add(u), s.fma(d_q, r, s.load(step.grad_before.add(u))));
                s.store(gates.add(UNITS), s.mul(s.mul(d_q, h), s.fnma(r, r, r)));
            }
        }
    }
}
