//! The output layer of a language model with its loss: the affine map to the vocabulary, softmax and cross-entropy, forward
//! and backward together over blocks of rows, so that no more than 2^23 of the `T*B*V` logits, or 256 rows, are in memory
//! at once. The bits are those of [`linear::forward`], [`softmax::cross_entropy`] and [`linear::backward`] in turn. Not
//! here: other losses, and logits that a caller wants to see.

use crate::cpu::{Shared, saturating_product};
use crate::entry_points::entry_points;
use crate::error::check_len;
use crate::gemm::{self, BLOCK_K, Columns, Left};
use crate::layout::PANEL;
use crate::linear::{self, Dims, Product};
use crate::rows::Rows;
use crate::simd::{RawKernel, Simd};
use crate::softmax;
use crate::{Cpu, Error, Number, pad, pairs};

/// Logits of a block, about: 32 MB in f32. A large weight and its gradient are read and written once for each block.
const LOGITS: usize = 1 << 23;

/// How many of `rows` rows have their logits in memory at the same time.
pub fn rows_at_once(rows: usize, vocab_size: usize) -> usize {
    // Whole blocks of the weight gradient's sums.
    rows.min((LOGITS / pad(vocab_size).max(1) / BLOCK_K).max(1) * BLOCK_K)
}

/// What the head reads.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a, E> {
    /// `[rows, pad(K)]`.
    pub x: &'a [E],
    /// Packed, `[V, K]`.
    pub weight: &'a [E],
    /// Packed, `[V]`.
    pub bias: &'a [E],
    /// `[rows]`, below V or [`softmax::IGNORED`].
    pub targets: &'a [u32],
    /// B where the rows are `[T, B]`, else 1: threads then share each step's rows, where a
    /// block is whole steps, and find what they computed of them before.
    pub batch: usize,
}

/// Gradients of the sum of the losses times `scale`; they are added to.
#[derive(Debug)]
pub struct HeadGrads<'a, E> {
    /// Usually 1 over the targets that count.
    pub scale: E,
    /// As [`Head::x`].
    pub x: &'a mut [E],
    /// As [`Head::weight`].
    pub weight: &'a mut [E],
    /// As [`Head::bias`].
    pub bias: &'a mut [E],
}

entry_points! {
    /// The loss of every row in nats, 0 where its target is ignored, and the gradients where they are wanted.
    ///
    /// Shapes: `losses` `[rows]`, overwritten; `d` is of the affine map, whose outputs are V.
    /// Errors: a length that differs from its shape; a target out of range. Then nothing is written.
    pub fn losses(
        cpu: &Cpu,
        d: &Dims,
        head: Head<'_, E>,
        losses: &mut [E],
        grads: Option<HeadGrads<'_, E>>,
    ) -> Result<(), Error> = losses_for;
}

