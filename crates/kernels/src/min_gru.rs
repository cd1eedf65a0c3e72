//! The equations of the minimal GRU, forward beside backward. The loops around them are `recurrent`'s; the plain
//! statement of the same equations is `reference.rs`. Not here: the scan over time in log space, which computes the same
//! values in another order.
//!
//! Feng et al. 2024, "Were RNNs All We Needed?", with the g of its log-space form; gates in the order z, h:
//!
//! ```text
//! z = sigmoid(x W_z^T + b_z)
//! a = x W_h^T + b_h
//! n = a + 1/2 where a >= 0, else sigmoid(a)
//! h[t] = (1 - z) h[t-1] + z n
//! ```
//!
//! A panel is a block of 32 units: columns z and a, 32 each. Between forward and backward they hold z and a.

use crate::gemm::Columns;
use crate::layout::Layout;
use crate::recurrent::{Equations, Step};
use crate::simd::Simd;
use crate::{Number, math};

pub(crate) struct MinGru;

/// Units of a block.
const UNITS: usize = 32;

impl Equations for MinGru {
    const GATES: usize = 2;
    const UNITS: usize = UNITS;
    const RECURRENT: Option<Columns> = None;
    const KEEPS_ZERO: bool = false; // n is 1/2 where a is 0

    fn layout(hidden_size: usize, cols: usize, _recurrent: bool) -> Layout {
        Layout::Gates { slots: &[0, 1], units: UNITS, panels: 1, hidden_size, cols }
    }

    #[inline(always)]
    unsafe fn activate<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..step.units).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let z = step.gates.add(u);
                s.store(z, math::sigmoid(s, s.load(z)));
            }
        }
    }

    #[inline(always)]
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        let zero = s.splat(E::ZERO);
        for u in (0..step.units).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let z = s.load(step.gates.add(u));
                let a = s.load(step.gates.add(UNITS + u));
                // sigmoid(0) is 1/2.
                let n = s.add(s.max(zero, a), math::sigmoid(s, s.min(zero, a)));
                // (1 - z) h + z n = h + z (n - h)
                let h = s.load(step.hidden_before.add(u));
                s.store(step.hidden_after.add(u), s.fma(z, s.sub(n, h), h));
            }
        }
    }

    #[inline(always)]
    unsafe fn backward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        let (zero, one) = (s.splat(E::ZERO), s.splat(E::ONE));
        for u in (0..step.units).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let z = s.load(step.gates.add(u));
                let a = s.load(step.gates.add(UNITS + u));
                let h = s.load(step.hidden_before.add(u));
                let d_h = s.load(step.grad_after.add(u));
                // h[t] = (1 - z) h[t-1] + z n
                let low = math::sigmoid(s, s.min(zero, a));
                let n = s.add(s.max(zero, a), low);
                let d_n = s.mul(d_h, z);
                let d_z = s.mul(s.mul(d_h, s.sub(n, h)), s.fnma(z, z, z));
                s.store(step.grad_before.add(u), s.fma(d_h, s.sub(one, z), s.load(step.grad_before.add(u))));
                // n' = 1 where a >= 0, else sigmoid'
                let is_low = s.sub(zero, a);
                let slope = s.add(s.if_positive(is_low, s.fnma(low, low, low)), s.sub(one, s.if_positive(is_low, one)));
                s.store(step.gates.add(u), d_z);
                s.store(step.gates.add(UNITS + u), s.mul(d_n, slope));
            }
        }
    }
}
