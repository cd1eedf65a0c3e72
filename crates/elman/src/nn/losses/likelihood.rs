//! The loss of distributions at values: the negative logarithm of the density, or the pinball loss of quantiles.

use elman_kernels::Element;

use super::loss::{Loss, Mean};
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