fn losses_for<E: Number>(
    cpu: &Cpu,
    d: &Dims,
    head: Head<'_, E>,
    losses: &mut [E],
    mut grads: Option<HeadGrads<'_, E>>,
) -> Result<(), Error> {
    check(d, &head, losses, &grads)?;
    let (inputs, outputs) = (pad(d.inputs), pad(d.outputs));
    let batch = head.batch.max(1);
    let at_once = rows_at_once(d.rows, d.outputs);
    let mut logits = cpu.scratch::<E>(at_once * outputs);
    let paired = cpu.has_bfloat16::<E>();
    let weight_pairs = paired.then(|| pairs::of_panels(cpu, head.weight, d.inputs));
    let x_pairs = paired.then(|| pairs::of_rows(cpu, head.x));
    let mut logit_pairs = cpu.scratch::<E>(if paired { at_once * outputs / 2 } else { 0 });
    let mut transposed = cpu.scratch(if grads.is_some() { d.inputs.div_ceil(PANEL) * outputs * PANEL } else { 0 });
    if grads.is_some() {
        gemm::transpose(cpu, head.weight, d.inputs, Columns::ALL, outputs, &mut transposed);
        if paired {
            transposed = pairs::of_panels(cpu, &transposed, outputs);
        }
    }
    // An exponential costs about as much as 16 multiply-adds.
    let work = |rows: usize| saturating_product(&[rows, outputs, d.inputs.saturating_mul(2).saturating_add(16)]);
    let mut first = 0;
    while first < d.rows {
        let rows = first..(first + at_once).min(d.rows);
        let x = &head.x[rows.start * inputs..rows.end * inputs];
        let block = Block {
            d,
            x: linear::left(x_pairs.as_ref().map(|pairs| &pairs[rows.start * inputs / 2..]), x, d.inputs),
            weight: weight_pairs.as_deref().unwrap_or(head.weight),
            bias: head.bias,
            targets: &head.targets[rows.clone()],
            scale: grads.as_ref().map_or(E::ZERO, |grads| grads.scale),
            transposed: &transposed,
            logits: Shared::new(&mut logits),
            logit_pairs: paired.then(|| Shared::new(&mut logit_pairs)),
            losses: Shared::new(&mut losses[rows.clone()]),
            grad_x: grads.as_mut().map(|grads| Shared::new(&mut grads.x[rows.start * inputs..rows.end * inputs])),
        };
        let (periods, period) =
            if rows.len().is_multiple_of(batch) { (rows.len() / batch, batch) } else { (rows.len(), 1) };
        let part = cpu.part("head with its loss");
        cpu.split_rows(periods, period, work(rows.len()), |rows| {
            // SAFETY: the lengths are checked, and the parts of a split are disjoint.
            unsafe { cpu.run_raw(BlockRows { block: &block, rows }) }
        });
        drop(part);
        if let Some(grads) = &mut grads {
            let grad_y = &logits[..rows.len() * outputs];
            linear::add_to_weight(cpu, d, rows.len(), x, grad_y, grads.weight);
            linear::add_to_bias(cpu, outputs, grad_y, grads.bias);
        }
        first = rows.end;
    }
    Ok(())
}

fn check<E>(d: &Dims, head: &Head<'_, E>, losses: &[E], grads: &Option<HeadGrads<'_, E>>) -> Result<(), Error> {
    check_len("head input", head.x.len(), "rows * pad(K)", &[d.rows, pad(d.inputs)])?;
    check_len("head weight", head.weight.len(), "P * K * 64", &d.weight().factors())?;
    check_len("head bias", head.bias.len(), "P * 64", &d.bias().factors())?;
    check_len("head targets", head.targets.len(), "rows", &[d.rows])?;
    check_len("head losses", losses.len(), "rows", &[d.rows])?;
    // What a block holds stays within memory where this does.
    check_len("logits of no rows", 0, "0 * pad(V)", &[0, d.rows, pad(d.outputs)])?;
    if let Some(grads) = grads {
        check_len("head input gradient", grads.x.len(), "rows * pad(K)", &[head.x.len()])?;
        check_len("head weight gradient", grads.weight.len(), "P * K * 64", &[head.weight.len()])?;
        check_len("head bias gradient", grads.bias.len(), "P * 64", &[head.bias.len()])?;
    }
    softmax::check_targets(head.targets, d.outputs)
}

/// Some rows of everything, counted from the block's first.
struct Block<'a, E> {
    d: &'a Dims,
    /// `weight` and `transposed` are of pairs where these are.
    x: Left<E>,
    weight: &'a [E],
    bias: &'a [E],
    targets: &'a [u32],
    scale: E,
    transposed: &'a [E],
    logits: Shared<E>,
    /// `[rows, pad(V)/2]`, where the products are of pairs.
    logit_pairs: Option<Shared<E>>,
    losses: Shared<E>,
    grad_x: Option<Shared<E>>,
}

/// One thread's rows of a block: the products run over so many rows at once that a weight's panel is read once for all of
/// them, and their logits are still in the cache. What the block points to is readable, and writable, at these rows.
struct BlockRows<'a, E> {
    block: &'a Block<'a, E>,
    rows: Rows,
}

