//! What must hold of `scan`, whatever the step: it equals the unrolled tape and the fused layer, two parts equal the
//! whole, neither threads nor backends change a bit, and 10,000 steps need no deep stack.

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, ParamId, Params};
use elman::autodiff::tape::{Tape, Var};
use elman::nn::{Pass, Recurrent, Stack};
use elman::{Cpu, Element, Error};
use elman_kernels::recurrent::Cell;
use elman_kernels::{Backend, pad};

const H: usize = 21;
const I: usize = 18;

fn noise<E: Element>(n: usize, tag: u64, scale: f64) -> Vec<E> {
    let number = |i: u64| {
        let mut z = (i + tag * 1_000_003 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        E::from_f64((((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * scale)
    };
    (0..n as u64).map(number).collect()
}

/// An LSTM written from its equations, with the parameters' names of the fused one.
struct Written {
    weight_ih: ParamId,
    weight_hh: ParamId,
    bias_ih: ParamId,
    bias_hh: ParamId,
}

impl Written {
    fn declare<E: Element>() -> (Written, Params<E>) {
        let mut d = Declaration::default();
        let weight_ih = d.weight("weight_ih_l0", 4 * H, I);
        let weight_hh = d.weight("weight_hh_l0", 4 * H, H);
        let (bias_ih, bias_hh) = (d.bias("bias_ih_l0", 4 * H), d.bias("bias_hh_l0", 4 * H));
        (Written { weight_ih, weight_hh, bias_ih, bias_hh }, d.zeros().unwrap())
    }

    fn step<E: Element>(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Var,
        [h, c]: [Var; 2],
    ) -> Result<(Var, [Var; 2]), Error> {
        let (from_x, from_h) = (tape.matmul(params, self.weight_ih, x)?, tape.matmul(params, self.weight_hh, h)?);
        let (bias_ih, bias_hh) = (tape.param(params, self.bias_ih)?, tape.param(params, self.bias_hh)?);
        let (from_x, from_h) = (tape.add(from_x, bias_ih)?, tape.add(from_h, bias_hh)?);
        let a = tape.add(from_x, from_h)?;
        let mut gate = |k: usize| tape.slice(a, k * H, H);
        let [i, f, g, o] = [gate(0)?, gate(1)?, gate(2)?, gate(3)?];
        let (i, f, g, o) = (tape.sigmoid(i)?, tape.sigmoid(f)?, tape.tanh(g)?, tape.sigmoid(o)?);
        let (kept, new) = (tape.mul(f, c)?, tape.mul(i, g)?);
        let c = tape.add(kept, new)?;
        let squashed = tape.tanh(c)?;
        let h = tape.mul(o, squashed)?;
        Ok((h, [h, c]))
    }
}

/// How to run the layer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Fused,
    Scan,
    /// The same steps on the outer tape itself.
    Unrolled,
    /// Two scans, the second from the states of the first.
    Cut(usize),
}

/// y, the last states, then the gradients by x, h0, c0 and every parameter.
fn run<E: Element>(cpu: &Cpu, how: How, seq_len: usize, batch: usize, recording: bool) -> Vec<Vec<E>> {
    let mut declaration = Declaration::default();
    let fused: Stack<E> = Recurrent::plain(Cell::Lstm, I, &[H]).declare(&mut declaration, "");
    let (written, mut params) = Written::declare::<E>();
    if how == How::Fused {
        params = declaration.zeros().unwrap();
    }
    let names: Vec<String> = params.names().map(str::to_owned).collect();
    for (tag, name) in names.iter().enumerate() {
        let n = params.shape(name).unwrap().iter().product();
        params.set(name, &noise(n, tag as u64, 0.4)).unwrap();
    }
    let mut tape = Tape::new(cpu);
    tape.start(recording);
    let x = tape.dense_leaf(I, &noise(seq_len * batch * I, 10, 1.0), true).unwrap();
    let states = [11, 12].map(|tag| tape.dense_leaf(H, &noise(batch * H, tag, 1.0), true).unwrap());
    let step = |tape: &mut Tape<E>, x: Var, states: [Var; 2]| written.step(tape, &params, x, states);
    let (ys, after) = match how {
        How::Fused => {
            let mut pass = Pass::plain(batch);
            let (y, after) = fused.as_layer().run(&mut tape, &params, Sequence::Dense(x), &states, &mut pass).unwrap();
            (vec![y], [after[0], after[1]])
        }
        How::Scan => {
            let (y, after) = tape.scan(seq_len, x, states, step).unwrap();
            (vec![y], after)
        }
        How::Cut(cut) => {
            let (first, second) =
                (tape.rows(x, 0, cut * batch).unwrap(), tape.rows(x, cut * batch, (seq_len - cut) * batch).unwrap());
            let (y1, middle) = tape.scan(cut, first, states, step).unwrap();
            let (y2, after) = tape.scan(seq_len - cut, second, middle, step).unwrap();
            (vec![y1, y2], after)
        }
        How::Unrolled => {
            let (mut ys, mut states) = (Vec::new(), states);
            for t in 0..seq_len {
                let x_t = tape.rows(x, t * batch, batch).unwrap();
                let (y, after) = step(&mut tape, x_t, states).unwrap();
                ys.push(y);
                states = after;
            }
            (ys, states)
        }
    };
    let mut all = vec![ys.iter().flat_map(|&y| tape.dense_value(y)).collect()];
    all.extend(after.map(|state| tape.dense_value(state)));
    if recording {
        let mut seed = Tape::new(cpu);
        let grad_y = seed.dense_leaf(H, &noise(seq_len * batch * H, 13, 1.0), false).unwrap();
        let mut row = 0;
        for &y in &ys {
            tape.seed(y, &seed.value(grad_y)[row * pad(H)..(row + y.rows()) * pad(H)]);
            row += y.rows();
        }
        for (tag, state) in [14, 15].into_iter().zip(after) {
            let grad = seed.dense_leaf(H, &noise(batch * H, tag, 1.0), false).unwrap();
            tape.seed(state, seed.value(grad));
        }
        let mut grads = params.zeros_like();
        tape.backward_seeded(&params, &mut grads).unwrap();
        all.extend([x, states[0], states[1]].map(|leaf| tape.dense_grad(leaf)));
        all.extend(names.iter().map(|name| grads.get(name).unwrap()));
    }
    all
}

#[test]
fn a_written_lstm_agrees_with_the_fused_one_within_1e_12() {
    let cpu = Cpu::new(Some(2)).unwrap();
    for (seq_len, batch) in [(1, 1), (7, 3), (40, 2)] {
        let (written, fused) =
            (run::<f64>(&cpu, How::Scan, seq_len, batch, true), run::<f64>(&cpu, How::Fused, seq_len, batch, true));
        assert_eq!(written.len(), 3 + 3 + 4);
        for (which, (written, fused)) in written.iter().zip(&fused).enumerate() {
            assert_eq!(written.len(), fused.len());
            for (a, b) in written.iter().zip(fused) {
                // Sums over time run in the other order: the bound is relative where gradients are large.
                assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "tensor {which}, T = {seq_len}: {a} and {b}");
            }
        }
    }
}

#[test]
fn a_scan_equals_the_unrolled_tape_to_the_bit() {
    let cpu = Cpu::new(Some(1)).unwrap();
    assert!(run::<f64>(&cpu, How::Scan, 9, 3, true) == run::<f64>(&cpu, How::Unrolled, 9, 3, true));
    assert!(run::<f32>(&cpu, How::Scan, 9, 3, true) == run::<f32>(&cpu, How::Unrolled, 9, 3, true));
}

#[test]
fn two_parts_have_the_values_of_the_whole_to_the_bit_and_its_gradients() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (whole, whole32) = (run::<f64>(&cpu, How::Scan, 12, 3, true), run::<f32>(&cpu, How::Scan, 12, 3, true));
    for cut in [1, 5, 11] {
        assert!(run::<f32>(&cpu, How::Cut(cut), 12, 3, true)[..3] == whole32[..3], "cut at {cut}");
        // At the cut, the gradient by h is a sum of two sums where the whole has one chain.
        let parts = run::<f64>(&cpu, How::Cut(cut), 12, 3, true);
        for (a, b) in parts.iter().flatten().zip(whole.iter().flatten()) {
            assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0), "cut at {cut}: {a} and {b}");
        }
    }
}

