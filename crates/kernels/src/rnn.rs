//! The equations of Elman's network, forward beside backward, with tanh or relu. The loops around them are
//! `recurrent`'s; the plain statement of the same equations is `reference.rs`.
//!
//! ```text
//! h[t] = f(x W_ih^T + b_ih + b_hh + h[t-1] W_hh^T)
//! ```
//!
//! A panel is 64 units, one column each. Nothing but h is kept for backward.

use std::marker::PhantomData;

use crate::layout::{Layout, PANEL};
use crate::recurrent::{Equations, Step};
use crate::simd::Simd;
use crate::{Number, math};

/// f, and its derivative in terms of its value.
pub(crate) trait Nonlinearity {
    fn value<E: Number, S: Simd<E>>(s: S, a: S::V) -> S::V;
    /// The gradient by a from that by y = f(a).
    fn gradient<E: Number, S: Simd<E>>(s: S, y: S::V, d_y: S::V) -> S::V;
}

pub(crate) struct Tanh;
impl Nonlinearity for Tanh {
    #[inline(always)]
    fn value<E: Number, S: Simd<E>>(s: S, a: S::V) -> S::V {
        math::tanh(s, a)
    }
    #[inline(always)]
    fn gradient<E: Number, S: Simd<E>>(s: S, y: S::V, d_y: S::V) -> S::V {
        s.mul(d_y, s.fnma(y, y, s.splat(E::ONE)))
    }
}

pub(crate) struct Relu;
impl Nonlinearity for Relu {
    /// max(0, a); a NaN comes through.
    #[inline(always)]
    fn value<E: Number, S: Simd<E>>(s: S, a: S::V) -> S::V {
        s.max(s.splat(E::ZERO), a)
    }
    /// 0 where y is 0, as PyTorch has it.
    #[inline(always)]
    fn gradient<E: Number, S: Simd<E>>(s: S, y: S::V, d_y: S::V) -> S::V {
        s.if_positive(y, d_y)
    }
}

pub(crate) struct Rnn<F>(PhantomData<F>);

impl<F: Nonlinearity> Equations for Rnn<F> {
    const GATES: usize = 1;
    const UNITS: usize = PANEL;

    fn layout(hidden_size: usize, cols: usize, _recurrent: bool) -> Layout {
        Layout::Panels { rows: hidden_size, cols }
    }

    #[inline(always)]
    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..step.units).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe { s.store(step.hidden_after.add(u), F::value(s, s.load(step.gates.add(u)))) };
        }
    }

    #[inline(always)]
    unsafe fn backward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        for u in (0..step.units).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let (h, d_h) = (s.load(step.hidden_after.add(u)), s.load(step.grad_after.add(u)));
                s.store(step.gates.add(u), F::gradient(s, h, d_h));
            }
        }
    }
}
