//! What a mask guarantees, to the bit: masked positions change nothing, more of them change nothing, a row is what it is
//! alone; and to rounding: the gradient of a batch is the sum of its rows'. `agree.rs` compares values with the reference.

mod case;
mod rows;

use case::{Case, bits};
use elman_kernels::recurrent::{Cell, Dims};
use elman_kernels::reference::{Grads, Layer};
use elman_kernels::{Backend, Cpu, Element, Scalar};
use rows::{assert_close, noise, splitting};

/// Every backend, every cell, both directions, sizes of one panel and of several.
fn everywhere(mut test: impl FnMut(&Cpu, Dims)) {
    for (i, backend) in Backend::available().into_iter().enumerate() {
        let cpu = splitting(backend, 1 + i % 3);
        for &cell in Cell::ALL {
            let sizes = [(5, 3, 2, 5), (7, 17, 20, 37)];
            // The smaller for Miri, which runs some thousand times slower.
            for &(seq_len, batch, input_size, hidden_size) in if cfg!(miri) { &sizes[..1] } else { &sizes } {
                for reverse in [false, true] {
                    test(&cpu, Dims { cell, seq_len, batch, input_size, hidden_size, reverse });
                }
            }
        }
    }
}

/// Rows of different lengths, padded at the end and at the beginning, with a gap here and there.
fn lengths(d: &Dims) -> Vec<bool> {
    let holes = noise::<f64>(d.seq_len * d.batch, 77);
    let is_read = |t: usize, b: usize| match b % 3 {
        0 => t < 1 + b % d.seq_len,
        1 => t >= b % d.seq_len,
        _ => holes[t * d.batch + b] > -0.5,
    };
    (0..d.seq_len * d.batch).map(|i| is_read(i / d.batch, i % d.batch)).collect()
}

/// The same problem with `front` and `back` masked steps around it.
fn with_padding<E: Element>(case: &Case<E>, front: usize, back: usize) -> Case<E> {
    let around = |x: &[E], width: usize, tag: u64| {
        let row = case.d.batch * width;
        [noise(front * row, tag), x.to_vec(), noise(back * row, tag + 1)].concat()
    };
    let d = Dims { seq_len: front + case.d.seq_len + back, ..case.d };
    let no = |steps: usize| vec![false; steps * case.d.batch];
    let mask = [no(front), case.mask.clone().unwrap(), no(back)].concat();
    let mut padded = Case {
        d,
        x: around(&case.x, d.input_size, 21),
        tokens: case.tokens.as_ref().map(|t| [vec![0; no(front).len()], t.clone(), vec![0; no(back).len()]].concat()),
        mask: Some(mask),
        grad_y: around(&case.grad_y, d.hidden_size, 23),
        before: Grads { x: around(&case.before.x, d.input_size, 25), ..case.before.clone() },
        ..case.clone()
    };
    if padded.tokens.is_some() {
        padded.before.x.clear();
    }
    padded.spoil_masked();
    padded.silence_masked();
    padded
}

/// `all_zero`: every gradient that comes is -0, as one that is too small to be told; adding 0 to it would change a bit.
fn more_padding<E: Element>(cpu: &Cpu, d: Dims, with_tokens: bool, all_zero: bool) {
    let mut case = Case::<E>::new(d, with_tokens, Some(lengths(&d)));
    if all_zero {
        let Grads { weights: Layer { weight_ih, weight_hh, bias_ih, bias_hh, .. }, x, h0, c0 } = &mut case.before;
        for gradient in [weight_ih, weight_hh, bias_ih, bias_hh, x, h0, c0, &mut case.grad_y] {
            gradient.fill(-E::ZERO);
        }
    }
    case.silence_masked();
    let want = bits(&case.fused(cpu));
    for (front, back) in [(1, 0), (0, 1), (3, 2)] {
        let padded = with_padding(&case, front, back);
        let got = bits(&padded.fused(cpu));
        for ((name, got), (_, want)) in got.iter().zip(&want) {
            let width = if *name == "y" { d.hidden_size } else { d.input_size };
            let (inner, around) = match *name {
                "y" | "d_x" => {
                    let from = front * d.batch * width;
                    let rest = [&got[..from], &got[from + want.len()..]].concat();
                    (&got[from..from + want.len()], rest)
                }
                _ => (&got[..], vec![]),
            };
            assert!(inner == want, "{front} masked steps before and {back} after changed {name} of {d:?} {cpu:?}");
            if *name == "d_x" {
                let x = &padded.before.x;
                let (first, last) = x.split_at(front * d.batch * width);
                let before: Vec<E> = [first, &last[want.len()..]].concat();
                let before: Vec<u64> = before.iter().map(|x| x.to_f64().to_bits()).collect();
                assert!(around == before, "a masked x has a gradient");
            }
        }
    }
}

#[test]
fn more_padding_changes_no_bit() {
    everywhere(|cpu, d| {
        for all_zero in [false, true] {
            more_padding::<f32>(cpu, d, false, all_zero);
            more_padding::<f64>(cpu, d, true, all_zero);
        }
    });
}

