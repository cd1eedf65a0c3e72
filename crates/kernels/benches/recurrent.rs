//! Times a layer's forward and backward, every cell, against the processor's peak: `cargo bench -p elman-kernels`.
//! Asserts that a small layer has the same bits on every backend before it times a large one. The peak is measured in
//! the same process, right before each layer: chains of fused multiply-adds in registers, on as many threads. With words
//! after `--`, only the lines that hold them all: `cargo bench -p elman-kernels -- lstm avx512 H256`.

use std::time::{Duration, Instant};

use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, Sequence, WeightGrads, Weights};
use elman_kernels::{Backend, Buffer, Cpu, pad, peak};

struct Layer {
    d: Dims,
    weights: [Buffer<f32>; 4],
    grads: [Buffer<f32>; 4],
    x: Buffer<f32>,
    grad_x: Buffer<f32>,
    /// Rows of different lengths, where they have some.
    mask: Option<Vec<bool>>,
    gates: Buffer<f32>,
    states: [Buffer<f32>; 4],
    /// Gradients by every h and by the last c, that come from above.
    grad_above: [Buffer<f32>; 2],
}

fn noise(n: usize, scale: f32) -> Buffer<f32> {
    let mut buffer = Buffer::zeros(n);
    for (i, x) in buffer.iter_mut().enumerate() {
        *x = ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 * scale - scale;
    }
    buffer
}

/// Rows padded with zeros.
fn rows(n: usize, width: usize) -> Buffer<f32> {
    let mut rows = noise(n * pad(width), 1.0);
    rows.chunks_exact_mut(pad(width)).for_each(|row| row[width..].fill(0.0));
    rows
}

impl Layer {
    fn new(cell: Cell, seq_len: usize, batch: usize, hidden_size: usize, masked: bool) -> Layer {
        let d = Dims { cell, seq_len, batch, input_size: hidden_size, hidden_size, reverse: false };
        let lens = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()].map(|layout| layout.packed_len());
        let x = rows(seq_len * batch, hidden_size);
        // Lengths between half of T and T, in no order.
        let length = |b: usize| seq_len - (b * 37 % 61) * seq_len / 122;
        let mask = masked.then(|| (0..seq_len * batch).map(|i| i / batch < length(i % batch)).collect());
        let mut grad_hidden = rows((seq_len + 1) * batch, hidden_size);
        grad_hidden[..d.state_len()].fill(0.0);
        let grad_above = [grad_hidden, rows(d.cell_len().min(d.state_len()) / pad(hidden_size), hidden_size)];
        let weights = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()].map(|layout| {
            let (mut packed, scale) = (Buffer::zeros(layout.packed_len()), 1.0 / (hidden_size as f32).sqrt());
            layout.pack(&noise(layout.rows() * layout.cols(), scale), &mut packed);
            packed
        });
        Layer {
            d,
            weights,
            grads: lens.map(Buffer::zeros),
            grad_x: Buffer::zeros(x.len()),
            x,
            mask,
            gates: Buffer::zeros(d.gates_len()),
            states: [d.hidden_len(), d.cell_len(), d.hidden_len(), d.cell_len().min(d.state_len())].map(Buffer::zeros),
            grad_above,
        }
    }

    fn run(&mut self, cpu: &Cpu) -> (f64, f64) {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.weights;
        let w = Weights { weight_ih, weight_hh, bias_ih, bias_hh };
        let [hidden, cell, grad_hidden, grad_cell] = &mut self.states;
        grad_hidden.copy_from_slice(&self.grad_above[0]);
        grad_cell.copy_from_slice(&self.grad_above[1]);
        let inputs = Inputs { x: Input::Dense(&self.x), mask: self.mask.as_deref() };
        let start = Instant::now();
        recurrent::forward(cpu, &self.d, &w, inputs, &mut self.gates, hidden, cell).unwrap();
        let forward = start.elapsed().as_secs_f64();
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &mut self.grads;
        let grads = WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh };
        let start = Instant::now();
        let run = Sequence { gates: &mut self.gates, hidden, cell, grad_hidden, grad_cell };
        recurrent::backward(cpu, &self.d, &w, inputs, run, Some(&mut self.grad_x), grads).unwrap();
        (forward, start.elapsed().as_secs_f64())
    }
}

const CELLS: [Cell; 4] = [Cell::Lstm, Cell::Gru, Cell::GruResetBefore, Cell::RnnTanh];

fn main() {
    for (cell, masked) in CELLS.into_iter().flat_map(|cell| [(cell, false), (cell, true)]) {
        let run = |backend, threads| {
            let mut layer = Layer::new(cell, 3, 7, 40, masked);
            layer.run(&Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1));
            layer.grads[1].to_vec()
        };
        let first = run(Backend::detect(), 1);
        assert!(first.iter().any(|g| g.abs() > 1e-3), "{cell:?} has no gradient: nothing is timed");
        for backend in Backend::available() {
            assert_eq!(run(backend, 2), first, "{backend:?} computes other bits: nothing is timed");
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    println!("one layer, dense input, f32; GF/s by the median of the runs (share of the measured peak; best run)");
    for cell in CELLS {
        for sizes in [[64, 1, 256], [64, 64, 128], [24, 64, 256], [64, 64, 512]] {
            for backend in Backend::available().into_iter().filter(|b| !b.is_plain()) {
                for threads in [1, cores] {
                    let cpu = Cpu::with_backend(backend, threads).unwrap();
                    time(&cpu, cell, sizes, false);
                }
            }
        }
    }
    println!("rows of lengths between T/2 and T under a mask; work is counted as if all were T long");
    for cell in CELLS {
        for masked in [false, true] {
            let cpu = Cpu::with_backend(Backend::detect(), cores).unwrap();
            time(&cpu, cell, [64, 64, 256], masked);
        }
    }
}

/// Floating-point operations a second at most, in 1e9.
fn peak(cpu: &Cpu) -> f64 {
    peak::multiply_adds(cpu.backend(), cpu.threads(), Duration::from_millis(50)) / 1e9
}

/// Times one layer, if its line is asked for.
fn time(cpu: &Cpu, cell: Cell, [seq_len, batch, hidden_size]: [usize; 3], masked: bool) {
    let (mask, backend, threads) = (if masked { " masked" } else { "" }, cpu.backend_name(), cpu.threads());
    let line = format!("{} T{seq_len} B{batch} H{hidden_size}{mask} {backend} {threads} threads", cell.name());
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    if words.any(|word| !line.contains(&word)) {
        return;
    }
    let mut layer = Layer::new(cell, seq_len, batch, hidden_size, masked);
    let flops = (seq_len * batch * cell.gates() * hidden_size * 2 * hidden_size * 2) as f64;
    let peak = peak(cpu);
    let times: Vec<_> = (0..12).map(|_| layer.run(cpu)).skip(2).collect();
    let rate = |pick: fn(&(f64, f64)) -> f64, flops: f64| {
        let mut times: Vec<f64> = times.iter().map(pick).collect();
        times.sort_by(f64::total_cmp);
        let (median, best) = (flops / times[times.len() / 2] / 1e9, flops / times[0] / 1e9);
        format!("{median:.0} ({:.0} %; {best:.0})", 100.0 * median / peak)
    };
    let (forward, backward) = (rate(|t| t.0, flops), rate(|t| t.1, 2.0 * flops));
    println!("{line}: peak {peak:.0}, forward {forward}, backward {backward}");
}