impl<E: Number> RawKernel<E> for BlockRows<'_, E> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let Block { d, x: a, weight, bias, targets, scale, transposed, logits, logit_pairs, losses, grad_x } =
            *self.block;
        let (inputs, outputs) = (pad(d.inputs), pad(d.outputs));
        for rows in self.rows.groups() {
            // SAFETY: the caller's promise on these rows, here and below.
            unsafe { Product { rows, a, b: weight, outputs, bias: Some(bias), accumulate: false, c: logits }.run(s) };
            let (to, losses) = (logits.get(), losses.get());
            for rows in rows.runs() {
                let rows = softmax::Rows { vocab_size: d.outputs, rows, targets, scale, logits: to, losses };
                // SAFETY: as above.
                unsafe { rows.run(s) };
            }
            if let Some(c) = grad_x {
                // d_x += d_y W
                let mut a = Left::rows(to.cast_const(), outputs, outputs);
                if let Some(pairs) = logit_pairs {
                    for rows in rows.runs() {
                        let (start, len) = (rows.start * outputs, rows.len() * outputs);
                        // SAFETY: as above.
                        unsafe {
                            let from = std::slice::from_raw_parts(to.add(start), len);
                            pairs::pair_row(from, std::slice::from_raw_parts_mut(pairs.get().add(start / 2), len / 2));
                        }
                    }
                    a = Left { pairs: true, ..Left::rows(pairs.get().cast_const(), outputs / 2, outputs / 2) };
                }
                let product = Product { rows, a, b: transposed, outputs: inputs, bias: None, accumulate: true, c };
                // SAFETY: as above.
                unsafe { product.run(s) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    /// Numbers without pattern; those of the padding are zero.
    fn rows(rows: usize, width: usize, salt: usize) -> Vec<f32> {
        let mut x = vec![0.0; rows * pad(width)];
        for (r, row) in x.chunks_exact_mut(pad(width).max(1)).enumerate() {
            for (c, x) in row[..width].iter_mut().enumerate() {
                *x = ((r * 7919 + c * 104_729 + salt * 31) % 1009) as f32 / 300.0 - 1.6;
            }
        }
        x
    }

    fn packed(d: &Dims, salt: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut weight, mut bias) = (vec![0.0; d.weight().packed_len()], vec![0.0; d.bias().packed_len()]);
        let logical = |n: usize, salt: usize| -> Vec<f32> {
            (0..n).map(|i| ((i * 7 + salt * 13) % 97) as f32 / 90.0 - 0.5).collect()
        };
        d.weight().pack(&logical(d.outputs * d.inputs, salt), &mut weight);
        d.bias().pack(&logical(d.outputs, salt + 1), &mut bias);
        (weight, bias)
    }

    /// Losses, and the gradients by x, weight and bias on top of what was there.
    type Outcome = [Vec<f32>; 4];

    fn start(d: &Dims) -> Outcome {
        let (weight, bias) = packed(d, 5);
        [vec![9.0; d.rows], rows(d.rows, d.inputs, 3), weight, bias]
    }

    fn apart(cpu: &Cpu, d: &Dims, x: &[f32], weight: &[f32], bias: &[f32], targets: &[u32], scale: f32) -> Outcome {
        let [mut losses, mut grad_x, mut grad_weight, mut grad_bias] = start(d);
        let mut y = vec![0.0; d.rows * pad(d.outputs)];
        linear::forward(cpu, d, x, weight, Some(bias), &mut y).unwrap();
        softmax::cross_entropy(cpu, d.outputs, targets, scale, &mut y, &mut losses).unwrap();
        let (to_weight, to_bias) = (&mut grad_weight, Some(&mut grad_bias[..]));
        linear::backward(cpu, d, x, weight, &y, Some(&mut grad_x), to_weight, to_bias).unwrap();
        [losses, grad_x, grad_weight, grad_bias]
    }

    fn together(cpu: &Cpu, d: &Dims, x: &[f32], weight: &[f32], bias: &[f32], targets: &[u32], scale: f32) -> Outcome {
        let [mut all, mut grad_x, mut grad_weight, mut grad_bias] = start(d);
        let head = Head { x, weight, bias, targets, batch: if d.rows.is_multiple_of(15) { 15 } else { 1 } };
        let grads = HeadGrads { scale, x: &mut grad_x, weight: &mut grad_weight, bias: &mut grad_bias };
        losses(cpu, d, head, &mut all, Some(grads)).unwrap();
        let mut alone = vec![9.0; d.rows];
        losses(cpu, d, head, &mut alone, None).unwrap();
        assert_eq!(bits(&all), bits(&alone), "the losses do not depend on the gradients");
        [all, grad_x, grad_weight, grad_bias]
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn together_has_the_bits_of_one_after_the_other() {
        let small = (0..4).flat_map(|rows| [0, 1, 17, 64, 70].map(|k| [1, 2, 16, 65, 130].map(|v| (rows, k, v))));
        // More rows than a block and than a tile's group, the vocabularies at both ends.
        let large = [(700, 9, 3), (510, 9, 3), (45, 17, 70), (530, 20, 4200), (257, 3, 33_000)];
        // A few of the small ones for Miri, which runs some thousand times slower.
        let few = vec![(0, 3, 2), (3, 0, 5), (3, 5, 5), (2, 17, 17)];
        let sizes = if cfg!(miri) { few } else { small.flatten().chain(large).collect() };
        for (rows_, inputs, outputs) in sizes {
            let d = Dims { rows: rows_, inputs, outputs };
            let x = rows(d.rows, d.inputs, 1);
            let (weight, bias) = packed(&d, 2);
            let target = |r: usize| if r % 5 == 3 { softmax::IGNORED } else { (r * 31 % outputs) as u32 };
            let targets: Vec<u32> = (0..d.rows).map(target).collect();
            let one = Cpu::with_backend(Backend::detect(), 1).unwrap();
            let want = apart(&one, &d, &x, &weight, &bias, &targets, 0.37);
            let backends = Backend::available();
            // The plain portable source is slow: small sizes only.
            for &backend in backends.iter().filter(|backend| d.rows < 10 || !backend.is_plain()) {
                for threads in [1, 3] {
                    let cpu = Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
                    let got = together(&cpu, &d, &x, &weight, &bias, &targets, 0.37);
                    for (got, want) in got.iter().zip(&want) {
                        assert!(bits(got) == bits(want), "{d:?} {backend:?} {threads}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_is_whole_and_small() {
        assert_eq!(rows_at_once(10, 65), 10);
        assert_eq!(rows_at_once(1 << 20, 65), (1 << 23) / 80 / 256 * 256);
        assert_eq!(rows_at_once(1 << 20, 30_000), 256);
        assert_eq!(rows_at_once(1 << 20, usize::MAX), 256);
    }

    #[test]
    fn wrong_lengths_and_targets_are_refused() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let d = Dims { rows: 2, inputs: 3, outputs: 5 };
        let (x, (weight, bias)) = (rows(2, 3, 1), packed(&d, 2));
        let head = Head { x: &x, weight: &weight, bias: &bias, targets: &[4, softmax::IGNORED], batch: 1 };
        let mut all = [0.0; 2];
        losses(&cpu, &d, head, &mut all, None).unwrap();
        assert!(losses(&cpu, &d, head, &mut all[..1], None).is_err());
        assert!(losses(&cpu, &d, Head { targets: &[5, 0], ..head }, &mut all, None).is_err());
        assert!(losses(&cpu, &d, Head { x: &x[1..], ..head }, &mut all, None).is_err());
        let (mut grad_x, mut grad_weight, mut grad_bias) = (x.clone(), weight.clone(), bias[1..].to_vec());
        let grads = HeadGrads { scale: 1.0, x: &mut grad_x, weight: &mut grad_weight, bias: &mut grad_bias };
        assert!(losses(&cpu, &d, head, &mut all, Some(grads)).is_err());
        let huge = Dims { rows: 1 << 60, inputs: 0, outputs: 64 };
        let none = Head { x: &[], weight: &[], bias: &[0.0; 64], targets: &[], batch: 1 };
        assert!(losses::<f32>(&cpu, &huge, none, &mut [], None).is_err());
    }
}
