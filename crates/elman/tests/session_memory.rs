//! A step of a session on one thread allocates nothing and takes no lock: both are counted over the whole process. Runs without
//! the test harness, whose own thread allocates at any time.

use std::alloc::System;
use std::sync::Arc;

use elman::Cpu;
use elman::autodiff::params::Declaration;
use elman::infer::{Precision, Session};
use elman::nn::linear::Linear;
use elman::nn::{Cell, Input, Network, Recurrent, Stack, fresh};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Two layers of `cell` under a head.
fn network(cell: Cell, input: Input) -> Network<f32> {
    let mut declared = Declaration::default();
    let recurrent: Stack<f32> = Recurrent::plain(cell, input.size(), &[18, 7]).declare(&mut declared, "rnn.");
    let head = Linear::declare(&mut declared, "head", 7, input.size());
    let layers = Stack::new(vec![Arc::new(recurrent), Arc::new(head)]).unwrap();
    Network::new(Arc::new(layers), fresh(declared, 3).unwrap(), input)
}

/// A step on one thread allocates nothing and takes no lock.
fn main() {
    const STEPS: usize = 100_000;
    let cpu = Cpu::new(Some(1)).unwrap();
    for (cell, input, rows) in [
        (Cell::LSTM, Input::Vectors(2), 1),
        (Cell::LSTM, Input::Tokens(9), 1),
        (Cell::GRU, Input::Tokens(9), 3),
        (Cell::SLSTM, Input::Vectors(2), 2),
        (Cell::MIN_GRU, Input::Vectors(2), 1),
        (Cell::LAYER_NORM_LSTM, Input::Vectors(2), 1),
    ] {
        let mut session = Session::new(network(cell, input), rows, Precision::Full, &cpu).unwrap();
        let (tokens, mut x) = (vec![4; rows], vec![0.25; rows * 2]);
        let mut step = |x: &mut Vec<f32>| match input {
            Input::Tokens(_) => session.step_tokens(&tokens).unwrap()[0],
            Input::Vectors(_) => {
                let y = session.step(x).unwrap()[0];
                x[0] = y;
                y
            }
        };
        for _ in 0..10 {
            step(&mut x);
        }
        let steps = if cell == Cell::LAYER_NORM_LSTM { STEPS / 10 } else { STEPS };
        let stats = COUNTED.stats();
        let (allocations, locks) = (stats.allocations + stats.reallocations, elman_kernels::lock::count());
        let sum: f32 = (0..steps).map(|_| step(&mut x)).sum();
        let stats = COUNTED.stats();
        let allocated = stats.allocations + stats.reallocations - allocations;
        let locked = elman_kernels::lock::count() - locks;
        assert!(sum.is_finite());
        assert_eq!((allocated, locked), (0, 0), "{} {input:?}, {rows} rows, {steps} steps", cell.name());
    }
    println!("no allocation and no lock in any step");
}
