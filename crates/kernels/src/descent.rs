//! Holds the step of every optimizer over flat memory, one pass each: value, gradient and moments are read and written
//! once. Refuses schedules and norms: it is told the rate and the clipping factor.
//!
//! Every operation is exact lane by lane and no sum runs across lanes, so the compiler may vectorise the loops as it
//! likes: neither vector width nor threads change a bit. Source of the formulas: PyTorch's `torch.optim`.

use crate::cpu::{Shared, saturating_product};
use crate::error::check_len;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element, Error};

/// An optimizer with its constants. In the formulas w is a value, g its gradient, m and v its moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// w -= lr g.
    Sgd,
    /// m = momentum m + g; w -= lr m.
    Momentum {
        /// Share of the old velocity that is kept.
        momentum: f64,
    },
    /// m = momentum m + g; w -= lr (g + momentum m).
    Nesterov {
        /// Share of the old velocity that is kept.
        momentum: f64,
    },
    /// v = alpha v + (1 - alpha) g²; w -= lr g / (sqrt(v) + eps).
    RmsProp {
        /// Decay of the mean square.
        alpha: f64,
        /// Added to its root.
        eps: f64,
    },
    /// v += g²; w -= lr g / (sqrt(v) + eps).
    Adagrad {
        /// Added to the root.
        eps: f64,
    },
    /// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²; w -= lr / (1 - beta1^t) m / (sqrt(v / (1 -
    /// beta2^t)) + eps). Source: Kingma and Ba 2015, algorithm 1.
    Adam(Betas),
    /// w -= lr weight_decay w, then Adam along the gradient alone. Source: Loshchilov and Hutter 2019, algorithm 2.
    AdamW(Betas),
}

/// The constants of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Betas {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

impl Rule {
    /// Numbers of state beside each value.
    pub fn moments(&self) -> usize {
        match self {
            Rule::Sgd => 0,
            Rule::Momentum { .. } | Rule::Nesterov { .. } | Rule::RmsProp { .. } | Rule::Adagrad { .. } => 1,
            Rule::Adam(_) | Rule::AdamW(_) => 2,
        }
    }
}

/// One step's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Learning rate of this step.
    pub lr: f64,
    /// Times each value, added to its gradient (for [`Rule::AdamW`]: see there). 0 does nothing.
    pub weight_decay: f64,
    /// Factor on every gradient: below 1 where the norm is clipped. Weight decay comes after it.
    pub grad_scale: f64,
    /// This step's number t, from 1.
    pub number: u64,
}

/// Moves `values` by one step and updates the moments, of which there are [`Rule::moments`], zero before the first
/// step. All slices have one length. Errors: lengths or a number of moments that differ.
pub fn descend<E: Element>(
    cpu: &Cpu,
    rule: &Rule,
    step: &Step,
    values: &mut [E],
    grads: &[E],
    moments: &mut [&mut [E]],
) -> Result<(), Error> {
    let len = values.len();
    check_len("optimizer gradients", grads.len(), "values", &[len])?;
    check_len("optimizer moments", moments.len(), "the rule's moments", &[rule.moments()])?;
    for moment in moments.iter() {
        check_len("optimizer moment", moment.len(), "values", &[len])?;
    }
    let (mut no_m, mut no_v) = ([], []);
    let (m, v) = match moments {
        [m, v] => (Shared::new(m), Shared::new(v)),
        [m] => (Shared::new(m), Shared::new(&mut no_v)),
        _ => (Shared::new(&mut no_m), Shared::new(&mut no_v)),
    };
    let values = Shared::new(values);
    cpu.split(len, 64, saturating_product(&[len, 8]), |part| {
        // SAFETY: the parts of a split are disjoint and lie within the common length.
        let slice = |s: Shared<E>| unsafe { std::slice::from_raw_parts_mut(s.get().add(part.start), part.len()) };
        let values = slice(values);
        let m = if rule.moments() > 0 { slice(m) } else { &mut [] };
        let v = if rule.moments() > 1 { slice(v) } else { &mut [] };
        cpu.run(Part { rule, step, values, grads: &grads[part.clone()], m, v });
    });
    Ok(())
}

struct Part<'a, E> {
    rule: &'a Rule,
    step: &'a Step,
    values: &'a mut [E],
    grads: &'a [E],
    m: &'a mut [E],
    v: &'a mut [E],
}

