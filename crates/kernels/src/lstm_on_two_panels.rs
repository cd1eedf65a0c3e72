//! A cell for tests: the LSTM with its gates on two panels. Its test is in `recurrent/two_panels.rs`.

use crate::Number;
use crate::layout::{Layout, PANEL, UNITS};
use crate::lstm::Lstm;
use crate::recurrent::{Equations, Step};
use crate::simd::Simd;

/// Gates i and f on a block's first panel, g and o on its second. Half of the columns are empty.
pub(crate) struct LstmOnTwoPanels;

/// Runs a step of the LSTM on a copy of the gates in one panel.
unsafe fn on_one_panel<E: Number>(step: Step<E>, run: impl FnOnce(Step<E>)) {
    let mut gates = [E::ZERO; PANEL];
    // SAFETY: the gates of the block's two panels, which are this call's alone.
    unsafe {
        let (first, second) = gates.split_at_mut(2 * UNITS);
        for (panel, i) in [(first, 0), (second, 1)] {
            std::ptr::copy_nonoverlapping(step.panel(i), panel.as_mut_ptr(), panel.len());
        }
        run(Step { gates: gates.as_mut_ptr(), ..step });
        for (panel, i) in gates.chunks_exact(2 * UNITS).zip(0..) {
            std::ptr::copy_nonoverlapping(panel.as_ptr(), step.panel(i), panel.len());
        }
    }
}

impl Equations for LstmOnTwoPanels {
    const GATES: usize = Lstm::GATES;
    const UNITS: usize = UNITS;
    const PANELS: usize = 2;
    const STATES: &'static [&'static str] = Lstm::STATES;

    fn layout(hidden_size: usize, cols: usize, _recurrent: bool) -> Layout {
        Layout::Gates { slots: &[0, 1, 4, 5], units: UNITS, panels: 2, hidden_size, cols }
    }

    unsafe fn activate<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        // SAFETY: the caller's promise.
        unsafe { on_one_panel(step, |step| Lstm::activate(s, step)) }
    }

    unsafe fn forward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        // SAFETY: the caller's promise.
        unsafe { on_one_panel(step, |step| Lstm::forward(s, step)) }
    }

    unsafe fn backward<E: Number, S: Simd<E>>(s: S, step: Step<E>) {
        // SAFETY: the caller's promise.
        unsafe { on_one_panel(step, |step| Lstm::backward(s, step)) }
    }
}
