//! The recurrent node under a mask, every cell in both directions, against central differences in f64, with gradients
//! that are already there; and what it promises to the bit. The kernels' own promises stand in their `tests/mask.rs`.

use std::sync::Arc;

use elman::Cpu;
use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::{Tape, Var};
use elman::check::{Loss, Verdict, check_tensor};
use elman::nn::cells::direction::Direction;
use elman::nn::{Cell, Layer, Pass};

const T: usize = 5;
const B: usize = 3;
const I: usize = 4;
const H: usize = 5;
/// Row 0 is padded at the end, row 1 at the beginning, row 2 in between; row 3 has nothing.
const MASK: [bool; T * (B + 1)] = {
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

/// A layer and a linear functional of all that it gives and is given.
struct Problem {
    name: String,
    layer: Arc<dyn Layer<f64>>,
    reverse: bool,
    params: Params<f64>,
    names: Vec<String>,
    with_tokens: bool,
    /// The parameters, x, and the states before the first step.
    values: Vec<Vec<f64>>,
}

const ROWS: usize = B + 1;

impl Problem {
    fn new(cell: Cell, reverse: bool, with_tokens: bool) -> Problem {
        let mut declaration = Declaration::default();
        let direction =
            Direction { prefix: "", name: "l0", input_size: I, hidden_size: H, reverse, learned_state: false };
        let layer = cell.declare(&mut declaration, &direction);
        let params: Params<f64> = declaration.zeros().unwrap();
        let names: Vec<String> = params.names().map(str::to_owned).collect();
        let lens = names.iter().map(|name| params.get(name).unwrap().len());
        let lens = lens.chain([T * ROWS * I]).chain(layer.states().iter().map(|part| ROWS * part.width));
        let mut values: Vec<_> = lens.zip(1..).map(|(n, tag)| noise(n, tag)).collect();
        for (name, values) in names.iter().zip(&mut values).filter(|_| cell == Cell::RNN_RELU || cell == Cell::MIN_GRU)
        {
            // Small weights under large biases keep every sum away from the kink.
            match name.starts_with("weight") {
                true => values.iter_mut().for_each(|w| *w *= 0.1),
                false if name.starts_with("bias_ih") => {
                    values.iter_mut().for_each(|b| *b = 2.0 * b.signum() + 0.1 * *b)
                }
                false => {}
            }
        }
        // The normaliser of an sLSTM is a sum of positive numbers.
        for (part, values) in layer.states().iter().zip(&mut values[names.len() + 1..]) {
            if part.name.starts_with('n') {
                values.iter_mut().for_each(|n| *n = 1.5 + 0.5 * *n);
            }
        }
        let name = format!("{} reverse {reverse} tokens {with_tokens}", cell.name());
        Problem { name, layer, reverse, params, names, with_tokens, values }
    }

    /// The loss, and x and the states before the first step on the tape. Absent x is NaN.
    fn run(&mut self, tape: &mut Tape<f64>, values: &[Vec<f64>], recording: bool) -> (Loss, Vec<Var>) {
        for (name, values) in self.names.iter().zip(values) {
            self.params.set(name, values).unwrap();
        }
        tape.start(recording);
        let (mut spoilt, states) = (values[self.names.len()].clone(), &values[self.names.len() + 1..]);
        for (row, _) in spoilt.chunks_exact_mut(I).zip(MASK).filter(|(_, read)| !read) {
            row.fill(f64::NAN);
        }
        let mut leaves = vec![tape.dense_leaf(I, &spoilt, true).unwrap()];
        leaves.extend(states.iter().map(|state| tape.dense_leaf(H, state, true).unwrap()));
        let sequence = match self.with_tokens {
            true => Sequence::Tokens { tokens: &TOKENS, vocab_size: I },
            false => Sequence::Dense(leaves[0]),
        };
        let mut pass = Pass { batch: ROWS, mask: Some(&MASK), dropout: None };
        let (y, after) = self.layer.run(tape, &self.params, sequence, &leaves[1..], &mut pass).unwrap();
        // What depends on the state before besides: gradients that are there before the node's.
        let outputs = [y].into_iter().chain(after).chain(leaves[1..].iter().copied());
        let mut loss = Loss { value: 0.0, magnitude: 0.0 };
        for (var, tag) in outputs.zip(11..) {
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
        let weights: Vec<Vec<f64>> = self.names.iter().map(|name| grads.get(name).unwrap()).collect();
        weights.into_iter().chain(leaves.into_iter().map(|leaf| tape.dense_grad(leaf))).collect()
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
            assert_eq!(finding.verdict, Verdict::Pass, "{:?}, tensor {tensor}: {finding:?}", problem.name);
        }
        let x = &analytic[problem.names.len()];
        let masked = x.chunks_exact(I).zip(MASK).filter(|(_, read)| !read);
        assert!(masked.flat_map(|(row, _)| row).all(|&g| g == 0.0), "a masked input has a gradient");
    }
}

#[test]
fn a_row_ends_where_its_last_unmasked_step_leaves_it() {
    let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
    for mut problem in problems() {
        let values = problem.values.clone();
        let (_, leaves) = problem.run(&mut tape, &values, false);
        let (layer, params, x) = (&problem.layer, &problem.params, Sequence::Dense(leaves[0]));
        let mut pass = Pass { batch: ROWS, mask: Some(&MASK), dropout: None };
        let (y, after) = layer.run(&mut tape, params, x, &leaves[1..], &mut pass).unwrap();
        let (y, last) = (tape.dense_value(y), tape.dense_value(after[0]));
        for b in 0..ROWS {
            let read = |t: &usize| MASK[t * ROWS + b];
            let end = if problem.reverse { (0..T).find(read) } else { (0..T).rev().find(read) };
            let want = match end {
                Some(t) => &y[(t * ROWS + b) * H..][..H],
                None => &values[problem.names.len() + 1][b * H..][..H],
            };
            assert_eq!(&last[b * H..][..H], want, "row {b} of {}", problem.name);
        }
        let mut pass = Pass { mask: Some(&MASK[1..]), ..Pass::plain(ROWS) };
        let refused = layer.run(&mut tape, params, x, &leaves[1..], &mut pass).unwrap_err().to_string();
        assert!(refused.contains("19") && refused.contains("20"), "{refused}");
    }
}
