//! A thread team: threads that run short pieces of work (a few microseconds) together and synchronise several times within
//! each. They wait by spinning. Not here: parts that need no synchronisation; those are `Cpu::split`'s (`workers.rs`).
//!
//! A thread that has waited for [`PATIENCE`] sleeps, so that an idle team costs nothing.

use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::Error;
use crate::adaptive::{AdaptiveChoice, Mode};

/// How long an idle worker spins before it sleeps: more than a caller takes between two steps of sampling.
pub(crate) const PATIENCE: Duration = Duration::from_micros(500);
/// Iterations of a spin loop between two readings of the clock.
const TURNS: usize = if cfg!(miri) { 4 } else { 256 };

/// Threads that run one piece of work after another together. The calling thread is one of them.
pub(crate) struct Team {
    common: Arc<Common>,
    workers: Vec<JoinHandle<()>>,
    /// Barriers so far.
    barriers: usize,
    /// Whether the caller works alone. `None`: never. So it is with more threads than cores, which only tests have.
    choice: Option<AdaptiveChoice>,
    /// Whether the last work found a worker asleep.
    found_asleep: bool,
}

type Work = dyn Fn(&TeamThread<'_>) + Sync;

/// A value on cache lines of its own: two, because processors fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub T);

/// What the threads of a team share.
struct Common {
    /// How long a thread spins for something: not at all where there are more threads than cores.
    patience: Duration,
    task: Padded<Task>,
    /// For each thread, at how many barriers it has arrived. The thread writes its own, the others read it.
    arrived: Vec<Padded<AtomicUsize>>,
    /// For each worker, whether it sleeps.
    asleep: Vec<AtomicBool>,
    is_over: AtomicBool,
}

/// What workers wait for.
struct Task {
    /// How many pieces of work were given out.
    turn: AtomicUsize,
    /// Barriers before the work.
    barriers: UnsafeCell<usize>,
    work: UnsafeCell<Option<*const Work>>,
}

// SAFETY: only the caller of `run`, which borrows the team mutably, writes the cells: after every worker has arrived at the
// last barrier of one piece of work, and before it raises `turn` for the next. They are read only after that.
unsafe impl Sync for Task {}
// SAFETY: the pointer in it is followed only within `run`, during which what it points to is alive; it is `Sync`.
unsafe impl Send for Task {}

/// One thread of the team, in a piece of work.
pub(crate) struct TeamThread<'a> {
    index: usize,
    /// Threads that run the work: all, or one.
    count: usize,
    common: &'a Common,
    barriers: Cell<usize>,
}

