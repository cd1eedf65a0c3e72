//! Attention with an additive score, v tanh(query + key), for every query over the steps of its own sequence. Masked
//! steps have no weight and no gradient. Not here: the maps that make queries and keys.
//! Source: Bahdanau, Cho, Bengio 2015, appendix A.1.2.
//!
//! Memory: Tq*Tk*B rows of D numbers are kept until backward is done; [`Tape::attention`], with a product for a score,
//! keeps none.

use elman_kernels::{Buffer, Element, elementwise};

use super::attention::{add, check, dot, weigh};
use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Additive<E> {
    queries: Var,
    score: Var,
    keys: Var,
    values: Var,
    batch: usize,
    mask: Vec<bool>,
    /// tanh(query + key) `[Tq*B*Tk, D]`: row r*Tk + t is query r with step t.
    units: Buffer<E>,
    /// `[Tq*B, Tk]`.
    weights: Buffer<E>,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// As [`Tape::attention`], with the score v tanh(query + key), where `score` is v `[1, D]`.
    pub fn additive_attention(
        &mut self,
        queries: Var,
        score: Var,
        [keys, values]: [Var; 2],
        batch: usize,
        mask: &[bool],
        weights: Option<&mut Vec<E>>,
    ) -> Result<Var, Error> {
        let m = &mut self.memory;
        check(m, queries, [keys, values], batch, mask)?;
        m.check(score)?;
        if [score.rows(), score.cols()] != [1, queries.cols()] {
            return Err(shape_error("score of attention", score, [1, queries.cols()]));
        }
        let (steps, depth, width) = (keys.rows() / batch, queries.stride(), values.stride());
        let (mut all, mut y) = (m.take(queries.rows() * steps), m.take(queries.rows() * width));
        let mut sums = m.take(queries.rows() * steps * depth);
        let mut units = m.take(sums.len());
        let (q, k, v) = (m.value(queries), m.value(keys), m.value(score));
        m.cpu.fill(&mut sums, depth, 1, |start, part| {
            for (at, sum) in part.chunks_exact_mut(depth).enumerate() {
                let (row, t) = ((start / depth + at) / steps, (start / depth + at) % steps);
                let (query, key) = (&q[row * depth..], &k[(t * batch + row % batch) * depth..]);
                sum.iter_mut().zip(query.iter().zip(key)).for_each(|(sum, (&q, &k))| *sum = q + k);
            }
        });
        elementwise::unary(&m.cpu, elementwise::Unary::Tanh, queries.cols(), &sums, &mut units)?;
        let unit = |row: usize, t: usize| &units[(row * steps + t) * depth..(row * steps + t + 1) * depth];
        m.cpu.fill(&mut all, steps.max(1), depth, |start, part| {
            for (at, weights) in part.chunks_exact_mut(steps.max(1)).enumerate() {
                let row = start / steps.max(1) + at;
                weigh(weights, |t| mask[t * batch + row % batch], |t| dot(v, unit(row, t)));
            }
        });
        let value = m.value(values);
        m.cpu.fill(&mut y, width, steps, |start, part| {
            for (at, y) in part.chunks_exact_mut(width).enumerate() {
                let row = start / width + at;
                y.fill(E::ZERO);
                for t in (0..steps).filter(|t| mask[t * batch + row % batch]) {
                    add(y, all[row * steps + t], &value[(t * batch + row % batch) * width..][..width]);
                }
            }
        });
        if let Some(weights) = weights {
            *weights = all.to_vec();
        }
        m.recycle(sums);
        let y = m.push_rows(y, queries.rows(), values.cols());
        let mask = mask.to_vec();
        let op = Additive { queries, score, keys, values, batch, mask, units, weights: all, y };
        self.record(op);
        Ok(y)
    }
}

