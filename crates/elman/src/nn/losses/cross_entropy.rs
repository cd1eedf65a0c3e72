//! Cross-entropy of classes, which may count unequally while a network learns.

use elman_kernels::Element;
use elman_kernels::softmax::IGNORED;

use super::loss::{Example, Loss, Mean};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// Cross-entropy in nats; a target of [`IGNORED`] does not count. Plain where both fields are None.
#[derive(Clone, Debug, Default)]
pub struct CrossEntropy<E> {
    /// What an example of each class counts.
    pub weights: Option<Vec<f64>>,
    /// What is added to the logit of each class.
    pub offsets: Option<Vec<E>>,
}

impl<E: Element> Loss<E> for CrossEntropy<E> {
    type Target = u32;

    fn mean(&self, tape: &mut Tape<E>, mut logits: Var, targets: &[u32]) -> Result<Mean, Error> {
        if let Some(offsets) = &self.offsets {
            let offsets = tape.dense_leaf(offsets.len(), offsets, false)?;
            logits = tape.add(logits, offsets)?;
        }
        let (value, sum) = match &self.weights {
            Some(weights) => tape.weighted_cross_entropy(logits, targets, weights)?,
            None => tape.cross_entropy(logits, targets)?,
        };
        let counted = targets.iter().filter(|&&target| target != IGNORED).count();
        Ok(Mean { value, sum, counted })
    }
}

/// Five rows of seven classes, of which one row does not count.
pub(super) fn examples() -> Vec<Example> {
    let of = |options, weighted: bool, offset: bool| {
        let weights = weighted.then(|| (0..7).map(|class| 0.5 + f64::from(class * 3 % 7) / 4.0).collect());
        let offsets = offset.then(|| (0..7).map(|class| f64::from(class * 5 % 7) / 3.0 - 1.0).collect());
        Example::of("cross-entropy", options, [5, 7], CrossEntropy { weights, offsets }, vec![2, 6, IGNORED, 0, 2])
    };
    vec![
        of("", false, false),
        of("weights", true, false),
        of("offsets", false, true),
        of("weights and offsets", true, true),
    ]
}
