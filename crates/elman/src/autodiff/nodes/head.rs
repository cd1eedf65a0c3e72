//! The head with its loss, run forward and backward in one call. It is no node, because the logits are gone when it
//! returns. Not here: logits for the caller; [`Tape::linear`] and [`Tape::cross_entropy`] give them, with the same
//! bits.

use elman_kernels::head::{self, Head, HeadGrads};
use elman_kernels::{Element, linear, softmax};

use super::linear::LinearIds;
use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// What the head is to predict.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// `[rows]`, below V or [`softmax::IGNORED`].
    pub tokens: &'a [u32],
    /// B where the rows are `[T, B]`, else 1: it changes no bit, only which thread does what.
    pub batch: usize,
    /// Predictions that the loss is the mean of, these and those made elsewhere: see [`Targets::counted`].
    pub counted: usize,
}

impl Targets<'_> {
    /// How many of these tokens count, at least 1.
    pub fn counted(tokens: &[u32]) -> usize {
        tokens.iter().filter(|&&target| target != softmax::IGNORED).count().max(1)
    }
}

impl<E: Element> Tape<E> {
    /// The sum in nats of the cross-entropy of `softmax(y W^T + b)` over the rows of y `[rows, K]` whose target counts
    /// ([`softmax::IGNORED`] does not). With `grads`, adds the gradients of that sum by [`Targets::counted`]: by W and
    /// b to `grads`, by y on the tape, from where [`Tape::backward_seeded`] continues.
    ///
    /// The bits are those of [`Tape::linear`], [`Tape::cross_entropy`] and [`Tape::backward`]; as many rows of logits
    /// are held as [`head::rows_at_once`] says. Errors: no targets, or as many as y has no rows; a target out of range;
    /// a value of another tape.
    pub fn linear_cross_entropy(
        &mut self,
        params: &Params<E>,
        ids: LinearIds,
        outputs: usize,
        y: Var,
        Targets { tokens: targets, batch, counted }: Targets<'_>,
        grads: Option<&mut Params<E>>,
    ) -> Result<f64, Error> {
        let m = &mut self.memory;
        m.check(y)?;
        if targets.len() != y.rows() || targets.is_empty() {
            // A mean over nothing has no value.
            let (name, got) = ("targets".into(), vec![targets.len()]);
            return Err(Error::Shape { name, got, expected: vec![y.rows().max(1)] });
        }
        let d = linear::Dims { rows: y.rows(), inputs: y.cols(), outputs };
        if d.weight() != params.layout(ids.weight) {
            return Err(shape_error("input of the head", y, [y.rows(), params.layout(ids.weight).cols()]));
        }
        let mut losses = m.take(d.rows);
        let mut grad_y = grads.is_some().then(|| m.take_grad(y.slot));
        let (weight, bias) = (params.slice(ids.weight), params.slice(ids.bias));
        let head = Head { x: m.value(y), weight, bias, targets, batch };
        let grads = grads.zip(grad_y.as_mut()).map(|(grads, grad_y)| {
            let [weight, bias] = grads.slices_mut([ids.weight, ids.bias]);
            HeadGrads { scale: E::from_f64(1.0 / counted as f64), x: &mut grad_y[y.range()], weight, bias }
        });
        let done = head::losses(&m.cpu, &d, head, &mut losses, grads);
        let sum = losses.iter().map(|x| x.to_f64()).sum();
        m.recycle(losses);
        if let Some(grad_y) = grad_y {
            m.put_grad(y.slot, grad_y);
        }
        done?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use elman_kernels::Cpu;

    use super::*;
    use crate::autodiff::params::Declaration;
    use crate::config::Config;
    use crate::nn::model::LanguageModel;
    use crate::nn::shards::Shards;

    /// The loss of one step and its gradients, by the nodes one after the other.
    fn by_nodes(model: &LanguageModel<f32>, cpu: &Cpu, tokens: &[u32], targets: &[u32]) -> (f64, Params<f32>) {
        let (mut tape, mut grads) = (Tape::new(cpu), model.params().zeros_like());
        tape.start(true);
        let before = model.begin(&mut tape, &model.initial_state(3)).unwrap();
        let (logits, _) = model.forward(&mut tape, tokens, &before, None).unwrap();
        let (loss, sum) = tape.cross_entropy(logits, targets).unwrap();
        tape.backward(loss, model.params(), &mut grads).unwrap();
        (sum / targets.iter().filter(|&&target| target != softmax::IGNORED).count() as f64, grads)
    }

    #[test]
    fn as_many_targets_as_rows_are_wanted() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let mut declared = Declaration::default();
        let head = linear::Dims { rows: 0, inputs: 4, outputs: 5 };
        let ids = LinearIds { weight: declared.matrix("w", head.weight()), bias: declared.vector("b", head.bias()) };
        let params: Params<f64> = declared.zeros().unwrap();
        let loss = |targets: &[u32]| {
            let mut tape = Tape::new(&cpu);
            tape.start(false);
            let y = tape.dense_leaf(4, &[1.0; 12], false).unwrap();
            let targets = Targets { tokens: targets, batch: 3, counted: 3 };
            tape.linear_cross_entropy(&params, ids, 5, y, targets, None).map_err(|error| error.to_string())
        };
        assert!((loss(&[0, 1, 4]).unwrap() - 3.0 * 5.0_f64.ln()).abs() < 1e-12);
        for (targets, got) in [(&[][..], 0), (&[0, 1], 2), (&[0, 1, 2, 3], 4)] {
            assert_eq!(loss(targets).unwrap_err(), format!("targets has shape [{got}], expected [3]"));
        }
    }

    #[test]
    fn a_step_has_the_bits_of_the_nodes() {
        let cpu = Cpu::new(Some(2)).unwrap().with_work_per_thread(1);
        let tied = Config { embed: 20, tied: true, hidden_size: 20, ..Config::default() };
        for config in [Config { embed: 0, ..tied.clone() }, Config { tied: false, ..tied.clone() }, tied] {
            let config = Config { tied: config.tied && config.embed > 0, ..config };
            let model: LanguageModel<f32> = LanguageModel::new(&config, 70).unwrap();
            let tokens: Vec<u32> = (0..33).map(|i| i * 29 % 70).collect();
            let target = |i: u32| if i % 7 == 2 { softmax::IGNORED } else { i * 13 % 70 };
            let targets: Vec<u32> = (0..33).map(target).collect();
            let (want_loss, want) = by_nodes(&model, &cpu, &tokens, &targets);
            let (mut tape, mut grads) = (Tape::new(&cpu), model.params().zeros_like());
            let mut state = model.initial_state(3);
            let loss = model
                .loss_and_grads(&mut tape, &mut Shards::default(), &tokens, &targets, &mut state, None, &mut grads)
                .unwrap();
            assert_eq!(loss.to_bits(), want_loss.to_bits());
            let bits = |params: &Params<f32>| params.values().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&grads) == bits(&want), "{config:?}");
            let sum = model.loss_sum(&mut tape, &tokens, &targets, &mut model.initial_state(3)).unwrap();
            assert_eq!((sum / 28.0).to_bits(), loss.to_bits());
        }
    }
}
