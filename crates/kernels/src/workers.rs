//! Holds the threads behind `Cpu::split`: they take the parts of one piece of work after another and sleep between.
//! Refuses work whose parts meet each other: that is a crew's (`crew.rs`).
//!
//! Every part is taken once, by whoever comes first: thread i looks at part i, which it had the last time, then at the
//! others. A thread that another program keeps from its core is therefore not waited for unless it has begun. Giving out
//! work and taking it up allocate nothing.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crate::crew::{Apart, PATIENCE, cores, spin};
use crate::{Error, Lock};

/// Does part `i` of a piece of work.
type Work = dyn Fn(usize) + Sync;

/// Threads that do parts of work beside the caller's.
pub(crate) struct Workers {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
    /// Held by the caller whose work is under way, with the number of pieces of work so far.
    turn: Lock<usize>,
}

/// What caller and workers share.
struct Board {
    /// How long a thread spins for something: not at all where there are more threads than cores.
    patience: Duration,
    /// The number of the latest piece of work.
    turn: Apart<AtomicUsize>,
    /// By part but the caller's first: of which turn it is, and how far it has come.
    parts: Vec<Apart<AtomicUsize>>,
    /// Written by the caller before a turn's parts become free, read by whoever has taken one of them.
    work: UnsafeCell<Option<(*const Work, Thread)>>,
    /// By worker, whether it sleeps; whether the caller does.
    asleep: Vec<AtomicBool>,
    caller_sleeps: AtomicBool,
    /// What a part panicked with, to be gone on with by the caller.
    panic: Lock<Option<Box<dyn Any + Send>>>,
    /// Workers that have begun.
    begun: AtomicUsize,
    is_over: AtomicBool,
}

// SAFETY: `work` is written while no part is taken (the caller of a turn waits until every taken part is done, and parts
// of an earlier turn can no longer be taken), and read only between the taking of a part and its being done.
unsafe impl Sync for Board {}
// SAFETY: the pointer in `work` is followed only while the caller of `run` is in it; what it points to is `Sync`.
unsafe impl Send for Board {}

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
        let board = Arc::new(Board {
            patience: if count < cores() { PATIENCE } else { Duration::ZERO },
            turn: Apart(0.into()),
            parts: (0..count).map(|_| Apart(0.into())).collect(),
            work: UnsafeCell::new(None),
            asleep: (0..count).map(|_| false.into()).collect(),
            caller_sleeps: false.into(),
            panic: Lock::new(None),
            begun: 0.into(),
            is_over: false.into(),
        });
        let mut workers = Workers { board, threads: Vec::new(), turn: Lock::new(0) };
        for index in 0..count {
            let board = workers.board.clone();
            let thread = thread::Builder::new().name(format!("elman-{}", index + 1)).spawn(move || board.serve(index));
            let expected = |e: std::io::Error| Error::Threads { got: count + 1, expected: e.to_string() };
            workers.threads.push(thread.map_err(expected)?);
        }
        // A thread allocates where it begins: not within somebody's work.
        while workers.board.begun.load(Ordering::SeqCst) < count {
            thread::yield_now();
        }
        Ok(workers)
    }

    /// Runs `work` for every part of `0..parts`, one more than there are threads at most, and returns once all are done.
    /// The caller does all of them, one after the other, where the threads are at somebody else's work: another
    /// caller's, or that of which this is a part.
    pub fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        let Some(mut turn) = self.turn.try_lock() else { return (0..parts).for_each(work) };
        *turn += 1;
        let (board, turn) = (&*self.board, *turn);
        let others = &board.parts[..parts - 1];
        // SAFETY: no part is taken, see `Board`. Only the lifetime changes: `Close` below waits for every taken part.
        unsafe {
            let work = std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Work>(work);
            *board.work.get() = Some((work, thread::current()));
        }
        for Apart(part) in others {
            part.store(free(turn), Ordering::Release);
        }
        // Sequentially consistent, against the worker that looks at `turn` once more after saying that it sleeps.
        board.turn.0.store(turn, Ordering::SeqCst);
        for (thread, asleep) in self.threads.iter().zip(&board.asleep).take(others.len()) {
            if asleep.load(Ordering::SeqCst) {
                thread.thread().unpark();
            }
        }
        let close = Close { board, others, turn };
        work(0);
        for (i, part) in others.iter().enumerate() {
            if take(part, turn) {
                let end = End { part, turn };
                work(i + 1);
                drop(end);
            }
        }
        drop(close);
        if let Some(panic) = board.panic.lock().take() {
            resume_unwind(panic);
        }
    }
}

/// Takes a part of a turn, if nobody has.
fn take(Apart(part): &Apart<AtomicUsize>, turn: usize) -> bool {
    part.compare_exchange(free(turn), taken(turn), Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

/// Says that a part that the caller took is done, also where it panics.
struct End<'a> {
    part: &'a Apart<AtomicUsize>,
    turn: usize,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.part.0.store(done(self.turn), Ordering::Release);
    }
}

/// Ends a turn, also where the caller's own part panics: what nobody has taken is nobody's any more, what somebody has is
/// waited for.
struct Close<'a> {
    board: &'a Board,
    others: &'a [Apart<AtomicUsize>],
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
        if spin(self.board.patience, all_done) {
            return;
        }
        self.board.caller_sleeps.store(true, Ordering::SeqCst);
        while !all_done() {
            thread::park();
        }
        self.board.caller_sleeps.store(false, Ordering::SeqCst);
    }
}

impl Board {
    /// A worker's life.
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

    /// Does a part.
    ///
    /// # Safety
    /// This thread has taken the part.
    unsafe fn do_part(&self, number: usize, turn: usize) {
        // SAFETY: the part is taken and not done: nobody writes `work`, and what it points to is alive.
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

    /// Spins until there is a turn after `seen`, then sleeps until there is; which.
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
        self.board.is_over.store(true, Ordering::SeqCst);
        self.board.turn.0.fetch_add(1, Ordering::SeqCst);
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
    fn a_panic_of_any_part_is_the_callers_and_the_threads_go_on() {
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
