//! Times a layer's forward and backward, every cell: `cargo bench -p elman-kernels`.
//! Asserts that a small layer has the same bits on every backend before it times a large one.

use std::time::Instant;

use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, Sequence, WeightGrads, Weights};
use elman_kernels::{Backend, Buffer, Cpu};

struct Layer {
    d: Dims,
    weights: [Buffer<f32>; 4],
    grads: [Buffer<f32>; 4],
    x: Buffer<f32>,
    grad_x: Buffer<f32>,
    gates: Buffer<f32>,
    states: [Buffer<f32>; 4],
}

fn noise(n: usize, scale: f32) -> Buffer<f32> {
    let mut buffer = Buffer::zeros(n);
    for (i, x) in buffer.iter_mut().enumerate() {
        *x = ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 * scale - scale;
    }
    buffer
}

impl Layer {
    fn new(cell: Cell, seq_len: usize, batch: usize, hidden_size: usize) -> Layer {
        let d = Dims { cell, seq_len, batch, input_size: hidden_size, hidden_size, reverse: false };
        let lens = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()].map(|layout| layout.packed_len());
        let x = noise(seq_len * batch * elman_kernels::pad(hidden_size), 1.0);
        Layer {
            d,
            weights: lens.map(|n| noise(n, 1.0 / (hidden_size as f32).sqrt())),
            grads: lens.map(Buffer::zeros),
            grad_x: Buffer::zeros(x.len()),
            x,
            gates: Buffer::zeros(d.gates_len()),
            states: [d.hidden_len(), d.cell_len(), d.hidden_len(), d.cell_len().min(d.state_len())].map(Buffer::zeros),
        }
    }

    fn run(&mut self, cpu: &Cpu) -> (f64, f64) {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.weights;
        let w = Weights { weight_ih, weight_hh, bias_ih, bias_hh };
        let [hidden, cell, grad_hidden, grad_cell] = &mut self.states;
        let start = Instant::now();
        recurrent::forward(cpu, &self.d, &w, Inputs::all(Input::Dense(&self.x)), &mut self.gates, hidden, cell)
            .unwrap();
        let forward = start.elapsed().as_secs_f64();
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &mut self.grads;
        let grads = WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh };
        let start = Instant::now();
        let (input, grad_x) = (Inputs::all(Input::Dense(&self.x)), Some(&mut self.grad_x[..]));
        let run = Sequence { gates: &mut self.gates, hidden, cell, grad_hidden, grad_cell };
        recurrent::backward(cpu, &self.d, &w, input, run, grad_x, grads).unwrap();
        (forward, start.elapsed().as_secs_f64())
    }
}

fn main() {
    for cell in [Cell::Lstm, Cell::Gru, Cell::RnnTanh] {
        let run = |backend, threads| {
            let mut layer = Layer::new(cell, 3, 7, 40);
            layer.run(&Cpu::with_backend(backend, threads).unwrap());
            layer.grads[1].to_vec()
        };
        let first = run(Backend::detect(), 1);
        for backend in Backend::available() {
            assert_eq!(run(backend, 2), first, "{backend:?} computes other bits: nothing is timed");
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    println!("one layer, dense input, f32; GF/s by the median of the runs (best run in brackets)");
    for cell in [Cell::Lstm, Cell::Gru, Cell::RnnTanh] {
        for (seq_len, batch, hidden_size) in [(64, 1, 256), (64, 64, 128), (24, 64, 256), (64, 64, 512)] {
            for backend in Backend::available().into_iter().filter(|b| !b.is_plain()) {
                for threads in [1, cores] {
                    let cpu = Cpu::with_backend(backend, threads).unwrap();
                    time(&cpu, Layer::new(cell, seq_len, batch, hidden_size));
                }
            }
        }
    }
}

fn time(cpu: &Cpu, mut layer: Layer) {
    let Dims { cell, seq_len, batch, hidden_size, .. } = layer.d;
    let flops = (seq_len * batch * cell.gates() * hidden_size * 2 * hidden_size * 2) as f64;
    let times: Vec<_> = (0..12).map(|_| layer.run(cpu)).skip(2).collect();
    let rate = |pick: fn(&(f64, f64)) -> f64, flops: f64| {
        let mut times: Vec<f64> = times.iter().map(pick).collect();
        times.sort_by(f64::total_cmp);
        (flops / times[times.len() / 2] / 1e9, flops / times[0] / 1e9)
    };
    let (forward, backward) = (rate(|t| t.0, flops), rate(|t| t.1, 2.0 * flops));
    println!(
        "{cell:?} T{seq_len} B{batch} H{hidden_size} {} {} threads: forward {:.0} ({:.0}), backward {:.0} ({:.0})",
        cpu.backend_name(),
        cpu.threads(),
        forward.0,
        forward.1,
        backward.0,
        backward.1
    );
}
