//! `ScratchPool`: memory for the length of a call, kept from one call to the next. Taking and returning it takes no lock
//! while no more pieces are in the pool than it has slots. Not here: memory that is handed to a caller of the crate; that is
//! a `Buffer`.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::buffer::{Line, lines};
use crate::lock::Lock;
use crate::{Buffer, Number};

/// More than a training step has in use at once.
const SLOTS: usize = 32;

/// States of a slot beside the number of lines of the memory in it.
const EMPTY: usize = 0;
const BUSY: usize = usize::MAX;

/// Memory that is borrowed, and kept when it is returned.
#[derive(Default)]
pub(crate) struct ScratchPool {
    states: [AtomicUsize; SLOTS],
    /// Slots that were ever filled: a search looks at no others.
    in_use: AtomicUsize,
    memory: [Slot; SLOTS],
    /// What found no slot, and how many pieces that are.
    rest: Lock<Vec<Vec<Line>>>,
    rest_len: AtomicUsize,
}

/// Memory that belongs to the thread that has claimed the slot.
#[derive(Default)]
struct Slot(UnsafeCell<Vec<Line>>);

// SAFETY: a slot's memory is touched only by the thread that has claimed it, until that thread stores another state.
unsafe impl Sync for ScratchPool {}

/// Memory of a pool, a buffer until it is dropped.
pub(crate) struct Scratch<'a, E: Number> {
    pool: &'a ScratchPool,
    buffer: Buffer<E>,
}

impl ScratchPool {
    /// The smallest memory in the pool that holds `len` elements, or new memory; with anything in it.
    pub fn take<E: Number>(&self, len: usize) -> Scratch<'_, E> {
        let needed = lines::<E>(len);
        let kept = if needed == 0 { Some(Vec::new()) } else { self.find(needed).or_else(|| self.find_in_rest(needed)) };
        let new = || {
            // Calls may have many lengths: what is too short makes room, so that the pool holds no more than the longest need.
            drop(self.largest_below(needed));
            Buffer::zeros(len)
        };
        let buffer = kept.map_or_else(new, |kept| Buffer::from_lines(kept, len));
        Scratch { pool: self, buffer }
    }

    /// Empties the slot with the largest memory of fewer than `needed` lines.
    fn largest_below(&self, needed: usize) -> Option<Vec<Line>> {
        let states = self.states[..self.in_use.load(Ordering::Relaxed)].iter().enumerate();
        let shorter = states.map(|(slot, state)| (slot, state.load(Ordering::Relaxed)));
        let (slot, len) = shorter.filter(|&(_, len)| len != EMPTY && len < needed).max_by_key(|&(_, len)| len)?;
        self.claim(slot, len).then(|| {
            // SAFETY: this thread has claimed the slot, until it stores its state.
            let memory = std::mem::take(unsafe { &mut *self.memory[slot].0.get() });
            self.states[slot].store(EMPTY, Ordering::Release);
            memory
        })
    }

    /// Empties the slot with the smallest memory of at least `needed` lines.
    fn find(&self, needed: usize) -> Option<Vec<Line>> {
        loop {
            let (mut slot, mut len) = (SLOTS, BUSY);
            for (i, state) in self.states[..self.in_use.load(Ordering::Relaxed)].iter().enumerate() {
                let len_here = state.load(Ordering::Relaxed);
                if len_here >= needed && len_here < len {
                    (slot, len) = (i, len_here);
                    if len == needed {
                        break;
                    }
                }
            }
            if slot == SLOTS {
                return None;
            }
            if self.claim(slot, len) {
                // SAFETY: this thread has claimed the slot, until it stores its state.
                let memory = std::mem::take(unsafe { &mut *self.memory[slot].0.get() });
                self.states[slot].store(EMPTY, Ordering::Release);
                return Some(memory);
            }
        }
    }

    /// Makes the state of a slot BUSY; whether it still was `from`.
    fn claim(&self, slot: usize, from: usize) -> bool {
        self.states[slot].compare_exchange(from, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn find_in_rest(&self, needed: usize) -> Option<Vec<Line>> {
        if self.rest_len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut rest = self.rest.lock();
        let fits = rest.iter().enumerate().filter(|(_, lines)| lines.len() >= needed);
        let found = fits.min_by_key(|(_, lines)| lines.len()).map(|(i, _)| i).map(|i| rest.swap_remove(i));
        self.rest_len.store(rest.len(), Ordering::Relaxed);
        found
    }

    fn give_back(&self, memory: Vec<Line>) {
        if memory.is_empty() {
            return;
        }
        let is_empty = |slot: usize| self.states[slot].load(Ordering::Relaxed) == EMPTY;
        if let Some(slot) = (0..SLOTS).find(|&slot| is_empty(slot) && self.claim(slot, EMPTY)) {
            let len = memory.len();
            // SAFETY: this thread has claimed the slot, until it stores its state.
            unsafe { *self.memory[slot].0.get() = memory };
            self.states[slot].store(len, Ordering::Release);
            self.in_use.fetch_max(slot + 1, Ordering::Relaxed);
            return;
        }
        let mut rest = self.rest.lock();
        rest.push(memory);
        self.rest_len.store(rest.len(), Ordering::Relaxed);
    }
}

impl std::fmt::Debug for ScratchPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScratchPool").field("states", &self.states).finish_non_exhaustive()
    }
}

