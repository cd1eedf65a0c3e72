//! The equations of the GRU, forward beside backward. The loops around them are `recurrent`'s; the plain
//! statement of the same equations is `reference.rs`. Not here: the older form that resets before the product.
//!
//! PyTorch's, gates in the order r, z, n:
//!
//! ```text
//! r = sigmoid(x W_ir^T + b_ir + h[t-1] W_hr^T + b_hr)
//! z = sigmoid(x W_iz^T + b_iz + h[t-1] W_hz^T + b_hz)
//! m = h[t-1] W_hn^T + b_hn
//! n = tanh(x W_in^T + b_in + r m)
//! h[t] = (1 - z) n + z h[t-1]
//! ```
//!
//! A panel is 16 units: columns n's input, r, z, m, 16 each, so that the input fills the first three and the recurrence
//! the last three. Between forward and backward they hold n, r, z, m.

use crate::gemm::Columns;
use crate::layout::{Layout, UNITS};
use crate::recurrent::{Equations, Step};
use crate::simd::Simd;
use crate::{Number, math};

pub(crate) struct Gru;

impl Equations for Gru {
    const GATES: usize = 3;
    const UNITS: usize = UNITS;
    const INPUT: Columns = Columns { first: 0, width: 3 * UNITS };
    const RECURRENT: Option<Columns> = Some(Columns { first: UNITS, width: 3 * UNITS });

    fn layout(hidden_size: usize, cols: usize, recurrent: bool) -> Layout {
        // Where r, z and n stand.
        let slots: &[usize] = if recurrent { &[1, 2, 3] } else { &[1, 2, 0] };
        Layout::Gates { slots, units: UNITS, panels: 1, hidden_size, cols }
    }

    #[inline(always)]
    unsafe fn activate<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let [r, z] = [1, 2].map(|gate| step.gates.add(gate * UNITS + u));
                s.store(r, math::sigmoid(s, s.load(r)));
                s.store(z, math::sigmoid(s, s.load(z)));
            }
        }
    }

    #[inline(always)]
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..UNITS).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let gates = step.gates.add(u);
                let r = s.load(gates.add(UNITS));
                let z = s.load(gates.add(2 * UNITS));
                let m = s.load(gates.add(3 * UNITS));
                let n = math::tanh(s, s.fma(r, m, s.load(gates)));
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
                let r = s.load(gates.add(UNITS));
                let z = s.load(gates.add(2 * UNITS));
                let m = s.load(gates.add(3 * UNITS));
                let h = s.load(step.hidden_before.add(u));
                let d_h = s.load(step.grad_after.add(u));
                // h[t] = (1 - z) n + z h[t-1]
                let d_n = s.mul(s.mul(d_h, s.sub(one, z)), s.fnma(n, n, one));
                let d_z = s.mul(s.mul(d_h, s.sub(h, n)), s.fnma(z, z, z));
                s.store(step.grad_before.add(u), s.fma(d_h, z, s.load(step.grad_before.add(u))));
                // n = tanh(... + r m)
                let d_r = s.mul(s.mul(d_n, m), s.fnma(r, r, r));
                s.store(gates, d_n);
                s.store(gates.add(UNITS), d_r);
                s.store(gates.add(2 * UNITS), d_z);
                s.store(gates.add(3 * UNITS), s.mul(d_n, r));
            }
        }
    }
}
