//! Rung 1: the reference cells against central differences in f64, for every input, state and parameter.

mod rows;

use elman_kernels::recurrent::Cell;
use elman_kernels::reference::{Inputs, Layer};
use rows::{cell_states, noise};

/// Everything the loss depends on, in one row of numbers.
#[derive(Clone)]
struct Problem {
    seq_len: usize,
    batch: usize,
    mask: Option<Vec<bool>>,
    cell: Layer<f64>,
    x: Vec<f64>,
    h0: Vec<f64>,
    c0: Vec<f64>,
    d_y: Vec<f64>,
    d_cell: Vec<f64>,
}

impl Problem {
    fn new(kind: Cell, reverse: bool, masked: bool, sizes: [usize; 4]) -> Problem {
        let [seq_len, batch, input_size, hidden_size] = sizes;
        let rows = kind.gates() * hidden_size;
        let recurrent_rows = if kind.has_recurrent_product() { rows } else { 0 };
        let state = batch * hidden_size;
        let cell = Layer {
            weight_ih: noise(rows * input_size, 1),
            weight_hh: noise(recurrent_rows * hidden_size, 2),
            bias_ih: noise(rows, 3),
            bias_hh: noise(recurrent_rows, 4),
            ..Layer::zeros(kind, input_size, hidden_size, reverse)
        };
        let x = noise(seq_len * batch * input_size, 5);
        let (h0, c0) = (noise(state, 6), cell_states(kind, state, 7));
        let (d_y, d_cell) = (noise(seq_len * state, 8), noise(c0.len(), 9));
        let mask = masked.then(|| (0..seq_len * batch).map(|i| i % 3 != 1).collect());
        Problem { seq_len, batch, mask, cell, x, h0, c0, d_y, d_cell }
    }

    fn inputs(&self) -> Inputs<'_, f64> {
        let Problem { seq_len, batch, x, h0, c0, .. } = self;
        Inputs { seq_len: *seq_len, batch: *batch, x, mask: self.mask.as_deref(), h0, c0 }
    }

    /// A weighted sum of every h and of the last states beside it.
    fn loss(&self) -> f64 {
        let run = self.cell.forward(&self.inputs());
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(&run.y, &self.d_y) + dot(&run.cell, &self.d_cell)
    }
}

/// One unit, one input, one step of the GRU that resets before the product, written down.
#[test]
fn a_gru_that_resets_before_the_product_is_cho_s() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut cell = Layer::zeros(Cell::GruResetBefore, 1, 1, false);
    cell.weight_ih = vec![0.3, -0.7, 1.1];
    cell.weight_hh = vec![-0.4, 0.9, 1.3];
    cell.bias_ih = vec![0.1, 0.2, -0.3];
    cell.bias_hh = vec![-0.5, 0.6, 0.25];
    let (x, h) = (0.8, -0.6);
    let run = |cell: &Layer<f64>| {
        let inputs = Inputs { seq_len: 1, batch: 1, x: &[x], mask: None, h0: &[h], c0: &[] };
        cell.forward(&inputs).hidden[0]
    };
    let (r, z) = (sigmoid(0.3 * x + 0.1 - 0.4 * h - 0.5), sigmoid(-0.7 * x + 0.2 + 0.9 * h + 0.6));
    let n = (1.1 * x - 0.3 + 1.3 * (r * h) + 0.25).tanh();
    assert!((run(&cell) - ((1.0 - z) * n + z * h)).abs() < 1e-15);
    // PyTorch's resets the bias too.
    let n = (1.1 * x - 0.3 + r * (1.3 * h + 0.25)).tanh();
    cell.cell = Cell::Gru;
    assert!((run(&cell) - ((1.0 - z) * n + z * h)).abs() < 1e-15);
}

#[test]
fn a_masked_row_ends_where_it_began() {
    let problem = Problem::new(Cell::Lstm, false, false, [3, 2, 1, 2]);
    let mask = [true, false, true, false, true, false];
    let run = problem.cell.forward(&Inputs { mask: Some(&mask), ..problem.inputs() });
    assert_eq!((&run.hidden[2..], &run.cell[2..]), (&problem.h0[2..], &problem.c0[2..]));
    assert_eq!(run.y[2..4], problem.h0[2..]);
    let alone = problem.cell.forward(&problem.inputs());
    assert_eq!(run.hidden[..2], alone.hidden[..2]);
}

