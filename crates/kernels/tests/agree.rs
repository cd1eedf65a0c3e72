//! Rung 2: the fused layers against the reference on every small size, on every backend, in both number types, with
//! and without a mask; and every backend and thread count against each other, bit for bit. The same for the affine map.

mod case;
#[path = "../../../.ci/not_run.rs"]
mod not_run;
mod rows;

use std::ops::Range;
use std::sync::LazyLock;

use case::{Case, Results, bits};
use elman_kernels::recurrent::{Cell, Dims};
use elman_kernels::{Backend, Cpu, Element, linear, pad};
use rows::{assert_close, dense, noise, packed, padded, splitting, unpacked};

/// Every backend with 1, 2 and 3 threads, made once.
static CPUS: LazyLock<Vec<[Cpu; 3]>> = LazyLock::new(|| {
    Backend::available().into_iter().map(|backend| [1, 2, 3].map(|threads| splitting(backend, threads))).collect()
});

/// Every backend and number of threads against the reference, and against each other bit for bit.
fn everywhere<E: Element>(case: &Case<E>) {
    let want: Results<E> = case.reference();
    let first = bits(&case.fused(&CPUS[0][0]));
    for (i, cpus) in CPUS.iter().enumerate() {
        // A size meets each backend with one of the thread counts; all sizes together meet all.
        let cpu = &cpus[(i + case.d.batch + case.d.hidden_size) % 3];
        let got = bits(&case.check(cpu, &want));
        assert!(got == first, "{} {cpu:?} changed the bits of {:?}", E::NAME, case.d);
    }
}

/// Whether a position is read: about two thirds are.
fn some(d: &Dims) -> Option<Vec<bool>> {
    Some(noise::<f64>(d.seq_len * d.batch, d.hidden_size as u64).into_iter().map(|x| x > -0.3).collect())
}

/// Both directions, kinds of input and number types, with and without a mask: each meets every size of a layer.
fn variants(d: Dims) {
    let reverse = (d.seq_len + d.batch + d.hidden_size + d.input_size).is_multiple_of(2);
    let d = |reverse| Dims { reverse, ..d };
    everywhere(&Case::<f32>::new(d(reverse), false, None));
    everywhere(&Case::<f64>::new(d(!reverse), false, some(&d(reverse))));
    if d(reverse).input_size > 0 {
        everywhere(&Case::<f32>::new(d(!reverse), true, some(&d(reverse))));
        everywhere(&Case::<f64>::new(d(reverse), true, None));
    }
}

fn every_small_size(cell: Cell) {
    if cfg!(miri) {
        return under_miri(cell);
    }
    for seq_len in [1, 2, 3] {
        for batch in [1, 2, 5, 6, 7, 13] {
            for hidden_size in [1, 2, 3, 8, 15, 16, 17, 33] {
                for input_size in [1, 3, 17] {
                    variants(Dims { cell, seq_len, batch, input_size, hidden_size, reverse: false });
                }
            }
        }
    }
    // Nothing of a kind: no input, no steps, no rows, no units.
    for [seq_len, batch, input_size, hidden_size] in [
        [3, 2, 0, 17],
        [1, 7, 0, 3],
        [0, 2, 3, 5],
        [0, 2, 0, 17],
        [2, 0, 3, 5],
        [2, 0, 3, 70],
        [0, 0, 3, 5],
        [2, 3, 4, 0],
        [2, 0, 0, 0],
        [0, 0, 0, 0],
    ] {
        variants(Dims { cell, seq_len, batch, input_size, hidden_size, reverse: false });
    }
}

