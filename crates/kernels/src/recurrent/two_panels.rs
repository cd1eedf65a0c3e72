//! A test of blocks with more than one panel: the LSTM with its gates on two panels has the bits of the LSTM.

use super::{Cell, Dims, Input, Inputs, Sequence, WeightGrads, Weights, backward, forward};
use crate::{Backend, Buffer, Cpu, pad};

/// Numbers without pattern in [-1/2, 1/2), rows of `width` padded with zeros.
fn rows(n: usize, width: usize, tag: u64) -> Vec<f32> {
    let mut rows = vec![0.0; n * pad(width)];
    for (r, row) in rows.chunks_exact_mut(pad(width)).enumerate() {
        for (k, x) in row[..width].iter_mut().enumerate() {
            let hash = (tag * 7919 + (r * width + k) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            *x = (hash >> 40) as f32 / (1 << 24) as f32 - 0.5;
        }
    }
    rows
}

/// All that a layer computes, in the logical order.
fn run(cpu: &Cpu, d: &Dims, tokens: Option<&[u32]>) -> Vec<Vec<u32>> {
    let layouts = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()];
    let packed = |tag: u64| {
        layouts.map(|layout| {
            let logical: Vec<f32> = rows(layout.rows(), layout.cols(), tag + layout.cols() as u64);
            let dense: Vec<f32> =
                logical.chunks_exact(pad(layout.cols())).flat_map(|row| &row[..layout.cols()]).copied().collect();
            let mut packed = Buffer::zeros(layout.packed_len());
            layout.pack(&dense, &mut packed);
            packed
        })
    };
    let ([weight_ih, weight_hh, bias_ih, bias_hh], mut grads) = (&packed(1), packed(2));
    let w = Weights { weight_ih, weight_hh, bias_ih, bias_hh };
    let x = rows(d.seq_len * d.batch, d.input_size, 3);
    let mask: Vec<bool> = (0..d.seq_len * d.batch).map(|i| i % 5 != 3).collect();
    let input = tokens.map_or(Input::Dense(&x), Input::Tokens);
    let inputs = Inputs { x: input, mask: Some(&mask) };
    let mut gates = vec![f32::NAN; d.gates_len()];
    let states = (d.seq_len + 1) * d.batch;
    let (mut hidden, mut cell) = (rows(states, d.hidden_size, 4), rows(states, d.hidden_size, 5));
    forward(cpu, d, &w, inputs, &mut gates, &mut hidden, &mut cell).unwrap();
    let (mut grad_hidden, mut grad_cell) = (rows(states, d.hidden_size, 6), rows(d.batch, d.hidden_size, 7));
    let mut grad_x = rows(d.seq_len * d.batch, d.input_size, 8);
    let want_x = tokens.is_none().then_some(&mut grad_x[..]);
    let [weight_ih, weight_hh, bias_ih, bias_hh] = &mut grads;
    let weight_grads = WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh };
    let sequence = Sequence {
        gates: &mut gates,
        hidden: &hidden,
        cell: &cell,
        grad_hidden: &mut grad_hidden,
        grad_cell: &mut grad_cell,
    };
    backward(cpu, d, &w, inputs, sequence, want_x, weight_grads).unwrap();
    let mut results = vec![hidden, cell, grad_hidden, grad_cell, grad_x];
    for (layout, grad) in layouts.iter().zip(&grads) {
        let mut logical = vec![0.0; layout.rows() * layout.cols()];
        layout.unpack(grad, &mut logical);
        results.push(logical);
    }
    results.into_iter().map(|x| x.into_iter().map(f32::to_bits).collect()).collect()
}

#[test]
fn gates_on_two_panels_have_the_bits_of_gates_on_one() {
    let cpu = |threads| Cpu::with_backend(Backend::detect(), threads).unwrap().with_work_per_thread(1);
    for (batch, hidden_size) in if cfg!(miri) { vec![(2, 17)] } else { vec![(1, 40), (5, 17), (40, 70)] } {
        for reverse in [false, true] {
            let d = |cell| Dims { cell, seq_len: 3, batch, input_size: 6, hidden_size, reverse };
            let tokens: Vec<u32> = (0..3 * batch).map(|i| (i * i % 6) as u32).collect();
            for tokens in [None, Some(&tokens[..])] {
                let want = run(&cpu(1), &d(Cell::Lstm), tokens);
                for threads in [1, 3] {
                    assert!(
                        run(&cpu(threads), &d(Cell::LstmOnTwoPanels), tokens) == want,
                        "{threads} {batch} {reverse}"
                    );
                }
                let bfloat16 = |cell| cpu(2).with_bfloat16().map(|cpu| run(&cpu, &d(cell), tokens));
                assert!(bfloat16(Cell::LstmOnTwoPanels) == bfloat16(Cell::Lstm), "bfloat16 {batch} {reverse}");
            }
        }
    }
}
