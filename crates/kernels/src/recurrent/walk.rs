//! How threads share the steps of a recurrent layer: each has some rows of the batch over all steps, or, where there are few
//! rows, all rows of some units, one step after the other. Not here: the direction of time; a walk counts its turns.
//!
//! Both give the same bits: the sum of a number is one chain in one order, and one thread adds what one turn adds to it.

use std::ops::Range;

use super::{Dims, Equations};
use crate::{Cpu, pad};

/// Rows for each thread with which products take longer than reading the weights, and fill a tile.
const ROWS: usize = 16;
/// How many times as much work a thread must have where threads synchronise after each step.
const BARRIER: usize = 2;

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

/// Calls `part` for shares that together are all of `turns` turns. No turn begins before what it reads of the turn before is
/// done.
pub(super) fn walk<Q: Equations>(cpu: &Cpu, d: &Dims, turns: usize, part: impl Fn(Share) + Sync) {
    // Of a turn, reduced for its barrier.
    let work = d.step_work() / BARRIER;
    if shares_units::<Q>(cpu, d, work) {
        // Threads synchronise after each turn if a product reads the units of all.
        let at_once = if Q::RECURRENT.is_some() { 1 } else { turns };
        for first in (0..turns).step_by(at_once) {
            let turns = first..first + at_once;
            cpu.split(d.blocks(), 1, work, |blocks| part(Share { turns: turns.clone(), rows: 0..d.batch, blocks }));
        }
    } else {
        cpu.split(d.batch, 1, d.steps_work(), |rows| part(Share { turns: 0..turns, rows, blocks: 0..d.blocks() }));
    }
}

/// Whether threads share the units: each would have few rows, has enough of a turn's `work`, and the busiest has at most a
/// sixteenth more than by rows. A cell with an inner product cannot: it reads other units within a step.
fn shares_units<Q: Equations>(cpu: &Cpu, d: &Dims, work: usize) -> bool {
    let parts = cpu.parts(d.blocks(), work);
    // In blocks of a row.
    let by_units = d.blocks().div_ceil(parts) * d.batch;
    let by_rows = d.batch.div_ceil(cpu.parts(d.batch, d.steps_work())) * d.blocks();
    Q::INNER.is_none() && parts > 1 && d.batch < ROWS * cpu.threads() && by_units <= by_rows + by_rows / 16
}
