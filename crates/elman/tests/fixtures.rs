//! Rung 3: values and all gradients against PyTorch's, through the public layer, in f64 and f32. The figures come from
//! `testdata/make_fixtures.py`; inputs are made here and there by one formula (`testdata/README.md`).

use std::collections::HashMap;

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::Declaration;
use elman::autodiff::tape::{Tape, Var};
use elman::nn::{Cell, Pass, Recurrent, Stack};
use elman::{Cpu, Element};
use elman_kernels::pad;
use elman_kernels::softmax::IGNORED;
use safetensors::SafeTensors;
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata");

/// One configuration.
struct Case {
    cell: Cell,
    number: u64,
    num_layers: usize,
    seq_len: usize,
    batch: usize,
    input_size: usize,
    hidden_size: usize,
    given: bool,
    bidirectional: bool,
}

/// The parts of a state: letter, tag of its initial value, scale, tag of the gradient by its last value.
const STATES: [(&str, u64, i32, u64); 4] = [("h", 2, 1, 5), ("c", 3, 2, 6), ("n", 7, 1, 9), ("m", 8, 1, 10)];

/// The kinds of parameters and their scales, in the order of their tags.
const PARAMETERS: [(&str, i32); 8] = [
    ("weight_ih", 1),
    ("weight_hh", 1),
    ("bias_ih", 0),
    ("bias_hh", 0),
    ("gain_ih", 1),
    ("gain_hh", 1),
    ("gain_c", 1),
    ("bias_c", 0),
];

/// The splitmix64 step.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Tensor number `tag` of a case: `n` multiples of 2^(s-24) in [-2^(s-1), 2^(s-1)), exact in f32.
fn fill<E: Element>(case: u64, tag: u64, s: i32, n: usize) -> Vec<E> {
    let hash = |i: usize| mix(mix(mix(case) ^ tag) ^ i as u64);
    let centred = |i: usize| (hash(i) >> 40) as f64 - f64::from(1 << 23);
    (0..n).map(|i| E::from_f64(centred(i) / f64::from(1 << 24) * 2f64.powi(s))).collect()
}

/// The number D*k + d of layer and direction in a parameter's name: `0`, `1_reverse`, ...
fn direction(name: &str, num_directions: u64) -> u64 {
    match name.strip_suffix("_reverse") {
        Some(layer) => num_directions * layer.parse::<u64>().unwrap() + 1,
        None => num_directions * name.parse::<u64>().unwrap(),
    }
}