impl<E: Element> Node<E> for Additive<E> {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let Additive { queries, score, keys, values, batch, .. } = *self;
        let (rows, steps) = (queries.rows(), keys.rows() / batch);
        let (depth, width) = (queries.stride(), values.stride());
        let (mask, weights) = (&self.mask, &self.weights);
        let is_there = |row: usize, t: usize| mask[t * batch + row % batch];
        // d score = weight (g . value - sum over steps of weight g . value)
        let mut scores = m.take(rows * steps);
        let value = m.value(values);
        m.cpu.fill(&mut scores, steps.max(1), width, |start, part| {
            for (at, scores) in part.chunks_exact_mut(steps.max(1)).enumerate() {
                let row = start / steps.max(1) + at;
                let (g, weights) = (&grad_y[row * width..(row + 1) * width], &weights[row * steps..]);
                scores.fill(E::ZERO);
                let mut mean = E::ZERO;
                for t in (0..steps).filter(|&t| is_there(row, t)) {
                    scores[t] = dot(g, &value[(t * batch + row % batch) * width..][..width]);
                    mean += weights[t] * scores[t];
                }
                (0..steps).filter(|&t| is_there(row, t)).for_each(|t| scores[t] = weights[t] * (scores[t] - mean));
            }
        });
        if m.wants_grad(values.slot) {
            let mut grad = m.take_grad(values.slot);
            m.cpu.fill(&mut grad[values.range()], width, rows / batch, |start, part| {
                for (at, grad) in part.chunks_exact_mut(width).enumerate() {
                    let (t, b) = ((start / width + at) / batch, (start / width + at) % batch);
                    for row in (b..rows).step_by(batch).filter(|&row| is_there(row, t)) {
                        add(grad, weights[row * steps + t], &grad_y[row * width..(row + 1) * width]);
                    }
                }
            });
            m.put_grad(values.slot, grad);
        }
        if m.wants_grad(score.slot) {
            let mut grad = m.take_grad(score.slot);
            for (at, unit) in
                self.units.chunks_exact(depth).enumerate().filter(|(at, _)| is_there(at / steps, at % steps))
            {
                add(&mut grad[score.range()], scores[at], unit);
            }
            m.put_grad(score.slot, grad);
        }
        // units becomes the gradient by query + key: d score v (1 - tanh^2); zero where a step is masked.
        let v = m.value(score);
        m.cpu.fill(&mut self.units, depth, 1, |start, part| {
            for (at, unit) in part.chunks_exact_mut(depth).enumerate() {
                let d = scores[start / depth + at];
                unit.iter_mut().zip(v).for_each(|(unit, &v)| *unit = d * v * (E::ONE - *unit * *unit));
            }
        });
        let units = &self.units;
        let unit = |row: usize, t: usize| &units[(row * steps + t) * depth..(row * steps + t + 1) * depth];
        if m.wants_grad(queries.slot) {
            let mut grad = m.take_grad(queries.slot);
            m.cpu.fill(&mut grad[queries.range()], depth, steps, |start, part| {
                for (at, grad) in part.chunks_exact_mut(depth).enumerate() {
                    let row = start / depth + at;
                    (0..steps).filter(|&t| is_there(row, t)).for_each(|t| add(grad, E::ONE, unit(row, t)));
                }
            });
            m.put_grad(queries.slot, grad);
        }
        if m.wants_grad(keys.slot) {
            let mut grad = m.take_grad(keys.slot);
            m.cpu.fill(&mut grad[keys.range()], depth, rows / batch, |start, part| {
                for (at, grad) in part.chunks_exact_mut(depth).enumerate() {
                    let (t, b) = ((start / depth + at) / batch, (start / depth + at) % batch);
                    for row in (b..rows).step_by(batch).filter(|&row| is_there(row, t)) {
                        add(grad, E::ONE, unit(row, t));
                    }
                }
            });
            m.put_grad(keys.slot, grad);
        }
        m.recycle(scores);
        m.recycle(grad_y);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.recycle(std::mem::take(&mut self.units));
        m.recycle(std::mem::take(&mut self.weights));
    }
}