impl<E: Number> Drop for Scratch<'_, E> {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer).into_lines());
    }
}

impl<E: Number> Deref for Scratch<'_, E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.buffer
    }
}

impl<E: Number> DerefMut for Scratch<'_, E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(scratch: &Scratch<'_, f32>) -> usize {
        scratch.as_ptr() as usize
    }

    #[test]
    fn what_was_returned_is_taken_again_the_smallest_that_is_long_enough() {
        let pool = ScratchPool::default();
        let (large, small) = (pool.take::<f32>(1000), pool.take::<f32>(20));
        let (at_large, at_small) = (place(&large), place(&small));
        assert_ne!(at_large, at_small);
        drop((large, small));
        let again = pool.take::<f32>(17);
        assert_eq!((again.len(), place(&again)), (17, at_small));
        let other = pool.take::<f32>(17);
        assert_eq!((other.len(), place(&other)), (17, at_large), "two are never the same");
        assert_eq!(pool.take::<f64>(0).len(), 0);
    }

    #[test]
    fn the_memory_of_many_lengths_is_that_of_the_longest() {
        let pool = ScratchPool::default();
        for len in 1..400 {
            let all = [1, 2, 4].map(|of| pool.take::<f32>(16 * of * len));
            drop(all);
        }
        let lines: usize = pool.states.iter().map(|state| state.load(Ordering::Relaxed)).sum();
        assert!(lines <= 7 * 399 + 399, "{lines}");
    }

    #[test]
    fn what_finds_no_slot_is_kept_too() {
        let pool = ScratchPool::default();
        let all: Vec<_> = (0..2 * SLOTS).map(|i| pool.take::<f32>(16 * (1 + i))).collect();
        let mut places: Vec<usize> = all.iter().map(place).collect();
        drop(all);
        assert_eq!(pool.rest.lock().len(), SLOTS);
        // Whatever is taken first, the longest first finds all again.
        let all: Vec<_> = (0..2 * SLOTS).rev().map(|i| pool.take::<f32>(16 * (1 + i))).collect();
        let mut again: Vec<usize> = all.iter().map(place).collect();
        places.sort_unstable();
        again.sort_unstable();
        assert_eq!(again, places);
    }

    #[test]
    fn threads_never_have_the_same_memory() {
        let pool = ScratchPool::default();
        let rounds = if cfg!(miri) { 20 } else { 20_000 };
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let value = (thread * rounds + round) as f64;
                        let mut all = [3, 40, 3].map(|len| pool.take::<f64>(len));
                        all.iter_mut().for_each(|scratch| scratch.fill(value));
                        assert!(all.iter().all(|scratch| scratch.iter().all(|&x| x == value)));
                    }
                });
            }
        });
    }
}