/// Miri, which runs some thousand times slower, gets each cell on two threads: one panel and two, forward and in reverse,
/// vectors and tokens, with and without a mask, in both number types; and nothing of a kind.
fn under_miri(cell: Cell) {
    fn on_two_threads<E: Element>(case: &Case<E>) {
        case.check(&CPUS[0][1], &case.reference());
    }
    let d = |[seq_len, batch, input_size, hidden_size]: [usize; 4], reverse| Dims {
        cell,
        seq_len,
        batch,
        input_size,
        hidden_size,
        reverse,
    };
    on_two_threads(&Case::<f32>::new(d([2, 2, 3, 5], false), false, None));
    let two = d([2, 2, 2, 17], true);
    on_two_threads(&Case::<f64>::new(two, true, Some(vec![true, false, true, true])));
    for sizes in [[2, 0, 3, 5], [0, 2, 0, 17], [2, 3, 4, 0]] {
        on_two_threads(&Case::<f32>::new(d(sizes, true), false, None));
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
    every_small_size(Cell::GruResetBefore);
}

#[test]
fn every_small_min_gru_and_slstm_matches_the_reference() {
    every_small_size(Cell::MinGru);
    every_small_size(Cell::Slstm);
}

#[test]
fn sizes_beyond_every_block_match_the_reference() {
    // More rows than a block of 192, more columns than a block of 256, more panels than one.
    for &cell in Cell::ALL {
        // Rows for each of three threads, too, and units.
        let sizes = [(9, 30, 70, 70), (3, 50, 5, 70), (2, 3, 300, 130), (40, 2, 5, 64), (1, 200, 3, 9)];
        // None for Miri, which runs some thousand times slower.
        for &(seq_len, batch, input_size, hidden_size) in if cfg!(miri) { &[][..] } else { &sizes } {
            let d = |reverse| Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
            everywhere(&Case::<f32>::new(d(false), false, None));
            everywhere(&Case::<f64>::new(d(true), true, None));
            everywhere(&Case::<f32>::new(d(true), false, some(&d(true))));
        }
    }
}

/// What the machine lacks is told; what `ELMAN_CI_REQUIRES` names, in the processor's words, must be there.
#[test]
fn missing_instructions_are_told() {
    let required = std::env::var("ELMAN_CI_REQUIRES").unwrap_or_default();
    for (name, flags) in [("avx512", &["avx512f"][..]), ("avx2", &["avx2", "fma"]), ("portable", &[])] {
        match Backend::named(name) {
            Ok(backend) => assert_eq!(backend.name(), name),
            Err(error) => {
                let is_required = required.split_whitespace().any(|word| flags.contains(&word));
                assert!(!is_required, "{error}, and ELMAN_CI_REQUIRES is {required}");
                not_run::not_run(&format!("the backend {name}: this machine lacks it"));
            }
        }
    }
    assert!(Backend::named("portable").is_ok());
}

#[test]
fn linear_matches_plain_sums() {
    fn run<E: Element>(cpu: &Cpu, rows: usize, inputs: usize, outputs: usize) -> Vec<Vec<E>> {
        let d = linear::Dims { rows, inputs, outputs };
        let (x, w) = (noise::<E>(rows * inputs, 1), noise::<E>(outputs * inputs, 2));
        let (b, grad_y) = (noise::<E>(outputs, 3), noise::<E>(rows * outputs, 4));
        let (x_rows, grad_rows) = (padded(&x, inputs), padded(&grad_y, outputs));
        let (w_packed, b_packed) = (packed(d.weight(), &w), packed(d.bias(), &b));
        let mut y = vec![E::from_f64(f64::NAN); rows * pad(outputs)];
        linear::forward(cpu, &d, &x_rows, &w_packed, Some(&b_packed), &mut y).unwrap();
        // What gradients hold before, they are added to.
        let (x_before, w_before, b_before) = (noise::<E>(x.len(), 5), noise::<E>(w.len(), 6), noise::<E>(b.len(), 7));
        let (mut g_x, mut g_w) = (padded(&x_before, inputs), packed(d.weight(), &w_before));
        let mut g_b = packed(d.bias(), &b_before);
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
                want[1].push(
                    x_before[r * inputs + k].to_f64() + sum(outputs, &|n| grad_y[r * outputs + n] * w[n * inputs + k]),
                );
            }
        }
        for n in 0..outputs {
            for k in 0..inputs {
                want[2].push(
                    w_before[n * inputs + k].to_f64() + sum(rows, &|r| grad_y[r * outputs + n] * x[r * inputs + k]),
                );
            }
            want[3].push(b_before[n].to_f64() + sum(rows, &|r| grad_y[r * outputs + n]));
        }
        let tolerance = E::ROUNDING * (8 + rows + inputs + outputs) as f64;
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let want: Vec<E> = want.iter().map(|&x| E::from_f64(x)).collect();
            assert_close(&format!("{} {:?} {d:?} result {i}", E::NAME, cpu.backend()), got, &want, tolerance);
        }
        got
    }
    let sizes = [
        (1, 1, 1),
        (5, 3, 17),
        (0, 3, 2),
        (4, 0, 20),
        (4, 3, 0),
        (7, 16, 65),
        (200, 70, 130),
        (300, 300, 20),
        (5, 3, 1040),
        (5, 3, 1210),
    ];
    // The smallest for Miri, which runs some thousand times slower.
    for &(rows, inputs, outputs) in if cfg!(miri) { &sizes[..5] } else { &sizes } {
        for backend in Backend::available() {
            let cpu = |threads| splitting(backend, threads);
            let alone = Cpu::with_backend(Backend::detect(), 1).unwrap();
            assert!(run::<f32>(&cpu(3), rows, inputs, outputs) == run::<f32>(&alone, rows, inputs, outputs));
            assert!(run::<f64>(&cpu(3), rows, inputs, outputs) == run::<f64>(&alone, rows, inputs, outputs));
        }
    }
}