impl<E: Element> Kernel<E> for Part<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let [lr, decay, scale] = [self.step.lr, self.step.weight_decay, self.step.grad_scale].map(E::from_f64);
        let gradient = |w: E, grad: E| decay.fma(w, grad * scale);
        let pairs = self.values.iter_mut().zip(self.grads);
        match *self.rule {
            Rule::Sgd => {
                for (w, &grad) in pairs {
                    *w = *w - lr * gradient(*w, grad);
                }
            }
            Rule::Momentum { momentum } => {
                let momentum = E::from_f64(momentum);
                for ((w, &grad), m) in pairs.zip(self.m) {
                    *m = momentum.fma(*m, gradient(*w, grad));
                    *w = *w - lr * *m;
                }
            }
            Rule::Nesterov { momentum } => {
                let momentum = E::from_f64(momentum);
                for ((w, &grad), m) in pairs.zip(self.m) {
                    let g = gradient(*w, grad);
                    *m = momentum.fma(*m, g);
                    *w = *w - lr * momentum.fma(*m, g);
                }
            }
            Rule::RmsProp { alpha, eps } => {
                let [alpha, rest, eps] = [alpha, 1.0 - alpha, eps].map(E::from_f64);
                for ((w, &grad), v) in pairs.zip(self.m) {
                    let g = gradient(*w, grad);
                    *v = alpha.fma(*v, rest * g * g);
                    *w = *w - lr * (g / (v.sqrt() + eps));
                }
            }
            Rule::Adagrad { eps } => {
                let eps = E::from_f64(eps);
                for ((w, &grad), v) in pairs.zip(self.m) {
                    let g = gradient(*w, grad);
                    *v = g.fma(g, *v);
                    *w = *w - lr * (g / (v.sqrt() + eps));
                }
            }
            Rule::Adam(betas) => {
                let adam = Adam::new(betas, self.step);
                for ((w, &grad), (m, v)) in pairs.zip(self.m.iter_mut().zip(self.v)) {
                    *w = *w - adam.change(gradient(*w, grad), m, v);
                }
            }
            Rule::AdamW(betas) => {
                let adam = Adam::new(betas, self.step);
                let keep = E::from_f64(1.0 - self.step.lr * self.step.weight_decay);
                for ((w, &grad), (m, v)) in pairs.zip(self.m.iter_mut().zip(self.v)) {
                    *w = *w * keep - adam.change(grad * scale, m, v);
                }
            }
        }
    }
}

/// The numbers of one step of Adam, the bias corrections applied as PyTorch does: to the rate and to the root.
#[derive(Clone, Copy)]
struct Adam<E> {
    rate: E,
    root_scale: E,
    beta1: E,
    rest1: E,
    beta2: E,
    rest2: E,
    eps: E,
}

impl<E: Element> Adam<E> {
    #[inline(always)]
    fn new(betas: Betas, step: &Step) -> Adam<E> {
        let n = step.number as f64;
        Adam {
            rate: E::from_f64(step.lr / (1.0 - libm::pow(betas.beta1, n))),
            root_scale: E::from_f64(1.0 / libm::sqrt(1.0 - libm::pow(betas.beta2, n))),
            beta1: E::from_f64(betas.beta1),
            rest1: E::from_f64(1.0 - betas.beta1),
            beta2: E::from_f64(betas.beta2),
            rest2: E::from_f64(1.0 - betas.beta2),
            eps: E::from_f64(betas.eps),
        }
    }

