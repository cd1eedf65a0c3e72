//! Rung 1: the reference cells against central differences in f64, for every input, state and parameter.

use elman_kernels::recurrent::Cell;
use elman_kernels::reference::Layer;

/// Numbers without pattern in [-1, 1): a hash of the index.
fn noise(n: usize, tag: u64) -> Vec<f64> {
    (0..n as u64)
        .map(|i| {
            let mut z = (i + tag * 1_000_003).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            ((z ^ (z >> 29)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Everything the loss depends on, in one row of numbers.
#[derive(Clone)]
struct Problem {
    batch: usize,
    cell: Layer<f64>,
    x: Vec<f64>,
    h0: Vec<f64>,
    c0: Vec<f64>,
    d_y: Vec<f64>,
    d_cell: Vec<f64>,
}

impl Problem {
    fn new(kind: Cell, reverse: bool, sizes: [usize; 4]) -> Problem {
        let [seq_len, batch, input_size, hidden_size] = sizes;
        let rows = kind.gates() * hidden_size;
        let state = batch * hidden_size;
        let cell = Layer {
            weight_ih: noise(rows * input_size, 1),
            weight_hh: noise(rows * hidden_size, 2),
            bias_ih: noise(rows, 3),
            bias_hh: noise(rows, 4),
            ..Layer::zeros(kind, input_size, hidden_size, reverse)
        };
        let x = noise(seq_len * batch * input_size, 5);
        let (h0, c0) = (noise(state, 6), noise(state, 7));
        let (d_y, d_cell) = (noise(seq_len * state, 8), noise(state, 9));
        Problem { batch, cell, x, h0, c0, d_y, d_cell }
    }

    /// A weighted sum of every h and of the last c.
    fn loss(&self) -> f64 {
        let run = self.cell.forward(self.batch, &self.x, &self.h0, &self.c0);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(&run.y, &self.d_y) + dot(&run.cell, &self.d_cell)
    }
}

type Field = fn(&mut Problem) -> &mut Vec<f64>;

#[test]
fn gradients_match_central_differences() {
    let sizes = [[1, 1, 1, 1], [3, 2, 3, 2], [7, 2, 1, 3], [5, 3, 4, 5]];
    let cells = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru];
    for (kind, reverse, sizes) in cells.into_iter().flat_map(|c| sizes.map(|s| (c, s[0] % 2 == 1 && s[1] == 2, s))) {
        let problem = Problem::new(kind, reverse, sizes);
        let batch = problem.batch;
        let run = problem.cell.forward(batch, &problem.x, &problem.h0, &problem.c0);
        let d = problem.cell.backward(batch, &problem.x, &run, &problem.d_y, &problem.d_cell);
        let fields: [(&str, Field, &Vec<f64>); 7] = [
            ("weight_ih", |p| &mut p.cell.weight_ih, &d.weights.weight_ih),
            ("weight_hh", |p| &mut p.cell.weight_hh, &d.weights.weight_hh),
            ("bias_ih", |p| &mut p.cell.bias_ih, &d.weights.bias_ih),
            ("bias_hh", |p| &mut p.cell.bias_hh, &d.weights.bias_hh),
            ("x", |p| &mut p.x, &d.x),
            ("h0", |p| &mut p.h0, &d.h0),
            ("c0", |p| &mut p.c0, &d.c0),
        ];
        for (name, field, analytic) in fields {
            let largest = analytic.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            assert!(largest > 1e-3 || kind == Cell::RnnRelu, "{kind:?} {name} is too flat to be checked");
            for (i, &analytic) in analytic.iter().enumerate() {
                // Fourth-order stencil: truncation about 1e-12, rounding about 1e-13 of the loss.
                let at = |step: f64| {
                    let mut moved = problem.clone();
                    field(&mut moved)[i] += step;
                    moved.loss()
                };
                let h = 1e-3;
                let numeric = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let error = (numeric - analytic).abs();
                assert!(error <= 1e-9 * largest.max(1.0), "{kind:?} {sizes:?} {name}[{i}]: {numeric} {analytic}");
            }
        }
    }
}
