//! Holds the learning rate of each step. Refuses hidden state: a rate is a function of the configuration and the place
//! in the run; what a plateau has come to is part of the place.

use crate::config::{Config, Schedule};

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

/// The learning rate of a step.
///
/// Warm-up: lr * step / warmup for the first `warmup` steps. After it, with e whole epochs passed before the step:
/// * constant: lr;
/// * cosine: lr * (f + (1 - f) * (1 + cos(pi p)) / 2), where p = (step - warmup) / (steps - warmup) and f is
///   `min_lr_frac`; the last step has lr * f;
/// * decay: lr in the first `lr_decay_after` epochs, then lr * lr_decay^(e - lr_decay_after + 1), as char-rnn has it;
/// * halve: lr / 2^floor(e / halve_every);
/// * plateau: lr / 2^halvings.
pub fn learning_rate(config: &Config, at: &Place) -> f64 {
    let (step, lr) = (at.step, config.lr);
    if step <= config.warmup {
        return lr * step as f64 / config.warmup as f64;
    }
    let epochs = (step - 1) / at.steps_per_epoch.max(1);
    let halved = |times: u64| lr * libm::pow(0.5, times as f64);
    match config.schedule() {
        Schedule::Constant => lr,
        Schedule::Cosine => {
            let progress = (step.min(at.steps) - config.warmup) as f64 / (at.steps - config.warmup) as f64;
            let cosine = (1.0 + libm::cos(std::f64::consts::PI * progress)) / 2.0;
            lr * (config.min_lr_frac + (1.0 - config.min_lr_frac) * cosine)
        }
        Schedule::Decay => {
            let times = (epochs + 1).saturating_sub(config.lr_decay_after());
            lr * libm::pow(config.lr_decay(), times as f64)
        }
        Schedule::Halve => halved(epochs / config.halve_every()),
        Schedule::Plateau => halved(at.halvings),
    }
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