fn padded<E: Element>(dense: &[E], width: usize) -> Vec<E> {
    let mut rows = vec![E::ZERO; dense.len() / width * pad(width)];
    for (to, from) in rows.chunks_exact_mut(pad(width)).zip(dense.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    rows
}

fn dense<E: Element>(padded: &[E], width: usize) -> Vec<f64> {
    padded.chunks_exact(pad(width)).flat_map(|row| row[..width].iter().map(|x| x.to_f64())).collect()
}

/// All results of a case by their names in the file.
fn run<E: Element>(c: &Case) -> HashMap<String, Vec<f64>> {
    let (h, state_len) = (c.hidden_size, c.batch * c.hidden_size);
    let hidden_sizes = vec![h; c.num_layers];
    let recurrent =
        Recurrent { bidirectional: c.bidirectional, ..Recurrent::plain(c.cell, c.input_size, &hidden_sizes) };
    let num_directions = if c.bidirectional { 2 } else { 1 };
    let mut declaration = Declaration::default();
    let rnn: Stack<E> = recurrent.declare(&mut declaration, "");
    let mut params = declaration.zeros::<E>().unwrap();
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    for name in &names {
        let (kind, layer) = name.rsplit_once("_l").unwrap();
        let place = PARAMETERS.iter().position(|&(known, _)| known == kind).unwrap();
        let tag = 256 + 16 * direction(layer, num_directions as u64) + place as u64;
        let n = params.shape(name).unwrap().iter().product();
        let smaller = i32::from(c.cell.gates() == 1 && kind.starts_with("weight"));
        params.set(name, &fill(c.number, tag, PARAMETERS[place].1 - smaller, n)).unwrap();
    }
    let parts = c.cell.states().len();
    let mut state = rnn.as_layer().zero_state(c.batch);
    if c.given {
        for (letter, tag, s, _) in STATES.into_iter().take(parts) {
            let mut all = fill::<E>(c.number, tag, s, num_directions * c.num_layers * state_len);
            if letter == "n" {
                // A sum of positive weights.
                all.iter_mut().for_each(|n| *n = E::from_f64(2.0 - n.to_f64().abs()));
            }
            let names = state.tensors().into_iter().map(|(name, ..)| name).filter(|name| name.starts_with(letter));
            for (name, part) in names.zip(all.chunks_exact(state_len)) {
                state.set(&name, part).unwrap();
            }
        }
    }
    let mut tape = Tape::new(&Cpu::new(Some(2)).unwrap());
    tape.start(true);
    let rows = c.seq_len * c.batch;
    let x = tape.leaf(c.input_size, &padded(&fill(c.number, 1, 1, rows * c.input_size), c.input_size), true);
    let before = state.to_tape(&mut tape, true);
    let mut pass = Pass::plain(c.batch);
    let (y, after) = rnn.as_layer().run(&mut tape, &params, Sequence::Dense(x), &before, &mut pass).unwrap();

    // Values first: a gradient may reuse their memory.
    let stack = |tape: &Tape<E>, vars: &[Var], part: usize, get: &dyn Fn(&Tape<E>, Var) -> Vec<f64>| {
        vars.iter().skip(part).step_by(parts).flat_map(|&var| get(tape, var)).collect::<Vec<f64>>()
    };
    let value = |tape: &Tape<E>, var: Var| dense(tape.value(var), var.cols());
    let grad = |tape: &Tape<E>, var: Var| dense(tape.grad(var).unwrap(), h);
    let mut results = HashMap::new();
    results.insert("y".into(), value(&tape, y));
    for (part, (letter, ..)) in STATES.into_iter().take(parts).enumerate() {
        results.insert(format!("{letter}_n"), stack(&tape, &after, part, &value));
    }

    tape.seed(y, &padded(&fill(c.number, 4, 1, rows * num_directions * h), num_directions * h));
    for (part, (.., tag)) in STATES.into_iter().take(parts).enumerate() {
        let all = fill::<E>(c.number, tag, 1, num_directions * c.num_layers * state_len);
        for (&var, seed) in after.iter().skip(part).step_by(parts).zip(all.chunks_exact(state_len)) {
            tape.seed(var, &padded(seed, h));
        }
    }
    let mut grads = params.zeros_like();
    tape.backward_seeded(&params, &mut grads).unwrap();
    results.insert("grad.x".into(), dense(tape.grad(x).unwrap(), c.input_size));
    if c.given {
        for (part, (letter, ..)) in STATES.into_iter().take(parts).enumerate() {
            results.insert(format!("grad.{letter}0"), stack(&tape, &before, part, &grad));
        }
    }
    for name in names {
        let values = grads.get(&name).unwrap().into_iter().map(E::to_f64).collect();
        results.insert(format!("grad.{name}"), values);
    }
    results
}

/// The largest error of a result as a share of the largest entry of PyTorch's tensor.
fn compare<E: Element>(c: &Case, tensors: &HashMap<String, Vec<f64>>, allowed: f64) -> f64 {
    let results = run::<E>(c);
    let prefix = format!("{:02}.", c.number);
    let expected = tensors.keys().filter(|name| name.starts_with(&prefix)).count();
    assert_eq!(results.len(), expected, "case {} has another number of tensors", c.number);
    let mut worst = 0.0f64;
    for (name, got) in results {
        let want = &tensors[&format!("{prefix}{name}")];
        assert_eq!(got.len(), want.len(), "case {} {name}", c.number);
        let largest = want.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for (g, w) in got.iter().zip(want) {
            let error = (g - w).abs();
            assert!(error <= allowed * largest, "case {} {name} in {}: {g}, expected {w}", c.number, E::NAME);
            worst = if largest > 0.0 { worst.max(error / largest) } else { worst };
        }
    }
    worst
}

/// The cases of a file, and its tensors.
fn read(name: &str) -> (Vec<Value>, HashMap<String, Vec<f64>>) {
    let bytes = std::fs::read(format!("{FOLDER}/{name}.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&header.metadata().as_ref().unwrap()["cases"]).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let number = |b: &[u8]| f64::from_le_bytes(b.try_into().unwrap());
    let tensors = file.tensors().into_iter().map(|(name, t)| (name, t.data().chunks_exact(8).map(number).collect()));
    (cases, tensors.collect())
}

fn check_file(name: &str, cell: Cell, at_least: usize) {
    let (cases, tensors) = read(name);
    assert!(cases.len() >= at_least);
    let (mut worst32, mut worst64) = (0.0f64, 0.0f64);
    for case in &cases {
        let size = |name: &str| case[name].as_u64().unwrap() as usize;
        assert_eq!(case["cell"], name);
        let c = Case {
            cell,
            number: case["case"].as_u64().unwrap(),
            num_layers: size("num_layers"),
            seq_len: size("seq_len"),
            batch: size("batch"),
            input_size: size("input_size"),
            hidden_size: size("hidden_size"),
            given: case["initial_state"] == "given",
            bidirectional: case["bidirectional"] == true,
        };
        worst32 = worst32.max(compare::<f32>(&c, &tensors, 1e-5));
        worst64 = worst64.max(compare::<f64>(&c, &tensors, 1e-9));
    }
    eprintln!("{name}: {} configurations, largest error {worst32:.1e} in f32, {worst64:.1e} in f64", cases.len());
}

#[test]
fn lstm_matches_pytorch() {
    check_file("lstm", Cell::LSTM, 51);
}

#[test]
fn gru_matches_pytorch() {
    check_file("gru", Cell::GRU, 51);
}

#[test]
fn rnn_matches_pytorch() {
    check_file("rnn", Cell::RNN_TANH, 51);
    check_file("rnn_relu", Cell::RNN_RELU, 25);
}

#[test]
fn min_gru_matches_pytorch() {
    check_file("min_gru", Cell::MIN_GRU, 12);
}

#[test]
fn slstm_matches_pytorch() {
    check_file("slstm", Cell::SLSTM, 12);
}

#[test]
fn layer_norm_lstm_matches_pytorch() {
    check_file("layer_norm_lstm", Cell::LAYER_NORM_LSTM, 12);
}

/// The loss of a case of cross-entropies, and its gradient by the logits.
fn cross_entropy<E: Element>(case: &Value) -> [Vec<f64>; 2] {
    let size = |name: &str| case[name].as_u64().unwrap();
    let (number, rows, classes) = (size("case"), size("rows") as usize, size("classes") as usize);
    let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
    tape.start(true);
    let logits = tape.dense_leaf(classes, &fill::<E>(number, 1024, 3, rows * classes), true).unwrap();
    let target = |row: usize| match mix(mix(mix(number) ^ 1025) ^ row as u64) % (classes as u64 + 1) {
        class if row == 0 => (class % classes as u64) as u32,
        class if class == classes as u64 => IGNORED,
        class => class as u32,
    };
    let targets: Vec<u32> = (0..rows).map(target).collect();
    let weights: Vec<f64> = fill::<f64>(number, 1026, 1, classes).iter().map(|x| 1.5 + x).collect();
    let (loss, _) = match (case["weighted"] == true, case["smoothing"].as_f64().unwrap()) {
        (true, _) => tape.weighted_cross_entropy(logits, &targets, &weights),
        (false, 0.0) => tape.cross_entropy(logits, &targets),
        (false, smoothing) => tape.smoothed_cross_entropy(logits, &targets, smoothing),
    }
    .unwrap();
    let value = tape.dense_value(loss)[0].to_f64();
    let params = Declaration::default().zeros::<E>().unwrap();
    tape.backward(loss, &params, &mut params.zeros_like()).unwrap();
    [vec![value], tape.dense_grad(logits).into_iter().map(E::to_f64).collect()]
}

/// A loss is a mean of N rounded terms, a gradient the difference of a rounded softmax and 1; both are of order 1. Of the
/// rounding, a few units in the last place are left.
fn near_pytorchs<E: Element>(case: &Value, tensors: &HashMap<String, Vec<f64>>, epsilon: f64) -> f64 {
    let mut worst = 0.0_f64;
    for (name, got) in ["loss", "grad.logits"].into_iter().zip(cross_entropy::<E>(case)) {
        let want = &tensors[&format!("{:02}.{name}", case["case"].as_u64().unwrap())];
        assert_eq!(got.len(), want.len(), "{case} {name}");
        let largest = want.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        for (got, want) in got.iter().zip(want) {
            let error = (got - want).abs() / largest;
            assert!(error <= 8.0 * epsilon, "{case} {name} in {}: {got}, expected {want}", E::NAME);
            worst = worst.max(error / epsilon);
        }
    }
    worst
}

#[test]
fn cross_entropy_matches_pytorch() {
    let (cases, tensors) = read("cross_entropy");
    assert!(cases.iter().filter(|case| case["weighted"] == true).count() >= 6 && cases.len() >= 11);
    let (mut worst32, mut worst64) = (0.0_f64, 0.0_f64);
    for case in &cases {
        worst32 = worst32.max(near_pytorchs::<f32>(case, &tensors, f32::EPSILON.into()));
        worst64 = worst64.max(near_pytorchs::<f64>(case, &tensors, f64::EPSILON));
    }
    eprintln!("cross-entropy: largest error in units of epsilon {worst32:.1} in f32, {worst64:.1} in f64");
}
