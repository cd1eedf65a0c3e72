//! The rows of a table picked by token (an embedding), forward and backward. Not here: vocabularies.

use crate::cpu::{Shared, saturating_product};
use crate::entry_points::entry_points;
use crate::error::{check_len, check_tokens};
use crate::{Cpu, Error, Number, pad};

entry_points! {
    /// `y[r] = table[tokens[r]]`.
    ///
    /// Shapes: table `[V, pad(width)]`, tokens `[rows]` below V, y `[rows, pad(width)]`, overwritten.
    /// Errors: a length that differs from its shape; a token out of range.
    pub fn forward(
        vocab_size: usize,
        width: usize,
        table: &[E],
        tokens: &[u32],
        y: &mut [E],
    ) -> Result<(), Error> = forward_for;

    /// Adds each row of `grad_y` to the row of its token in `grad_table`, in rising r. Shapes and errors: as forward.
    pub fn backward(
        cpu: &Cpu,
        vocab_size: usize,
        width: usize,
        tokens: &[u32],
        grad_y: &[E],
        grad_table: &mut [E],
    ) -> Result<(), Error> = backward_for;
}

fn forward_for<E: Number>(
    vocab_size: usize,
    width: usize,
    table: &[E],
    tokens: &[u32],
    y: &mut [E],
) -> Result<(), Error> {
    check(vocab_size, width, table, tokens, y)?;
    for (row, &token) in y.chunks_exact_mut(pad(width).max(1)).zip(tokens) {
        row.copy_from_slice(&table[token as usize * pad(width)..][..pad(width)]);
    }
    Ok(())
}

fn backward_for<E: Number>(
    cpu: &Cpu,
    vocab_size: usize,
    width: usize,
    tokens: &[u32],
    grad_y: &[E],
    grad_table: &mut [E],
) -> Result<(), Error> {
    check(vocab_size, width, grad_table, tokens, grad_y)?;
    let (step, grad) = (pad(width), Shared::new(grad_table));
    // With no columns there is no part, and `step` is not 0 in any.
    cpu.split(step, 16, saturating_product(&[tokens.len(), step]), |columns| {
        for (row, &token) in grad_y.chunks_exact(step).zip(tokens) {
            let start = token as usize * step + columns.start;
            // SAFETY: the token was checked; these columns of the table belong to this part alone.
            let sums = unsafe { std::slice::from_raw_parts_mut(grad.get().add(start), columns.len()) };
            for (sum, &g) in sums.iter_mut().zip(&row[columns.clone()]) {
                *sum += g;
            }
        }
    });
    Ok(())
}

fn check<E>(vocab_size: usize, width: usize, table: &[E], tokens: &[u32], y: &[E]) -> Result<(), Error> {
    check_len("gather table", table.len(), "V * pad(width)", &[vocab_size, pad(width)])?;
    check_len("gather rows", y.len(), "rows * pad(width)", &[tokens.len(), pad(width)])?;
    check_tokens(tokens, None, vocab_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    #[test]
    fn rows_come_and_their_gradients_add_up() {
        let (vocab_size, width, tokens) = (3, 17, [2, 0, 2]);
        let table: Vec<f64> = (0..vocab_size * pad(width)).map(|i| i as f64).collect();
        let mut y = vec![0.0; 3 * pad(width)];
        forward(vocab_size, width, &table, &tokens, &mut y).unwrap();
        assert_eq!(y[..pad(width)], table[2 * pad(width)..]);
        assert_eq!(y[pad(width)..2 * pad(width)], table[..pad(width)]);
        let mut grad = vec![1.0; table.len()];
        let cpu = Cpu::with_backend(Backend::detect(), 2).unwrap().with_work_per_thread(1);
        backward(&cpu, vocab_size, width, &tokens, &y, &mut grad).unwrap();
        assert_eq!(grad[5], 1.0 + table[5]);
        assert_eq!(grad[pad(width) + 5], 1.0);
        assert_eq!(grad[2 * pad(width) + 5], 1.0 + 2.0 * table[2 * pad(width) + 5]);
        assert!(forward(vocab_size, width, &table, &[3], &mut y[..pad(width)]).is_err());
    }
}
