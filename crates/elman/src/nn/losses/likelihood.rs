//! The loss of distributions at values: the negative logarithm of the density, or the pinball loss of quantiles.

use elman_kernels::Element;

use super::loss::{Example, Loss, Mean};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::metrics::distribution::Output;

/// The loss of an output's distribution; a target of NaN does not count.
#[derive(Clone, Copy, Debug)]
pub struct Likelihood(pub Output);

impl<E: Element> Loss<E> for Likelihood {
    type Target = f64;

    fn mean(&self, tape: &mut Tape<E>, outputs: Var, targets: &[f64]) -> Result<Mean, Error> {
        let (value, sum, counted) = tape.likelihood(self.0, outputs, targets)?;
        Ok(Mean { value, sum, counted })
    }
}

/// Every distribution, at four rows of two targets, all known or with three missing.
pub(super) fn examples() -> Vec<Example> {
    let all = Output::ALL.iter().flat_map(|&output| {
        let of = |options, missing: fn(usize) -> bool| {
            let target = |at: usize| if missing(at) { f64::NAN } else { (at * 5 % 8) as f64 / 2.0 - 1.7 };
            let targets = (0..8).map(target).collect();
            Example::of(output.name(), options, [4, 2 * output.parameters()], Likelihood(output), targets)
        };
        [of("", |_| false), of("missing targets", |at| at % 3 == 1)]
    });
    all.collect()
}
