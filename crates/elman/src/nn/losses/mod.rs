//! The losses of networks that answer for examples: a file for each. Not here: the losses of language models and
//! translation, which are fused with their head (`autodiff/nodes/head.rs`).

mod cross_entropy;
mod likelihood;
mod loss;

pub use cross_entropy::CrossEntropy;
pub use likelihood::Likelihood;
pub use loss::{Loss, Mean};
