//! The error-to-signal ratio of waveforms side by side, after a pre-emphasis filter, with a share of the squared mean error.

use elman_kernels::Element;

use super::loss::{Example, Loss, Mean};
use crate::autodiff::nodes::SignalError;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// The ratio of a batch whose rows are `[T, B]`; a target is a sample. The formula: `Tape::error_to_signal`.
#[derive(Clone, Copy, Debug)]
pub struct ErrorToSignal {
    /// B.
    pub rows: usize,
    /// a of the filter 1 - a z^-1; 0 leaves it out.
    pub pre_emphasis: f64,
    /// What the squared mean error counts.
    pub dc: f64,
}

impl<E: Element> Loss<E> for ErrorToSignal {
    type Target = f64;

    fn mean(&self, tape: &mut Tape<E>, outputs: Var, targets: &[f64]) -> Result<Mean, Error> {
        let ErrorToSignal { rows, pre_emphasis, dc } = *self;
        let (value, ratio) = tape.error_to_signal(SignalError { rows, pre_emphasis, dc }, outputs, targets)?;
        Ok(Mean { value, sum: ratio * targets.len() as f64, counted: targets.len() })
    }
}

/// Two and three rows, with and without filter and mean; silence.
pub(super) fn examples() -> Vec<Example> {
    let of = |options, rows, pre_emphasis, dc, loud: f64| {
        let targets: Vec<f64> = (0..12).map(|at| loud * (f64::from(at * 7 % 11) / 4.0 - 1.2)).collect();
        let loss = ErrorToSignal { rows, pre_emphasis, dc };
        Example::of("error-to-signal", options, [12, 1], loss, targets)
    };
    vec![
        of("no filter", 2, 0.0, 0.0, 1.0),
        of("filter", 3, 0.85, 0.0, 1.0),
        of("filter and mean", 3, 0.95, 1.5, 1.0),
        of("silence", 2, 0.85, 1.0, 0.0),
    ]
}
