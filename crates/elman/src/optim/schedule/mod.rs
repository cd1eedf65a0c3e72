//! Holds the learning rate of each step: the warm-up and the table of schedules, a file each. Refuses hidden state: a rate is a function of the configuration and the place
//! in the run; what a plateau has come to is part of the place.

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Where in a run a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The step, from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps of a pass over the training split.
    pub steps_per_epoch: u64,
    /// How often a plateau has halved the rate: see [`super::Patience`].
    pub halvings: u64,
}

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
            fn rate(self, config: &Config, at: &Place) -> f64 {
                match self {
                    $(Schedule::$schedule => $file::rate(config, at),)*
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

impl Place {
    /// Whole epochs passed before the step.
    pub fn epochs(&self) -> u64 {
        (self.step - 1) / self.steps_per_epoch.max(1)
    }
}

/// The learning rate of a step: lr * step / warmup for the first `warmup` steps, then the schedule's.
pub fn learning_rate(config: &Config, at: &Place) -> f64 {
    if at.step <= config.warmup {
        return config.lr * at.step as f64 / config.warmup as f64;
    }
    config.schedule().rate(config, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(config: &Config, step: u64, steps: u64) -> f64 {
        learning_rate(config, &Place { step, steps, steps_per_epoch: 10, halvings: 3 })
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-15, "{got} {want}");
    }

    #[test]
    fn cosine_and_constant_by_hand() {
        let config = Config { lr: 0.01, warmup: 10, min_lr_frac: 0.1, ..Config::default() };
        let at = |step| rate(&config, step, 110);
        close(at(1), 0.001);
        close(at(10), 0.01);
        close(at(60), 0.01 * (0.1 + 0.9 * 0.5));
        close(at(35), 0.01 * (0.1 + 0.9 * (1.0 + 0.5_f64.sqrt()) / 2.0));
        close(at(110), 0.001);
        let constant = Config { schedule: Some(Schedule::Constant), ..config };
        assert_eq!(rate(&constant, 5, 110), 0.005);
        assert_eq!(rate(&constant, 11, 110), 0.01);
        assert_eq!(rate(&constant, 110, 110), 0.01);
    }

    #[test]
    fn epochs_and_plateaus_by_hand() {
        // An epoch has ten steps: steps 1 to 10 belong to the first.
        let base = Config { lr: 0.01, min_lr_frac: 0.5, ..Config::default() };
        let decay = Config { lr_decay: Some(0.9), ..base.clone() };
        let at = |config: &Config| [1, 10, 11, 20, 21, 31, 51].map(|step| rate(config, step, 100) / 0.01);
        let each = |got: [f64; 7], want: [f64; 7]| got.iter().zip(want).for_each(|(g, w)| close(*g, w));
        each(at(&decay), [1.0, 1.0, 0.9, 0.9, 0.81, 0.729, 0.59049]);
        let later = Config { lr_decay_after: Some(3), ..decay };
        each(at(&later), [1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.729]);
        let halve = Config { halve_every: Some(2), ..base.clone() };
        each(at(&halve), [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]);
        let plateau = Config { schedule: Some(Schedule::Plateau), ..base.clone() };
        each(at(&plateau), [0.125; 7]);
        let warm = Config { warmup: 20, ..halve };
        each(at(&warm), [0.05, 0.5, 0.55, 1.0, 0.5, 0.5, 0.25]);
    }

    #[test]
    fn a_run_shorter_than_its_warmup_only_warms_up() {
        let config = Config { lr: 1.0, warmup: 10, ..Config::default() };
        assert_eq!(rate(&config, 4, 4), 0.4);
        let none = Config { lr: 1.0, warmup: 0, ..Config::default() };
        assert!(rate(&none, 1, 1).is_finite());
    }
}