fn nothing_read<E: Element>(cpu: &Cpu, d: Dims) {
    let mut case = Case::<E>::new(d, false, Some(vec![false; d.seq_len * d.batch]));
    let minus_0 = |x: &mut Vec<E>| x.fill(-E::ZERO);
    let Grads { weights: Layer { weight_ih, weight_hh, bias_ih, bias_hh, .. }, x, h0, .. } = &mut case.before;
    [weight_ih, weight_hh, bias_ih, bias_hh, x, h0].into_iter().for_each(minus_0);
    minus_0(&mut case.h0);
    minus_0(&mut case.grad_y);
    let before = case.before.clone();
    for (name, got) in case.fused(cpu) {
        let want = match name {
            "cell" => &case.c0,
            "d_c0" => &before.c0,
            _ => &vec![-E::ZERO; got.len()],
        };
        assert_eq!(bits(&vec![(name, got)]), bits(&vec![(name, want.clone())]), "{name} {d:?} {cpu:?}");
    }
}

#[test]
fn where_nothing_is_read_nothing_changes_not_even_a_zero_s_sign() {
    everywhere(|cpu, d| {
        nothing_read::<f32>(cpu, d);
        nothing_read::<f64>(cpu, d);
    });
}

#[test]
fn a_mask_that_reads_everything_is_none() {
    everywhere(|cpu, d| {
        let (mut masked, plain) = (Case::<f32>::new(d, false, None), Case::<f32>::new(d, false, None));
        masked.mask = Some(vec![true; d.seq_len * d.batch]);
        assert!(bits(&masked.fused(cpu)) == bits(&plain.fused(cpu)), "{d:?} {cpu:?}");
    });
}

/// Row `b` alone: the positions that are read, one after another, without a mask.
fn alone<E: Element>(case: &Case<E>, b: usize) -> (Case<E>, Vec<usize>) {
    let (batch, mask) = (case.d.batch, case.mask.as_ref().unwrap());
    let positions: Vec<usize> = (b..mask.len()).step_by(batch).filter(|&position| mask[position]).collect();
    let rows = |x: &[E], width: usize, rows: &[usize]| -> Vec<E> {
        rows.iter().flat_map(|r| x[r * width..][..width].to_vec()).collect()
    };
    let (i, h) = (case.d.input_size, case.d.hidden_size);
    let of_states: Vec<usize> = (0..case.d.cell.states().len()).map(|state| state * batch + b).collect();
    let d = Dims { seq_len: positions.len(), batch: 1, ..case.d };
    let before = Grads {
        weights: Layer::zeros(d.cell, i, h, d.reverse),
        x: rows(&case.before.x, i, &positions),
        h0: rows(&case.before.h0, h, &[b]),
        c0: rows(&case.before.c0, h, &of_states),
    };
    let row = Case {
        d,
        x: rows(&case.x, i, &positions),
        mask: None,
        h0: rows(&case.h0, h, &[b]),
        c0: rows(&case.c0, h, &of_states),
        grad_y: rows(&case.grad_y, h, &positions),
        before,
        ..case.clone()
    };
    (row, positions)
}

#[test]
fn a_row_is_what_it_is_alone_and_gradients_are_sums_over_rows() {
    everywhere(|cpu, d| {
        let mut case = Case::<f64>::new(d, false, Some(lengths(&d)));
        case.silence_masked();
        let together = case.fused(cpu);
        let weights = &case.before.weights;
        let mut sums = [&weights.weight_ih, &weights.weight_hh, &weights.bias_ih, &weights.bias_hh].map(Vec::clone);
        for b in 0..d.batch {
            let (row, positions) = alone(&case, b);
            for ((name, got), (_, all)) in row.fused(cpu).into_iter().zip(&together) {
                let of_states: Vec<usize> = (0..d.cell.states().len()).map(|state| state * d.batch + b).collect();
                let (width, rows) = match name {
                    "y" => (d.hidden_size, &positions[..]),
                    "d_x" => (d.input_size, &positions[..]),
                    "cell" | "d_c0" => (d.hidden_size, &of_states[..]),
                    _ => (d.hidden_size, &[b][..]),
                };
                let sum = ["d_weight_ih", "d_weight_hh", "d_bias_ih", "d_bias_hh"].iter().position(|n| *n == name);
                if let Some(sum) = sum {
                    sums[sum].iter_mut().zip(&got).for_each(|(sum, g)| *sum += g);
                    continue;
                }
                let want: Vec<f64> = rows.iter().flat_map(|r| all[r * width..][..width].to_vec()).collect();
                assert!(bits(&vec![(name, got)]) == bits(&vec![(name, want)]), "{name} of row {b} of {d:?} {cpu:?}");
            }
        }
        for (name, sum) in ["d_weight_ih", "d_weight_hh", "d_bias_ih", "d_bias_hh"].iter().zip(&sums) {
            let got = &together.iter().find(|(n, _)| n == name).unwrap().1;
            assert_close(name, got, sum, f64::ROUNDING * (d.seq_len * d.batch) as f64);
        }
    });
}
