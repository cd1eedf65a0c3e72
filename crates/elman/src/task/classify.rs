//! Classification: a class for every sequence. Rare classes may count more while the network learns. Not here: what it
//! shares with tagging (`labels.rs`).

use elman_kernels::Element;

use crate::config::{ClassWeights, Classify as Settings};
use crate::nn::losses::CrossEntropy;

pub use super::labels::{Figures, Labels as Classify, Trained, likeliest};

/// The loss that does what the settings say for rare classes, for examples with these classes.
pub(super) fn balanced<E: Element>(settings: &Settings, labels: &[u32], classes: usize) -> CrossEntropy<E> {
    let mut sizes = vec![0_usize; classes];
    labels.iter().for_each(|&label| sizes[label as usize] += 1);
    let (all, classes) = (labels.len() as f64, classes as f64);
    let balanced = |n: &usize| all / classes / (*n).max(1) as f64;
    let weights = match settings.class_weights {
        ClassWeights::None => None,
        ClassWeights::Balanced => Some(sizes.iter().map(balanced).collect()),
        ClassWeights::Root => Some(sizes.iter().map(|n| libm::sqrt(balanced(n))).collect()),
    };
    let tau = settings.logit_adjustment;
    let offset = |n: &usize| E::from_f64(tau * libm::log((*n).max(1) as f64 / all));
    CrossEntropy { weights, offsets: (tau > 0.0).then(|| sizes.iter().map(offset).collect()) }
}
