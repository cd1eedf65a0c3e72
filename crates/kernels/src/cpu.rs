//! `Cpu`: which instructions and how many threads to use, and how work is split over them. A split changes no result: each
//! part computes whole outputs, never a share of one sum.

use std::ops::Range;
use std::sync::Arc;

use crate::number;
use crate::profiler::{Part, Profiler};
use crate::rows::Rows;
use crate::scratch::{Scratch, ScratchPool};
use crate::simd::{Kernel, RawKernel};
use crate::team::cores;
use crate::workers::Workers;
use crate::{Backend, Error, Number};

/// Multiply-adds below which a second thread costs more than it saves.
const WORK_PER_THREAD: usize = 1 << 18;
/// Least rows of a period for each thread: with fewer, tiles are too short.
const LEAST_ROWS: usize = 5;

/// The processor as the kernels use it: an instruction set and a number of threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cpu {
    backend: Backend,
    threads: usize,
    work_per_thread: usize,
    bfloat16: bool,
    profiler: Option<Arc<Profiler>>,
    /// Processors that work at the same time, including this one.
    at_once: u32,
    /// `threads - 1` workers; the calling thread is the other one.
    workers: Option<Arc<Workers>>,
    /// Memory that a call borrows, kept for the next call.
    scratch: Arc<ScratchPool>,
}

impl Cpu {
    /// The fastest instruction set (or the one named in the environment variable `ELMAN_BACKEND`) and `threads`
    /// threads, all cores where it is `None`.
    ///
    /// Errors: an unknown or missing instruction set; 0 threads or more than 1024.
    pub fn new(threads: Option<usize>) -> Result<Cpu, Error> {
        let backend = match std::env::var("ELMAN_BACKEND") {
            Ok(name) if !name.is_empty() => Backend::named(&name)?,
            _ => Backend::detect(),
        };
        Cpu::with_backend(backend, threads.unwrap_or_else(cores))
    }

    /// A given instruction set and number of threads.
    ///
    /// Errors: 0 threads or more than 1024; the system gives no more threads.
    pub fn with_backend(backend: Backend, threads: usize) -> Result<Cpu, Error> {
        if threads == 0 || threads > 1024 {
            return Err(Error::Threads { got: threads, expected: "1 to 1024".into() });
        }
        let workers = match threads - 1 {
            0 => None,
            workers => Some(Arc::new(Workers::new(workers)?)),
        };
        let (work_per_thread, scratch) = (WORK_PER_THREAD, Arc::default());
        Ok(Cpu { backend, threads, work_per_thread, bfloat16: false, profiler: None, at_once: 1, workers, scratch })
    }

    /// The same processor with another least share of work for a thread, in multiply-adds. With 1 the smallest work is
    /// split: what a test needs to see that splitting changes no bit.
    pub fn with_work_per_thread(self, work_per_thread: usize) -> Cpu {
        Cpu { work_per_thread: work_per_thread.max(1), ..self }
    }

    /// The same processor whose products of f32 take their operands rounded to bfloat16; sums, states and weights stay f32.
    /// It affects the recurrent layers, [`crate::linear`] and [`crate::head`]. The bits are those of AVX512-BF16. Backends
    /// without vector instructions for it compute the same bits number by number.
    ///
    /// Errors: the instruction set is AVX-512 without AVX512-BF16.
    pub fn with_bfloat16(self) -> Result<Cpu, Error> {
        if self.backend.multiplies_bfloat16() {
            Ok(Cpu { bfloat16: true, ..self })
        } else {
            Err(Error::Bfloat16 { backend: self.backend.name() })
        }
    }

    /// The same processor with a profiler of the parts of a step.
    pub fn with_profiler(self) -> Cpu {
        Cpu { profiler: Some(Arc::default()), ..self }
    }

    /// The profiler, if there is one.
    pub fn profiler(&self) -> Option<&Profiler> {
        self.profiler.as_deref()
    }

