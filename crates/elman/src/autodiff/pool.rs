//! Memory that a tape keeps from one pass to the next. Passes may have different lengths: memory is near what the longest needs,
//! however many lengths there were (the test says how near). Not here: memory within a call of the kernels, which they keep.

use elman_kernels::{Buffer, Element};

/// A buffer may be so many times as large as what it is taken for; larger ones wait for what needs them.
const LARGEST: usize = 4;

/// Elements of a buffer that is never too large: memory comes in cache lines, so that few elements have the capacity of more.
const LEAST: usize = 16;

/// Elements from which on sizes are rounded.
const SMALL: usize = 1 << 14;

/// Buffers that are not in use, by rising capacity.
#[derive(Debug)]
pub(super) struct Pool<E> {
    spare: Vec<Buffer<E>>,
}

/// The next of four sizes between two powers of 2: passes of many lengths ask the system for few sizes. What is not used of a
/// buffer takes no memory.
fn rounded(len: usize) -> usize {
    let quarter = (len.next_power_of_two() / 8).max(1);
    if len < SMALL { len } else { len.div_ceil(quarter).saturating_mul(quarter) }
}

impl<E> Default for Pool<E> {
    fn default() -> Pool<E> {
        Pool { spare: Vec::new() }
    }
}

impl<E: Element> Pool<E> {
    /// A buffer of `len` elements with anything in it: the smallest that is large enough, and not far larger. Where there is
    /// none, a new one takes the place of the next smaller, whose memory is freed.
    pub fn take(&mut self, len: usize) -> Buffer<E> {
        let at = self.spare.partition_point(|buffer| buffer.capacity() < len);
        let most = len.saturating_mul(LARGEST).max(LEAST);
        let fits = self.spare.get(at).is_some_and(|buffer| buffer.capacity() <= most);
        if fits && let Some(buffer) = self.spare.remove(at).with_len(len) {
            return buffer;
        }
        if at > 0 && len / LARGEST <= self.spare[at - 1].capacity() {
            drop(self.spare.remove(at - 1));
        }
        Buffer::zeros(rounded(len)).with_len(len).unwrap_or_else(|| Buffer::zeros(len))
    }

    /// Keeps a buffer.
    pub fn put(&mut self, buffer: Buffer<E>) {
        if buffer.capacity() > 0 {
            let at = self.spare.partition_point(|other| other.capacity() < buffer.capacity());
            self.spare.insert(at, buffer);
        }
    }

    #[cfg(test)]
    fn elements(&self) -> usize {
        self.spare.iter().map(Buffer::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many buffers of how many elements a step a pass has in use at once.
    type Sizes = &'static [(usize, usize)];

    fn pass(pool: &mut Pool<f32>, sizes: Sizes, steps: usize) {
        let mut held: Vec<Buffer<f32>> = Vec::new();
        for &(count, size) in sizes {
            for _ in 0..count {
                let len = if size < 100 { size } else { size * steps };
                held.push(pool.take(len));
                assert_eq!(held.last().unwrap().len(), len);
            }
        }
        held.into_iter().for_each(|buffer| pool.put(buffer));
    }

    #[test]
    fn memory_is_near_that_of_the_longest_pass_however_many_lengths_there_were() {
        let patterns: [Sizes; 5] = [
            &[(40, 1024), (4, 4096), (2, 32768)],
            &[(60, 512), (10, 10240)],
            &[(100, 1024), (1, 61440)],
            &[(1, 16), (1, 64), (1, 100), (1, 400), (1, 100), (1, 16), (1, 100)],
            &[(2, 1), (3, 2), (1, 3), (2, 0), (1, 100)],
        ];
        for sizes in patterns {
            let mut alone = Pool::default();
            pass(&mut alone, sizes, 40);
            for order in [|round: usize| 1 + round % 40, |round| 1 + round * 7919 % 40, |round| 40 - round % 40] {
                let mut pool = Pool::default();
                (0..120).for_each(|round| pass(&mut pool, sizes, order(round)));
                pass(&mut pool, sizes, 40);
                assert!(pool.elements() * 5 <= alone.elements() * 8, "{} {}", pool.elements(), alone.elements());
                // A pass of the same length finds everything again.
                let before = pool.elements();
                pass(&mut pool, sizes, 40);
                assert_eq!(pool.elements(), before);
            }
        }
    }
}
