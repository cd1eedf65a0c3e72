//! The recurrent node under a mask, every cell in both directions, against central differences in f64, with gradients
//! that are already there; and what it promises to the bit. The kernels' own promises stand in their `tests/mask.rs`.

use elman::Cpu;
use elman::gradcheck::{Loss, Verdict, check_tensor};
use elman::ops::{LayerIds, Sequence, StateVars};
use elman::params::{Declaration, Params};
use elman::tape::{Tape, Var};
use elman_kernels::recurrent::{Cell, Dims};

const T: usize = 5;
const B: usize = 3;
const I: usize = 4;
const H: usize = 5;
/// Row 0 is padded at the end, row 1 at the beginning, row 2 in between; row 3 has nothing.
const PRESENT: [bool; T * (B + 1)] = {
    let (yes, no) = (true, false);
    [yes, no, yes, no, yes, no, no, no, yes, yes, yes, no, no, yes, no, no, no, yes, yes, no]
};
const TOKENS: [u32; T * (B + 1)] = [1, 99, 2, 9, 0, 77, 88, 9, 3, 1, 3, 9, 55, 0, 44, 9, 66, 2, 1, 9];

fn noise(n: usize, tag: u64) -> Vec<f64> {
    let number = |i: u64| {
        let mut z = (i + tag * 1_000_003 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        ((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..n as u64).map(number).collect()
}

/// A layer and a linear functional of all that the node gives and is given.
struct Problem {
    cell: Cell,
    ids: LayerIds,
    params: Params<f64>,
    with_tokens: bool,
    /// weight_ih, weight_hh, bias_ih, bias_hh, x, h0, c0.
    values: Vec<Vec<f64>>,
}

const NAMES: [&str; 4] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
const ROWS: usize = B + 1;

impl Problem {
    fn new(cell: Cell, reverse: bool, with_tokens: bool) -> Problem {
        let d = Dims { cell, seq_len: 0, batch: 0, input_size: I, hidden_size: H, reverse };
        let mut declaration = Declaration::default();
        let ids = LayerIds {
            cell,
            reverse,
            weight_ih: declaration.matrix(NAMES[0], d.weight_ih()),
            weight_hh: declaration.matrix(NAMES[1], d.weight_hh()),
            bias_ih: declaration.vector(NAMES[2], d.bias_ih()),
            bias_hh: declaration.vector(NAMES[3], d.bias_hh()),
        };
        let params = declaration.zeros().unwrap();
        let gates = cell.gates() * H;
        let lens = [gates * I, gates * H, gates, gates, T * ROWS * I, ROWS * H, ROWS * H];
        let mut values: Vec<_> = lens.iter().zip(1..).map(|(&n, tag)| noise(n, tag)).collect();
        if cell == Cell::RnnRelu {
            // Small weights under large biases keep every sum away from the kink.
            values[..2].iter_mut().flatten().for_each(|w| *w *= 0.1);
            values[2].iter_mut().for_each(|b| *b = 2.0 * b.signum() + 0.1 * *b);
        }
        Problem { cell, ids, params, with_tokens, values }
    }

    /// The loss, and x, h0 and c0 on the tape. Absent x is NaN.
    fn run(&mut self, tape: &mut Tape<f64>, values: &[Vec<f64>], recording: bool) -> (Loss, [Var; 3]) {
        for (name, values) in NAMES.iter().zip(values) {
            self.params.set(name, values).unwrap();
        }
        tape.start(recording);
        let mut spoilt = values[4].clone();
        for (row, _) in spoilt.chunks_exact_mut(I).zip(PRESENT).filter(|(_, present)| !present) {
            row.fill(f64::NAN);
        }
        let leaves =
            [(I, &spoilt), (H, &values[5]), (H, &values[6])].map(|(n, x)| tape.dense_leaf(n, x, true).unwrap());
        let [x, hidden, cell] = leaves;
        let before = StateVars { hidden, cell: self.cell.has_cell().then_some(cell) };
        let sequence = match self.with_tokens {
            true => Sequence::Tokens { tokens: &TOKENS, vocab_size: I },
            false => Sequence::Dense(x),
        };
        let (y, after) = tape.recurrent(&self.params, self.ids, sequence, before, Some(&PRESENT)).unwrap();
        // What depends on the state before and on x besides: gradients that are there before the node's.
        let outputs = [Some(y), Some(after.hidden), after.cell, Some(hidden), Some(cell)];
        let mut loss = Loss { value: 0.0, magnitude: 0.0 };
        for (var, tag) in outputs.into_iter().zip(11..).filter_map(|(var, tag)| Some((var?, tag))) {
            let weights = noise(var.rows() * H, tag);
            for (value, weight) in tape.dense_value(var).iter().zip(&weights) {
                loss.value += value * weight;
                loss.magnitude += (value * weight).abs();
            }
            if recording {
                let mut seed = vec![0.0; var.rows() * 16];
                for (to, from) in seed.chunks_exact_mut(16).zip(weights.chunks_exact(H)) {
                    to[..H].copy_from_slice(from);
                }
                tape.seed(var, &seed);
            }
        }
        (loss, leaves)
    }

    /// Every tensor's gradient, by name; those by x and the state with what was there before.
    fn gradients(&mut self, tape: &mut Tape<f64>) -> Vec<Vec<f64>> {
        let values = self.values.clone();
        let (_, leaves) = self.run(tape, &values, true);
        let mut grads = self.params.zeros_like();
        tape.backward_seeded(&self.params, &mut grads).unwrap();
        let weights = NAMES.map(|name| grads.get(name).unwrap());
        weights.into_iter().chain(leaves.map(|leaf| tape.dense_grad(leaf))).collect()
    }
}

fn problems() -> impl Iterator<Item = Problem> {
    let both = [(false, false), (true, false), (false, true), (true, true)];
    Cell::ALL.iter().flat_map(move |&cell| both.map(|(reverse, tokens)| Problem::new(cell, reverse, tokens)))
}

#[test]
fn gradients_under_a_mask_match_central_differences() {
    let mut tape = Tape::new(&Cpu::new(Some(2)).unwrap());
    for mut problem in problems() {
        let analytic = problem.gradients(&mut tape);
        let mut values = problem.values.clone();
        for (tensor, analytic) in analytic.iter().enumerate() {
            let mut loss = |values: &[Vec<f64>]| Ok(problem.run(&mut tape, values, false).0);
            let finding = check_tensor(&mut values, tensor, analytic, &mut loss).unwrap();
            // Where the input is tokens, nothing depends on x: both sides are exactly zero, and agree.
            assert_eq!(finding.verdict, Verdict::Pass, "{:?}, tensor {tensor}: {finding:?}", problem.ids);
        }
        let x = &analytic[4];
        let absent = x.chunks_exact(I).zip(PRESENT).filter(|(_, present)| !present);
        assert!(absent.flat_map(|(row, _)| row).all(|&g| g == 0.0), "an absent input has a gradient");
    }
}

#[test]
fn a_row_ends_where_its_last_present_step_leaves_it() {
    let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
    for mut problem in problems() {
        let values = problem.values.clone();
        let (_, [x, hidden, cell]) = problem.run(&mut tape, &values, false);
        let before = StateVars { hidden, cell: problem.cell.has_cell().then_some(cell) };
        let (params, ids) = (&problem.params, problem.ids);
        let (y, after) = tape.recurrent(params, ids, Sequence::Dense(x), before, Some(&PRESENT)).unwrap();
        let (y, last) = (tape.dense_value(y), tape.dense_value(after.hidden));
        for b in 0..ROWS {
            let present = |t: &usize| PRESENT[t * ROWS + b];
            let end = if ids.reverse { (0..T).find(present) } else { (0..T).rev().find(present) };
            let want = match end {
                Some(t) => &y[(t * ROWS + b) * H..][..H],
                None => &values[5][b * H..][..H],
            };
            assert_eq!(&last[b * H..][..H], want, "row {b} of {ids:?}");
        }
        let refused = tape.recurrent(params, ids, Sequence::Dense(x), before, Some(&PRESENT[1..]));
        assert_eq!(refused.unwrap_err().to_string(), "mask has 19 elements, expected T * B = 20");
    }
}