    /// Begins a part of a step, if this processor has a profiler. Parts do not nest.
    pub fn part(&self, name: &'static str) -> Option<Part<'_>> {
        self.profiler().map(|profiler| Part::begin(profiler, name, self.at_once))
    }

    /// Processors for the `shards` pieces of work that [`Cpu::together`] does. As many of them work at the same time as the
    /// largest power of two that divides both `shards` and the number of threads; each has an equal share of the threads.
    ///
    /// Errors: the system gives no more threads.
    pub fn shards(&self, shards: usize) -> Result<Vec<Cpu>, Error> {
        let groups = self.groups(shards);
        if groups == 1 {
            return Ok(vec![self.clone(); shards]);
        }
        let mut all = Vec::new();
        for _ in 0..groups {
            let Cpu { threads, workers, scratch, .. } = Cpu::with_backend(self.backend, self.threads / groups)?;
            let cpu = Cpu { threads, workers, scratch, at_once: groups as u32, ..self.clone() };
            // Those of a group work one after the other.
            all.extend(vec![cpu; shards / groups]);
        }
        Ok(all)
    }

    /// Does `work` for every item, each on the processor that [`Cpu::shards`] made for it: some at the same time where that
    /// has some of the threads.
    pub fn together<T: Send>(&self, items: &mut [T], work: impl Fn(&mut T) + Sync) {
        let groups = self.groups(items.len());
        if groups == 1 {
            return items.iter_mut().for_each(work);
        }
        let (len, items) = (items.len(), Shared::new(items));
        self.split(len, len / groups, usize::MAX, |range| {
            // SAFETY: the parts of a split are disjoint and lie within the items.
            range.for_each(|i| work(unsafe { &mut *items.get().add(i) }));
        });
    }

    /// How many of so many shards work at the same time.
    fn groups(&self, shards: usize) -> usize {
        1 << shards.trailing_zeros().min(self.threads.trailing_zeros())
    }

    /// Whether products of `E` take operands in bfloat16.
    #[inline]
    pub(crate) fn has_bfloat16<E: Number>(&self) -> bool {
        E::HAS_PAIRS && self.bfloat16
    }

    /// The instruction set.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The instruction set as a user names it.
    pub fn backend_name(&self) -> &'static str {
        self.backend.name()
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Fills `slice` by threads: `part(start, elements)` gets disjoint pieces that begin at multiples of `grain`.
    /// `work` is the cost of an element in multiply-adds.
    pub fn fill<T: Copy + Send>(
        &self,
        slice: &mut [T],
        grain: usize,
        work: usize,
        part: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let target = Shared::new(slice);
        self.split(slice.len(), grain, saturating_product(&[slice.len(), work]), |range| {
            // SAFETY: the parts of a split are disjoint and lie within the slice.
            part(range.start, unsafe { std::slice::from_raw_parts_mut(target.get().add(range.start), range.len()) });
        });
    }

    /// Runs a kernel on the calling thread.
    pub(crate) fn run<E: Number, K: Kernel<E>>(&self, kernel: K) -> K::Output {
        number::run(self.backend, kernel)
    }

    /// The same for a kernel with pointers.
    ///
    /// # Safety
    /// That of the kernel's `run`.
    pub(crate) unsafe fn run_raw<E: Number, K: RawKernel<E>>(&self, kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        unsafe { E::run(self.backend, kernel) }
    }

    /// Splits `0..n` into contiguous parts, whole multiples of `grain` (of 1 where it is 0) but for the last, and runs
    /// `part` on each at the same time: on none where n is 0. `work` is the total in multiply-adds: small work stays on
    /// the calling thread.
    pub(crate) fn split(&self, n: usize, grain: usize, work: usize, part: impl Fn(Range<usize>) + Sync) {
        self.split_numbered(n, grain, work, |_, range| part(range));
    }

    /// As `split`; a part also gets its number, below the number of threads.
    pub(crate) fn split_numbered(
        &self,
        n: usize,
        grain: usize,
        work: usize,
        part: impl Fn(usize, Range<usize>) + Sync,
    ) {
        if n == 0 {
            return;
        }
        let grain = grain.max(1);
        let grains = n.div_ceil(grain);
        let parts = self.parts(grains, work);
        // The first `grains % parts` parts have one grain more.
        let start = |i: usize| (grains / parts * i + (grains % parts).min(i)).saturating_mul(grain).min(n);
        let range = |i: usize| start(i)..start(i + 1);
        match &self.workers {
            Some(workers) if parts > 1 => workers.run(parts, &|i| part(i, range(i))),
            _ => part(0, 0..n),
        }
    }

    /// In how many parts [`Cpu::split`] does `work` multiply-adds on `0..n` of 1 or more, with a grain of 1.
    pub(crate) fn parts(&self, n: usize, work: usize) -> usize {
        self.threads.min(n).min((work / self.work_per_thread).max(1))
    }

    /// Whether the widest of the parts of `0..n`, of whole `grain`s, has at most a sixteenth more than its share.
    pub(crate) fn splits_evenly(&self, n: usize, grain: usize) -> bool {
        n.div_ceil(grain).div_ceil(self.threads) * grain * self.threads - n <= n / 16
    }

    /// Splits the rows `[periods, period]` as [`Cpu::split`] does. If the period is large enough, every part has the same
    /// rows of each period: a thread then works on the same rows of the batch in all kernels, and they are in its cache.
    pub(crate) fn split_rows(&self, periods: usize, period: usize, work: usize, part: impl Fn(Rows) + Sync) {
        if period / self.threads >= LEAST_ROWS && self.splits_evenly(period, 1) {
            self.split(period, 1, work, |rows| {
                let (first, len) = (rows.start, rows.len());
                let whole = Rows::from(0..periods * period);
                part(if len == period { whole } else { Rows { first, len, count: periods, stride: period } });
            });
        } else {
            self.split(periods * period, 1, work, |rows| part(rows.into()));
        }
    }

    /// Borrows memory of `len` elements with any contents; dropping it returns it. Allocates if the pool has none that is long
    /// enough.
    pub(crate) fn scratch<E: Number>(&self, len: usize) -> Scratch<'_, E> {
        self.scratch.take(len)
    }
}