#[test]
fn what_is_not_recorded_has_the_same_values() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (recorded, forgotten) = (run::<f32>(&cpu, How::Scan, 12, 3, true), run::<f32>(&cpu, How::Scan, 12, 3, false));
    assert!(recorded[..3] == forgotten[..]);
}

#[test]
fn neither_backend_nor_threads_change_a_bit() {
    // Large enough that products and activations split their rows over three threads.
    let (seq_len, batch) = (3, 400);
    let want = run::<f32>(&Cpu::with_backend(Backend::detect(), 1).unwrap(), How::Scan, seq_len, batch, true);
    for backend in Backend::available() {
        for threads in [1, 2, 3] {
            let cpu = Cpu::with_backend(backend, threads).unwrap();
            let got = run::<f32>(&cpu, How::Scan, seq_len, batch, true);
            assert!(got == want, "{backend:?}, {threads} threads");
        }
    }
}

#[test]
fn ten_thousand_steps_fit_a_small_stack() {
    let work = || {
        let cpu = Cpu::new(Some(1)).unwrap();
        let all = run::<f32>(&cpu, How::Scan, 10_000, 1, true);
        assert!(all.iter().flatten().all(|x| x.is_finite()));
        assert!(all[3].iter().take(I).any(|&g| g != 0.0), "the first input has a gradient");
    };
    std::thread::Builder::new().stack_size(128 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_state_that_comes_back_unchanged_gathers_its_gradients_and_scans_nest() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let params = Declaration::default().zeros::<f64>().unwrap();
    let mut tape = Tape::new(&cpu);
    // Twice, so that the second pass meets the first one's buffers.
    for _ in 0..2 {
        tape.start(true);
        let x = tape.dense_leaf(1, &[1.0, 2.0, 3.0, 4.0], true).unwrap();
        let k = tape.dense_leaf(1, &[10.0], true).unwrap();
        // y_t = k * (sum of two steps of x)
        let outer = tape.scan(2, x, [k], |tape, x, [k]| {
            let zero = tape.dense_leaf(1, &[0.0], false)?;
            let (_, [sum]) = tape.scan(2, x, [zero], |tape, x, [sum]| {
                let sum = tape.add(sum, x)?;
                Ok((sum, [sum]))
            })?;
            Ok((tape.mul(k, sum)?, [k]))
        });
        let (y, _) = outer.unwrap();
        assert_eq!(tape.dense_value(y), [30.0, 70.0]);
        let loss = tape.sum(y).unwrap();
        tape.backward(loss, &params, &mut params.zeros_like()).unwrap();
        assert_eq!(tape.dense_grad(x), [10.0; 4]);
        assert_eq!(tape.dense_grad(k), [10.0]);
    }
}

#[test]
fn misuse_is_an_error() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let mut tape = Tape::<f64>::new(&cpu);
    tape.start(true);
    let (x, h) = (tape.dense_leaf(2, &[1.0; 8], true).unwrap(), tape.dense_leaf(2, &[1.0; 4], true).unwrap());
    let message = |result: Result<(Var, [Var; 1]), Error>| result.unwrap_err().to_string();
    let same = |_: &mut Tape<f64>, x: Var, [h]: [Var; 1]| Ok((x, [h]));
    let expected = "seq_len of scan is 3, expected at least 1, and a divisor of the 4 rows of x";
    assert_eq!(message(tape.scan(3, x, [h], same)), expected);
    assert!(tape.scan(0, x, [h], same).is_err());
    let narrow = |tape: &mut Tape<f64>, x: Var, [h]: [Var; 1]| Ok((x, [tape.slice(h, 0, 1)?]));
    assert_eq!(message(tape.scan(2, x, [h], narrow)), "state 0 after step 0 of scan has shape [2, 1], expected [2, 2]");
    let captured = |tape: &mut Tape<f64>, x: Var, [_]: [Var; 1]| Ok((x, [tape.tanh(h)?]));
    assert!(message(tape.scan(2, x, [h], captured)).starts_with("a value is of another tape"));
    let mut step = 0;
    let changing = |tape: &mut Tape<f64>, x: Var, [h]: [Var; 1]| {
        step += 1;
        Ok((tape.rows(x, 0, step)?, [h]))
    };
    assert_eq!(message(tape.scan(2, x, [h], changing)), "y of step 1 of scan has shape [2, 2], expected [1, 2]");
}
