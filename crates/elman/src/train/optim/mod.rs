//! The optimizers, which turn gradients into new parameters. There is no hidden state: moments are plain data in the
//! layout of the parameters. Not here: clipping and schedules, which have files of their own.

mod clip;
mod patience;
mod rate;

use elman_kernels::descent::{self, OptimizerKind, Step};
use elman_kernels::{Cpu, Element};

use crate::autodiff::params::Params;
use crate::config::Config;
use crate::error::Error;

pub use clip::{clip, clip_scale};
pub use patience::Patience;
pub use rate::learning_rate;

/// An optimizer with its state: as many moments of each parameter as its formula has, and the steps taken.
#[derive(Clone, Debug)]
pub struct Optimizer<E> {
    kind: OptimizerKind,
    momentum: f64,
    weight_decay: f64,
    /// The moments, each with its name in a state file.
    pub(crate) moments: Vec<(&'static str, Params<E>)>,
    /// Steps taken.
    pub step: u64,
}

impl<E: Element> Optimizer<E> {
    /// The configured optimizer: no steps taken, moments zero.
    pub fn of(config: &Config, params: &Params<E>) -> Optimizer<E> {
        let (kind, momentum, weight_decay) = (config.optimizer, config.momentum, config.weight_decay());
        let moments = kind.moments().iter().map(|&name| (name, params.zeros_like())).collect();
        Optimizer { kind, momentum, weight_decay, moments, step: 0 }
    }

    /// One step at rate `lr` along `grads` times `grad_scale`.
    pub fn update(
        &mut self,
        cpu: &Cpu,
        lr: f64,
        grad_scale: f64,
        params: &mut Params<E>,
        grads: &Params<E>,
    ) -> Result<(), Error> {
        self.step += 1;
        let (momentum, weight_decay) = (self.momentum, self.weight_decay);
        let step = Step { lr, momentum, weight_decay, grad_scale, number: self.step };
        let (count, mut moments) = (self.moments.len(), self.moments.iter_mut().map(|(_, moment)| moment.values_mut()));
        let mut moments = [moments.next().unwrap_or_default(), moments.next().unwrap_or_default()];
        descent::descend(cpu, self.kind, &step, params.values_mut(), grads.values(), &mut moments[..count])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::model::LanguageModel;

    #[test]
    fn adam_follows_the_paper_in_f64() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let config = Config { hidden_size: 2, num_layers: 1, ..Config::default() };
        let mut model: LanguageModel<f32> = LanguageModel::new(&config, 3).unwrap();
        let start = model.params().get("decoder.bias").unwrap();
        let mut grads = model.params().zeros_like();
        let mut adam = Optimizer::of(&config, model.params());
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
    fn every_optimizer_moves_by_its_own_formula() {
        use OptimizerKind::*;
        let cpu = Cpu::new(Some(1)).unwrap();
        // One step from zero moments: the gradient 0.5, the value 2.
        let first = |optimizer, weight_decay| {
            let config = Config { optimizer, weight_decay, hidden_size: 2, num_layers: 1, ..Config::default() };
            let mut model: LanguageModel<f32> = LanguageModel::new(&config, 3).unwrap();
            model.params_mut().set("decoder.bias", &[2.0; 3]).unwrap();
            let mut grads = model.params().zeros_like();
            grads.set("decoder.bias", &[0.5; 3]).unwrap();
            let mut optimizer = Optimizer::of(&config, model.params());
            optimizer.update(&cpu, 0.1, 1.0, model.params_mut(), &grads).unwrap();
            2.0 - f64::from(model.params().get("decoder.bias").unwrap()[0])
        };
        let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got} {want}");
        close(first(Sgd, None), 0.1 * 0.5);
        close(first(Sgd, Some(0.25)), 0.1 * (0.5 + 0.25 * 2.0));
        close(first(Momentum, None), 0.1 * 0.5);
        close(first(Nesterov, None), 0.1 * (0.5 + 0.9 * 0.5));
        close(first(RmsProp, None), 0.1 / 0.01_f64.sqrt());
        close(first(Adagrad, None), 0.1);
        close(first(Adam, None), 0.1);
        close(first(AdamW, None), 0.1 + 0.1 * 0.01 * 2.0); // PyTorch's default of 0.01
        close(first(AdamW, Some(0.5)), 0.1 + 0.1 * 0.5 * 2.0);
    }
}
