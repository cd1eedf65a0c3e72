//! Holds the head of a classifier: the affine map to logits, softmax and cross-entropy, forward and backward together,
//! a block of rows at a time, so that logits of all rows are never held. Refuses losses of another kind.
//!
//! The parts are those of `linear.rs` and `softmax.rs`, and so are the bits: a block only bounds the memory.

use crate::error::check_len;
use crate::linear::{self, Dims};
use crate::softmax::{self, IGNORED};
use crate::{Buffer, Cpu, Element, Error, pad};

/// Logits that are held at once, unless 64 rows have more.
const BLOCK: usize = 1 << 22;

/// The weight and bias of the map, packed as [`Dims::weight`] and [`Dims::bias`] say.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a, E> {
    /// Rows, inputs K, outputs V.
    pub d: Dims,
    /// `[V, K]`.
    pub weight: &'a [E],
    /// `[V]`.
    pub bias: &'a [E],
}

/// Where the gradients go. Those by weight and bias are added to what is there, that by the input overwrites.
#[derive(Debug)]
pub struct HeadGrads<'a, E> {
    /// `[rows, pad(K)]`.
    pub input: &'a mut [E],
    /// As the weight.
    pub weight: &'a mut [E],
    /// As the bias.
    pub bias: &'a mut [E],
}

/// The losses -ln softmax(x W^T + b) at the targets, and, where `grads` is given, their gradients times `scale`.
///
/// Shapes: x `[rows, pad(K)]`, `targets` `[rows]` below V or [`IGNORED`] (no loss, no gradient), `losses` `[rows]` in
/// nats, overwritten. Errors: a length that differs from its shape; a target out of range.
pub fn cross_entropy<E: Element>(
    cpu: &Cpu,
    head: &Head<'_, E>,
    x: &[E],
    targets: &[u32],
    scale: E,
    losses: &mut [E],
    mut grads: Option<HeadGrads<'_, E>>,
) -> Result<(), Error> {
    let Dims { rows, inputs, outputs } = head.d;
    check_len("head losses", losses.len(), "rows", rows)?;
    check_len("head targets", targets.len(), "rows", rows)?;
    head.d.check_parameters(head.weight, head.bias)?;
    check_len("head input", x.len(), "rows * pad(K)", rows * pad(inputs))?;
    if let Some(grads) = &grads {
        check_len("head input gradient", grads.input.len(), "rows * pad(K)", x.len())?;
        head.d.check_parameters(grads.weight, grads.bias)?;
    }
    if let Some(position) = targets.iter().position(|&t| t != IGNORED && t as usize >= outputs) {
        return Err(Error::Token { token: targets[position], position, limit: outputs });
    }
    if rows == 0 {
        return Ok(());
    }
    let block = (BLOCK / pad(outputs).max(1)).max(64).min(rows);
    let (mut logits, width) = (Buffer::zeros(block * pad(outputs)), pad(inputs));
    let transposed = grads.is_some().then(|| linear::transposed(cpu, &head.d, head.weight));
    for first in (0..rows).step_by(block) {
        let part = first..(first + block).min(rows);
        let d = Dims { rows: part.len(), ..head.d };
        let (x, targets) = (&x[part.start * width..part.end * width], &targets[part.clone()]);
        let logits = &mut logits[..d.rows * pad(outputs)];
        linear::forward(cpu, &d, x, head.weight, Some(head.bias), logits)?;
        softmax::cross_entropy(cpu, outputs, targets, scale, logits, &mut losses[part.clone()])?;
        if let (Some(grads), Some(transposed)) = (&mut grads, &transposed) {
            let grad_x = &mut grads.input[part.start * width..part.end * width];
            linear::backward_input(cpu, &d, transposed, logits, false, grad_x);
            linear::backward_parameters(cpu, &d, x, logits, grads.weight, Some(&mut *grads.bias));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + i * i * 11 + salt) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn padded(rows: usize, cols: usize, salt: usize) -> Vec<f32> {
        let dense = numbers(rows * cols, salt);
        dense.chunks(cols).flat_map(|row| row.iter().copied().chain(vec![0.0; pad(cols) - cols])).collect()
    }

    /// More rows than a block of 64, with a vocabulary that makes blocks that small.
    #[test]
    fn blocks_give_the_bits_of_the_parts() {
        let d = Dims { rows: 150, inputs: 5, outputs: (1 << 16) + 7 };
        let cpu = Cpu::new(Some(2)).unwrap();
        let (x, mut weight) = (padded(d.rows, d.inputs, 1), vec![0.0; d.weight().packed_len()]);
        let mut bias = vec![0.0; d.bias().packed_len()];
        d.weight().pack(&numbers(d.outputs * d.inputs, 2), &mut weight);
        d.bias().pack(&numbers(d.outputs, 3), &mut bias);
        let mut targets: Vec<u32> = (0..d.rows).map(|r| (r * 439 % d.outputs) as u32).collect();
        targets[70] = IGNORED;
        let scale = 1.0 / 149.0;

        let mut logits = vec![0.0; d.rows * pad(d.outputs)];
        let mut want = vec![0.0; d.rows];
        let start = (padded(d.rows, d.inputs, 4), numbers(weight.len(), 5), numbers(bias.len(), 6));
        let mut parts = start.clone();
        parts.0.fill(0.0);
        linear::forward(&cpu, &d, &x, &weight, Some(&bias), &mut logits).unwrap();
        softmax::cross_entropy(&cpu, d.outputs, &targets, scale, &mut logits, &mut want).unwrap();
        let (grad_x, grad_bias) = (Some(&mut parts.0[..]), Some(&mut parts.2[..]));
        linear::backward(&cpu, &d, &x, &weight, &logits, grad_x, &mut parts.1, grad_bias).unwrap();

        let head = Head { d, weight: &weight, bias: &bias };
        let (mut losses, mut whole) = (vec![9.0; d.rows], start);
        let grads = HeadGrads { input: &mut whole.0, weight: &mut whole.1, bias: &mut whole.2 };
        cross_entropy(&cpu, &head, &x, &targets, scale, &mut losses, Some(grads)).unwrap();
        assert!(losses == want && whole.0 == parts.0 && whole.1 == parts.1 && whole.2 == parts.2);
        losses.fill(9.0);
        cross_entropy(&cpu, &head, &x, &targets, scale, &mut losses, None).unwrap();
        assert!(losses == want);

        targets[149] = d.outputs as u32;
        let before = whole.clone();
        let grads = HeadGrads { input: &mut whole.0, weight: &mut whole.1, bias: &mut whole.2 };
        assert!(cross_entropy(&cpu, &head, &x, &targets, scale, &mut losses, Some(grads)).is_err());
        assert!(whole == before, "a refused target leaves everything as it was");
    }
}
