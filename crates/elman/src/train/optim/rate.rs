//! The learning rate of a step: the warm-up, then the schedule. Not here: the schedules' equations (`config/schedule`).

use crate::config::{Config, Place, Rates};

/// The learning rate of a step: lr * step / warmup for the first `warmup` steps, then the schedule's.
pub fn learning_rate(config: &Config, at: &Place) -> f64 {
    let rates = Rates {
        lr: config.lr,
        warmup: config.warmup,
        min_lr_frac: config.min_lr_frac,
        lr_decay: config.lr_decay(),
        lr_decay_after: config.lr_decay_after(),
        halve_every: config.halve_every(),
    };
    if at.step <= rates.warmup {
        return rates.lr * at.step as f64 / rates.warmup as f64;
    }
    config.schedule().rate(&rates, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Schedule;

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
