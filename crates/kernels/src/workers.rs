//! The threads behind `Cpu::split`: they run the parts of one piece of work after another and sleep in between. Not here:
//! parts that synchronise with each other; those are a thread team's (`team.rs`).
//!
//! Every part is taken by the first thread that is free: thread i tries part i, which it had the last time, then the others.
//! So the others do not wait for a thread that the system keeps from its core, unless it has begun a part. Giving out work
//! and taking it allocate nothing.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crate::team::{PATIENCE, Padded, cores, spin};
use crate::{Error, Lock};

/// Runs part `i` of a piece of work.
type Work = dyn Fn(usize) + Sync;

/// Threads that run parts of work beside the caller.
pub(crate) struct Workers {
    common: Arc<Common>,
    threads: Vec<JoinHandle<()>>,
    /// Held by the caller whose work is running; the number of pieces of work so far.
    turn: Lock<usize>,
}

/// What caller and workers share.
struct Common {
    /// How long a thread spins for something: not at all where there are more threads than cores.
    patience: Duration,
    /// The number of the latest piece of work.
    turn: Padded<AtomicUsize>,
    /// For each part except the caller's first: its turn and its state in it.
    parts: Vec<Padded<AtomicUsize>>,
    /// Written by the caller before the parts of a turn become free, read by the threads that take them.
    work: UnsafeCell<Option<(*const Work, Thread)>>,
    /// For each worker, whether it sleeps; whether the caller does.
    asleep: Vec<AtomicBool>,
    caller_sleeps: AtomicBool,
    /// What a part panicked with; the caller resumes the panic.
    panic: Lock<Option<Box<dyn Any + Send>>>,
    /// Workers that have started.
    begun: AtomicUsize,
    is_over: AtomicBool,
}

// SAFETY: `work` is written while no part is taken (the caller of a turn waits until every taken part is done, and parts
// of an earlier turn cannot be taken any more), and read only by a thread that has taken a part which is not yet done.
unsafe impl Sync for Common {}
// SAFETY: the pointer in `work` is followed only while the caller of `run` is in it; what it points to is `Sync`.
unsafe impl Send for Common {}

/// States of a part in a turn.
const fn free(turn: usize) -> usize {
    3 * turn
}
const fn taken(turn: usize) -> usize {
    3 * turn + 1
}
const fn done(turn: usize) -> usize {
    3 * turn + 2
}

impl Workers {
    /// `count` threads. Errors: the system gives no more.
    pub fn new(count: usize) -> Result<Workers, Error> {
        let common = Arc::new(Common {
            patience: if count < cores() { PATIENCE } else { Duration::ZERO },
            turn: Padded(0.into()),
            parts: (0..count).map(|_| Padded(0.into())).collect(),
            work: UnsafeCell::new(None),
            asleep: (0..count).map(|_| false.into()).collect(),
            caller_sleeps: false.into(),
            panic: Lock::new(None),
            begun: 0.into(),
            is_over: false.into(),
        });
        let mut workers = Workers { common, threads: Vec::new(), turn: Lock::new(0) };
        for index in 0..count {
            let common = workers.common.clone();
            let thread = thread::Builder::new().name(format!("elman-{}", index + 1)).spawn(move || common.serve(index));
            let expected = |e: std::io::Error| Error::Threads { got: count + 1, expected: e.to_string() };
            workers.threads.push(thread.map_err(expected)?);
        }
        // A thread allocates when it starts. That must not happen within a piece of work.
        while workers.common.begun.load(Ordering::SeqCst) < count {
            thread::yield_now();
        }
        Ok(workers)
    }

    /// Runs `work` for every part of `0..parts` and returns when all are done; `parts` is at most one more than the number of
    /// threads. If the threads are busy with the work of another caller, or with work of which this is a part, the caller
    /// runs all parts itself.
    pub fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        let Some(mut turn) = self.turn.try_lock() else { return (0..parts).for_each(work) };
        *turn += 1;
        let (common, turn) = (&*self.common, *turn);
        let others = &common.parts[..parts - 1];
        // SAFETY: no part is taken, see `Common`. Only the lifetime changes: `Close` below waits for every taken part.
        unsafe {
            let work = std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Work>(work);
            *common.work.get() = Some((work, thread::current()));
        }
        for Padded(part) in others {
            part.store(free(turn), Ordering::Release);
        }
        // Sequentially consistent, because a worker reads `turn` once more after it has stored that it sleeps.
        common.turn.0.store(turn, Ordering::SeqCst);
        for (thread, asleep) in self.threads.iter().zip(&common.asleep).take(others.len()) {
            if asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
        let close = Close { common, others, turn };
        work(0);
        for (i, part) in others.iter().enumerate() {
            if take(part, turn) {
                let end = End { part, turn };
                work(i + 1);
                drop(end);
            }
        }
        drop(close);
        if let Some(panic) = common.panic.lock().take() {
            resume_unwind(panic);
        }
    }
}

