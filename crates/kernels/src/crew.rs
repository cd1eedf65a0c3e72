//! Holds a crew: threads that wait, spinning, for the next piece of work a few microseconds long, and meet several times
//! within it. Refuses parts that need no meeting: those are `Cpu::split`'s and its workers'.
//!
//! A worker that has waited for [`PATIENCE`] sleeps, so that an idle crew costs nothing.

use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::Error;
use crate::pace::{Pace, Way};

/// How long an idle worker spins before it sleeps: well above the time a caller takes between two steps of a text.
pub(crate) const PATIENCE: Duration = Duration::from_micros(500);
/// Turns of a spinning loop between two looks at the clock.
const TURNS: usize = if cfg!(miri) { 4 } else { 256 };

/// Threads that work together on one thing after another. The calling thread is one of them.
pub(crate) struct Crew {
    board: Arc<Board>,
    workers: Vec<JoinHandle<()>>,
    /// Meetings so far.
    meetings: usize,
    /// When the caller works alone. None: never, as where there are more threads than cores, which is for tests.
    pace: Option<Pace>,
    /// Whether the last work found a worker asleep.
    found_asleep: bool,
}

type Work = dyn Fn(&Member<'_>) + Sync;

/// Memory by itself: two lines, because processors fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Apart<T>(pub T);

/// What the threads of a crew share.
struct Board {
    /// How long a thread spins for something: not at all where there are more threads than cores.
    patience: Duration,
    order: Apart<Order>,
    /// By thread, how many meetings it has come to: one writes, the others read.
    arrived: Vec<Apart<AtomicUsize>>,
    /// By worker, whether it sleeps.
    asleep: Vec<AtomicBool>,
    is_over: AtomicBool,
}

/// What workers wait for.
struct Order {
    /// How often work was given out.
    turn: AtomicUsize,
    /// Meetings before the work.
    meetings: UnsafeCell<usize>,
    work: UnsafeCell<Option<*const Work>>,
}

// SAFETY: the cells are written only by the caller of `run`, which has the crew to itself, between the end of one work
// (every worker has come to its last meeting) and the raise of `turn` that begins the next; they are read only after it.
unsafe impl Sync for Order {}
// SAFETY: the pointer in it is followed only within `run`, during which what it points to is alive; it is `Sync`.
unsafe impl Send for Order {}

/// One thread's place in a piece of work.
pub(crate) struct Member<'a> {
    index: usize,
    /// Threads at work: all, or one.
    count: usize,
    board: &'a Board,
    meetings: Cell<usize>,
}

impl Member<'_> {
    /// Which thread this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// This thread's share of `0..n`: contiguous, the shares as even as can be.
    pub fn share(&self, n: usize) -> Range<usize> {
        let at = |i: usize| n * i / self.count;
        at(self.index)..at(self.index + 1)
    }

    /// Waits until every thread has come here; what each wrote before is then seen by all.
    pub fn meet(&self) {
        if self.count == 1 {
            return;
        }
        let meetings = self.come();
        for (other, Apart(arrived)) in self.board.arrived.iter().enumerate() {
            let has_come = || arrived.load(Ordering::Acquire) >= meetings;
            // A core that is yielded while others work on it too is gone for a whole slice of theirs.
            while other != self.index && !spin(self.board.patience, has_come) {
                thread::yield_now();
            }
        }
    }

    /// Comes to the next meeting without waiting for anyone.
    fn come(&self) -> usize {
        let meetings = self.meetings.get() + 1;
        self.meetings.set(meetings);
        self.board.arrived[self.index].0.store(meetings, Ordering::Release);
        meetings
    }
}

/// Spins for at most `patience`; whether `is_done` came true.
pub(crate) fn spin(patience: Duration, is_done: impl Fn() -> bool) -> bool {
    let mut begin = None;
    loop {
        for _ in 0..TURNS {
            if is_done() {
                return true;
            }
            std::hint::spin_loop();
        }
        if begin.get_or_insert_with(Instant::now).elapsed() >= patience {
            return false;
        }
    }
}

/// Ends the process where a thread unwinds within shared work: the others would wait for it for ever, or go on with
/// borrows that are gone.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

