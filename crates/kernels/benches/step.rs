//! Times the step of one row, as sampling one text takes it: `cargo bench -p elman-kernels --bench step`.
//! Asserts that a small network has the same bits on every backend and number of threads before it times a large one.
//! What it prints by number of threads is where `BYTES_PER_THREAD` in `recurrent/step.rs` comes from.

use std::time::Instant;

use elman_kernels::recurrent::step::{Network, Precision, Stepper};
use elman_kernels::recurrent::{Cell, Dims, Weights};
use elman_kernels::{Backend, Buffer, Cpu, linear, pad};

const VOCAB_SIZE: usize = 65;

struct Model {
    layers: Vec<(Dims, [Buffer<f32>; 4])>,
    head: [Buffer<f32>; 2],
}

fn noise(n: usize, scale: f32) -> Buffer<f32> {
    let mut buffer = Buffer::zeros(n);
    for (i, x) in buffer.iter_mut().enumerate() {
        *x = ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 * scale - scale;
    }
    buffer
}

impl Model {
    fn new(cell: Cell, num_layers: usize, hidden_size: usize) -> Model {
        let scale = 1.0 / (hidden_size as f32).sqrt();
        let layer = |l| {
            let input_size = if l == 0 { VOCAB_SIZE } else { hidden_size };
            let d = Dims { cell, seq_len: 0, batch: 0, input_size, hidden_size, reverse: false };
            let layouts = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()];
            (d, layouts.map(|layout| noise(layout.packed_len(), scale)))
        };
        let head = linear::Dims { rows: 1, inputs: hidden_size, outputs: VOCAB_SIZE };
        let head = [noise(head.weight().packed_len(), scale), noise(head.bias().packed_len(), scale)];
        Model { layers: (0..num_layers).map(layer).collect(), head }
    }

    fn stepper(&self, cpu: &Cpu, precision: Precision, threads: Option<usize>) -> Stepper<f32> {
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|(d, [weight_ih, weight_hh, bias_ih, bias_hh])| {
                (*d, Weights { weight_ih, weight_hh, bias_ih, bias_hh })
            })
            .collect();
        let [head_weight, head_bias] = &self.head;
        let network = Network { vocab_size: VOCAB_SIZE, embedding: None, layers: &layers, head_weight, head_bias };
        let stepper = Stepper::with_precision(cpu, &network, precision).unwrap();
        match threads {
            Some(threads) => stepper.with_threads(threads).unwrap(),
            None => stepper,
        }
    }
}

/// Reads the likeliest token of each step next; the logits after the last.
fn write(stepper: &mut Stepper<f32>, steps: usize) -> Vec<f32> {
    let (mut state, mut logits, mut token) = (stepper.zero_state(), vec![0.0; pad(VOCAB_SIZE)], 0);
    for _ in 0..steps {
        stepper.step(token, &mut state, &mut logits).unwrap();
        let likeliest = (1..VOCAB_SIZE).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
        token = likeliest as u32;
    }
    logits
}

fn main() {
    for precision in [Precision::Full, Precision::Bf16, Precision::Int8] {
        let model = Model::new(Cell::Lstm, 2, 40);
        let run = |backend, threads| {
            write(&mut model.stepper(&Cpu::with_backend(backend, 1).unwrap(), precision, Some(threads)), 20)
        };
        for backend in Backend::available() {
            assert_eq!(run(backend, 2), run(Backend::detect(), 1), "{backend:?} computes other bits: nothing is timed");
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    println!("batch 1, greedy, V {VOCAB_SIZE}; thousand tokens/s, median of 9 runs (best), and GB/s of weights");
    for backend in Backend::available().into_iter().filter(|b| b.name() != "portable") {
        for (cell, num_layers, hidden_size) in [
            (Cell::Lstm, 1, 64),
            (Cell::Lstm, 1, 128),
            (Cell::Lstm, 2, 128),
            (Cell::Lstm, 2, 256),
            (Cell::Lstm, 2, 512),
            (Cell::Lstm, 1, 1024),
            (Cell::Gru, 1, 512),
            (Cell::RnnTanh, 1, 256),
        ] {
            let model = Model::new(cell, num_layers, hidden_size);
            for precision in [Precision::Full, Precision::Bf16, Precision::Int8] {
                print!("{} {cell:?} {num_layers}x{hidden_size} {precision:?}:", backend.name());
                let cpu = Cpu::with_backend(backend, cores).unwrap();
                let chosen = model.stepper(&cpu, precision, None).threads();
                for threads in 1..=cores {
                    let mut stepper = model.stepper(&cpu, precision, Some(threads));
                    let steps = (40_000_000 / stepper.bytes().max(1)).clamp(20, 5000);
                    let mut rates: Vec<f64> = (0..10)
                        .map(|_| {
                            let start = Instant::now();
                            write(&mut stepper, steps);
                            steps as f64 / start.elapsed().as_secs_f64()
                        })
                        .skip(1)
                        .collect();
                    rates.sort_by(|a, b| b.total_cmp(a));
                    let (median, best) = (rates[4], rates[0]);
                    let bandwidth = median * stepper.bytes() as f64 / 1e9;
                    print!("  {threads} threads {:.1} ({:.1}), {bandwidth:.0} GB/s", median / 1e3, best / 1e3);
                }
                println!("; the policy takes {chosen}");
            }
        }
    }
}
