//! The attention node: for every query a softmax over the steps of its own sequence, and the mean of their values with
//! those weights. Masked steps have no weight and no gradient. Not here: the maps that make queries, keys and values.
//! Source: Bahdanau, Cho, Bengio 2015; Luong, Pham, Manning 2015 (the score `dot`; `general` is a map of the query
//! before it).
//!
//! A dot product is 16 chains of the columns modulo 16, added in a fixed tree; other sums run in rising step and query.

use elman_kernels::{Buffer, Element};

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Attention<E> {
    queries: Var,
    keys: Var,
    values: Var,
    batch: usize,
    mask: Vec<bool>,
    /// `[Tq*B, Tk]`.
    weights: Buffer<E>,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// For each query `[Tq*B, D]` the mean of `values` `[Tk*B, V]` with weights that are the softmax of query times key
    /// over the steps of `keys` `[Tk*B, D]` where `mask` `[Tk*B]` is true: `[Tq*B, V]`, zero where it is true nowhere.
    ///
    /// Also gives the weights, `[Tq*B, Tk]` row-major, where `weights` asks for them. Errors: shapes that do not fit.
    pub fn attention(
        &mut self,
        queries: Var,
        [keys, values]: [Var; 2],
        batch: usize,
        mask: &[bool],
        weights: Option<&mut Vec<E>>,
    ) -> Result<Var, Error> {
        let m = &mut self.memory;
        check(m, queries, [keys, values], batch, mask)?;
        let steps = keys.rows() / batch;
        let mut all = m.take(queries.rows() * steps);
        let mut y = m.take(queries.rows() * values.stride());
        let shape = Shape { batch, depth: keys.stride(), width: values.stride() };
        let (q, k, v) = (m.value(queries), m.value(keys), m.value(values));
        m.cpu.fill(&mut all, steps.max(1), shape.depth, |start, part| {
            for (at, weights) in part.chunks_exact_mut(steps.max(1)).enumerate() {
                shape.weigh(start / steps.max(1) + at, q, k, mask, weights);
            }
        });
        m.cpu.fill(&mut y, shape.width, steps, |start, part| {
            for (at, y) in part.chunks_exact_mut(shape.width).enumerate() {
                let row = start / shape.width + at;
                y.fill(E::ZERO);
                for (t, &weight) in all[row * steps..(row + 1) * steps].iter().enumerate() {
                    let b = row % batch;
                    if mask[t * batch + b] {
                        add(y, weight, shape.value(v, t, b));
                    }
                }
            }
        });
        if let Some(weights) = weights {
            *weights = all.to_vec();
        }
        let y = m.push_rows(y, queries.rows(), values.cols());
        let op = Attention { queries, keys, values, batch, mask: mask.to_vec(), weights: all, y };
        self.record(op);
        Ok(y)
    }
}

/// The errors of all attention nodes: values of another tape, and shapes that do not fit each other.
pub(super) fn check<E: Element>(
    m: &Memory<E>,
    queries: Var,
    [keys, values]: [Var; 2],
    batch: usize,
    mask: &[bool],
) -> Result<(), Error> {
    for var in [queries, keys, values] {
        m.check(var)?;
        if batch == 0 || !var.rows().is_multiple_of(batch) {
            return Err(shape_error("input of attention", var, [batch, var.cols()]));
        }
    }
    if keys.cols() != queries.cols() {
        return Err(shape_error("keys of attention", keys, [keys.rows(), queries.cols()]));
    }
    if values.rows() != keys.rows() {
        return Err(shape_error("values of attention", values, [keys.rows(), values.cols()]));
    }
    if mask.len() != keys.rows() {
        return Err(Error::Shape { name: "mask".into(), got: vec![mask.len()], expected: vec![keys.rows()] });
    }
    Ok(())
}

/// Sizes of an attention: rows padded.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    /// pad(D).
    depth: usize,
    /// pad(V).
    width: usize,
}

impl Shape {
    fn value<'a, E>(&self, v: &'a [E], t: usize, b: usize) -> &'a [E] {
        let at = (t * self.batch + b) * self.width;
        &v[at..at + self.width]
    }

    fn key<'a, E>(&self, k: &'a [E], t: usize, b: usize) -> &'a [E] {
        let at = (t * self.batch + b) * self.depth;
        &k[at..at + self.depth]
    }

    /// The softmax of a query over the steps of its sequence.
    fn weigh<E: Element>(&self, row: usize, q: &[E], k: &[E], mask: &[bool], weights: &mut [E]) {
        let (b, query) = (row % self.batch, &q[row * self.depth..(row + 1) * self.depth]);
        let is_there = |t: usize| mask[t * self.batch + b];
        weigh(weights, is_there, |t| dot(query, self.key(k, t, b)));
    }
}

