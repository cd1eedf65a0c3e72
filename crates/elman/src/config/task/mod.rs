//! The settings of the tasks other than language models: a table, and a file for each with its settings and their defaults.
//! A setting of one task is unknown to another. Not here: checks (`check_task.rs`) and the defaults of a run (`of_task.rs`).

mod classify;
mod forecast;
mod generate;
mod regress;
mod signal;
mod source;
mod tag;
mod translate;

use serde::{Deserialize, Serialize};

pub use classify::{ClassWeights, Classify};
pub use forecast::{Forecast, Memory, Missing, Scale, Strategy, Transform};
pub use generate::{Condition, Generate};
pub use regress::{MultiLabel, Regress};
pub use signal::{Signal, SignalLoss};
pub use source::Source;
pub use tag::Tag;
pub use translate::{Attention, Sides, Translate};

/// Makes the enum of tasks.
macro_rules! tasks {
    ($($(#[$doc:meta])* $task:ident $kind:literal $settings:ident;)*) => {
        /// What a run learns, where it is no language model: the table `[task]` of a recipe, whose `kind` says which.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[allow(clippy::large_enum_variant)] // there is one in a configuration
        #[serde(tag = "kind")]
        pub enum TaskSettings {
            $($(#[$doc])* #[serde(rename = $kind)] $task($settings),)*
        }

        impl TaskSettings {
            /// The names of the tasks, language models left out.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// The task of that name with its defaults.
            pub fn of_kind(kind: &str) -> Option<TaskSettings> {
                match kind {
                    $($kind => Some(TaskSettings::$task($settings::default())),)*
                    _ => None,
                }
            }

            /// Its name.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(TaskSettings::$task(_) => $kind,)*
                }
            }
        }
    };
}

tasks! {
    /// A class for every sequence.
    Classify "classify" Classify;
    /// What comes next in a time series.
    Forecast "forecast" Forecast;
    /// Texts for a class or a vector.
    Generate "generate" Generate;
    /// Several labels, each there or not, for every sequence or step.
    MultiLabel "multilabel" MultiLabel;
    /// Numbers for every sequence or step.
    Regress "regress" Regress;
    /// Capitals and punctuation for text that has none.
    Restore "restore" Tag;
    /// A waveform for a waveform.
    Signal "signal" Signal;
    /// A class for every step of a sequence.
    Tag "tag" Tag;
    /// A text for every text.
    Translate "translate" Translate;
}