/// An output too large for the caches is made panel by panel, with the bits of two that are not. On the fastest backend: the
/// order is the same for all.
#[test]
#[cfg_attr(miri, ignore = "a thousand million multiply-adds")]
fn an_output_larger_than_the_caches_has_the_bits_of_its_parts() {
    // Two blocks of k, and the rows of one group; each part has whole panels.
    let (rows, narrow, wide) = (22, 260, 50_048);
    let middle = wide / 2;
    assert!(rows * wide * size_of::<f32>() > 4 << 20 && rows * middle * size_of::<f32>() < 4 << 20);
    let cpu = Cpu::new(Some(1)).unwrap();
    let some = |x: &[f32], columns: Range<usize>| -> Vec<f32> {
        x.chunks_exact(wide).flat_map(|row| row[columns.clone()].iter().copied()).collect()
    };
    let (weight, before) = (noise::<f32>(narrow * wide, 1), noise::<f32>(rows * wide, 2));
    let near = padded(&noise::<f32>(rows * narrow, 3), narrow);
    // The gradient by as many inputs is added to what there was.
    let grad_x = |columns: Range<usize>| {
        let d = linear::Dims { rows, inputs: columns.len(), outputs: narrow };
        let weight = packed(d.weight(), &some(&weight, columns.clone()));
        let (x, mut grad_x) = (vec![0.0; rows * d.inputs], some(&before, columns));
        let mut grad_weight = vec![0.0; weight.len()];
        linear::backward(&cpu, &d, &x, &weight, &near, Some(&mut grad_x), &mut grad_weight, None).unwrap();
        grad_x
    };
    let forward = |columns: Range<usize>| {
        let d = linear::Dims { rows, inputs: narrow, outputs: columns.len() };
        let mut y = vec![f32::NAN; rows * d.outputs];
        let bias = &before[columns.clone()];
        linear::forward(&cpu, &d, &near, &weight[columns.start * narrow..columns.end * narrow], Some(bias), &mut y)
            .unwrap();
        y
    };
    for (whole, parts) in [
        (grad_x(0..wide), [grad_x(0..middle), grad_x(middle..wide)]),
        (forward(0..wide), [forward(0..middle), forward(middle..wide)]),
    ] {
        assert!(whole.iter().all(|x| x.is_finite()));
        let bits = |x: &[f32]| -> Vec<u32> { x.iter().map(|x| x.to_bits()).collect() };
        assert!(bits(&some(&whole, 0..middle)) == bits(&parts[0]));
        assert!(bits(&some(&whole, middle..wide)) == bits(&parts[1]));
    }
}
