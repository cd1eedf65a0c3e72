//! The step of every optimizer over flat memory, in one pass: value, gradient and moments are read and written once. Each
//! formula is in a file; another one is a file and a line in `optimizers!`. Not here: schedules and norms; the rate and the
//! clipping factor are arguments.
//!
//! Every operation is exact lane by lane and no sum runs across lanes, so neither vector width nor threads change a bit.
//! Source of the formulas: PyTorch's `torch.optim`.

mod adagrad;
mod adam;
mod adamw;
mod formula;
mod momentum;
mod nesterov;
mod rmsprop;
mod sgd;

pub use formula::Step;

use formula::{Formula, Part};

use crate::cpu::{Shared, saturating_product};
use crate::entry_points::entry_points;
use crate::error::check_len;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Error, Number};

/// Makes the enum of optimizers, and `with_formula!(optimizer, F => body)`, which runs the body with F bound to the type
/// of the formula. `$dollar` is the sign itself.
macro_rules! optimizers {
    ($dollar:tt $($(#[$doc:meta])* $optimizer:ident $name:literal $formula:ty;)*) => {
        /// The optimizers there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum OptimizerKind {
            $($(#[$doc])* $optimizer,)*
        }

        impl OptimizerKind {
            /// Every optimizer.
            pub const ALL: &'static [OptimizerKind] = &[$(OptimizerKind::$optimizer),*];

            /// The name in configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(OptimizerKind::$optimizer => $name,)*
                }
            }
        }

        macro_rules! with_formula {
            ($dollar optimizer:expr, $dollar formula:ident => $dollar body:expr) => {
                match $dollar optimizer {
                    $(OptimizerKind::$optimizer => {
                        type $dollar formula = $formula;
                        $dollar body
                    })*
                }
            };
        }
    };
}

optimizers! { $
    /// Plain gradient descent.
    Sgd "sgd" sgd::Sgd;
    /// Gradient descent with a velocity.
    Momentum "momentum" momentum::Momentum;
    /// Gradient descent with a velocity that looks ahead.
    Nesterov "nesterov" nesterov::Nesterov;
    /// Steps divided by the root of a decayed mean square.
    RmsProp "rmsprop" rmsprop::RmsProp;
    /// Steps divided by the root of the sum of all squares.
    Adagrad "adagrad" adagrad::Adagrad;
    /// Momentum over root mean square, both corrected for their start from zero.
    Adam "adam" adam::Adam;
    /// Adam with the weight decay outside of it.
    AdamW "adamw" adamw::AdamW;
}

impl OptimizerKind {
    /// What its moments are called: numbers of state beside each value.
    pub fn moments(self) -> &'static [&'static str] {
        with_formula!(self, F => F::MOMENTS)
    }

    /// Those of its moments that are means or sums of squares: no number of them is below 0.
    pub fn squares(self) -> &'static [&'static str] {
        with_formula!(self, F => F::SQUARES)
    }

    /// The weight decay where none was asked for.
    pub fn weight_decay(self) -> f64 {
        with_formula!(self, F => F::WEIGHT_DECAY)
    }
}

entry_points! {
    /// Moves `values` by one step and updates the moments, as many as [`OptimizerKind::moments`] names, zero before the
    /// first step. All slices have one length. Errors: lengths or a number of moments that differ.
    pub fn descend(
        cpu: &Cpu,
        kind: OptimizerKind,
        step: &Step,
        values: &mut [E],
        grads: &[E],
        moments: &mut [&mut [E]],
    ) -> Result<(), Error> = descend_for;
}

fn descend_for<E: Number>(
    cpu: &Cpu,
    kind: OptimizerKind,
    step: &Step,
    values: &mut [E],
    grads: &[E],
    moments: &mut [&mut [E]],
) -> Result<(), Error> {
    let _part = cpu.part("optimizer");
    let (len, count) = (values.len(), kind.moments().len());
    check_len("optimizer gradients", grads.len(), "values", &[len])?;
    check_len("optimizer moments", moments.len(), "the optimizer's moments", &[count])?;
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
        let m = if count > 0 { slice(m) } else { &mut [] };
        let v = if count > 1 { slice(v) } else { &mut [] };
        cpu.run(Move { kind, step, part: Part { values, grads: &grads[part.clone()], m, v } });
    });
    Ok(())
}

struct Move<'a, E> {
    kind: OptimizerKind,
    step: &'a Step,
    part: Part<'a, E>,
}

