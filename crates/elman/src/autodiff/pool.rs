//! Memory that a tape keeps from one pass to the next. Passes may have different lengths: memory is bounded by what the longest
//! needs, not by how many lengths there were. Not here: memory within a call of the kernels, which they keep.

use elman_kernels::{Buffer, Element};

/// A buffer may be so many times as large as what it is taken for; larger ones wait for what needs them.
const LARGEST: usize = 64;

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
        let fits = self.spare.get(at).is_some_and(|buffer| buffer.capacity() / LARGEST <= len);
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

    /// A pass that has a few small and many large buffers in use at once, in a changing order.
    fn pass(pool: &mut Pool<f32>, steps: usize) {
        let sizes = [16, 64, 100 * steps, 400 * steps, 100 * steps, 16, 100 * steps];
        let mut held: Vec<Buffer<f32>> = Vec::new();
        for (at, &size) in sizes.iter().enumerate() {
            held.push(pool.take(size));
            assert_eq!(held.last().unwrap().len(), size);
            if at % 3 == 2 {
                pool.put(held.swap_remove(at % held.len()));
            }
        }
        held.into_iter().for_each(|buffer| pool.put(buffer));
    }

    #[test]
    fn memory_is_bounded_by_the_longest_pass_and_not_by_how_many_lengths_there_were() {
        let mut alone = Pool::default();
        pass(&mut alone, 400);
        let mut pool = Pool::default();
        for round in 0..300 {
            pass(&mut pool, 1 + (round * 7919) % 400);
        }
        pass(&mut pool, 400);
        assert!(pool.elements() * 4 <= alone.elements() * 5, "{} {}", pool.elements(), alone.elements());
        // A pass of the same length finds everything again.
        let before = pool.elements();
        pass(&mut pool, 400);
        assert_eq!(pool.elements(), before);
    }
}
