//! Dropout: a product with a mask of random 16-bit numbers, which are arguments. Not here: drawing them.

use crate::cpu::Shared;
use crate::entry_points::entry_points;
use crate::error::check_len;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Error, Number};

/// Whether and how much of an element survives: `y = x * scale` where its draw is at least `dropped`, else 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    dropped: u16,
    scale: f64,
}

impl Dropout {
    /// Drops with probability `p`, rounded to a whole number of 65536ths; survivors are scaled so that the expectation
    /// stays. `p` must lie in 0 <= p < 1.
    pub fn new(p: f64) -> Dropout {
        assert!((0.0..1.0).contains(&p), "dropout probability {p} is not in 0 <= p < 1");
        let dropped = (p * 65536.0).round().min(65535.0);
        Dropout { dropped: dropped as u16, scale: 65536.0 / (65536.0 - dropped) }
    }

    /// Applies the mask to `x`: `y` is overwritten, or added to where `accumulate` (the gradient, with the same
    /// draws). All three have one length. Errors: lengths that differ.
    pub fn apply<E: Number + EntryPoints<E>>(
        &self,
        cpu: &Cpu,
        draws: &[u16],
        x: &[E],
        accumulate: bool,
        y: &mut [E],
    ) -> Result<(), Error> {
        apply(cpu, self, draws, x, accumulate, y)
    }
}

entry_points! {
    pub(crate) fn apply(
        cpu: &Cpu,
        dropout: &Dropout,
        draws: &[u16],
        x: &[E],
        accumulate: bool,
        y: &mut [E],
    ) -> Result<(), Error> = apply_for;
}

fn apply_for<E: Number>(
    cpu: &Cpu,
    dropout: &Dropout,
    draws: &[u16],
    x: &[E],
    accumulate: bool,
    y: &mut [E],
) -> Result<(), Error> {
    check_len("dropout draws", draws.len(), "y", &[y.len()])?;
    check_len("dropout input", x.len(), "y", &[y.len()])?;
    let target = Shared::new(y);
    cpu.split(x.len(), 64, x.len(), |part| {
        // SAFETY: the parts of a split are disjoint and lie within the common length.
        let y = unsafe { std::slice::from_raw_parts_mut(target.get().add(part.start), part.len()) };
        cpu.run(Part { dropout, draws: &draws[part.clone()], x: &x[part], accumulate, y });
    });
    Ok(())
}

struct Part<'a, E> {
    dropout: &'a Dropout,
    draws: &'a [u16],
    x: &'a [E],
    accumulate: bool,
    y: &'a mut [E],
}

impl<E: Number> Kernel<E> for Part<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let (dropped, scale) = (self.dropout.dropped, E::from_f64(self.dropout.scale));
        for ((y, &x), &draw) in self.y.iter_mut().zip(self.x).zip(self.draws) {
            let kept = if draw >= dropped { x * scale } else { E::ZERO };
            *y = if self.accumulate { *y + kept } else { kept };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    #[test]
    fn drops_the_low_draws_and_scales_the_rest() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        let dropout = Dropout::new(0.25);
        let (draws, x) = ([0, 16383, 16384, 65535], [1.0, 2.0, 3.0, 4.0f64]);
        let mut y = [9.0; 4];
        dropout.apply(&cpu, &draws, &x, false, &mut y).unwrap();
        assert_eq!(y, [0.0, 0.0, 3.0 * 65536.0 / 49152.0, 4.0 * 65536.0 / 49152.0]);
        dropout.apply(&cpu, &draws, &x, true, &mut y).unwrap();
        assert_eq!(y[3], 8.0 * 65536.0 / 49152.0);
        assert_eq!(Dropout::new(0.0), Dropout { dropped: 0, scale: 1.0 });
    }
}
