//! Gradient clipping: by value, by the norm of each parameter, by the global norm, in this order. Not here: gradients
//! that are not finite, which end the step in the trainer before clipping.

use elman_kernels::{Cpu, Element};

use crate::autodiff::params::Params;
use crate::config::Config;

/// Clips as configured and returns what is left to multiply every gradient by: the optimizer does that as it reads
/// them. `norm` is their global norm as it was.
///
/// `clip_value` brings each element to at most that size; `clip_param_norm` each parameter to at most that norm;
/// `clip` all parameters together. A limit of 0 does nothing, a limit that is not reached changes no bit.
pub fn clip<E: Element>(cpu: &Cpu, config: &Config, norm: f64, grads: &mut Params<E>) -> f64 {
    if config.clip_value > 0.0 {
        let limit = E::from_f64(config.clip_value);
        grads.values_mut().iter_mut().for_each(|g| *g = clamp(*g, limit));
    }
    if config.clip_param_norm > 0.0 {
        let factors: Vec<f64> = grads.norms(cpu).map(|norm| clip_scale(norm, config.clip_param_norm)).collect();
        for (values, factor) in grads.each_mut().zip(factors) {
            if factor < 1.0 {
                let factor = E::from_f64(factor);
                values.iter_mut().for_each(|g| *g = *g * factor);
            }
        }
    }
    let changed = config.clip_value > 0.0 || config.clip_param_norm > 0.0;
    clip_scale(if changed { grads.norm(cpu) } else { norm }, config.clip)
}

/// The nearest number of a size of at most `limit`.
fn clamp<E: Element>(x: E, limit: E) -> E {
    if x > limit {
        limit
    } else if x < -limit {
        -limit
    } else {
        x
    }
}

/// What to multiply gradients of norm `norm` by so that it is at most `limit`; a limit of 0 does not clip.
pub fn clip_scale(norm: f64, limit: f64) -> f64 {
    if limit > 0.0 && norm > limit { limit / norm } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::model::LanguageModel;

    /// Gradients of a small model, and the same numbers parameter by parameter in f64.
    fn gradients() -> (Params<f32>, Vec<(String, Vec<f64>)>) {
        let config = Config { hidden_size: 5, num_layers: 2, embed: 3, seed: 4, ..Config::default() };
        let model: LanguageModel<f32> = LanguageModel::new(&config, 7).unwrap();
        let grads = model.params().clone();
        let plain = grads.names().map(|name| (name.to_string(), plain(&grads, name))).collect();
        (grads, plain)
    }

    fn plain(grads: &Params<f32>, name: &str) -> Vec<f64> {
        grads.get(name).unwrap().into_iter().map(f64::from).collect()
    }

    fn norm(values: &[f64]) -> f64 {
        values.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    #[test]
    fn each_kind_of_clipping_against_plain_arithmetic() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let off = Config { clip: 0.0, ..Config::default() };
        let configs = [
            off.clone(),
            Config { clip: 0.5, ..off.clone() },
            Config { clip_value: 0.2, ..off.clone() },
            Config { clip_param_norm: 1.1, ..off.clone() },
            // The norm of all is that after the kinds before it.
            Config { clip: 0.7, clip_value: 0.3, ..off.clone() },
            Config { clip: 0.7, clip_param_norm: 0.9, ..off.clone() },
            Config { clip: 0.7, clip_value: 0.3, clip_param_norm: 0.9, ..off },
        ];
        for config in configs {
            let (mut grads, mut want) = gradients();
            let before = grads.norm(&cpu);
            let scale = clip(&cpu, &config, before, &mut grads);
            for (_, values) in &mut want {
                if config.clip_value > 0.0 {
                    values.iter_mut().for_each(|g| *g = g.clamp(-config.clip_value, config.clip_value));
                }
                let norm = norm(values);
                if config.clip_param_norm > 0.0 && norm > config.clip_param_norm {
                    values.iter_mut().for_each(|g| *g *= config.clip_param_norm / norm);
                }
            }
            let all = norm(&want.iter().flat_map(|(_, values)| values.clone()).collect::<Vec<_>>());
            let factor = if config.clip > 0.0 { (config.clip / all).min(1.0) } else { 1.0 };
            assert!((scale - factor).abs() < 1e-7, "{scale} {factor}");
            for (name, values) in &want {
                for (got, want) in plain(&grads, name).iter().zip(values) {
                    // A limit and a factor rounded to f32, and one product.
                    assert!((got - want).abs() <= 2e-7 * want.abs(), "{name}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn a_limit_that_is_not_reached_changes_no_bit() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let (mut grads, _) = gradients();
        let (before, norm) = (grads.clone(), grads.norm(&cpu));
        let config = Config { clip: 1e6, clip_value: 1e6, clip_param_norm: 1e6, ..Config::default() };
        assert_eq!(clip(&cpu, &config, norm, &mut grads), 1.0);
        assert!(grads.values().iter().zip(before.values()).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn clipping_brings_the_norm_down_to_the_limit() {
        assert_eq!(clip_scale(4.0, 1.0), 0.25);
        assert_eq!(clip_scale(1.0, 1.0), 1.0);
        assert_eq!(clip_scale(0.5, 1.0), 1.0);
        assert_eq!(clip_scale(1e9, 0.0), 1.0);
    }
}