impl Crew {
    /// A crew of `count` threads, the caller among them. Errors: the system gives no more threads.
    pub fn new(count: usize) -> Result<Crew, Error> {
        let is_enough = count <= cores();
        let board = Arc::new(Board {
            patience: if is_enough { PATIENCE } else { Duration::ZERO },
            order: Apart(Order { turn: 0.into(), meetings: 0.into(), work: None.into() }),
            arrived: (0..count.max(1)).map(|_| Apart(0.into())).collect(),
            asleep: (1..count).map(|_| false.into()).collect(),
            is_over: false.into(),
        });
        let pace = (1 < count && is_enough).then(Pace::new);
        let mut crew = Crew { board, workers: Vec::new(), meetings: 0, pace, found_asleep: false };
        for index in 1..count {
            let board = crew.board.clone();
            let worker = thread::Builder::new().name(format!("elman-{index}")).spawn(move || board.serve(index));
            crew.workers.push(worker.map_err(|e| Error::Threads { got: count, expected: e.to_string() })?);
        }
        Ok(crew)
    }

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.board.arrived.len()
    }

    /// The same, working together whatever that costs.
    pub fn together(mut self) -> Crew {
        self.pace = None;
        self
    }

    /// Runs `work` on every thread at the same time and returns once all are done; on the caller alone, who then has all
    /// of every share, while that is faster.
    ///
    /// Workers read what `work` has captured: by itself ([`Apart`]), it comes to them at once.
    pub fn run(&mut self, work: &(impl Fn(&Member<'_>) + Sync)) {
        if self.count() == 1 {
            work(&self.member(1));
            return;
        }
        let Some(pace) = &self.pace else {
            self.run_together(work);
            return;
        };
        let begin = Instant::now();
        let found_asleep = match pace.way() {
            Way::Together => self.run_together(work),
            Way::Alone => {
                work(&self.member(1));
                false
            }
        };
        // To wake somebody takes long. Where it is not done once but at every work, that counts.
        let is_waking = found_asleep && !self.found_asleep;
        self.found_asleep = found_asleep;
        if let (Some(pace), false) = (&mut self.pace, is_waking) {
            pace.took(begin.elapsed());
        }
    }

    /// Runs `work` on every thread; whether one of them slept.
    fn run_together(&mut self, work: &(impl Fn(&Member<'_>) + Sync)) -> bool {
        let (board, work): (&Board, &(dyn Fn(&Member<'_>) + Sync)) = (&self.board, work);
        let _guard = AbortOnUnwind;
        // SAFETY: all workers have come to the last meeting of the work before, and wait for `turn` to rise.
        unsafe {
            *board.order.0.meetings.get() = self.meetings;
            // SAFETY: only the lifetime changes; nobody follows the pointer after this function.
            *board.order.0.work.get() =
                Some(std::mem::transmute::<*const (dyn Fn(&Member<'_>) + Sync + '_), *const Work>(work));
        }
        // Sequentially consistent, against the worker that looks at `turn` once more after saying that it sleeps.
        board.order.0.turn.fetch_add(1, Ordering::SeqCst);
        let mut found_asleep = false;
        for (worker, asleep) in self.workers.iter().zip(&board.asleep) {
            found_asleep |= wake(worker.thread(), asleep);
        }
        let member = self.member(self.count());
        work(&member);
        member.meet();
        self.meetings = member.meetings.get();
        found_asleep
    }

    /// The caller's place in work of `count` threads.
    fn member(&self, count: usize) -> Member<'_> {
        Member { index: 0, count, board: &self.board, meetings: self.meetings.into() }
    }
}

/// Threads that can be at work at once: a crew of more would wait for a slice of time at every meeting.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Wakes a worker that sleeps; whether it did.
fn wake(worker: &Thread, asleep: &AtomicBool) -> bool {
    let is_asleep = asleep.load(Ordering::SeqCst);
    if is_asleep {
        worker.unpark();
    }
    is_asleep
}

impl Board {
    /// A worker's life.
    fn serve(&self, index: usize) {
        let _guard = AbortOnUnwind;
        let mut seen = 0;
        loop {
            self.wait_for(seen + 1, &self.asleep[index - 1]);
            seen += 1;
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: `run` wrote these before it raised `turn`, and returns only after this thread has come to the last
            // meeting below, so what the pointer points to is alive.
            let (work, meetings) = unsafe { (*self.order.0.work.get(), *self.order.0.meetings.get()) };
            let count = self.arrived.len();
            let member = Member { index, count, board: self, meetings: meetings.into() };
            if let Some(work) = work {
                // SAFETY: as above.
                unsafe { (*work)(&member) };
            }
            // The last meeting: only the caller waits at it.
            member.come();
        }
    }

    /// Spins until `turn` is there, then sleeps until it is.
    fn wait_for(&self, turn: usize, asleep: &AtomicBool) {
        let is_there = || self.order.0.turn.load(Ordering::SeqCst) >= turn;
        if spin(self.patience, is_there) {
            return;
        }
        asleep.store(true, Ordering::SeqCst);
        while !is_there() {
            thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.board.is_over.store(true, Ordering::Relaxed);
        self.board.order.0.turn.fetch_add(1, Ordering::SeqCst);
        for (worker, asleep) in self.workers.drain(..).zip(&self.board.asleep) {
            wake(worker.thread(), asleep);
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("count", &self.count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_thread_works_and_meets() {
        for count in [1, 2, 3, 5] {
            let mut crew = Crew::new(count).unwrap().together();
            let cells: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
            // Fewer for Miri, which runs some thousand times slower.
            let rounds = if cfg!(miri) { 9 } else { 300 };
            for round in 1..=rounds {
                if round % (rounds / 3) == 0 {
                    thread::sleep(2 * PATIENCE); // so that workers are found asleep, too
                }
                crew.run(&|member: &Member<'_>| {
                    for half in 0..2 {
                        cells[member.index()].store(2 * round + half, Ordering::Relaxed);
                        member.meet();
                        assert!(
                            cells[..member.count].iter().all(|cell| cell.load(Ordering::Relaxed) == 2 * round + half)
                        );
                        member.meet();
                    }
                });
            }
        }
    }

    #[test]
    fn shares_cover_everything_once() {
        let mut crew = Crew::new(3).unwrap();
        for n in [0, 1, 2, 3, 7, 64] {
            let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            crew.run(&|member: &Member<'_>| {
                for i in member.share(n) {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{n}");
        }
    }
}
