//! What the tests of this crate share: pseudo-random numbers, and the copies between dense, padded and packed memory. Not
//! here: tests.

#![allow(dead_code)] // no test needs all of it

use elman_kernels::layout::Layout;
use elman_kernels::recurrent::Cell;
use elman_kernels::{Backend, Buffer, Cpu, Element, pad};

/// Numbers without pattern in [-1, 1): a hash of the index.
pub fn noise<E: Element>(n: usize, tag: u64) -> Vec<E> {
    (0..n as u64)
        .map(|i| {
            let mut z = (i + tag * 1_000_003).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            E::from_f64(((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
        })
        .collect()
}

/// Initial values of the states beside h, `len` each: noise, but above 0 where the state is a sum of weights.
pub fn cell_states<E: Element>(cell: Cell, len: usize, tag: u64) -> Vec<E> {
    let mut all = Vec::new();
    for (i, &name) in cell.states().iter().enumerate() {
        let noise = noise::<E>(len, tag + 100 * i as u64).into_iter();
        let positive = |x: E| E::from_f64(1.25 + 0.75 * x.to_f64());
        all.extend(noise.map(|x| if name == "n" { positive(x) } else { x }));
    }
    all
}

/// Dense rows of `width` numbers to rows padded with zeros.
pub fn padded<E: Element>(dense: &[E], width: usize) -> Vec<E> {
    let mut rows = vec![E::ZERO; dense.len() / width.max(1) * pad(width)];
    for (to, from) in rows.chunks_exact_mut(pad(width).max(1)).zip(dense.chunks_exact(width.max(1))) {
        to[..width].copy_from_slice(from);
    }
    rows
}

/// The way back, after a look at the padding.
pub fn dense<E: Element>(padded: &[E], width: usize) -> Vec<E> {
    let rows = || padded.chunks_exact(pad(width).max(1));
    assert!(rows().all(|row| row[width..].iter().all(|&x| x == E::ZERO)), "padding is not zero");
    rows().flat_map(|row| &row[..width]).copied().collect()
}

/// Row-major numbers in a layout's places, zero elsewhere.
pub fn packed<E: Element>(layout: Layout, logical: &[E]) -> Buffer<E> {
    let mut packed = Buffer::zeros(layout.packed_len());
    layout.pack(logical, &mut packed);
    packed
}

/// The way back, after a look at the padding.
pub fn unpacked<E: Element>(layout: Layout, packed: &[E]) -> Vec<E> {
    let mut logical = vec![E::ZERO; layout.rows() * layout.cols()];
    layout.unpack(packed, &mut logical);
    let count = |values: &[E]| values.iter().filter(|&&x| x != E::ZERO).count();
    assert_eq!(count(packed), count(&logical), "the padding of {layout:?} is not zero");
    logical
}

/// A backend that splits even the smallest work over its threads.
pub fn splitting(backend: Backend, threads: usize) -> Cpu {
    Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1)
}

/// Panics if a number is off by more than `tolerance` times the largest wanted one, or times 1.
pub fn assert_close<E: Element>(what: &str, got: &[E], want: &[E], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1.0f64, |m, x| m.max(x.to_f64().abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (g.to_f64() - w.to_f64()).abs();
        assert!(
            error <= tolerance * largest,
            "{what}[{i}] is {g}, expected {w}: off by {error:e}, {tolerance:e} allowed"
        );
    }
}
