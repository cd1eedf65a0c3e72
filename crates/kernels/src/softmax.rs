//! Softmax and cross-entropy over rows of logits, forward and backward in one pass, and softmax alone. The sum of a row runs
//! in 16 lanes and a fixed tree, whatever the vector width. Not here: the product that makes the logits.

use std::ops::Range;

use crate::cpu::{Shared, saturating_product};
use crate::entry_points::entry_points;
use crate::error::{check_len, check_rows};
use crate::simd::{Kernel, RawKernel, Simd};
use crate::{Cpu, Error, Number, math, pad};

/// A target that does not count: its row has no loss and no gradient.
pub const IGNORED: u32 = u32::MAX;

entry_points! {
    /// Turns logits into the gradient of the cross-entropy, and says the loss of each row.
    ///
    /// Shapes: `logits` `[rows, pad(V)]`, `targets` `[rows]` below V or [`IGNORED`], `losses` `[rows]` in nats, overwritten.
    /// Each row of `logits` becomes `(softmax(logits) - onehot(target)) * scale`; the padding becomes zero,
    /// and all of a row whose target is ignored.
    /// Source: Goodfellow, Bengio, Courville, Deep Learning, section 6.2.2.3.
    /// Errors: a length that differs from its shape; a target out of range.
    pub fn cross_entropy(
        cpu: &Cpu,
        vocab_size: usize,
        targets: &[u32],
        scale: E,
        logits: &mut [E],
        losses: &mut [E],
    ) -> Result<(), Error> = cross_entropy_for;

    /// y = softmax of every row of x.
    ///
    /// Shapes: x, y `[rows, pad(width)]`, y overwritten, its padding zero. Errors: lengths that differ.
    pub fn forward(cpu: &Cpu, width: usize, x: &[E], y: &mut [E]) -> Result<(), Error> = forward_for;

    /// grad_x += y (grad_y - sum of grad_y y), row by row; the sum runs in 16 lanes and a fixed tree.
    ///
    /// Shapes: y as [`forward`] leaves it, the gradients alike. Errors: lengths that differ.
    pub fn backward(
        cpu: &Cpu,
        width: usize,
        y: &[E],
        grad_y: &[E],
        grad_x: &mut [E],
    ) -> Result<(), Error> = backward_for;
}

fn cross_entropy_for<E: Number>(
    cpu: &Cpu,
    vocab_size: usize,
    targets: &[u32],
    scale: E,
    logits: &mut [E],
    losses: &mut [E],
) -> Result<(), Error> {
    let rows = targets.len();
    check_len("softmax logits", logits.len(), "rows * pad(V)", &[rows, pad(vocab_size)])?;
    check_len("softmax losses", losses.len(), "rows", &[rows])?;
    check_targets(targets, vocab_size)?;
    let (logits, losses) = (Shared::new(logits), Shared::new(losses));
    // An exponential costs about as much as 16 multiply-adds.
    cpu.split(rows, 1, saturating_product(&[rows, vocab_size, 16]), |rows| {
        // SAFETY: the lengths are checked, and the parts of a split are disjoint.
        unsafe { cpu.run_raw(Rows { vocab_size, rows, targets, scale, logits: logits.get(), losses: losses.get() }) };
    });
    Ok(())
}

/// Errors: a target that is neither a token nor [`IGNORED`].
pub(crate) fn check_targets(targets: &[u32], vocab_size: usize) -> Result<(), Error> {
    match targets.iter().position(|&t| t != IGNORED && t as usize >= vocab_size) {
        Some(position) => Err(Error::Token { token: targets[position], position, limit: vocab_size }),
        None => Ok(()),
    }
}

/// One thread's rows. `logits` is `[R, pad(V)]` and `losses` `[R]`, writable at `rows`.
pub(crate) struct Rows<'a, E> {
    pub vocab_size: usize,
    pub rows: Range<usize>,
    pub targets: &'a [u32],
    pub scale: E,
    pub logits: *mut E,
    pub losses: *mut E,
}

impl<E: Number> RawKernel<E> for Rows<'_, E> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let width = pad(self.vocab_size);
        for r in self.rows {
            // SAFETY: the caller's promise on row r.
            let (row, loss) = unsafe {
                (std::slice::from_raw_parts_mut(self.logits.add(r * width), width), &mut *self.losses.add(r))
            };
            if self.targets[r] == IGNORED {
                row.fill(E::ZERO);
                *loss = E::ZERO;
                continue;
            }
            let target = self.targets[r] as usize;
            let target_logit = row[target];
            let (max, sum) = exponentials(s, self.vocab_size, row);
            *loss = E::from_f64(max.to_f64() + libm::log(sum.to_f64()) - target_logit.to_f64());
            let factor = self.scale / sum;
            for x in row.iter_mut() {
                *x = *x * factor;
            }
            row[target] = row[target] - self.scale;
        }
    }
}

