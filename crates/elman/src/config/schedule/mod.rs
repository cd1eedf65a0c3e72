//! The schedules of the learning rate: a table, and a file for each with its function `rate`. A rate is a function of the
//! settings and the place in the run. Not here: the warm-up (`train/optim/rate.rs`).

mod place;

use serde::{Deserialize, Serialize};

pub use place::{Place, Rates};

/// Makes the enum of schedules and their dispatch; each has a file of its own with a function `rate`.
macro_rules! schedules {
    ($($(#[$doc:meta])* $schedule:ident $name:literal $file:ident;)*) => {
        $(mod $file;)*

        /// How the learning rate changes over the run (after the warm-up).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Schedule {
            $($(#[$doc])* #[serde(rename = $name)] $schedule,)*
        }

        impl Schedule {
            /// Every schedule.
            pub const ALL: &'static [Schedule] = &[$(Schedule::$schedule),*];

            /// The name in configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(Schedule::$schedule => $name,)*
                }
            }

            /// The rate of a step after the warm-up.
            pub(crate) fn rate(self, rates: &Rates, at: &Place) -> f64 {
                match self {
                    $(Schedule::$schedule => $file::rate(rates, at),)*
                }
            }
        }
    };
}

schedules! {
    /// `lr` throughout.
    Constant "constant" constant;
    /// A half cosine from `lr` down to `lr * min_lr_frac` at the last step.
    Cosine "cosine" cosine;
    /// Times `lr_decay` after each epoch from `lr_decay_after` on.
    Decay "decay" decay;
    /// Halved every `halve_every` epochs.
    Halve "halve" halve;
    /// Halved after `plateau_patience` validations without improvement.
    Plateau "plateau" plateau;
}
