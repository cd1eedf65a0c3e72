//! Rung 2: the fused layers against the reference on every small size, on every backend, in both number types; and
//! every backend and thread count against each other, bit for bit.

use elman_kernels::layout::Layout;
use elman_kernels::recurrent::{self, Cell, Dims, Input, Sequence, WeightGrads, Weights};
use elman_kernels::reference::{Grads, Layer};
use elman_kernels::{Backend, Buffer, Cpu, Element, linear, pad};

/// Numbers without pattern in [-1, 1): a hash of the index.
fn noise<E: Element>(n: usize, tag: u64) -> Vec<E> {
    (0..n as u64)
        .map(|i| {
            let mut z = (i + tag * 1_000_003).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            E::from_f64(((z ^ (z >> 29)) >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
        })
        .collect()
}

/// Dense rows of `width` numbers to rows padded with zeros, and back.
fn padded<E: Element>(dense: &[E], width: usize) -> Vec<E> {
    let mut rows = vec![E::ZERO; dense.len() / width * pad(width)];
    for (to, from) in rows.chunks_exact_mut(pad(width)).zip(dense.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    rows
}
fn dense<E: Element>(padded: &[E], width: usize) -> Vec<E> {
    for row in padded.chunks_exact(pad(width)) {
        assert!(row[width..].iter().all(|&x| x == E::ZERO), "padding is not zero");
    }
    padded.chunks_exact(pad(width)).flat_map(|row| row[..width].to_vec()).collect()
}
fn packed<E: Element>(layout: Layout, logical: &[E]) -> Buffer<E> {
    let mut packed = Buffer::zeros(layout.packed_len());
    layout.pack(logical, &mut packed);
    packed
}
fn unpacked<E: Element>(layout: Layout, packed: &[E]) -> Vec<E> {
    let mut logical = vec![E::ZERO; layout.rows() * layout.cols()];
    layout.unpack(packed, &mut logical);
    logical
}

/// Number of packed elements that are not zero and stand for no logical one.
fn zeros_outside<E: Element>(layout: Layout, packed_grad: &[E]) -> usize {
    let logical = unpacked(layout, packed_grad);
    let count = |values: &[E]| values.iter().filter(|&&x| x != E::ZERO).count();
    count(packed_grad) - count(&logical)
}

/// Everything a layer computes, dense.
#[derive(Debug, PartialEq)]
struct Results<E> {
    y: Vec<E>,
    hidden: Vec<E>,
    cell: Vec<E>,
    grads: Grads<E>,
}

struct Case<E> {
    d: Dims,
    cell: Layer<E>,
    x: Vec<E>,
    tokens: Option<Vec<u32>>,
    h0: Vec<E>,
    c0: Vec<E>,
    grad_y: Vec<E>,
    grad_cell: Vec<E>,
}

impl<E: Element> Case<E> {
    fn new(d: Dims, with_tokens: bool) -> Case<E> {
        let Dims { cell: kind, seq_len, batch, input_size, hidden_size, reverse } = d;
        let gate_rows = kind.gates() * hidden_size;
        let rows = seq_len * batch;
        // Weights shrink with the width, so that the gates stay off saturation as in a real network.
        let scale = E::from_f64(1.0 / (hidden_size.max(1) as f64).sqrt());
        let weight = |n, tag| noise::<E>(n, tag).into_iter().map(|x| x * scale).collect::<Vec<E>>();
        let cell = Layer {
            weight_ih: weight(gate_rows * input_size, 1),
            weight_hh: weight(gate_rows * hidden_size, 2),
            bias_ih: weight(gate_rows, 3),
            bias_hh: weight(gate_rows, 4),
            ..Layer::zeros(kind, input_size, hidden_size, reverse)
        };
        let tokens = with_tokens.then(|| (0..rows).map(|i| (i * i + 3 * i) as u32 % input_size as u32).collect());
        let one_hot = |tokens: &Vec<u32>| {
            let bit = |&t: &u32| (0..input_size).map(move |k| if k == t as usize { E::ONE } else { E::ZERO });
            tokens.iter().flat_map(bit).collect()
        };
        let x = tokens.as_ref().map_or_else(|| noise(rows * input_size, 5), one_hot);
        let state = batch * hidden_size;
        let (h0, c0) = (noise(state, 6), noise(state, 7));
        let (grad_y, grad_cell) = (noise(rows * hidden_size, 8), noise(state, 9));
        Case { d, cell, x, tokens, h0, c0, grad_y, grad_cell }
    }

    fn reference(&self) -> Results<E> {
        let batch = self.d.batch;
        let run = self.cell.forward(batch, &self.x, &self.h0, &self.c0);
        let mut grads = self.cell.backward(batch, &self.x, &run, &self.grad_y, &self.grad_cell);
        if self.tokens.is_some() {
            grads.x.clear();
        }
        self.without_missing_cell(Results { y: run.y, hidden: run.hidden, cell: run.cell, grads })
    }

    /// A cell without c has none to compare.
    fn without_missing_cell(&self, mut results: Results<E>) -> Results<E> {
        if !self.d.cell.has_cell() {
            results.cell.clear();
            results.grads.c0.clear();
        }
        results
    }

    fn fused(&self, cpu: &Cpu) -> Results<E> {
        let (d, h) = (&self.d, self.d.hidden_size);
        let (w_ih, w_hh) = (packed(d.weight_ih(), &self.cell.weight_ih), packed(d.weight_hh(), &self.cell.weight_hh));
        let (b_ih, b_hh) = (packed(d.bias_ih(), &self.cell.bias_ih), packed(d.bias_hh(), &self.cell.bias_hh));
        let w = Weights { weight_ih: &w_ih, weight_hh: &w_hh, bias_ih: &b_ih, bias_hh: &b_hh };
        let rows = padded(&self.x, d.input_size);
        let input = match &self.tokens {
            Some(tokens) => Input::Tokens(tokens),
            None => Input::Dense(&rows),
        };
        let mut gates = Buffer::zeros(d.gates_len());
        let (mut hidden, mut cell) = (Buffer::zeros(d.hidden_len()), Buffer::zeros(d.cell_len()));
        let slot = |slot: usize| slot * d.state_len()..(slot + 1) * d.state_len();
        hidden[slot(d.first_slot())].copy_from_slice(&padded(&self.h0, h));
        let has_cell = d.cell.has_cell();
        if has_cell {
            cell[slot(d.first_slot())].copy_from_slice(&padded(&self.c0, h));
        }
        recurrent::forward(cpu, d, &w, input, &mut gates, &mut hidden, &mut cell).unwrap();

        let outputs = d.output_slot() * d.state_len()..(d.output_slot() + d.seq_len) * d.state_len();
        let mut grad_hidden = vec![E::ZERO; d.hidden_len()];
        grad_hidden[outputs.clone()].copy_from_slice(&padded(&self.grad_y, h));
        let mut grad_cell = if has_cell { padded(&self.grad_cell, h) } else { Vec::new() };
        let mut grad_x = vec![E::ZERO; if self.tokens.is_some() { 0 } else { rows.len() }];
        let zeros = |layout: Layout| Buffer::<E>::zeros(layout.packed_len());
        let (mut g_ih, mut g_hh) = (zeros(d.weight_ih()), zeros(d.weight_hh()));
        let (mut g_bi, mut g_bh) = (zeros(d.bias_ih()), zeros(d.bias_hh()));
        let grads = WeightGrads { weight_ih: &mut g_ih, weight_hh: &mut g_hh, bias_ih: &mut g_bi, bias_hh: &mut g_bh };
        let want_x = self.tokens.is_none().then_some(&mut grad_x[..]);
        let (grad_hidden_all, grad_cell_all) = (&mut grad_hidden[..], &mut grad_cell[..]);
        let run = Sequence {
            gates: &mut gates,
            hidden: &hidden,
            cell: &cell,
            grad_hidden: grad_hidden_all,
            grad_cell: grad_cell_all,
        };
        recurrent::backward(cpu, d, &w, input, run, want_x, grads).unwrap();
        for (layout, packed) in
            [(d.weight_ih(), &g_ih), (d.weight_hh(), &g_hh), (d.bias_ih(), &g_bi), (d.bias_hh(), &g_bh)]
        {
            assert_eq!(zeros_outside(layout, packed), 0, "the padding of a gradient is not zero");
        }
        let weights = Layer {
            weight_ih: unpacked(d.weight_ih(), &g_ih),
            weight_hh: unpacked(d.weight_hh(), &g_hh),
            bias_ih: unpacked(d.bias_ih(), &g_bi),
            bias_hh: unpacked(d.bias_hh(), &g_bh),
            ..Layer::zeros(d.cell, d.input_size, h, d.reverse)
        };
        let h0 = dense(&grad_hidden[slot(d.first_slot())], h);
        let grads = Grads { weights, x: dense(&grad_x, d.input_size), h0, c0: dense(&grad_cell, h) };
        let last_cell = if has_cell { dense(&cell[slot(d.last_slot())], h) } else { Vec::new() };
        Results {
            y: dense(&hidden[outputs], h),
            hidden: dense(&hidden[slot(d.last_slot())], h),
            cell: last_cell,
            grads,
        }
    }

    /// A first-order bound: each of T steps adds a chain of I + H sums, and weight gradients sum T*B rows.
    fn tolerance(&self) -> f64 {
        let Dims { seq_len, batch, input_size, hidden_size, .. } = self.d;
        E::ROUNDING * (8 + input_size + hidden_size * (1 + seq_len) + seq_len * batch) as f64
    }
}

fn assert_close<E: Element>(what: &str, got: &[E], want: &[E], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1.0f64, |m, x| m.max(x.to_f64().abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (g.to_f64() - w.to_f64()).abs();
        assert!(
            error <= tolerance * largest,
            "{what}[{i}] is {g}, expected {w}: off by {error:e}, {tolerance:e} allowed"
        );
    }
}

fn check<E: Element>(cpu: &Cpu, case: &Case<E>, want: &Results<E>) -> Results<E> {
    let got = case.fused(cpu);
    let (tolerance, name) = (case.tolerance(), format!("{} {:?} {:?}", E::NAME, cpu.backend(), case.d));
    assert_close(&format!("{name} y"), &got.y, &want.y, tolerance);
    assert_close(&format!("{name} hidden"), &got.hidden, &want.hidden, tolerance);
    assert_close(&format!("{name} cell"), &got.cell, &want.cell, tolerance);
    let (g, w) = (&got.grads, &want.grads);
    assert_close(&format!("{name} d_weight_ih"), &g.weights.weight_ih, &w.weights.weight_ih, tolerance);
    assert_close(&format!("{name} d_weight_hh"), &g.weights.weight_hh, &w.weights.weight_hh, tolerance);
    assert_close(&format!("{name} d_bias_ih"), &g.weights.bias_ih, &w.weights.bias_ih, tolerance);
    assert_close(&format!("{name} d_bias_hh"), &g.weights.bias_hh, &w.weights.bias_hh, tolerance);
    assert_close(&format!("{name} d_x"), &g.x, &w.x, tolerance);
    assert_close(&format!("{name} d_h0"), &g.h0, &w.h0, tolerance);
    assert_close(&format!("{name} d_c0"), &g.c0, &w.c0, tolerance);
    got
}

/// Checks one size on every backend and with 1 and 3 threads; all must agree with each other to the bit.
fn everywhere<E: Element>(d: Dims, with_tokens: bool) {
    let case = Case::<E>::new(d, with_tokens);
    let want = case.reference();
    let mut first: Option<Results<E>> = None;
    for backend in Backend::available() {
        for threads in [1, 3] {
            let got = check(&Cpu::with_backend(backend, threads).unwrap(), &case, &want);
            let first = first.get_or_insert_with(|| case.fused(&Cpu::with_backend(backend, 1).unwrap()));
            assert!(got == *first, "{} {backend:?} with {threads} threads changed the bits of {:?}", E::NAME, case.d);
        }
    }
}

#[test]
fn missing_instructions_are_said() {
    for name in ["avx512", "avx2", "portable"] {
        if Backend::named(name).is_err() {
            eprintln!("not tested: {name}, this machine lacks it");
        }
    }
    assert!(Backend::named("portable").is_ok());
}

const CELLS: [Cell; 4] = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru];

fn every_small_size(cell: Cell) {
    for seq_len in [1, 2, 3] {
        for batch in [1, 2, 5, 6, 7, 13] {
            for hidden_size in [1, 2, 3, 8, 15, 16, 17, 33] {
                for input_size in [1, 3, 17] {
                    // Both directions and both kinds of input meet every size of the layer.
                    let reverse = (seq_len + batch + hidden_size + input_size) % 2 == 0;
                    let d = |reverse| Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
                    everywhere::<f32>(d(reverse), false);
                    everywhere::<f32>(d(!reverse), true);
                    everywhere::<f64>(d(!reverse), false);
                    everywhere::<f64>(d(reverse), true);
                }
            }
        }
    }
}

#[test]
fn every_small_rnn_matches_the_reference() {
    every_small_size(Cell::RnnTanh);
    every_small_size(Cell::RnnRelu);
}

#[test]
fn every_small_lstm_matches_the_reference() {
    every_small_size(Cell::Lstm);
}

#[test]
fn every_small_gru_matches_the_reference() {
    every_small_size(Cell::Gru);
}

#[test]
fn sizes_beyond_every_block_match_the_reference() {
    // More rows than a block of 192, more columns than a block of 256, more panels than one, work for all threads.
    for cell in CELLS {
        for (seq_len, batch, input_size, hidden_size) in [(9, 30, 70, 70), (2, 3, 300, 130), (40, 2, 5, 64)] {
            let d = |reverse| Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
            everywhere::<f32>(d(false), false);
            everywhere::<f64>(d(true), true);
        }
    }
}

#[test]
fn nothing_to_do_is_done() {
    let cpu = Cpu::with_backend(Backend::detect(), 2).unwrap();
    for cell in CELLS {
        for (seq_len, batch) in [(0, 2), (2, 0), (0, 0)] {
            let d = Dims { cell, seq_len, batch, input_size: 3, hidden_size: 5, reverse: false };
            let case = Case::<f64>::new(d, false);
            let got = case.fused(&cpu);
            assert_eq!(got.hidden, case.h0);
            assert!(got.grads.weights.weight_hh.iter().all(|&g| g == 0.0));
        }
    }
}

#[test]
fn linear_matches_plain_sums() {
    fn run<E: Element>(cpu: &Cpu, rows: usize, inputs: usize, outputs: usize) -> Vec<Vec<E>> {
        let d = linear::Dims { rows, inputs, outputs };
        let (x, w) = (noise::<E>(rows * inputs, 1), noise::<E>(outputs * inputs, 2));
        let (b, grad_y) = (noise::<E>(outputs, 3), noise::<E>(rows * outputs, 4));
        let (x_rows, grad_rows) = (padded(&x, inputs), padded(&grad_y, outputs));
        let (w_packed, b_packed) = (packed(d.weight(), &w), packed(d.bias(), &b));
        let mut y = vec![E::ONE; rows * pad(outputs)];
        linear::forward(cpu, &d, &x_rows, &w_packed, Some(&b_packed), &mut y).unwrap();
        let (mut g_x, mut g_w, mut g_b) =
            (vec![E::ZERO; x_rows.len()], Buffer::zeros(w_packed.len()), Buffer::zeros(b_packed.len()));
        let grad_b = Some(&mut g_b[..]);
        linear::backward(cpu, &d, &x_rows, &w_packed, &grad_rows, Some(&mut g_x), &mut g_w, grad_b).unwrap();
        let got = vec![dense(&y, outputs), dense(&g_x, inputs), unpacked(d.weight(), &g_w), unpacked(d.bias(), &g_b)];
        let sum = |n: usize, f: &dyn Fn(usize) -> E| (0..n).fold(0.0, |s, k| s + f(k).to_f64());
        let mut want = vec![Vec::new(); 4];
        for r in 0..rows {
            for n in 0..outputs {
                want[0].push(b[n].to_f64() + sum(inputs, &|k| x[r * inputs + k] * w[n * inputs + k]));
            }
            for k in 0..inputs {
                want[1].push(sum(outputs, &|n| grad_y[r * outputs + n] * w[n * inputs + k]));
            }
        }
        for n in 0..outputs {
            for k in 0..inputs {
                want[2].push(sum(rows, &|r| grad_y[r * outputs + n] * x[r * inputs + k]));
            }
            want[3].push(sum(rows, &|r| grad_y[r * outputs + n]));
        }
        let tolerance = E::ROUNDING * (8 + rows + inputs + outputs) as f64;
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let want: Vec<E> = want.iter().map(|&x| E::from_f64(x)).collect();
            assert_close(&format!("{} {:?} {d:?} result {i}", E::NAME, cpu.backend()), got, &want, tolerance);
        }
        got
    }
    for (rows, inputs, outputs) in [(1, 1, 1), (5, 3, 17), (7, 16, 65), (200, 70, 130), (300, 300, 20)] {
        for backend in Backend::available() {
            let cpu = |threads| Cpu::with_backend(backend, threads).unwrap();
            let alone = Cpu::with_backend(Backend::detect(), 1).unwrap();
            assert!(run::<f32>(&cpu(3), rows, inputs, outputs) == run::<f32>(&alone, rows, inputs, outputs));
            assert!(run::<f64>(&cpu(3), rows, inputs, outputs) == run::<f64>(&alone, rows, inputs, outputs));
        }
    }
}