    #[inline(always)]
    fn change(self, g: E, m: &mut E, v: &mut E) -> E {
        *m = self.beta1.fma(*m, self.rest1 * g);
        *v = self.beta2.fma(*v, self.rest2 * g * g);
        self.rate * (*m / v.sqrt().fma(self.root_scale, self.eps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    const BETAS: Betas = Betas { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    const RULES: [Rule; 7] = [
        Rule::Sgd,
        Rule::Momentum { momentum: 0.9 },
        Rule::Nesterov { momentum: 0.8 },
        Rule::RmsProp { alpha: 0.99, eps: 1e-8 },
        Rule::Adagrad { eps: 1e-10 },
        Rule::Adam(BETAS),
        Rule::AdamW(BETAS),
    ];

    /// The formulas as PyTorch's documentation has them, for one value.
    fn plain(rule: Rule, step: &Step, w: &mut f64, grad: f64, m: &mut f64, v: &mut f64) {
        let (lr, decay, t) = (step.lr, step.weight_decay, step.number as i32);
        let mut g = grad * step.grad_scale;
        if matches!(rule, Rule::AdamW(_)) {
            *w -= lr * decay * *w;
        } else {
            g += decay * *w;
        }
        match rule {
            Rule::Sgd => *w -= lr * g,
            Rule::Momentum { momentum } => {
                *m = momentum * *m + g;
                *w -= lr * *m;
            }
            Rule::Nesterov { momentum } => {
                *m = momentum * *m + g;
                *w -= lr * (g + momentum * *m);
            }
            Rule::RmsProp { alpha, eps } => {
                *m = alpha * *m + (1.0 - alpha) * g * g;
                *w -= lr * g / (m.sqrt() + eps);
            }
            Rule::Adagrad { eps } => {
                *m += g * g;
                *w -= lr * g / (m.sqrt() + eps);
            }
            Rule::Adam(b) | Rule::AdamW(b) => {
                *m = b.beta1 * *m + (1.0 - b.beta1) * g;
                *v = b.beta2 * *v + (1.0 - b.beta2) * g * g;
                let (mean, square) = (*m / (1.0 - b.beta1.powi(t)), *v / (1.0 - b.beta2.powi(t)));
                *w -= lr * mean / (square.sqrt() + b.eps);
            }
        }
    }

    fn grad(i: usize, t: u64) -> f64 {
        ((i * 7 + t as usize * 13) % 11) as f64 * 0.3 - 1.4
    }

    fn run<E: Element>(rule: &Rule, weight_decay: f64, backend: Backend, threads: usize, n: usize) -> Vec<E> {
        let cpu = Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
        let mut values: Vec<E> = (0..n).map(|i| E::from_f64(i as f64 * 1e-3 + 0.5)).collect();
        let mut moments = vec![vec![E::ZERO; n]; rule.moments()];
        for t in 1..=3 {
            let grads: Vec<E> = (0..n).map(|i| E::from_f64(grad(i, t))).collect();
            let step = Step { lr: 0.01, weight_decay, grad_scale: 0.5, number: t };
            let mut moments: Vec<&mut [E]> = moments.iter_mut().map(|m| &mut m[..]).collect();
            descend(&cpu, rule, &step, &mut values, &grads, &mut moments).unwrap();
        }
        values
    }

    #[test]
    fn three_steps_of_every_rule_match_the_formulas() {
        let n = 1003;
        for rule in RULES {
            for weight_decay in [0.0, 0.1] {
                let got: Vec<f64> = run(&rule, weight_decay, Backend::detect(), 1, n);
                for (i, got) in got.iter().enumerate() {
                    let (mut w, mut m, mut v) = (i as f64 * 1e-3 + 0.5, 0.0, 0.0);
                    for t in 1..=3 {
                        let step = Step { lr: 0.01, weight_decay, grad_scale: 0.5, number: t };
                        plain(rule, &step, &mut w, grad(i, t), &mut m, &mut v);
                    }
                    assert!((got - w).abs() <= 1e-13 * (1.0 + w.abs()), "{rule:?} {weight_decay}: {got} {w}");
                }
            }
        }
    }

    #[test]
    fn no_backend_and_no_thread_changes_a_bit() {
        let n = 1003;
        for rule in RULES {
            let want: Vec<f32> = run(&rule, 0.1, Backend::detect(), 1, n);
            for backend in Backend::available() {
                let got: Vec<f32> = run(&rule, 0.1, backend, 3, n);
                let differ = got.iter().zip(&want).position(|(a, b)| a.to_bits() != b.to_bits());
                assert_eq!(differ, None, "{rule:?} {backend:?}");
            }
        }
    }

    #[test]
    fn zeros_stay_zero_and_wrong_lengths_are_refused() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let step = Step { lr: 0.1, weight_decay: 0.1, grad_scale: 1.0, number: 1 };
        for rule in RULES {
            let (mut w, mut m, mut v) = (vec![0.0f32; 5], vec![0.0; 5], vec![0.0; 5]);
            let mut all: Vec<&mut [f32]> = vec![&mut m, &mut v];
            all.truncate(rule.moments());
            descend(&cpu, &rule, &step, &mut w, &[0.0; 5], &mut all).unwrap();
            assert_eq!(w, [0.0; 5], "padding, {rule:?}");
            assert!(descend(&cpu, &rule, &step, &mut w, &[0.0; 4], &mut all).is_err());
            let mut more = vec![0.0; 5];
            all.push(&mut more);
            assert!(descend(&cpu, &rule, &step, &mut w, &[0.0; 5], &mut all).is_err());
        }
    }
}