impl<E: Number> Kernel<E> for Move<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        with_formula!(self.kind, F => F::run(self.step, self.part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    /// Values that move. Fewer for Miri, which runs some thousand times slower.
    const NUMBERS: usize = if cfg!(miri) { 67 } else { 1003 };

    /// The formulas as PyTorch's documentation has them, for one value.
    fn plain(kind: OptimizerKind, step: &Step, w: &mut f64, grad: f64, m: &mut f64, v: &mut f64) {
        let (lr, decay, momentum, t) = (step.lr, step.weight_decay, step.momentum, step.number as i32);
        let mut g = grad * step.grad_scale;
        if kind == OptimizerKind::AdamW {
            *w -= lr * decay * *w;
        } else {
            g += decay * *w;
        }
        match kind {
            OptimizerKind::Sgd => *w -= lr * g,
            OptimizerKind::Momentum => {
                *m = momentum * *m + g;
                *w -= lr * *m;
            }
            OptimizerKind::Nesterov => {
                *m = momentum * *m + g;
                *w -= lr * (g + momentum * *m);
            }
            OptimizerKind::RmsProp => {
                *m = 0.99 * *m + 0.01 * g * g;
                *w -= lr * g / (m.sqrt() + 1e-8);
            }
            OptimizerKind::Adagrad => {
                *m += g * g;
                *w -= lr * g / (m.sqrt() + 1e-10);
            }
            OptimizerKind::Adam | OptimizerKind::AdamW => {
                *m = 0.9 * *m + 0.1 * g;
                *v = 0.999 * *v + 0.001 * g * g;
                let (mean, square) = (*m / (1.0 - 0.9f64.powi(t)), *v / (1.0 - 0.999f64.powi(t)));
                *w -= lr * mean / (square.sqrt() + 1e-8);
            }
        }
    }

    fn grad(i: usize, t: u64) -> f64 {
        ((i * 7 + t as usize * 13) % 11) as f64 * 0.3 - 1.4
    }

    fn run<E: Number + EntryPoints<E>>(
        kind: OptimizerKind,
        weight_decay: f64,
        backend: Backend,
        threads: usize,
        n: usize,
    ) -> Vec<E> {
        let cpu = Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
        let mut values: Vec<E> = (0..n).map(|i| E::from_f64(i as f64 * 1e-3 + 0.5)).collect();
        let mut moments = vec![vec![E::ZERO; n]; kind.moments().len()];
        for t in 1..=3 {
            let grads: Vec<E> = (0..n).map(|i| E::from_f64(grad(i, t))).collect();
            let step = Step { lr: 0.01, momentum: 0.8, weight_decay, grad_scale: 0.5, number: t };
            let mut moments: Vec<&mut [E]> = moments.iter_mut().map(|m| &mut m[..]).collect();
            descend(&cpu, kind, &step, &mut values, &grads, &mut moments).unwrap();
        }
        values
    }

    #[test]
    fn three_steps_of_every_rule_match_the_formulas() {
        let n = NUMBERS;
        for &kind in OptimizerKind::ALL {
            for weight_decay in [0.0, 0.1] {
                let got: Vec<f64> = run(kind, weight_decay, Backend::detect(), 1, n);
                for (i, got) in got.iter().enumerate() {
                    let (mut w, mut m, mut v) = (i as f64 * 1e-3 + 0.5, 0.0, 0.0);
                    for t in 1..=3 {
                        let step = Step { lr: 0.01, momentum: 0.8, weight_decay, grad_scale: 0.5, number: t };
                        plain(kind, &step, &mut w, grad(i, t), &mut m, &mut v);
                    }
                    assert!((got - w).abs() <= 1e-13 * (1.0 + w.abs()), "{kind:?} {weight_decay}: {got} {w}");
                }
            }
        }
    }

    #[test]
    fn no_backend_and_no_thread_changes_a_bit() {
        let n = NUMBERS;
        for &kind in OptimizerKind::ALL {
            let want: Vec<f32> = run(kind, 0.1, Backend::detect(), 1, n);
            for backend in Backend::available() {
                let got: Vec<f32> = run(kind, 0.1, backend, 3, n);
                let differ = got.iter().zip(&want).position(|(a, b)| a.to_bits() != b.to_bits());
                assert_eq!(differ, None, "{kind:?} {backend:?}");
            }
        }
    }

    #[test]
    fn zeros_stay_zero_and_wrong_lengths_are_refused() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let step = Step { lr: 0.1, momentum: 0.8, weight_decay: 0.1, grad_scale: 1.0, number: 1 };
        for &kind in OptimizerKind::ALL {
            let (mut w, mut m, mut v) = (vec![0.0f32; 5], vec![0.0; 5], vec![0.0; 5]);
            let mut all: Vec<&mut [f32]> = vec![&mut m, &mut v];
            all.truncate(kind.moments().len());
            descend(&cpu, kind, &step, &mut w, &[0.0; 5], &mut all).unwrap();
            assert_eq!(w, [0.0; 5], "padding, {kind:?}");
            assert!(descend(&cpu, kind, &step, &mut w, &[0.0; 4], &mut all).is_err());
            let mut more = vec![0.0; 5];
            all.push(&mut more);
            assert!(descend(&cpu, kind, &step, &mut w, &[0.0; 5], &mut all).is_err());
        }
    }
}
