//! The heads of networks that answer once for a sequence: how the one row that the outputs are computed from comes from
//! the steps that were read. A table, and a file for each. Not here: the affine map of the outputs (`nn/model/predictor.rs`).

mod head;

use std::sync::Arc;

use elman_kernels::Element;
use serde::{Deserialize, Serialize};

use crate::autodiff::params::Declaration;

pub use head::{Head, Steps};

/// Makes the enum of heads; each has a file of its own with a type that implements [`Head`], and a function `declare`.
macro_rules! heads {
    ($($(#[$doc:meta])* $head:ident $name:literal $file:ident;)*) => {
        $(mod $file;)*

        /// What becomes of the outputs of all steps before the head.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Pooling {
            $($(#[$doc])* #[serde(rename = $name)] $head,)*
        }

        impl Pooling {
            /// Every head.
            pub const ALL: &'static [Pooling] = &[$(Pooling::$head),*];

            /// The name in configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(Pooling::$head => $name,)*
                }
            }

            /// Declares the head's parameters, `{prefix}...`, for steps of `width` numbers.
            pub fn declare<E: Element>(
                self,
                declaration: &mut Declaration,
                prefix: &str,
                width: usize,
            ) -> Arc<dyn Head<E>> {
                match self {
                    $(Pooling::$head => Arc::new($file::declare(declaration, prefix, width)),)*
                }
            }
        }
    };
}

heads! {
    /// The state after the last step; of a layer that reads backwards, after the first.
    Last "last" last;
    /// The output of the first step.
    First "first" first;
    /// The mean over the steps.
    Mean "mean" mean;
    /// The largest over the steps, of each unit.
    Max "max" max;
    /// A mean weighted by a learned query.
    Attention "attention" attention;
}
