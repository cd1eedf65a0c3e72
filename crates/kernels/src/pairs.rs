//! Operands that hold two bfloat16 in a word of f32: what a pair is, what the product of two pairs is, and the copies that
//! make them. Sums stay f32. Not here: f64, and single bfloat16 weights, which are in `matvec`.
//!
//! A left operand pairs neighbours of a row, a right operand neighbours of a column. An operand of odd length ends with a
//! pair whose odd half is 0.

use crate::cpu::{Shared, saturating_product};
use crate::layout::PANEL;
use crate::scratch::Scratch;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Number};

/// Pairs of `k` numbers.
#[inline]
pub(crate) fn count(k: usize) -> usize {
    k.div_ceil(2)
}

/// Neighbours of a row, `[2n]`, as `[n]`.
#[inline(always)]
pub(crate) fn pair_row<E: Number>(from: &[E], to: &mut [E]) {
    for (to, from) in to.iter_mut().zip(from.chunks_exact(2)) {
        *to = E::pair(from[0], from[1]);
    }
}

/// Neighbours of columns: rows `from`, each 64 or fewer columns, in twos.
#[inline(always)]
pub(crate) fn pair_rows<E: Number>(even: &[E], odd: Option<&[E]>, to: &mut [E]) {
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

impl<E: Number> Kernel<E> for Rows<'_, E> {
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

impl<E: Number> Kernel<E> for Panels<'_, E> {
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
pub(crate) fn of_rows<'a, E: Number>(cpu: &'a Cpu, from: &[E]) -> Scratch<'a, E> {
    let mut pairs = cpu.scratch(from.len() / 2);
    cpu.fill(&mut pairs, 16, 2, |start, to| cpu.run(Rows { from: &from[2 * start..][..2 * to.len()], to }));
    pairs
}

/// The pairs of a packed right operand, `[P][K][64]` to `[P][K/2][64]`.
pub(crate) fn of_panels<'a, E: Number>(cpu: &'a Cpu, from: &[E], k: usize) -> Scratch<'a, E> {
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
