//! Cross-entropy of classes, which may count unequally while a network learns.

use elman_kernels::Element;
use elman_kernels::softmax::IGNORED;

use super::loss::{Loss, Mean};
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