/// Takes a part of a turn, if it is free.
fn take(Padded(part): &Padded<AtomicUsize>, turn: usize) -> bool {
    part.compare_exchange(free(turn), taken(turn), Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

/// Marks a part that the caller took as done, also if it panics.
struct End<'a> {
    part: &'a Padded<AtomicUsize>,
    turn: usize,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.part.0.store(done(self.turn), Ordering::Release);
    }
}

/// Ends a turn, also if the caller's own part panics: closes the parts that are free, and waits for those that are taken.
struct Close<'a> {
    common: &'a Common,
    others: &'a [Padded<AtomicUsize>],
    turn: usize,
}

impl Drop for Close<'_> {
    fn drop(&mut self) {
        for part in self.others {
            if take(part, self.turn) {
                part.0.store(done(self.turn), Ordering::Release);
            }
        }
        let all_done = || self.others.iter().all(|part| part.0.load(Ordering::SeqCst) == done(self.turn));
        if spin(self.common.patience, all_done) {
            return;
        }
        self.common.caller_sleeps.store(true, Ordering::SeqCst);
        while !all_done() {
            thread::park();
        }
        self.common.caller_sleeps.store(false, Ordering::SeqCst);
    }
}

impl Common {
    /// What a worker runs until the end.
    fn serve(&self, index: usize) {
        let mut seen = 0;
        self.begun.fetch_add(1, Ordering::SeqCst);
        loop {
            seen = self.wait_beyond(seen, &self.asleep[index]);
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            for number in (index..self.parts.len()).chain(0..index) {
                if take(&self.parts[number], seen) {
                    // SAFETY: taken just now.
                    unsafe { self.do_part(number, seen) };
                }
            }
        }
    }

    /// Runs a part.
    ///
    /// # Safety
    /// This thread has taken the part.
    unsafe fn do_part(&self, number: usize, turn: usize) {
        // SAFETY: the part is taken and not done: no thread writes `work`, and what it points to is alive.
        let (work, caller) = unsafe { (*self.work.get()).as_ref().map(|(work, caller)| (&**work, caller.clone())) }
            .expect("a turn has work");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(number + 1))) {
            self.panic.lock().get_or_insert(panic);
        }
        self.parts[number].0.store(done(turn), Ordering::SeqCst);
        if self.caller_sleeps.load(Ordering::SeqCst) {
            caller.unpark();
        }
    }

    /// Waits for a turn after `seen`: spins first, then sleeps. Returns the turn.
    fn wait_beyond(&self, seen: usize, asleep: &AtomicBool) -> usize {
        let turn = || self.turn.0.load(Ordering::SeqCst);
        if !spin(self.patience, || turn() != seen) {
            asleep.store(true, Ordering::SeqCst);
            while turn() == seen {
                thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
        turn()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.common.is_over.store(true, Ordering::SeqCst);
        self.common.turn.0.fetch_add(1, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(parts: usize) -> Vec<AtomicUsize> {
        (0..parts).map(|_| AtomicUsize::new(0)).collect()
    }

    /// Fewer for Miri, which runs some thousand times slower.
    const ROUNDS: usize = if cfg!(miri) { 8 } else { 400 };

    #[test]
    fn every_part_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 4, 15] {
            let workers = Workers::new(threads).unwrap();
            for round in 1..=ROUNDS {
                if round % (ROUNDS / 4) == 0 {
                    thread::sleep(2 * PATIENCE); // so that workers are found asleep, too
                }
                let parts = 2 + round % threads.max(1);
                let counts = counts(parts);
                workers.run(parts, &|part| {
                    counts[part].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} {round}");
            }
        }
    }

    #[test]
    fn work_within_work_and_work_of_two_callers_is_done() {
        let workers = Workers::new(2).unwrap();
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS / 2 {
                        workers.run(3, &|_| {
                            workers.run(2, &|part| {
                                total.fetch_add(part + 1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 3 * ROUNDS / 2 * 3 * 3);
    }

    #[test]
    fn long_parts_are_waited_for_asleep() {
        let workers = Workers::new(1).unwrap();
        let begun = AtomicBool::new(false);
        for _ in 0..3 {
            let counts = counts(2);
            begun.store(false, Ordering::SeqCst);
            workers.run(2, &|part| {
                if part == 1 {
                    begun.store(true, Ordering::SeqCst);
                    thread::sleep(8 * PATIENCE);
                } else {
                    // So that the other part is the worker's.
                    while !begun.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                }
                counts[part].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn a_panic_of_any_part_is_the_callers_and_the_threads_continue() {
        let workers = Workers::new(2).unwrap();
        for bad in 0..3 {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                workers.run(3, &|part| assert_ne!(part, bad, "as it must"));
            }));
            assert!(panicked.is_err(), "part {bad}");
            let counts = counts(3);
            workers.run(3, &|part| {
                counts[part].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }
}
