//! Holds how threads share the steps of a recurrent layer: each some rows of the batch, over all steps, or, where these are
//! few, all rows of some units, step by step. Refuses to know which way the steps lead: a walk counts its turns.
//!
//! Either way the sum of a number is one chain in one order, and what a turn adds to it one thread adds: both give the same
//! bits.

use std::ops::Range;

use super::{Dims, Equations};
use crate::{Cpu, pad};

/// Rows with which a thread makes good use of a weight it has read, or of a tile: with fewer, reading takes as long as the
/// products.
const ROWS: usize = 16;
/// How many times as much work a thread must have where threads meet after each step.
const MEETING: usize = 2;

/// What one thread does: these turns of these rows and of the units of these blocks. Where it has not all of the
/// blocks and a product reads the units of all, it has one turn.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub turns: Range<usize>,
    pub rows: Range<usize>,
    pub blocks: Range<usize>,
}

impl Share {
    /// Its panels.
    #[inline(always)]
    pub fn panels<Q: Equations>(&self) -> Range<usize> {
        self.blocks.start * Q::PANELS..self.blocks.end * Q::PANELS
    }

    /// Its units: columns of a row of the state.
    #[inline(always)]
    pub fn columns<Q: Equations>(&self, d: &Dims) -> Range<usize> {
        self.blocks.start * Q::UNITS..(self.blocks.end * Q::UNITS).min(pad(d.hidden_size))
    }
}

/// Calls `part` for shares that together are all of `turns` turns; none of a turn begins before the turn before is done
/// in what it reads.
pub(super) fn walk<Q: Equations>(cpu: &Cpu, d: &Dims, turns: usize, part: impl Fn(Share) + Sync) {
    // Of a turn, less what its meeting costs.
    let work = d.step_work() / MEETING;
    if shares_units::<Q>(cpu, d, work) {
        // Threads meet where a product reads the units of all.
        let at_once = if Q::RECURRENT.is_some() { 1 } else { turns };
        for first in (0..turns).step_by(at_once) {
            let turns = first..first + at_once;
            cpu.split(d.blocks(), 1, work, |blocks| part(Share { turns: turns.clone(), rows: 0..d.batch, blocks }));
        }
    } else {
        cpu.split(d.batch, 1, d.steps_work(), |rows| part(Share { turns: 0..turns, rows, blocks: 0..d.blocks() }));
    }
}

/// Whether each thread would have few rows, has enough of a turn's `work`, and by units the busiest has at most a sixteenth
/// more than by rows. An inner product reads what other units leave within a step, for which nobody waits.
fn shares_units<Q: Equations>(cpu: &Cpu, d: &Dims, work: usize) -> bool {
    let parts = cpu.parts(d.blocks(), work);
    // In blocks of a row.
    let by_units = d.blocks().div_ceil(parts) * d.batch;
    let by_rows = d.batch.div_ceil(cpu.parts(d.batch, d.steps_work())) * d.blocks();
    Q::INNER.is_none() && parts > 1 && d.batch < ROWS * cpu.threads() && by_units <= by_rows + by_rows / 16
}