/// The softmax of the scores of the steps that are not masked; 0 at the others.
pub(super) fn weigh<E: Element>(weights: &mut [E], is_there: impl Fn(usize) -> bool, score: impl Fn(usize) -> E) {
    let mut largest = f64::NEG_INFINITY;
    for (t, weight) in weights.iter_mut().enumerate() {
        *weight = E::ZERO;
        if is_there(t) {
            *weight = score(t);
            largest = largest.max(weight.to_f64());
        }
    }
    // A softmax is cheap compared with the products, so it is in f64, with the same bits everywhere.
    let mut sum = 0.0;
    for t in (0..weights.len()).filter(|&t| is_there(t)) {
        sum += libm::exp(weights[t].to_f64() - largest);
    }
    for t in (0..weights.len()).filter(|&t| is_there(t)) {
        weights[t] = E::from_f64(libm::exp(weights[t].to_f64() - largest) / sum);
    }
}

/// y += a x.
pub(super) fn add<E: Element>(y: &mut [E], a: E, x: &[E]) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += a * x);
}

/// The product of two padded rows.
pub(super) fn dot<E: Element>(a: &[E], b: &[E]) -> E {
    let mut lanes = [E::ZERO; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

impl<E: Element> Node<E> for Attention<E> {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let Attention { queries, keys, values, batch, .. } = *self;
        let (mask, weights) = (&self.mask, &self.weights);
        let steps = keys.rows() / batch;
        let shape = Shape { batch, depth: keys.stride(), width: values.stride() };
        let rows = queries.rows();
        // d score = weight (g . value - sum over steps of weight g . value)
        let mut scores = m.take(rows * steps);
        let v = m.value(values);
        m.cpu.fill(&mut scores, steps.max(1), shape.width, |start, part| {
            for (at, scores) in part.chunks_exact_mut(steps.max(1)).enumerate() {
                let row = start / steps.max(1) + at;
                let (b, g) = (row % batch, &grad_y[row * shape.width..(row + 1) * shape.width]);
                let weights = &weights[row * steps..(row + 1) * steps];
                let mut mean = E::ZERO;
                for t in 0..steps {
                    scores[t] = E::ZERO;
                    if mask[t * batch + b] {
                        scores[t] = dot(g, shape.value(v, t, b));
                        mean += weights[t] * scores[t];
                    }
                }
                for t in (0..steps).filter(|t| mask[t * batch + b]) {
                    scores[t] = weights[t] * (scores[t] - mean);
                }
            }
        });
        if m.wants_grad(values.slot) {
            let mut grad = m.take_grad(values.slot);
            m.cpu.fill(&mut grad[values.range()], shape.width, rows / batch, |start, part| {
                for (at, grad) in part.chunks_exact_mut(shape.width).enumerate() {
                    let (t, b) = ((start / shape.width + at) / batch, (start / shape.width + at) % batch);
                    for row in (b..rows).step_by(batch).filter(|_| mask[t * batch + b]) {
                        add(grad, weights[row * steps + t], &grad_y[row * shape.width..(row + 1) * shape.width]);
                    }
                }
            });
            m.put_grad(values.slot, grad);
        }
        if m.wants_grad(queries.slot) {
            let mut grad = m.take_grad(queries.slot);
            let k = m.value(keys);
            m.cpu.fill(&mut grad[queries.range()], shape.depth, steps, |start, part| {
                for (at, grad) in part.chunks_exact_mut(shape.depth).enumerate() {
                    let row = start / shape.depth + at;
                    for t in (0..steps).filter(|t| mask[t * batch + row % batch]) {
                        add(grad, scores[row * steps + t], shape.key(k, t, row % batch));
                    }
                }
            });
            m.put_grad(queries.slot, grad);
        }
        if m.wants_grad(keys.slot) {
            let mut grad = m.take_grad(keys.slot);
            let q = m.value(queries);
            m.cpu.fill(&mut grad[keys.range()], shape.depth, rows / batch, |start, part| {
                for (at, grad) in part.chunks_exact_mut(shape.depth).enumerate() {
                    let (t, b) = ((start / shape.depth + at) / batch, (start / shape.depth + at) % batch);
                    for row in (b..rows).step_by(batch).filter(|_| mask[t * batch + b]) {
                        add(grad, scores[row * steps + t], &q[row * shape.depth..(row + 1) * shape.depth]);
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
        m.recycle(std::mem::take(&mut self.weights));
    }
}