impl TeamThread<'_> {
    /// Which thread this is, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// This thread's share of `0..n`. Shares are contiguous and as even as possible.
    pub fn share(&self, n: usize) -> Range<usize> {
        let at = |i: usize| n * i / self.count;
        at(self.index)..at(self.index + 1)
    }

    /// Waits until every thread has called this. Then all see what each wrote before.
    pub fn barrier(&self) {
        if self.count == 1 {
            return;
        }
        let barriers = self.arrive();
        for (other, Padded(arrived)) in self.common.arrived.iter().enumerate() {
            let has_come = || arrived.load(Ordering::Acquire) >= barriers;
            // Yielding the core to another program costs a whole time slice of that program.
            while other != self.index && !spin(self.common.patience, has_come) {
                thread::yield_now();
            }
        }
    }

    /// Arrives at the next barrier without waiting for the others.
    fn arrive(&self) -> usize {
        let barriers = self.barriers.get() + 1;
        self.barriers.set(barriers);
        self.common.arrived[self.index].0.store(barriers, Ordering::Release);
        barriers
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

/// Aborts the process if a thread unwinds within shared work: the others would wait for it for ever, or use borrows that
/// have ended.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

impl Team {
    /// A team of `count` threads, including the caller. Errors: the system gives no more threads.
    pub fn new(count: usize) -> Result<Team, Error> {
        let is_enough = count <= cores();
        let common = Arc::new(Common {
            patience: if is_enough { PATIENCE } else { Duration::ZERO },
            task: Padded(Task { turn: 0.into(), barriers: 0.into(), work: None.into() }),
            arrived: (0..count.max(1)).map(|_| Padded(0.into())).collect(),
            asleep: (1..count).map(|_| false.into()).collect(),
            is_over: false.into(),
        });
        let choice = (1 < count && is_enough).then(AdaptiveChoice::new);
        let mut team = Team { common, workers: Vec::new(), barriers: 0, choice, found_asleep: false };
        for index in 1..count {
            let common = team.common.clone();
            let worker = thread::Builder::new().name(format!("elman-{index}")).spawn(move || common.serve(index));
            team.workers.push(worker.map_err(|e| Error::Threads { got: count, expected: e.to_string() })?);
        }
        Ok(team)
    }

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.common.arrived.len()
    }

    /// The same team without the choice to work alone.
    pub fn together(mut self) -> Team {
        self.choice = None;
        self
    }

    /// Runs `work` on every thread and returns when all are done. While it is faster, runs it on the caller alone, whose
    /// shares are then everything.
    ///
    /// Workers read what `work` has captured. Wrapped in [`Padded`], that takes one cache miss.
    pub fn run(&mut self, work: &(impl Fn(&TeamThread<'_>) + Sync)) {
        if self.count() == 1 {
            work(&self.this(1));
            return;
        }
        let Some(choice) = &self.choice else {
            self.run_together(work);
            return;
        };
        let begin = Instant::now();
        let found_asleep = match choice.mode() {
            Mode::Together => self.run_together(work),
            Mode::Alone => {
                work(&self.this(1));
                false
            }
        };
        // Waking a worker takes long. A single time is not recorded; one that happens at every piece of work is.
        let is_waking = found_asleep && !self.found_asleep;
        self.found_asleep = found_asleep;
        if let (Some(choice), false) = (&mut self.choice, is_waking) {
            choice.record(begin.elapsed());
        }
    }

    /// Runs `work` on every thread. Returns whether one of them slept.
    fn run_together(&mut self, work: &(impl Fn(&TeamThread<'_>) + Sync)) -> bool {
        let (common, work): (&Common, &(dyn Fn(&TeamThread<'_>) + Sync)) = (&self.common, work);
        let _guard = AbortOnUnwind;
        // SAFETY: all workers have arrived at the last barrier of the work before, and wait for `turn` to rise.
        unsafe {
            *common.task.0.barriers.get() = self.barriers;
            // SAFETY: only the lifetime changes; the pointer is not used after this function.
            *common.task.0.work.get() =
                Some(std::mem::transmute::<*const (dyn Fn(&TeamThread<'_>) + Sync + '_), *const Work>(work));
        }
        // Sequentially consistent, because a worker reads `turn` once more after it has stored that it sleeps.
        common.task.0.turn.fetch_add(1, Ordering::SeqCst);
        let mut found_asleep = false;
        for (worker, asleep) in self.workers.iter().zip(&common.asleep) {
            found_asleep |= wake(worker.thread(), asleep);
        }
        let this = self.this(self.count());
        work(&this);
        this.barrier();
        self.barriers = this.barriers.get();
        found_asleep
    }

    /// The caller, in work of `count` threads.
    fn this(&self, count: usize) -> TeamThread<'_> {
        TeamThread { index: 0, count, common: &self.common, barriers: self.barriers.into() }
    }
}

/// Threads that can run at the same time. A larger team would wait for a time slice at every barrier.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}

/// Wakes a worker if it sleeps. Returns whether it did.
fn wake(worker: &Thread, asleep: &AtomicBool) -> bool {
    let is_asleep = asleep.load(Ordering::SeqCst);
    if is_asleep {
        worker.unpark();
    }
    is_asleep
}

impl Common {
    /// What a worker runs until the team ends.
    fn serve(&self, index: usize) {
        let _guard = AbortOnUnwind;
        let mut seen = 0;
        loop {
            self.wait_for(seen + 1, &self.asleep[index - 1]);
            seen += 1;
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: `run` wrote these before it raised `turn`, and returns only after this thread has arrived at
            // the last barrier below, so what the pointer points to is alive.
            let (work, barriers) = unsafe { (*self.task.0.work.get(), *self.task.0.barriers.get()) };
            let count = self.arrived.len();
            let this = TeamThread { index, count, common: self, barriers: barriers.into() };
            if let Some(work) = work {
                // SAFETY: as above.
                unsafe { (*work)(&this) };
            }
            // The last barrier: only the caller waits at it.
            this.arrive();
        }
    }

    /// Waits for `turn`: spins first, then sleeps.
    fn wait_for(&self, turn: usize, asleep: &AtomicBool) {
        let is_there = || self.task.0.turn.load(Ordering::SeqCst) >= turn;
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

impl Drop for Team {
    fn drop(&mut self) {
        self.common.is_over.store(true, Ordering::Relaxed);
        self.common.task.0.turn.fetch_add(1, Ordering::SeqCst);
        for (worker, asleep) in self.workers.drain(..).zip(&self.common.asleep) {
            wake(worker.thread(), asleep);
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("count", &self.count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn every_thread_works_and_waits_at_barriers() {
        for count in [1, 2, 3, 5] {
            let mut team = Team::new(count).unwrap().together();
            let cells: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
            // Fewer for Miri, which runs some thousand times slower.
            let rounds = if cfg!(miri) { 9 } else { 300 };
            for round in 1..=rounds {
                if round % (rounds / 3) == 0 {
                    thread::sleep(2 * PATIENCE); // so that workers are found asleep, too
                }
                team.run(&|this: &TeamThread<'_>| {
                    for phase in 0..2 {
                        cells[this.index()].store(2 * round + phase, Ordering::Relaxed);
                        this.barrier();
                        assert!(
                            cells[..this.count].iter().all(|cell| cell.load(Ordering::Relaxed) == 2 * round + phase)
                        );
                        this.barrier();
                    }
                });
            }
        }
    }

    #[test]
    fn shares_cover_everything_once() {
        let mut team = Team::new(3).unwrap();
        for n in [0, 1, 2, 3, 7, 64] {
            let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            team.run(&|this: &TeamThread<'_>| {
                for i in this.share(n) {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{n}");
        }
    }
}
