//! Stacks of different layers, in f64: a sequence in one pass has the bits of its chunks and of its single steps, every
//! gradient agrees with central differences, and saved weights come back as they were.

use std::sync::Arc;

use elman::Cpu;
use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::{Tape, Var};
use elman::check::{Loss, Verdict, check_tensor};
use elman::files::weights::{Weights, save};
use elman::nn::bidirectional::Bidirectional;
use elman::nn::cells::direction::Direction;
use elman::nn::dropout::Dropout;
use elman::nn::linear::Linear;
use elman::nn::residual::Residual;
use elman::nn::{Cell, Layer, Pass, Stack, State};
use elman::rng::{Purpose, generator};

const T: usize = 6;
const B: usize = 3;
const I: usize = 4;

/// Numbers in [-1, 1).
fn noise(n: usize, tag: usize) -> Vec<f64> {
    let number = |i: u64| {
        let mut z = (i + tag as u64 * 1_000_003 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        ((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    (0..n as u64).map(number).collect()
}

/// One direction of a layer; `name` names its parameters and states.
fn cell(declared: &mut Declaration, cell: Cell, name: &str, inputs: usize, units: usize) -> Arc<dyn Layer<f64>> {
    let reverse = name.ends_with("_reverse");
    let prefix = if cell == Cell::MIN_GRU { "min_gru." } else { "" };
    let direction = Direction { prefix, name, input_size: inputs, hidden_size: units, reverse, learned_state: false };
    cell.declare(declared, &direction)
}

/// A causal stack, and one with dropout.
fn different_cells(declared: &mut Declaration) -> Vec<Arc<dyn Layer<f64>>> {
    vec![
        cell(declared, Cell::LSTM, "l0", I, 5),
        cell(declared, Cell::LAYER_NORM_LSTM, "l1", 5, 4),
        Arc::new(Dropout { p: 0.25, locked: false }.layer(4)),
        cell(declared, Cell::MIN_GRU, "l2", 4, 17),
        Arc::new(Linear::declare(declared, "fc", 17, 3)),
    ]
}

/// A pair of cells that read in opposite directions, under a causal one.
fn both_directions(declared: &mut Declaration) -> Vec<Arc<dyn Layer<f64>>> {
    let forward = cell(declared, Cell::SLSTM, "l0", I, 3);
    let pair = Bidirectional::new(forward, cell(declared, Cell::GRU, "l0_reverse", I, 5));
    vec![Arc::new(pair), cell(declared, Cell::LAYER_NORM_LSTM, "l1", 8, 4)]
}

/// Layers whose input is added to their output; one of them is a stack.
fn residual(declared: &mut Declaration) -> Vec<Arc<dyn Layer<f64>>> {
    let inner = vec![cell(declared, Cell::MIN_GRU, "l1", 4, 6), cell(declared, Cell::LAYER_NORM_LSTM, "l2", 6, 4)];
    vec![
        Arc::new(Residual(cell(declared, Cell::SLSTM, "l0", I, 4))),
        Arc::new(Residual(Arc::new(Stack::new(inner).unwrap()) as Arc<dyn Layer<f64>>)),
        cell(declared, Cell::GRU, "l3", 4, 3),
    ]
}

type Build = fn(&mut Declaration) -> Vec<Arc<dyn Layer<f64>>>;
const STACKS: [(&str, Build); 3] =
    [("different cells", different_cells), ("both directions", both_directions), ("residual", residual)];

/// A stack, its parameters, and the states it begins from.
struct Problem {
    name: &'static str,
    layers: Stack<f64>,
    params: Params<f64>,
    state: State<f64>,
    x: Vec<f64>,
}

impl Problem {
    fn new((name, build): (&'static str, Build)) -> Problem {
        let mut declared = Declaration::default();
        let layers = Stack::new(build(&mut declared)).unwrap();
        let mut params: Params<f64> = declared.zeros().unwrap();
        let names: Vec<String> = params.names().map(str::to_owned).collect();
        for (tag, name) in names.iter().enumerate() {
            let mut values = noise(params.shape(name).unwrap().iter().product(), tag);
            // The candidate of a minGRU has a kink at 0: small weights under large biases keep every sum away from it.
            if name.starts_with("min_gru.") {
                let is_bias = name.contains("bias");
                values.iter_mut().for_each(|v| *v = 0.1 * *v + if is_bias { 2.0 * v.signum() } else { 0.0 });
            }
            params.set(name, &values).unwrap();
        }
        let mut state = layers.as_layer().zero_state(B);
        for (tag, (name, [rows, width], _)) in state.tensors().into_iter().enumerate() {
            let mut values = noise(rows * width, 100 + tag);
            if name.starts_with("n_") {
                // The normaliser of an sLSTM is a sum of positive numbers.
                values.iter_mut().for_each(|n| *n = 1.5 + 0.5 * *n);
            }
            state.set(&name, &values).unwrap();
        }
        Problem { name, layers, params, state, x: noise(T * B * I, 99) }
    }

    /// The outputs of a sequence in chunks of this many steps, without dropout, and the states after it.
    fn in_chunks(&self, params: &Params<f64>, begin: &State<f64>, chunks: &[usize]) -> (Vec<u64>, Vec<u64>) {
        let (mut state, mut tape) = (begin.clone(), Tape::new(&Cpu::new(Some(2)).unwrap()));
        let (mut rest, mut outputs) = (&self.x[..], Vec::new());
        for &steps in chunks {
            let (x, later) = rest.split_at(steps * B * I);
            rest = later;
            tape.start(false);
            let before = state.to_tape(&mut tape, false);
            let x = Sequence::Dense(tape.dense_leaf(I, x, false).unwrap());
            let (y, after) = self.layers.as_layer().run(&mut tape, params, x, &before, &mut Pass::plain(B)).unwrap();
            outputs.extend(tape.dense_value(y).iter().map(|y| y.to_bits()));
            state.from_tape(&tape, &after);
        }
        assert!(rest.is_empty());
        (outputs, state.tensors().into_iter().flat_map(|(.., values)| values).map(f64::to_bits).collect())
    }

    /// The loss, a linear functional of all outputs and last states, of the parameters, x and the states before, in
    /// this order; x and these states on the tape.
    fn loss(&mut self, tape: &mut Tape<f64>, values: &[Vec<f64>], recording: bool) -> (Loss, Vec<Var>) {
        let names: Vec<String> = self.params.names().map(str::to_owned).collect();
        for (name, values) in names.iter().zip(values) {
            self.params.set(name, values).unwrap();
        }
        tape.start(recording);
        let mut leaves = vec![tape.dense_leaf(I, &values[names.len()], true).unwrap()];
        for ((.., [_, width], _), values) in self.state.tensors().into_iter().zip(&values[names.len() + 1..]) {
            leaves.push(tape.dense_leaf(width, values, true).unwrap());
        }
        // The same masks each time.
        let mut rng = generator(5, Purpose::Dropout, 0);
        let mut pass = Pass { dropout: Some(&mut rng), ..Pass::plain(B) };
        let x = Sequence::Dense(leaves[0]);
        let (y, after) = self.layers.as_layer().run(tape, &self.params, x, &leaves[1..], &mut pass).unwrap();
        let mut loss = Loss { value: 0.0, magnitude: 0.0 };
        for (var, tag) in [y].into_iter().chain(after).zip(200..) {
            let weights = noise(var.rows() * var.cols(), tag);
            for (value, weight) in tape.dense_value(var).iter().zip(&weights) {
                loss.value += value * weight;
                loss.magnitude += (value * weight).abs();
            }
            if recording {
                let width = elman_kernels::pad(var.cols());
                let mut seed = vec![0.0; var.rows() * width];
                for (to, from) in seed.chunks_exact_mut(width).zip(weights.chunks_exact(var.cols())) {
                    to[..from.len()].copy_from_slice(from);
                }
                tape.seed(var, &seed);
            }
        }
        (loss, leaves)
    }
}

#[test]
fn a_sequence_has_the_bits_of_its_chunks_and_steps() {
    let mut causal = 0;
    for problem in STACKS.map(Problem::new).iter().filter(|problem| problem.layers.is_causal()) {
        let zero = problem.layers.as_layer().initial_state(&problem.params, B);
        for begin in [&problem.state, &zero] {
            let whole = problem.in_chunks(&problem.params, begin, &[T]);
            for chunks in [&[2, 4][..], &[5, 1], &[1; T]] {
                assert!(problem.in_chunks(&problem.params, begin, chunks) == whole, "{} in {chunks:?}", problem.name);
            }
        }
        causal += 1;
    }
    assert_eq!(causal, 2);
}

/// What a layer gives from the zero state.
fn outputs(layer: &dyn Layer<f64>, params: &Params<f64>, x: &[f64]) -> Vec<f64> {
    let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
    tape.start(false);
    let before = layer.zero_state(B).to_tape(&mut tape, false);
    let x = Sequence::Dense(tape.dense_leaf(I, x, false).unwrap());
    let (y, _) = layer.run(&mut tape, params, x, &before, &mut Pass::plain(B)).unwrap();
    tape.dense_value(y)
}

#[test]
fn layers_of_layers_give_what_their_parts_give() {
    let mut declared = Declaration::default();
    let forward = cell(&mut declared, Cell::SLSTM, "l0", I, I);
    let reverse = cell(&mut declared, Cell::LAYER_NORM_LSTM, "l0_reverse", I, I);
    let params: Params<f64> = elman::nn::fresh(declared, 2).unwrap();
    let x = noise(T * B * I, 99);
    let of = |layer: &dyn Layer<f64>| outputs(layer, &params, &x);
    let parts = [of(&*forward), of(&*reverse)];
    assert_ne!(parts[0], parts[1]);

    let sum: Vec<f64> = x.iter().zip(&parts[1]).map(|(x, y)| x + y).collect();
    assert_eq!(of(&Residual(reverse.clone())), sum);
    let [a, b] = [0, 1].map(|part: usize| parts[part].chunks_exact(I));
    let beside: Vec<f64> = a.zip(b).flat_map(|(a, b)| [a, b].concat()).collect();
    assert_eq!(of(&Bidirectional::new(forward.clone(), reverse.clone())), beside);
    // The second layer of a stack reads what the first gives.
    let after = outputs(&*reverse, &params, &parts[0]);
    assert_eq!(of(&Stack::new(vec![forward, reverse]).unwrap()), after);
}

#[test]
fn gradients_match_central_differences() {
    let mut tape = Tape::new(&Cpu::new(Some(2)).unwrap());
    for mut problem in STACKS.map(Problem::new) {
        let names: Vec<String> = problem.params.names().map(str::to_owned).collect();
        let states = problem.state.tensors();
        let mut values: Vec<Vec<f64>> = names.iter().map(|name| problem.params.get(name).unwrap()).collect();
        values.push(problem.x.clone());
        values.extend(states.iter().map(|(.., values)| values.clone()));
        let (_, leaves) = problem.loss(&mut tape, &values, true);
        let mut grads = problem.params.zeros_like();
        tape.backward_seeded(&problem.params, &mut grads).unwrap();
        let mut analytic: Vec<Vec<f64>> = names.iter().map(|name| grads.get(name).unwrap()).collect();
        analytic.extend(leaves.into_iter().map(|leaf| tape.dense_grad(leaf)));
        assert_eq!(analytic.len(), values.len());
        let tensors = names.iter().map(String::as_str).chain(["x"]).chain(states.iter().map(|(name, ..)| &name[..]));
        for (tensor, name) in tensors.enumerate() {
            let mut loss = |values: &[Vec<f64>]| Ok(problem.loss(&mut tape, values, false).0);
            let finding = check_tensor(&mut values, tensor, &analytic[tensor], &mut loss).unwrap();
            assert_eq!(finding.verdict, Verdict::Pass, "{}, {name}: {finding:?}", problem.name);
            assert!(finding.max_grad > 0.0, "{}, {name}: the loss does not depend on it", problem.name);
        }
    }
}

#[test]
fn saved_weights_come_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    for (name, build) in STACKS {
        let (problem, path) = (Problem::new((name, build)), dir.path().join("weights.safetensors"));
        save(&path, &problem.params, &serde_json::Value::Null).unwrap();
        let mut declared = Declaration::default();
        build(&mut declared);
        let loaded: Params<f64> = Weights::read(&path).unwrap().params(declared).unwrap();
        let bits = |params: &Params<f64>| -> Vec<(String, Vec<u64>)> {
            let values = |name: &str| params.get(name).unwrap().into_iter().map(f64::to_bits).collect();
            params.names().map(|name| (name.to_string(), values(name))).collect()
        };
        assert!(bits(&loaded) == bits(&problem.params), "{name}");
        let run = |params| problem.in_chunks(params, &problem.state, &[T]);
        assert!(run(&loaded) == run(&problem.params), "{name}");
    }
}
