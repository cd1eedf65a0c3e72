//! Operands that hold two bfloat16 in a word of f32: what a pair is, what the product of two pairs is, and the copies that
//! make them. Sums stay f32. Not here: f64, and single bfloat16 weights, which are in `matvec`.
//!
//! A left operand pairs neighbours of a row, a right operand neighbours of a column. An operand of odd length ends with a
//! pair whose odd half is 0.

use crate::cpu::{Shared, saturating_product};
use crate::layout::PANEL;
use crate::scratch::Scratch;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element};

/// Pairs of `k` numbers.
#[inline]
pub(crate) fn count(k: usize) -> usize {
    k.div_ceil(2)
}

/// The bits of the nearest bfloat16, ties to even; what is beyond the largest becomes infinite, a NaN stays one.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let nearest = (bits.wrapping_add(0x7fff + (bits >> 16 & 1))) >> 16;
    let quiet = bits >> 16 | 0x40;
    if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { nearest }
}

/// See [`Element::pair`].
#[inline(always)]
pub(crate) fn pair(even: f32, odd: f32) -> f32 {
    f32::from_bits(rounded(even) | rounded(odd) << 16)
}

/// See [`Element::dot`].
#[inline(always)]
pub(crate) fn dot(a: f32, b: f32, sum: f32) -> f32 {
    let (even, odd) = (
        |x: f32| flushed(f32::from_bits(x.to_bits() << 16)),
        |x: f32| flushed(f32::from_bits(x.to_bits() & 0xffff_0000)),
    );
    let sum = fma_flushed(odd(a), odd(b), flushed(sum));
    fma_flushed(even(a), even(b), sum)
}

/// `a b + c` with one rounding, 0 where that is below the normal numbers before their exponent is bounded. What is rounded
/// up to the least of them is therefore looked at again, 2^24 times as large.
#[inline(always)]
fn fma_flushed(a: f32, b: f32, c: f32) -> f32 {
    const SCALE: f32 = (1 << 24) as f32;
    let sum = a.mul_add(b, c);
    if sum.abs() == f32::MIN_POSITIVE {
        let (larger, smaller) = if a.abs() > b.abs() { (a, b) } else { (b, a) };
        if larger.mul_add(smaller * SCALE, c * SCALE).abs() < f32::MIN_POSITIVE * SCALE {
            return f32::from_bits(sum.to_bits() & 0x8000_0000);
        }
    }
    flushed(sum)
}

/// 0 with the sign of x where x is subnormal.
#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { f32::from_bits(x.to_bits() & 0x8000_0000) } else { x }
}

/// Neighbours of a row, `[2n]`, as `[n]`.
#[inline(always)]
pub(crate) fn pair_row<E: Element>(from: &[E], to: &mut [E]) {
    for (to, from) in to.iter_mut().zip(from.chunks_exact(2)) {
        *to = E::pair(from[0], from[1]);
    }
}

/// Neighbours of columns: rows `from`, each 64 or fewer columns, in twos.
#[inline(always)]
pub(crate) fn pair_rows<E: Element>(even: &[E], odd: Option<&[E]>, to: &mut [E]) {
    match odd {
        Some(odd) => to.iter_mut().zip(even.iter().zip(odd)).for_each(|(to, (&even, &odd))| *to = E::pair(even, odd)),
        None => to.iter_mut().zip(even).for_each(|(to, &even)| *to = E::pair(even, E::ZERO)),
    }
}

/// All rows of a left operand, `width` numbers each, an even number.
pub(crate) struct Rows<'a, E> {
    pub from: &'a [E],
    pub to: &'a mut [E],
}

impl<E: Element> Kernel<E> for Rows<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        pair_row(self.from, self.to);
    }
}

/// Panels of a right operand, `[P][K][64]`.
struct Panels<'a, E> {
    k: usize,
    from: &'a [E],
    to: &'a mut [E],
}

impl<E: Element> Kernel<E> for Panels<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let panels = self.from.chunks_exact(self.k * PANEL).zip(self.to.chunks_exact_mut(count(self.k) * PANEL));
        for (from, to) in panels {
            for (from, to) in from.chunks(2 * PANEL).zip(to.chunks_exact_mut(PANEL)) {
                let (even, odd) = from.split_at(PANEL);
                pair_rows(even, (!odd.is_empty()).then_some(odd), to);
            }
        }
    }
}

/// The pairs of a left operand whose rows have an even number of elements: half as long.
pub(crate) fn of_rows<'a, E: Element>(cpu: &'a Cpu, from: &[E]) -> Scratch<'a, E> {
    let mut pairs = cpu.scratch(from.len() / 2);
    cpu.fill(&mut pairs, 16, 2, |start, to| cpu.run(Rows { from: &from[2 * start..][..2 * to.len()], to }));
    pairs
}

/// The pairs of a packed right operand, `[P][K][64]` to `[P][K/2][64]`.
pub(crate) fn of_panels<'a, E: Element>(cpu: &'a Cpu, from: &[E], k: usize) -> Scratch<'a, E> {
    let (len, pairs_len) = (k * PANEL, count(k) * PANEL);
    let panels = from.len().checked_div(len).unwrap_or(0);
    let mut pairs = cpu.scratch::<E>(panels * pairs_len);
    let to = Shared::new(&mut pairs);
    cpu.split(panels, 1, saturating_product(&[from.len(), 2]), |panels| {
        // SAFETY: the parts of a split are disjoint and lie within the panels.
        let to =
            unsafe { std::slice::from_raw_parts_mut(to.get().add(panels.start * pairs_len), panels.len() * pairs_len) };
        cpu.run(Panels { k, from: &from[panels.start * len..panels.end * len], to });
    });
    pairs
}
