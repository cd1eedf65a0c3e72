//! Holds the measure of speed: fused multiply-adds in registers alone, as many at a time as the processor can have under
//! way. What a layer reaches is told as a share of it. Refuses clocks: the caller has one.

use std::hint::black_box;

use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element};

/// Chains a thread has under way: more than any processor's latency times its units.
const CHAINS: usize = 12;

/// Runs `rounds` rounds of independent chains on every thread of `cpu`, with its widest vectors. Returns the number of
/// fused multiply-adds that were done in all.
pub fn fused_multiply_adds<E: Element>(cpu: &Cpu, rounds: usize) -> usize {
    cpu.split(cpu.threads(), 1, usize::MAX, |threads| {
        for _ in threads {
            black_box(cpu.run::<E, _>(Chains(rounds)));
        }
    });
    cpu.threads() * rounds * cpu.run::<E, _>(Width)
}

struct Chains(usize);

impl<E: Element> Kernel<E> for Chains {
    type Output = E;
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) -> E {
        // x = x a + b stays near 1 and is never a subnormal number.
        let (a, b) = black_box((E::from_f64(0.5), E::from_f64(0.5)));
        let (a, b) = (s.splat(a), s.splat(b));
        let mut chains = [s.splat(E::ONE); CHAINS];
        for _ in 0..self.0 {
            for x in &mut chains {
                *x = s.fma(*x, a, b);
            }
        }
        let mut lanes = [E::ZERO; 16];
        let sum = chains.into_iter().fold(s.splat(E::ZERO), |sum, x| s.add(sum, x));
        // SAFETY: `lanes` has 16 elements and LANES is at most that.
        unsafe { s.store(lanes.as_mut_ptr(), sum) };
        lanes[0]
    }
}

/// Multiply-adds of a round.
struct Width;

impl<E: Element> Kernel<E> for Width {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) -> usize {
        CHAINS * S::LANES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    #[test]
    fn what_is_done_is_counted() {
        for backend in Backend::available() {
            let cpu = Cpu::with_backend(backend, 2).unwrap();
            let (f32s, f64s) = (fused_multiply_adds::<f32>(&cpu, 10), fused_multiply_adds::<f64>(&cpu, 10));
            assert_eq!(f32s, 2 * f64s, "a vector holds twice as many f32");
            assert_eq!(f32s % (2 * 10 * CHAINS), 0);
            // Every chain ends at its fixed point, 1.
            assert_eq!(cpu.run::<f32, _>(Chains(10)), CHAINS as f32);
        }
    }
}
