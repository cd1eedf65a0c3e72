//! An LSTM written from its equations on the tape, beside the fused layer: how far apart their values are, and their
//! times per step.
//!
//!     cargo run --release -p elman --example written_lstm           # the best of 20 passes
//!     cargo run --release -p elman --example written_lstm -- 5      # of 5

use std::time::Instant;

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, ParamId, Params};
use elman::rng::{Purpose, generator};
use elman::{Cpu, Element, Error, autodiff::tape::Tape, autodiff::tape::Var, nn::Pass, nn::Recurrent, nn::Stack};
use elman_kernels::recurrent::Cell;

const T: usize = 64;
const B: usize = 32;
const H: usize = 128;

/// i, f, o = sigmoid(..), g = tanh(..), c' = f c + i g, h' = o tanh(c').
fn lstm<E: Element>(t: &mut Tape<E>, p: &Params<E>, ids: [ParamId; 4], x: Var, s: [Var; 2]) -> Result<[Var; 2], Error> {
    let ([h, c], [w_ih, w_hh, b_ih, b_hh]) = (s, ids);
    let (wx, wh, b_ih, b_hh) = (t.matmul(p, w_ih, x)?, t.matmul(p, w_hh, h)?, t.param(p, b_ih)?, t.param(p, b_hh)?);
    let (wx, wh) = (t.add(wx, b_ih)?, t.add(wh, b_hh)?);
    let a = t.add(wx, wh)?;
    let [i, f, g, o] = [0, 1, 2, 3].map(|k| t.slice(a, k * H, H));
    let (i, f, g, o) = (t.sigmoid(i?)?, t.sigmoid(f?)?, t.tanh(g?)?, t.sigmoid(o?)?);
    let (kept, new) = (t.mul(f, c)?, t.mul(i, g)?);
    let c = t.add(kept, new)?;
    let tanh_c = t.tanh(c)?;
    Ok([t.mul(o, tanh_c)?, c])
}

/// Forward and backward of one layer: y, and milliseconds a time step, the best of `passes`.
fn run<E: Element>(cpu: &Cpu, written: bool, passes: usize) -> Result<(Vec<E>, f64), Error> {
    let (mut d, mut other) = (Declaration::default(), Declaration::default());
    let (weight_ih, weight_hh) = (d.weight("weight_ih_l0", 4 * H, H), d.weight("weight_hh_l0", 4 * H, H));
    let ids = [weight_ih, weight_hh, d.bias("bias_ih_l0", 4 * H), d.bias("bias_hh_l0", 4 * H)];
    let fused: Stack<E> = Recurrent::plain(Cell::Lstm, H, &[H]).declare(&mut other, "");
    let mut params: Params<E> = if written { d } else { other }.zeros()?;
    // The same draws in the same order: both have the same parameters under the same names.
    params.fill_uniform(1.0 / (H as f64).sqrt(), &mut generator(1, Purpose::Init, 0));
    let inputs: Vec<E> = (0..T * B * H).map(|i| E::from_f64((i * i % 97) as f64 / 48.0 - 1.0)).collect();
    let (mut grads, mut tape, mut best, mut last) = (params.zeros_like(), Tape::new(cpu), f64::INFINITY, Vec::new());
    for _ in 0..passes {
        let since = Instant::now();
        tape.start(true);
        let x = tape.dense_leaf(H, &inputs, true)?;
        let state = [0, 1].map(|_| tape.leaf(H, &[E::ZERO; B * H], true));
        let y = match written {
            true => tape.scan(T, x, state, |t, x, s| lstm(t, &params, ids, x, s).map(|s| (s[0], s)))?.0,
            false => fused.as_layer().run(&mut tape, &params, Sequence::Dense(x), &state, &mut Pass::plain(B))?.0,
        };
        let loss = tape.mean(y)?;
        tape.backward(loss, &params, &mut grads)?;
        best = best.min(since.elapsed().as_secs_f64() * 1e3 / T as f64);
        last = tape.dense_value(y);
    }
    Ok((last, best))
}

fn main() -> Result<(), Error> {
    let (cpu, passes) = (Cpu::new(None)?, std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(20));
    let ((a, _), (b, _)) = (run::<f64>(&cpu, true, 1)?, run::<f64>(&cpu, false, 1)?);
    let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("LSTM, B {B}, T {T}, I = H = {H}; {} with {} threads", cpu.backend_name(), cpu.threads());
    println!("values in f64 are at most {apart:.0e} apart");
    let ((_, written), (_, fused)) = (run::<f32>(&cpu, true, passes)?, run::<f32>(&cpu, false, passes)?);
    println!("a time step in f32, forward and backward: written {written:.3} ms, fused {fused:.3} ms");
    println!("written / fused: {:.1}", written / fused);
    Ok(())
}
