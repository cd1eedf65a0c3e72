//! The losses of networks that answer for examples: a table, and a file for each. Not here: the losses of language models and
//! translation, which are fused with their head (`autodiff/nodes/head.rs`).

mod loss;

pub(crate) use loss::Example;
pub use loss::{Loss, Mean};

/// Makes the list of losses; each has a file of its own with a type that implements [`Loss`], and a function `examples`.
macro_rules! losses {
    ($($file:ident $loss:ident;)*) => {
        $(mod $file;
        pub use $file::$loss;)*

        /// What the gradient check differentiates: every loss, with every option that changes its gradient.
        pub(crate) fn examples() -> Vec<Example> {
            [$($file::examples()),*].into_iter().flatten().collect()
        }
    };
}

losses! {
    cross_entropy CrossEntropy;
    error_to_signal ErrorToSignal;
    likelihood Likelihood;
}
