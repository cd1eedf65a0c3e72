//! The measured limits of this processor, to compare timings with: multiply-adds on registers, and reading of memory.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::number;
use crate::simd::{Kernel, Simd};
use crate::{Backend, Buffer};

/// Chains of multiply-adds: enough to hide their latency, few enough for 16 registers.
const CHAINS: usize = 12;
/// Multiply-adds of each chain between two looks at the clock.
const TURNS: usize = 1 << 14;

struct Chains;

impl Kernel<f32> for Chains {
    type Output = usize;
    /// Floating-point operations done.
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> usize {
        let (a, b) = (s.splat(black_box(0.5)), s.splat(black_box(0.5)));
        let mut sums: [S::V; CHAINS] = std::array::from_fn(|i| s.splat(black_box(i as f32)));
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = s.fma(*sum, a, b);
            }
        }
        let mut lanes = [0.0f32; 16];
        for sum in sums {
            // SAFETY: LANES divides 16.
            unsafe { s.store(lanes.as_mut_ptr(), sum) };
            black_box(&mut lanes);
        }
        2 * TURNS * CHAINS * S::LANES
    }
}

struct Read<'a>(&'a [f32]);

impl Kernel<f32> for Read<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let mut sums = [s.splat(0.0); 8];
        for chunk in self.0.chunks_exact(8 * S::LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a chunk has eight vectors.
                *sum = s.add(*sum, unsafe { s.load(chunk.as_ptr().add(i * S::LANES)) });
            }
        }
        let mut lanes = [0.0f32; 16];
        for sum in sums {
            // SAFETY: LANES divides 16.
            unsafe { s.store(lanes.as_mut_ptr(), sum) };
            black_box(&mut lanes);
        }
    }
}

/// Runs `work` on `threads` threads at once, each over and over for `time`; the sum over the threads of what it returns,
/// a second.
fn rate(threads: usize, time: Duration, work: impl Fn(usize) -> usize + Sync) -> f64 {
    let start = Barrier::new(threads);
    let one = &|thread: usize| {
        work(thread);
        start.wait();
        let (begin, mut done) = (Instant::now(), 0);
        while begin.elapsed() < time {
            done += work(thread);
        }
        done as f64 / begin.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        one(0) + others.into_iter().map(|other| other.join().expect("a measuring thread")).sum::<f64>()
    })
}

/// Floating-point operations a second in f32, two for a multiply-add, on `threads` threads for `time`.
pub fn multiply_adds(backend: Backend, threads: usize, time: Duration) -> f64 {
    rate(threads.max(1), time, |_| number::run(backend, Chains))
}

/// Bytes read a second, over and over from a memory of `bytes` that `threads` threads share, for `time`.
pub fn reading(backend: Backend, threads: usize, bytes: usize, time: Duration) -> f64 {
    let threads = threads.max(1);
    let len = (bytes / size_of::<f32>()).div_ceil(128 * threads) * 128;
    let mut parts: Vec<Buffer<f32>> = (0..threads).map(|_| Buffer::zeros(len)).collect();
    parts.iter_mut().for_each(|part| part.fill(1.0));
    rate(threads, time, |thread| {
        number::run(backend, Read(&parts[thread]));
        size_of_val(&parts[thread][..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_toy_and_less_than_any_processor() {
        let time = Duration::from_millis(5);
        for backend in Backend::available().into_iter().filter(|backend| !backend.is_plain()) {
            let (flops, bytes) = (multiply_adds(backend, 1, time), reading(backend, 1, 1 << 16, time));
            assert!((1e8..1e13).contains(&flops), "{backend:?} {flops:e}");
            assert!((1e8..1e13).contains(&bytes), "{backend:?} {bytes:e}");
        }
    }
}
