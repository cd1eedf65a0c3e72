//! A number for a sequence: data in memory, mean squared error, saved, loaded, predicted. The number is the level of a wave.
//!     cargo run --release -p elman --example regression -- 5       # 5 steps instead of 300

use elman::autodiff::{nodes::Sequence, params::Declaration, tape::Tape, tape::Var};
use elman::files::weights::{Weights, save};
use elman::nn::{Cell, Input, Network, Pass, Recurrent, Stack, fresh, linear::Linear};
use elman::{Config, Cpu, Error, rng::Purpose, rng::generator, rng::uniform};
use elman::{train::optim::Optimizer, train::optim::clip_scale};
use std::sync::Arc;

const T: usize = 20;
const B: usize = 64;

fn data(seed: u64) -> (Vec<f32>, Vec<f32>) {
    let mut rng = generator(seed, Purpose::Sample, 0);
    let mut draw = || 2.0 * uniform(&mut rng) as f32 - 1.0;
    let waves: Vec<[f32; 3]> = (0..B).map(|_| [draw(), draw(), 3.0 * draw()]).collect();
    let value = |i: usize| waves[i % B][0] + waves[i % B][1] * (0.9 * (i / B) as f32 + waves[i % B][2]).sin();
    ((0..T * B).map(|i| value(i) + 0.1 * draw()).collect(), waves.iter().map(|wave| wave[0]).collect())
}

fn loss(tape: &mut Tape<f32>, network: &Network<f32>, (x, y): (Vec<f32>, Vec<f32>)) -> Result<Var, Error> {
    tape.start(true);
    let state = network.layers().initial_state(network.params(), B);
    let before = network.layers().begin(tape, network.params(), &state, false)?;
    let x = Sequence::Dense(tape.dense_leaf(1, &x, false)?);
    let (all, _) = network.layers().run(tape, network.params(), x, &before, &mut Pass::plain(B))?;
    let (last, want) = (tape.rows(all, (T - 1) * B, B)?, tape.dense_leaf(1, &y, false)?);
    let error = tape.sub(last, want)?;
    let square = tape.mul(error, error)?;
    tape.mean(square)
}

fn main() -> Result<(), Error> {
    let (cpu, steps) = (Cpu::new(None)?, std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(300));
    let mut declared = Declaration::default();
    let gru: Stack<f32> = Recurrent::plain(Cell::GRU, 1, &[32]).declare(&mut declared, "rnn.");
    let layers = Arc::new(Stack::new(vec![Arc::new(gru), Arc::new(Linear::declare(&mut declared, "head", 32, 1))])?);
    let mut network = Network::new(layers.clone(), fresh(declared.clone(), 1)?, Input::Vectors(1));
    let (mut tape, mut grads) = (Tape::new(&cpu), network.params().zeros_like());
    let mut adam = Optimizer::of(&Config::default(), network.params());
    for step in 1..=steps {
        let loss = loss(&mut tape, &network, data(step))?;
        grads.values_mut().fill(0.0);
        tape.backward(loss, network.params(), &mut grads)?;
        adam.update(&cpu, 1e-2, clip_scale(grads.norm(&cpu), 1.0), network.params_mut(), &grads)?;
    }
    let path = std::env::temp_dir().join(format!("regression-{}.safetensors", std::process::id()));
    save(&path, network.params(), &serde_json::json!({"steps": steps}))?;
    let loaded = Network::new(layers, Weights::read(&path)?.params(declared)?, Input::Vectors(1));
    let _ = std::fs::remove_file(path);
    let held_out = loss(&mut tape, &loaded, data(0))?;
    println!(
        "mean squared error on new sequences {:.4}; that of the mean is {:.4}",
        tape.value(held_out)[0],
        1.0 / 3.0
    );
    Ok(())
}
