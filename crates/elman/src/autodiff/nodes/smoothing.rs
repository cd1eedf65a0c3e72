//! What label smoothing adds to the head's loss, forward and backward, without computing logits. Not here: the rest of
//! the loss; [`Tape::linear_cross_entropy`] runs first.
//!
//! With a share s of the targets' probability spread evenly over V columns (Szegedy et al. 2016, section 7), the loss of
//! a row is -(1 - s) ln p[target] - s/V sum of ln p = -ln p[target] + s (the logit of the target - the mean logit). The
//! second part is linear in W and b: with u = W[target] - mean row of W, it is s (y u + b[target] - mean of b).

use elman_kernels::layout::{Layout, PANEL};
use elman_kernels::{Cpu, Element, softmax};

use super::linear::LinearIds;
use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// A head, and the means over its rows.
struct Rows<'a, E> {
    layout: Layout,
    weight: &'a [E],
    bias: &'a [E],
    mean: &'a [E],
    mean_bias: f64,
}

impl<E: Element> Tape<E> {
    /// The sum in nats of s (the logit of the target - the mean logit) over the rows of y `[rows, K]` whose target
    /// counts, s being `share`. The gradients of the mean over those rows are added: by W and b to `grads`, by y on the
    /// tape, from where [`Tape::backward_seeded`] continues.
    ///
    /// Errors: targets that are not the rows of y, or out of range; a head of another layout; a value of another tape.
    pub fn linear_smoothing(
        &mut self,
        params: &Params<E>,
        ids: LinearIds,
        y: Var,
        targets: &[u32],
        share: f64,
        grads: &mut Params<E>,
    ) -> Result<f64, Error> {
        let m = &mut self.memory;
        m.check(y)?;
        let layout = params.layout(ids.weight);
        let (outputs, inputs, stride) = (layout.rows(), layout.cols(), y.stride());
        let is_head = matches!(layout, Layout::Panels { .. });
        if !is_head || inputs != y.cols() || targets.len() != y.rows() {
            return Err(shape_error("input of the head", y, [targets.len(), inputs]));
        }
        let counts = |target: u32| target != softmax::IGNORED;
        if let Some(position) = targets.iter().position(|&target| counts(target) && target as usize >= outputs) {
            return Err(elman_kernels::Error::Token { token: targets[position], position, limit: outputs }.into());
        }
        let counted = targets.iter().filter(|&&target| counts(target)).count();
        if counted == 0 {
            return Ok(0.0);
        }
        let mut mean = m.take(stride);
        mean.fill(E::ZERO);
        let (mut above, mut sum) = (m.take(targets.len()), m.take(inputs));
        sum.fill(E::ZERO);
        let mut grad_y = m.take_grad(y.slot);
        let (weight, bias) = (params.slice(ids.weight), params.slice(ids.bias));
        mean_row(&m.cpu, outputs, inputs, weight, &mut mean);
        let mean_bias = bias.iter().map(|b| b.to_f64()).sum::<f64>() / outputs as f64;
        let rows = Rows { layout, weight, bias, mean: &mean, mean_bias };
        let value = m.value(y);
        m.cpu.fill(&mut above, 1, inputs, |first, above| {
            let all = value[first * stride..].chunks_exact(stride).zip(&targets[first..]);
            for (above, (y, &target)) in above.iter_mut().zip(all) {
                *above = if counts(target) { rows.above_mean(y, target) } else { E::ZERO };
            }
        });
        let step = E::from_f64(share / counted as f64);
        m.cpu.fill(&mut grad_y[y.range()], stride, 1, |first, part| {
            for (grad, &target) in part.chunks_exact_mut(stride).zip(&targets[first / stride..]) {
                if counts(target) {
                    grad.iter_mut().zip(rows.lean(target)).for_each(|(g, u)| *g += step * u);
                }
            }
        });
        // By W and b: s at the target's row, and -s/V of all together at every row.
        let [grad_weight, grad_bias] = grads.slices_mut([ids.weight, ids.bias]);
        for (y, &target) in value.chunks_exact(stride).zip(targets).filter(|(_, target)| counts(**target)) {
            sum.iter_mut().zip(y).for_each(|(sum, &y)| *sum += y);
            let (start, by) = layout.row(target as usize);
            grad_weight[start..].iter_mut().step_by(by).zip(&y[..inputs]).for_each(|(g, &y)| *g += step * y);
            grad_bias[bias_at(outputs, target)] += step;
        }
        let even = E::from_f64(-share / counted as f64 / outputs as f64);
        sum.iter_mut().for_each(|sum| *sum = *sum * even);
        add_to_all(&m.cpu, outputs, &sum, grad_weight);
        add_to_all(&m.cpu, outputs, &[E::from_f64(-share / outputs as f64)], grad_bias);
        let total = share * above.iter().map(|x| x.to_f64()).sum::<f64>();
        m.recycle(mean);
        m.recycle(above);
        m.recycle(sum);
        m.put_grad(y.slot, grad_y);
        Ok(total)
    }
}

impl<E: Element> Rows<'_, E> {
    /// u, the row of a target less the mean row.
    fn lean(&self, target: u32) -> impl Iterator<Item = E> {
        let (start, by) = self.layout.row(target as usize);
        let cols = self.layout.cols();
        self.weight[start..].iter().step_by(by).zip(&self.mean[..cols]).map(|(&w, &mean)| w - mean)
    }

    /// The target's logit less the mean logit.
    fn above_mean(&self, y: &[E], target: u32) -> E {
        let bias = self.bias[bias_at(self.layout.rows(), target)].to_f64() - self.mean_bias;
        E::from_f64(y.iter().zip(self.lean(target)).map(|(&y, u)| y.to_f64() * u.to_f64()).sum::<f64>() + bias)
    }
}