/// Replaces every x of a padded row by exp(x - max), and the padding by 0. Returns the largest x and the sum.
#[inline(always)]
fn exponentials<E: Number, S: Simd<E>>(s: S, width: usize, row: &mut [E]) -> (E, E) {
    let lowest = E::from_f64(f64::NEG_INFINITY);
    row[width..].fill(lowest);
    let mut lanes = [lowest; 16];
    for chunk in row.chunks_exact(16) {
        for lane in (0..16).step_by(S::LANES) {
            // SAFETY: chunk and lanes have 16 elements and LANES divides 16.
            unsafe {
                let largest = lanes.as_mut_ptr().add(lane);
                s.store(largest, s.max(s.load(largest), s.load(chunk.as_ptr().add(lane))));
            }
        }
    }
    let largest = lanes.into_iter().fold(lowest, |m, x| if m > x { m } else { x });
    let mut lanes = [E::ZERO; 16];
    let max = s.splat(largest);
    for chunk in row.chunks_exact_mut(16) {
        for lane in (0..16).step_by(S::LANES) {
            // SAFETY: chunk and lanes have 16 elements and LANES divides 16.
            unsafe {
                let x = math::exp(s, s.sub(s.load(chunk.as_ptr().add(lane)), max));
                s.store(chunk.as_mut_ptr().add(lane), x);
                let sum = lanes.as_mut_ptr().add(lane);
                s.store(sum, s.add(s.load(sum), x));
            }
        }
    }
    (largest, tree(lanes))
}

/// Sum of 16 lanes: halves are added to halves.
#[inline(always)]
fn tree<E: Number>(mut lanes: [E; 16]) -> E {
    let mut half = 8;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

fn forward_for<E: Number>(cpu: &Cpu, width: usize, x: &[E], y: &mut [E]) -> Result<(), Error> {
    let step = check_rows("softmax input", x, width)?;
    check_len("softmax output", y.len(), "rows * pad(width)", &[x.len()])?;
    let target = Shared::new(y);
    cpu.split(x.len() / step, 1, saturating_product(&[x.len(), 16]), |rows| {
        let part = rows.start * step..rows.end * step;
        // SAFETY: the rows of a split are disjoint and lie within the common length.
        let y = unsafe { std::slice::from_raw_parts_mut(target.get().add(part.start), part.len()) };
        y.copy_from_slice(&x[part]);
        cpu.run(Forward { width, y });
    });
    Ok(())
}

fn backward_for<E: Number>(cpu: &Cpu, width: usize, y: &[E], grad_y: &[E], grad_x: &mut [E]) -> Result<(), Error> {
    let step = check_rows("softmax output", y, width)?;
    check_len("softmax output gradient", grad_y.len(), "rows * pad(width)", &[y.len()])?;
    check_len("softmax input gradient", grad_x.len(), "rows * pad(width)", &[y.len()])?;
    let target = Shared::new(grad_x);
    cpu.split(y.len() / step, 1, saturating_product(&[y.len(), 4]), |rows| {
        let part = rows.start * step..rows.end * step;
        // SAFETY: the rows of a split are disjoint and lie within the common length.
        let grad_x = unsafe { std::slice::from_raw_parts_mut(target.get().add(part.start), part.len()) };
        cpu.run(Backward { step, y: &y[part.clone()], grad_y: &grad_y[part], grad_x });
    });
    Ok(())
}

struct Forward<'a, E> {
    width: usize,
    y: &'a mut [E],
}

impl<E: Number> Kernel<E> for Forward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        for row in self.y.chunks_exact_mut(pad(self.width).max(1)) {
            let (_, sum) = exponentials(s, self.width, row);
            row.iter_mut().for_each(|x| *x = *x / sum);
            row[self.width..].fill(E::ZERO);
        }
    }
}

struct Backward<'a, E> {
    step: usize,
    y: &'a [E],
    grad_y: &'a [E],
    grad_x: &'a mut [E],
}

