//! Holds the learning rate of each step. Refuses hidden state: a rate is a function of the configuration and the step.

use crate::config::{Config, Schedule};

/// The learning rate of `step` (from 1) in a run of `steps`.
///
/// Warm-up: lr * step / warmup for the first `warmup` steps. After it, constant, or with p = (step - warmup) /
/// (steps - warmup): lr * (f + (1 - f) * (1 + cos(pi p)) / 2), where f is `min_lr_frac`. The last step has lr * f.
pub fn learning_rate(config: &Config, step: u64, steps: u64) -> f64 {
    if step <= config.warmup {
        return config.lr * step as f64 / config.warmup as f64;
    }
    match config.schedule {
        Schedule::Constant => config.lr,
        Schedule::Cosine => {
            let progress = (step.min(steps) - config.warmup) as f64 / (steps - config.warmup) as f64;
            let cosine = (1.0 + libm::cos(std::f64::consts::PI * progress)) / 2.0;
            config.lr * (config.min_lr_frac + (1.0 - config.min_lr_frac) * cosine)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_by_hand() {
        let config = Config { lr: 0.01, warmup: 10, min_lr_frac: 0.1, ..Config::default() };
        let at = |step| learning_rate(&config, step, 110);
        let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-15, "{got} {want}");
        close(at(1), 0.001);
        close(at(10), 0.01);
        close(at(60), 0.01 * (0.1 + 0.9 * 0.5));
        close(at(35), 0.01 * (0.1 + 0.9 * (1.0 + 0.5_f64.sqrt()) / 2.0));
        close(at(110), 0.001);
        let constant = Config { schedule: Schedule::Constant, ..config };
        assert_eq!(learning_rate(&constant, 5, 110), 0.005);
        assert_eq!(learning_rate(&constant, 11, 110), 0.01);
        assert_eq!(learning_rate(&constant, 110, 110), 0.01);
    }

    #[test]
    fn a_run_shorter_than_its_warmup_only_warms_up() {
        let config = Config { lr: 1.0, warmup: 10, ..Config::default() };
        assert_eq!(learning_rate(&config, 4, 4), 0.4);
        let none = Config { lr: 1.0, warmup: 0, ..Config::default() };
        assert!(learning_rate(&none, 1, 1).is_finite());
    }
}