/// Where the bias of a row is stored.
fn bias_at(outputs: usize, row: u32) -> usize {
    Layout::Panels { rows: outputs, cols: 1 }.row(row as usize).0
}

/// The mean over the rows of a weight in panels. Its padding is zero, so that sums may run over it.
fn mean_row<E: Element>(cpu: &Cpu, outputs: usize, inputs: usize, weight: &[E], mean: &mut [E]) {
    cpu.fill(&mut mean[..inputs], 16, outputs, |first, mean| {
        let mut lanes = vec![[E::ZERO; PANEL]; mean.len()];
        for panel in weight.chunks_exact(inputs * PANEL) {
            for (lanes, column) in lanes.iter_mut().zip(panel[first * PANEL..].as_chunks::<PANEL>().0) {
                (0..PANEL).for_each(|lane| lanes[lane] += column[lane]);
            }
        }
        for (mean, lanes) in mean.iter_mut().zip(&lanes) {
            *mean = E::from_f64(lanes.iter().map(|lane| lane.to_f64()).sum::<f64>() / outputs as f64);
        }
    });
}

/// Adds a row to every row of a matrix in panels; the padding is unchanged.
fn add_to_all<E: Element>(cpu: &Cpu, outputs: usize, row: &[E], matrix: &mut [E]) {
    let panel_len = row.len() * PANEL;
    cpu.fill(matrix, panel_len, 1, |first, part| {
        for (at, panel) in part.chunks_exact_mut(panel_len).enumerate() {
            let there = (outputs - (first / panel_len + at) * PANEL).min(PANEL);
            for (column, &x) in panel.as_chunks_mut::<PANEL>().0.iter_mut().zip(row) {
                column[..there].iter_mut().for_each(|g| *g += x);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::params::Declaration;
    use elman_kernels::linear::Dims;

    /// A head of 70 outputs, which leaves padding in its second panel.
    fn head() -> (Params<f64>, LinearIds) {
        let (mut declaration, d) = (Declaration::default(), Dims { rows: 0, inputs: 5, outputs: 70 });
        let weight = declaration.matrix("decoder.weight", d.weight());
        let bias = declaration.vector("decoder.bias", d.bias());
        let mut params = declaration.zeros().unwrap();
        let values =
            |n: usize, by: usize| (0..n).map(|i| ((i * by + 11) % 97) as f64 / 60.0 - 0.8).collect::<Vec<f64>>();
        params.set("decoder.weight", &values(350, 37)).unwrap();
        params.set("decoder.bias", &values(70, 53)).unwrap();
        (params, LinearIds { weight, bias })
    }

    const TARGETS: [u32; 4] = [3, softmax::IGNORED, 69, 3];

    /// The loss, and its gradients by W and b in their packed form and by y.
    fn smoothed(by_nodes: bool, threads: usize) -> (f64, Vec<f64>, Vec<f64>) {
        let (params, ids) = head();
        let cpu = Cpu::new(Some(threads)).unwrap().with_work_per_thread(1);
        let (mut tape, mut grads) = (Tape::new(&cpu), params.zeros_like());
        tape.start(true);
        let y: Vec<f64> = (0..20).map(|i| (i * 29 % 31) as f64 / 9.0 - 1.5).collect();
        let y = tape.dense_leaf(5, &y, true).unwrap();
        let sum = match by_nodes {
            true => {
                let logits = tape.linear(&params, ids, 70, y).unwrap();
                let (loss, sum) = tape.smoothed_cross_entropy(logits, &TARGETS, 0.2).unwrap();
                tape.backward(loss, &params, &mut grads).unwrap();
                sum
            }
            false => {
                let targets = crate::autodiff::nodes::Targets {
                    tokens: &TARGETS,
                    batch: 1,
                    counted: crate::autodiff::nodes::Targets::counted(&TARGETS),
                };
                let plain = tape.linear_cross_entropy(&params, ids, 70, y, targets, Some(&mut grads)).unwrap();
                plain + tape.linear_smoothing(&params, ids, y, &TARGETS, 0.2, &mut grads).unwrap()
            }
        };
        (sum, grads.values().to_vec(), tape.dense_grad(y))
    }

    #[test]
    fn loss_and_gradients_are_those_of_the_node_that_sees_the_logits() {
        let (sum, grads, grad_y) = smoothed(false, 1);
        let (want, want_grads, want_y) = smoothed(true, 1);
        assert!((sum - want).abs() < 1e-13 * want, "{sum} {want}");
        // Sums of 70 terms of at most 1, rounded in another order; of the padding, zero each.
        let pairs = grads.iter().zip(&want_grads).chain(grad_y.iter().zip(&want_y));
        pairs.for_each(|(got, want)| assert!((got - want).abs() < 1e-14, "{got} {want}"));
        assert!(grads.iter().filter(|g| **g == 0.0).count() >= 58 * 6, "padding stays zero");
        for threads in [2, 3] {
            let (other, other_grads, other_y) = smoothed(false, threads);
            assert!(other.to_bits() == sum.to_bits() && other_grads == grads && other_y == grad_y, "{threads} threads");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (params, ids) = head();
        let (mut tape, mut grads) = (Tape::new(&Cpu::new(Some(1)).unwrap()), params.zeros_like());
        tape.start(true);
        let y = tape.dense_leaf(5, &[0.5; 10], true).unwrap();
        let mut smooth = |targets: &[u32]| tape.linear_smoothing(&params, ids, y, targets, 0.1, &mut grads);
        assert!(smooth(&[1]).is_err() && smooth(&[1, 70]).is_err());
        assert_eq!(smooth(&[softmax::IGNORED; 2]).unwrap(), 0.0);
    }
}
