//! Holds the times of the parts of a step, for whoever asks where it goes. Refuses to be on by itself: without a ledger a
//! part costs one comparison.

use std::time::{Duration, Instant};

use crate::{Cpu, Lock};

/// What every part took so far, on the thread that gave out the work: with its waiting for the others. Of two halves that work
/// at the same time each counts for half.
#[derive(Debug, Default)]
pub struct Ledger(Lock<Vec<(&'static str, Duration)>>);

impl Ledger {
    /// The parts in the order in which they first came, and their times together; forgets them.
    pub fn take(&self) -> Vec<(&'static str, Duration)> {
        std::mem::take(&mut *self.0.lock())
    }

    /// Adds to a part.
    pub fn add(&self, part: &'static str, time: Duration) {
        let mut parts = self.0.lock();
        match parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += time,
            None => parts.push((part, time)),
        }
    }
}

/// A part that lasts until this is dropped.
#[derive(Debug)]
pub struct Part<'a> {
    ledger: &'a Ledger,
    name: &'static str,
    start: Instant,
    at_once: u32,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.ledger.add(self.name, self.start.elapsed() / self.at_once);
    }
}

impl Cpu {
    /// Begins a part of a step, where somebody keeps a ledger. Parts do not nest.
    pub fn part(&self, name: &'static str) -> Option<Part<'_>> {
        self.ledger().map(|ledger| Part { ledger, name, start: Instant::now(), at_once: self.at_once() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    #[test]
    fn parts_add_up_by_name_and_are_kept_only_where_asked() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        assert!(cpu.part("a").is_none() && cpu.ledger().is_none());
        let cpu = cpu.with_ledger();
        for (name, ms) in [("a", 2), ("b", 1), ("a", 3)] {
            let part = cpu.part(name);
            std::thread::sleep(Duration::from_millis(ms));
            drop(part);
        }
        let parts = cpu.ledger().unwrap().take();
        assert_eq!(parts.iter().map(|part| part.0).collect::<Vec<_>>(), ["a", "b"]);
        assert!(parts[0].1 >= Duration::from_millis(5) && parts[1].1 >= Duration::from_millis(1));
        assert!(cpu.ledger().unwrap().take().is_empty());
    }
}
