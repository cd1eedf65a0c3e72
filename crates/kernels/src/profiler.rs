//! `Profiler`: the time that each part of a training step takes. It is off by default; a part then costs one comparison.

use std::time::{Duration, Instant};

use crate::Lock;

/// The time of every part so far, on the thread that gave out the work, including its waiting for the other threads. Shards
/// that work at the same time count with their share.
#[derive(Debug, Default)]
pub struct Profiler(Lock<Vec<(&'static str, Duration)>>);

impl Profiler {
    /// The parts in the order in which they first began, with the sums of their times. Clears them.
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
    profiler: &'a Profiler,
    name: &'static str,
    start: Instant,
    at_once: u32,
}

impl<'a> Part<'a> {
    /// Begins a part; `at_once` shards work at the same time.
    pub(crate) fn begin(profiler: &'a Profiler, name: &'static str, at_once: u32) -> Part<'a> {
        Part { profiler, name, start: Instant::now(), at_once }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.profiler.add(self.name, self.start.elapsed() / self.at_once);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, Cpu};

    #[test]
    fn parts_add_up_by_name_and_only_with_a_profiler() {
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        assert!(cpu.part("a").is_none() && cpu.profiler().is_none());
        let cpu = cpu.with_profiler();
        for (name, ms) in [("a", 2), ("b", 1), ("a", 3)] {
            let part = cpu.part(name);
            std::thread::sleep(Duration::from_millis(ms));
            drop(part);
        }
        let parts = cpu.profiler().unwrap().take();
        assert_eq!(parts.iter().map(|part| part.0).collect::<Vec<_>>(), ["a", "b"]);
        assert!(parts[0].1 >= Duration::from_millis(5) && parts[1].1 >= Duration::from_millis(1));
        assert!(cpu.profiler().unwrap().take().is_empty());
    }
}
