//! A training step allocates nothing once it is warm: every thread's allocations are counted, from one step to the next. Runs
//! without the test harness, whose own thread allocates at any time.

use std::alloc::System;

use elman::autodiff::params::Declaration;
use elman::autodiff::tape::Tape;
use elman::config::{BatchKind, Cell, Config, OptimizerKind};
use elman::data::Corpus;
use elman::metrics::distribution::{Distribution, Output};
use elman::train::{Control, Event};
use elman::{Cpu, Error, Trainer};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Steps of a run, and the first whose allocations count: before it, what is kept for the next grows.
const STEPS: usize = 7;
const WARM: usize = 3;

fn allocated() -> usize {
    let stats = COUNTED.stats();
    stats.allocations + stats.reallocations
}

/// Allocations of each step of a run.
fn of_steps(config: &Config, threads: usize) -> [usize; STEPS] {
    let text = "the mill, a clock; she listened and it stood still\n".repeat(200);
    // The smallest work is shared, so that every way of sharing it is counted.
    let cpu = Cpu::new(Some(threads)).unwrap().with_work_per_thread(1);
    let mut trainer = Trainer::new(config.clone(), &Corpus::from_text("words", text), &cpu).unwrap();
    let (mut counts, mut before) = ([0; STEPS], allocated());
    let outcome = trainer.run(None, &mut |event| {
        if let Event::Step { step, .. } = event {
            let now = allocated();
            counts[step as usize - 1] = now - before;
            before = now;
        }
        Control::Continue
    });
    assert_eq!(outcome.unwrap().steps, STEPS as u64);
    counts
}

/// Allocations of a warm pass of the likelihood of every distribution, and of its backward.
fn of_likelihoods() -> Result<usize, Error> {
    let mut tape = Tape::<f32>::new(&Cpu::new(Some(1))?);
    let params = Declaration::default().zeros::<f32>()?;
    let mut grads = params.zeros_like();
    let mut counts = Vec::new();
    let all = Output::ALL.iter().map(|&output| Distribution::new(output, &[0.1, 0.5, 0.9], 3));
    let all = all.collect::<Result<Vec<_>, Error>>()?;
    for _ in 0..4 {
        let before = allocated();
        for distribution in &all {
            tape.start(true);
            let raw = tape.zeros(4, distribution.width());
            let targets = [1.0, 2.0, 3.0, f64::NAN, 2.0, 1.0, f64::NAN, f64::NAN, f64::NAN, 0.0, f64::NAN, 4.0];
            let (loss, ..) = tape.likelihood(distribution, raw, &targets, &[1.0; 12])?;
            tape.backward(loss, &params, &mut grads)?;
        }
        counts.push(allocated() - before);
    }
    assert!(counts[0] > 0, "the first pass makes what the others use");
    Ok(counts[2] + counts[3])
}

/// A warm step allocates nothing.
fn main() {
    assert_eq!(of_likelihoods().unwrap(), 0, "a warm likelihood");
    let mut runs = 0;
    for cell in [Cell::LSTM, Cell::GRU, Cell::GRU_RESET_BEFORE, Cell::RNN_TANH] {
        for (embed, optimizer, batches) in [
            (0, OptimizerKind::Adam, BatchKind::Rows),
            (0, OptimizerKind::Sgd, BatchKind::Random),
            (9, OptimizerKind::Sgd, BatchKind::Rows),
            (9, OptimizerKind::Adam, BatchKind::Random),
        ] {
            // The second batch is done in shards.
            for (threads, batch, seq_len) in [(1, 5, 12), (2, 5, 12), (1, 17, 64), (2, 17, 64)] {
                let config = Config {
                    cell,
                    embed,
                    optimizer,
                    batches,
                    hidden_size: 70,
                    num_layers: 2,
                    batch,
                    seq_len,
                    dropout: 0.3,
                    output_dropout: 0.2,
                    clip: 0.1,
                    steps: Some(STEPS as u64),
                    eval_every: Some(0),
                    sample_every: Some(0),
                    print_every: Some(0),
                    save_every: Some(0),
                    ..Config::default()
                };
                let counts = of_steps(&config, threads);
                assert!(counts[0] > 0, "the first step makes what the others use");
                let warm = &counts[WARM - 1..];
                assert!(
                    warm.iter().all(|&count| count == 0),
                    "{cell:?}, embed {embed}, {optimizer:?}, {batches:?}, {threads} threads, batch {batch}: {counts:?}"
                );
                runs += 1;
            }
        }
    }
    println!("{runs} runs: no allocation in steps {WARM} to {STEPS}");
}