/// The product of some sizes, or the largest number there is: an amount of work that cannot wrap to a small one.
#[inline]
pub(crate) fn saturating_product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size))
}

/// A pointer into a slice whose disjoint parts several threads write.
pub(crate) struct Shared<E>(*mut E);

// Not derived: that would ask the elements for it.
impl<E> Clone for Shared<E> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<E> Copy for Shared<E> {}

// SAFETY: a `Shared` is only made from a `&mut [E]` that outlives the split it is used in, and every part of a split
// writes elements that no other part touches; the type itself grants no access.
unsafe impl<E: Send> Send for Shared<E> {}
// SAFETY: as above.
unsafe impl<E: Send> Sync for Shared<E> {}

impl<E> Shared<E> {
    pub(crate) fn new(slice: &mut [E]) -> Shared<E> {
        Shared(slice.as_mut_ptr())
    }

    /// The pointer. A method, so that closures capture the whole `Shared` and not its field.
    #[inline]
    pub(crate) fn get(self) -> *mut E {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_slice_is_filled_once_everywhere() {
        for threads in [1, 2, 3] {
            let cpu = Cpu::with_backend(Backend::detect(), threads).unwrap();
            let mut slice = vec![0; 1001];
            cpu.fill(&mut slice, 32, usize::MAX / 2000, |start, part| {
                part.iter_mut().enumerate().for_each(|(i, x)| *x += start + i);
            });
            assert!(slice.iter().enumerate().all(|(i, &x)| x == i));
        }
    }

    #[test]
    fn parts_cover_the_range_once_in_whole_grains() {
        let sizes =
            [(1, 10, 1), (2, 10, 1), (3, 100, 16), (8, 5, 1), (4, 33, 16), (2, 0, 4), (3, 7, usize::MAX), (3, 7, 0)];
        for (threads, n, grain) in sizes {
            let cpu = Cpu::with_backend(Backend::detect(), threads).unwrap();
            let parts = Mutex::new(Vec::new());
            cpu.split(n, grain, usize::MAX, |r| parts.lock().unwrap().push(r));
            let mut parts = parts.into_inner().unwrap();
            parts.sort_by_key(|r| r.start);
            let mut end = 0;
            for part in &parts {
                assert_eq!(part.start, end);
                assert_eq!(part.start % grain.max(1), 0);
                assert!(!part.is_empty());
                end = part.end;
            }
            assert_eq!(end, n);
            let expected = threads.min(n.div_ceil(grain.max(1)));
            assert_eq!(parts.len(), expected, "{n} by {grain} on {threads} threads");
        }
    }

    #[test]
    fn rows_of_a_period_are_split_alike_in_all() {
        for threads in [1, 2, 3] {
            let cpu = Cpu::with_backend(Backend::detect(), threads).unwrap();
            for periods in 0..4 {
                for period in [0, 1, 9, 10, 15, 32, 33] {
                    let parts = Mutex::new(Vec::new());
                    cpu.split_rows(periods, period, usize::MAX, |rows| parts.lock().unwrap().push(rows));
                    let parts = parts.into_inner().unwrap();
                    let mut all: Vec<usize> = parts.iter().flat_map(|rows| rows.runs().flatten()).collect();
                    all.sort_unstable();
                    assert_eq!(all, (0..periods * period).collect::<Vec<_>>(), "{periods} of {period} on {threads}");
                    let alike = match threads {
                        2 => [10, 32, 33].contains(&period),
                        3 => [15, 32, 33].contains(&period),
                        _ => false,
                    };
                    if periods > 1 {
                        assert_eq!(alike, !parts.is_empty() && parts.iter().all(|rows| rows.count == periods));
                    }
                }
            }
        }
    }

    #[test]
    fn shards_are_done_once_each_on_an_equal_share_of_the_threads() {
        for (threads, shards, groups) in [(1, 2, 1), (2, 1, 1), (2, 2, 2), (2, 4, 2), (3, 2, 1), (4, 2, 2), (4, 3, 1)] {
            let cpu = Cpu::with_backend(Backend::detect(), threads).unwrap();
            let cpus = cpu.shards(shards).unwrap();
            let each = threads / groups;
            assert!(cpus.len() == shards && cpus.iter().all(|cpu| cpu.threads() == each), "{threads} {shards}");
            let mut counts = vec![0; shards];
            cpu.together(&mut counts, |count| *count += 1);
            assert_eq!(counts, vec![1; shards], "{threads} {shards}");
        }
    }

    #[test]
    fn a_grain_of_0_is_one_of_1_and_little_work_is_split_where_asked() {
        let cpu = Cpu::with_backend(Backend::detect(), 3).unwrap();
        for (cpu, expected) in [(cpu.clone(), 1), (cpu.with_work_per_thread(1), 3)] {
            let parts = Mutex::new(0);
            let mut slice = [0; 7];
            cpu.fill(&mut slice, 0, 1, |start, part| {
                *parts.lock().unwrap() += 1;
                part.iter_mut().enumerate().for_each(|(i, x)| *x += 1 + start + i);
            });
            assert_eq!(slice, [1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(parts.into_inner().unwrap(), expected);
        }
        // Elements without size: more of them than any memory holds.
        let seen = Mutex::new(0usize);
        let cpu = Cpu::with_backend(Backend::detect(), 3).unwrap();
        cpu.fill(&mut [(); usize::MAX], 1, 1, |_, part| *seen.lock().unwrap() += part.len());
        assert_eq!(seen.into_inner().unwrap(), usize::MAX);
    }
}
