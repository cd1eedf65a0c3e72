//! The loss node of signals: the energy of the error after a pre-emphasis filter over that of the true signal, and a share of the
//! squared mean error. Sources: Wright et al. 2019 (the ratio, the filter, the mean). Not here: plain squared errors.

use elman_kernels::Element;

use crate::autodiff::tape::{Tape, Var, shape_error};
use crate::error::Error;

/// What a batch's energies are at least, for each sample: silence has a finite loss.
pub(crate) const LEAST_ENERGY: f64 = 1e-5;

/// How errors are filtered and weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SignalError {
    /// B: the rows of the outputs are `[T, B]`.
    pub rows: usize,
    /// a of the filter 1 - a z^-1; 0 leaves it out.
    pub pre_emphasis: f64,
    /// What the squared mean error counts.
    pub dc: f64,
}

impl<E: Element> Tape<E> {
    /// The error-to-signal ratio of outputs `[T*B, 1]` at the samples `targets`, as a value of one element and in f64.
    ///
    /// With e = y - target and the filter f: sum f(e)^2 / max(sum f(target)^2, least) + dc * mean_b(mean_t(e)^2) / max(mean
    /// target^2, least), where the filter begins with the second sample of each row. Errors: outputs of another shape; fewer
    /// than two samples in a row.
    pub(crate) fn error_to_signal(&mut self, how: SignalError, y: Var, targets: &[f64]) -> Result<(Var, f64), Error> {
        let m = &mut self.memory;
        m.check(y)?;
        let rows = how.rows.max(1);
        let steps = targets.len() / rows;
        if y.cols() != 1 || y.rows() != targets.len() || steps < 2 || steps * rows != targets.len() {
            return Err(shape_error("output of a signal", y, [targets.len(), 1]));
        }
        let mut grad = m.take(y.len());
        grad.fill(E::ZERO);
        let mut errors = m.lists.numbers.take();
        let stride = y.stride();
        errors.extend(m.value(y).iter().step_by(stride).zip(targets).map(|(y, target)| y.to_f64() - target));
        let value = slopes(how, &mut errors, targets, steps);
        grad.iter_mut().step_by(stride).zip(&errors).for_each(|(to, &slope)| *to = E::from_f64(slope));
        m.lists.numbers.recycle(errors);
        Ok((self.loss_of(value, [y], [grad]), value))
    }
}

/// The loss of `errors`, which become its slopes by them.
fn slopes(how: SignalError, errors: &mut [f64], targets: &[f64], steps: usize) -> f64 {
    let (rows, a) = (how.rows.max(1), how.pre_emphasis);
    let count = (steps * rows) as f64;
    let filtered = |x: &[f64], at: usize| x[at] - a * x[at - rows];
    let (mut energy, mut error, mut square) = (0.0, 0.0, 0.0);
    targets.iter().for_each(|y| square += y * y);
    for at in rows..targets.len() {
        let (y, e) = (filtered(targets, at), filtered(errors, at));
        energy += y * y;
        error += e * e;
    }
    let energy = energy.max(LEAST_ENERGY * (count - rows as f64));
    let square = (square / count).max(LEAST_ENERGY);
    let mut value = error / energy;
    // By row: the mean of its errors counts the same for each of them.
    let (n, share) = (steps as f64, how.dc / (rows as f64 * square));
    for b in 0..rows {
        let mean = errors[b..].iter().step_by(rows).sum::<f64>() / n;
        value += share * mean * mean;
        // Each filtered error f[t] = e[t] - a e[t-1] has the slope 2 f[t] / energy; e[t] is in f[t] and in f[t+1].
        let (mut before, of_mean) = (0.0, share * 2.0 * mean / n);
        for t in 0..steps {
            let at = t * rows + b;
            let own = if t == 0 { 0.0 } else { errors[at] - a * before };
            let next = if t + 1 < steps { errors[at + rows] - a * errors[at] } else { 0.0 };
            before = errors[at];
            errors[at] = 2.0 * (own - a * next) / energy + of_mean;
        }
    }
    value
}