impl<E: Number> Kernel<E> for Backward<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let rows = self.y.chunks_exact(self.step).zip(self.grad_y.chunks_exact(self.step));
        for ((y, g), grad) in rows.zip(self.grad_x.chunks_exact_mut(self.step)) {
            let mut lanes = [E::ZERO; 16];
            for (y, g) in y.chunks_exact(16).zip(g.chunks_exact(16)) {
                for (lane, (&y, &g)) in lanes.iter_mut().zip(y.iter().zip(g)) {
                    *lane = y.fma(g, *lane);
                }
            }
            let dot = tree(lanes);
            for ((d, &y), &g) in grad.iter_mut().zip(y).zip(g) {
                *d = y.fma(g - dot, *d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    /// The textbook formulas in f64.
    fn plain(logits: &[f64], target: usize, scale: f64) -> (f64, Vec<f64>) {
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logits.iter().map(|x| (x - max).exp()).sum();
        let grad = |(j, x): (usize, &f64)| ((x - max).exp() / sum - f64::from(u8::from(j == target))) * scale;
        (max + sum.ln() - logits[target], logits.iter().enumerate().map(grad).collect())
    }

    #[test]
    fn loss_and_gradient_match_the_textbook_on_every_backend() {
        for backend in Backend::available() {
            let cpu = Cpu::with_backend(backend, 2).unwrap().with_work_per_thread(1);
            let sizes = [1, 3, 17, 2, 15, 16, 65, 100];
            // The first for Miri, which runs some thousand times slower.
            for &vocab_size in if cfg!(miri) { &sizes[..3] } else { &sizes } {
                let rows = 5;
                let logit = |r: usize, j: usize| ((r * 31 + j * 17) % 23) as f64 * 0.7 - 8.0 + r as f64 * 40.0;
                let mut logits = vec![0.0f32; rows * pad(vocab_size)];
                for r in 0..rows {
                    for j in 0..vocab_size {
                        logits[r * pad(vocab_size) + j] = logit(r, j) as f32;
                    }
                }
                let given = logits.clone();
                let targets: Vec<u32> = (0..rows).map(|r| (r * 7 % vocab_size) as u32).collect();
                let mut losses = vec![0.0; rows];
                cross_entropy(&cpu, vocab_size, &targets, 0.25, &mut logits, &mut losses).unwrap();
                for r in 0..rows {
                    let row = r * pad(vocab_size)..r * pad(vocab_size) + vocab_size;
                    let wide: Vec<f64> = given[row.clone()].iter().map(|&x| x.into()).collect();
                    let (loss, grad) = plain(&wide, targets[r] as usize, 0.25);
                    // One rounding of a number as large as the logits, and of the sum's logarithm.
                    assert!((losses[r] as f64 - loss).abs() <= 1e-6 * (1.0 + loss.abs()), "{loss} {}", losses[r]);
                    for (got, want) in logits[row].iter().zip(&grad) {
                        assert!((*got as f64 - want).abs() <= 2e-7, "{got} {want}");
                    }
                    assert!(
                        logits[r * pad(vocab_size) + vocab_size..][..pad(vocab_size) - vocab_size]
                            .iter()
                            .all(|&x| x == 0.0)
                    );
                }
            }
        }
    }
    #[test]
    fn softmax_alone_sums_to_one_with_the_same_bits_everywhere() {
        let mut first: Option<Vec<u32>> = None;
        for backend in Backend::available() {
            for threads in [1, 3] {
                let cpu = Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
                let (rows, width) = (if cfg!(miri) { 5 } else { 70 }, 37); // Miri runs some thousand times slower
                let mut x = vec![0.0f32; rows * pad(width)];
                for (i, row) in x.chunks_exact_mut(pad(width)).enumerate() {
                    row[..width].iter_mut().enumerate().for_each(|(j, x)| *x = ((i * 7 + j * 13) % 29) as f32 - 9.0);
                }
                let (mut y, mut grad) = (vec![1.0; x.len()], vec![0.0; x.len()]);
                forward(&cpu, width, &x, &mut y).unwrap();
                backward(&cpu, width, &y, &x, &mut grad).unwrap();
                for (y, grad) in y.chunks_exact(pad(width)).zip(grad.chunks_exact(pad(width))) {
                    let sum: f64 = y.iter().map(|&y| f64::from(y)).sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
                    assert!(y[width..].iter().chain(&grad[width..]).all(|&x| x == 0.0));
                }
                let bits: Vec<u32> = y.iter().chain(&grad).map(|x| x.to_bits()).collect();
                assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "{backend:?}, {threads} threads");
            }
        }
    }

    #[test]
    fn an_ignored_target_changes_its_own_row_and_no_bit_of_another() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let (vocab_size, width) = (5, pad(5));
        let given: Vec<f32> =
            (0..3 * width).map(|i| if i % width < 5 { (i * 7 % 11) as f32 * 0.3 } else { 0.0 }).collect();
        let run = |targets: [u32; 3]| {
            let (mut logits, mut losses) = (given.clone(), [9.0f32; 3]);
            cross_entropy(&cpu, vocab_size, &targets, 0.5, &mut logits, &mut losses).map(|()| (logits, losses))
        };
        let (all, all_losses) = run([4, 1, 2]).unwrap();
        let (some, some_losses) = run([4, IGNORED, 2]).unwrap();
        assert_eq!(some_losses, [all_losses[0], 0.0, all_losses[2]]);
        assert_eq!(some[..width], all[..width]);
        assert!(some[width..2 * width].iter().all(|&x| x == 0.0));
        assert_eq!(some[2 * width..], all[2 * width..]);
        assert!(run([4, 5, 2]).is_err() && run([IGNORED - 1, 0, 0]).is_err());
    }
}
