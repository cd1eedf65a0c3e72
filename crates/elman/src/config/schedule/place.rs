//! What a schedule's rate is a function of: the place in the run and the settings of the rates. Not here: equations.

/// Where in a run a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The step, from 1.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps of a pass over the training split.
    pub steps_per_epoch: u64,
    /// How often a plateau has halved the rate: see the plateau schedule.
    pub halvings: u64,
}

impl Place {
    /// Whole epochs passed before the step.
    pub fn epochs(&self) -> u64 {
        (self.step - 1) / self.steps_per_epoch.max(1)
    }
}

/// The settings that schedules read.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// The highest rate.
    pub lr: f64,
    /// Steps of the linear warm-up.
    pub warmup: u64,
    /// `cosine`: the last rate as a share of the highest.
    pub min_lr_frac: f64,
    /// `decay`: the factor of an epoch.
    pub lr_decay: f64,
    /// `decay`: epochs before the first factor, itself included.
    pub lr_decay_after: u64,
    /// `halve`: epochs from one halving to the next.
    pub halve_every: u64,
}