type Field = fn(&mut Problem) -> &mut Vec<f64>;

#[test]
fn gradients_match_central_differences() {
    every_problem(|kind, reverse, masked, sizes| {
        check_gradients(&Problem::new(kind, reverse, masked, sizes), &format!("{kind:?} {sizes:?}"));
    });
}

/// From states of zero, where an sLSTM has read nothing: m is then the input gate's whatever the forget gate is. h and so a
/// loss by h alone are smooth there, to either side of n = 0.
#[test]
fn gradients_from_states_of_zero_match_central_differences() {
    every_problem(|kind, reverse, masked, sizes| {
        let mut problem = Problem::new(kind, reverse, masked, sizes);
        [&mut problem.h0, &mut problem.c0, &mut problem.d_cell].into_iter().for_each(|x| x.fill(0.0));
        check_gradients(&problem, &format!("{kind:?} {sizes:?} from zero"));
    });
}

fn every_problem(check: impl Fn(Cell, bool, bool, [usize; 4])) {
    let sizes = [[1, 1, 1, 1], [3, 2, 3, 2], [7, 2, 1, 3], [5, 3, 4, 5]];
    let variants =
        sizes.into_iter().enumerate().flat_map(|(i, sizes)| [(i % 2 == 0, false, sizes), (i < 2, i > 0, sizes)]);
    for (&kind, (reverse, masked, sizes)) in Cell::ALL.iter().flat_map(|c| variants.clone().map(move |v| (c, v))) {
        check(kind, reverse, masked, sizes);
    }
}

fn check_gradients(problem: &Problem, what: &str) {
    let run = problem.cell.forward(&problem.inputs());
    let d = problem.cell.backward(&problem.inputs(), &run, &problem.d_y, &problem.d_cell);
    let kind = problem.cell.cell;
    let fields: [(&str, Field, &Vec<f64>); 7] = [
        ("weight_ih", |p| &mut p.cell.weight_ih, &d.weights.weight_ih),
        ("weight_hh", |p| &mut p.cell.weight_hh, &d.weights.weight_hh),
        ("bias_ih", |p| &mut p.cell.bias_ih, &d.weights.bias_ih),
        ("bias_hh", |p| &mut p.cell.bias_hh, &d.weights.bias_hh),
        ("x", |p| &mut p.x, &d.x),
        ("h0", |p| &mut p.h0, &d.h0),
        ("c0", |p| &mut p.c0, &d.c0),
    ];
    let (mut kinks, all) = (0, fields.iter().map(|field| field.2.len()).sum::<usize>());
    for (name, field, analytic) in fields {
        let largest = analytic.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let from_zero = problem.seq_len == 1 && problem.h0.iter().all(|&h| h == 0.0);
        let is_flat = kind == Cell::RnnRelu || analytic.is_empty() || from_zero;
        assert!(largest > 1e-3 || is_flat, "{what} {name} is too flat to be checked");
        for (i, &analytic) in analytic.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = problem.clone();
                field(&mut moved)[i] += step;
                moved.loss()
            };
            // Fourth-order stencil: truncation about 1e-12, rounding about 1e-13 of the loss.
            let slope = |h: f64| (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            let numeric = slope(1e-3);
            // Where a shorter step sees another slope, the loss has a kink, and no gradient to compare with.
            if (slope(2.5e-4) - numeric).abs() > 1e-6 * largest.max(1.0) {
                kinks += 1;
                continue;
            }
            let error = (numeric - analytic).abs();
            assert!(error <= 1e-9 * largest.max(1.0), "{what} {name}[{i}]: {numeric} {analytic}");
        }
    }
    let has_kinks = matches!(kind, Cell::RnnRelu | Cell::MinGru | Cell::Slstm);
    assert!(kinks <= if has_kinks { all / 10 } else { 0 }, "{what}: {kinks} kinks among {all} numbers");
}
