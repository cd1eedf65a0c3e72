//! Holds what turns gradients into new parameters: Adam, clipping by global norm, learning-rate schedules.
//! Refuses hidden state: moments are plain parameters-shaped data, a schedule is a function of the step.

use elman_kernels::{Cpu, adam};

use crate::error::Error;
use crate::{
    config::{Config, Schedule},
    params::Params,
};

/// Adam's first decay.
pub const BETA1: f64 = 0.9;
/// Adam's second decay.
pub const BETA2: f64 = 0.999;
/// Adam's guard against division by nothing.
pub const EPS: f64 = 1e-8;

/// Adam's state: the two moments of each parameter, and the steps taken.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Decayed mean of the gradients.
    pub m: Params<f32>,
    /// Decayed mean of their squares.
    pub v: Params<f32>,
    /// Steps taken.
    pub step: u64,
}

impl Adam {
    /// No steps taken, moments zero.
    pub fn new(params: &Params<f32>) -> Adam {
        Adam { m: params.zeros_like(), v: params.zeros_like(), step: 0 }
    }

    /// One step at rate `lr` along `grads` times `grad_scale`.
    pub fn update(
        &mut self,
        cpu: &Cpu,
        lr: f64,
        grad_scale: f64,
        params: &mut Params<f32>,
        grads: &Params<f32>,
    ) -> Result<(), Error> {
        self.step += 1;
        let step = adam::AdamStep { lr, beta1: BETA1, beta2: BETA2, eps: EPS, step: self.step, grad_scale };
        adam::adam(cpu, &step, params.values_mut(), grads.values(), self.m.values_mut(), self.v.values_mut())?;
        Ok(())
    }
}

/// What to multiply gradients of global norm `norm` by so that it is at most `clip`; a `clip` of 0 does not clip.
pub fn clip_scale(norm: f64, clip: f64) -> f64 {
    if clip > 0.0 && norm > clip { clip / norm } else { 1.0 }
}

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
    use crate::model::LanguageModel;

    #[test]
    fn adam_follows_the_paper_in_f64() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let config = Config { hidden_size: 2, num_layers: 1, ..Config::default() };
        let mut model: LanguageModel<f32> = LanguageModel::new(&config, 3).unwrap();
        let start = model.params().get("decoder.bias").unwrap();
        let mut grads = model.params().zeros_like();
        let mut adam = Adam::new(model.params());
        let mut want: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
        let (mut m, mut v) = ([0.0_f64; 3], [0.0_f64; 3]);
        for step in 1..=3 {
            let g = [0.5 * step as f32, -2.0, 0.0];
            grads.set("decoder.bias", &g).unwrap();
            adam.update(&cpu, 0.01, 0.25, model.params_mut(), &grads).unwrap();
            for i in 0..3 {
                let g = 0.25 * f64::from(g[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let (mean, square) = (m[i] / (1.0 - 0.9_f64.powi(step)), v[i] / (1.0 - 0.999_f64.powi(step)));
                want[i] -= 0.01 * mean / (square.sqrt() + 1e-8);
            }
        }
        let got = model.params().get("decoder.bias").unwrap();
        for (got, want) in got.iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
        }
        assert_eq!(got[2], start[2], "no gradient, no change");
        assert_eq!(adam.step, 3);
    }

    #[test]
    fn clipping_brings_the_norm_down_to_the_limit() {
        assert_eq!(clip_scale(4.0, 1.0), 0.25);
        assert_eq!(clip_scale(1.0, 1.0), 1.0);
        assert_eq!(clip_scale(0.5, 1.0), 1.0);
        assert_eq!(clip_scale(1e9, 0.0), 1.0);
    }

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
