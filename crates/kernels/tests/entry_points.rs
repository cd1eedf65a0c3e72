//! What the public functions refuse: sizes whose product wraps, with empty slices that a wrapped length would fit, and
//! lengths that are off by one. A call that fails writes nothing.

mod rows;

use elman_kernels::descent::{OptimizerKind, Step};
use elman_kernels::dropout::Dropout;
use elman_kernels::elementwise::{self, Binary, Unary};
use elman_kernels::layout::Layout;
use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, Sequence, WeightGrads, Weights};
use elman_kernels::{Backend, Cpu, Error, descent, gather, linear, norm, softmax};
use rows::noise;

fn cpu() -> Cpu {
    Cpu::with_backend(Backend::detect(), 2).unwrap()
}

/// Sizes with a product of 2^64 or more, beside a 0 in what a function multiplies.
const HUGE: [usize; 5] = [1 << 60, 1 << 63, (1 << 58) + 1, usize::MAX, usize::MAX - 15];

fn recurrent_forward(d: &Dims, input: Input<'_, f32>) -> Result<(), Error> {
    let w = Weights { weight_ih: &[], weight_hh: &[], bias_ih: &[], bias_hh: &[] };
    recurrent::forward(&cpu(), d, &w, Inputs::all(input), &mut [], &mut [], &mut [])
}

fn recurrent_backward(d: &Dims, input: Input<'_, f32>) -> Result<(), Error> {
    let w = Weights { weight_ih: &[], weight_hh: &[], bias_ih: &[], bias_hh: &[] };
    let grads = WeightGrads { weight_ih: &mut [], weight_hh: &mut [], bias_ih: &mut [], bias_hh: &mut [] };
    let run = Sequence { gates: &mut [], hidden: &[], cell: &[], grad_hidden: &mut [], grad_cell: &mut [] };
    recurrent::backward(&cpu(), d, &w, Inputs::all(input), run, Some(&mut []), grads)
}

#[test]
fn sizes_that_wrap_are_refused_by_the_affine_map() {
    for huge in HUGE {
        for [rows, inputs, outputs] in [[huge, 16, 16], [16, huge, 16], [16, 16, huge], [huge, huge, huge]] {
            let d = linear::Dims { rows, inputs, outputs };
            assert!(linear::forward::<f32>(&cpu(), &d, &[], &[], None, &mut []).is_err(), "{d:?}");
            assert!(linear::backward::<f32>(&cpu(), &d, &[], &[], &[], Some(&mut []), &mut [], None).is_err(), "{d:?}");
        }
    }
    // A weight of no rows is no excuse: the rows are multiplied by the outputs elsewhere.
    let d = linear::Dims { rows: 1 << 60, inputs: 0, outputs: 16 };
    assert!(linear::forward::<f32>(&cpu(), &d, &[], &[], Some(&[0.0; 64]), &mut []).is_err());
}

#[test]
fn sizes_that_wrap_are_refused_by_the_layers() {
    for &cell in Cell::ALL {
        let mut sizes = vec![[1 << 63, 2, 1, 1], [1 << 63, 2, 0, 0], [usize::MAX, 1, 1, 1], [usize::MAX, 0, 1, 0]];
        for huge in HUGE {
            sizes.extend([[huge, 16, 16, 16], [16, huge, 16, 16], [16, 16, huge, 16], [16, 16, 16, huge]]);
            sizes.extend([[huge, 16, 0, 16], [0, huge, 16, 16], [16, 0, huge, 16], [huge, huge, huge, huge]]);
        }
        for [seq_len, batch, input_size, hidden_size] in sizes {
            for reverse in [false, true] {
                let d = Dims { cell, seq_len, batch, input_size, hidden_size, reverse };
                for input in [Input::Dense(&[]), Input::Tokens(&[])] {
                    assert!(recurrent_forward(&d, input).is_err(), "{d:?}");
                    assert!(recurrent_backward(&d, input).is_err(), "{d:?}");
                }
            }
        }
    }
}

#[test]
fn sizes_that_wrap_are_refused_by_rows_of_a_table() {
    for huge in HUGE {
        for (vocab_size, width) in [(huge, 16), (16, huge), (huge, huge)] {
            assert!(gather::forward::<f32>(vocab_size, width, &[], &[], &mut []).is_err());
            assert!(gather::forward::<f32>(vocab_size, width, &[], &[3], &mut [0.0; 16]).is_err());
            assert!(gather::backward::<f32>(&cpu(), vocab_size, width, &[], &[], &mut []).is_err());
            assert!(gather::backward::<f32>(&cpu(), vocab_size, width, &[3], &[1.0; 16], &mut []).is_err());
        }
    }
}

#[test]
fn sizes_that_wrap_are_refused_by_the_loss_and_by_rows_of_numbers() {
    for vocab_size in HUGE {
        let targets = [3; 16];
        assert!(softmax::cross_entropy::<f32>(&cpu(), vocab_size, &targets, 1.0, &mut [], &mut [0.0; 16]).is_err());
        let mut y = [0.0f32; 16];
        assert!(softmax::forward(&cpu(), vocab_size, &[0.0; 16], &mut y).is_err());
        assert!(softmax::backward(&cpu(), vocab_size, &[0.0; 16], &[0.0; 16], &mut y).is_err());
        assert!(elementwise::unary(&cpu(), Unary::Exp, vocab_size, &[0.0; 16], &mut y).is_err());
        assert!(elementwise::binary(&cpu(), Binary::Add, vocab_size, &[0.0; 16], &[0.0; 16], &mut y).is_err());
        assert!(elementwise::accumulate(&cpu(), vocab_size, false, &[0.0; 16], None, &mut y).is_err());
        assert!(elementwise::sum(vocab_size, &y).is_err());
    }
}

#[test]
#[should_panic(expected = "packed length")]
fn a_norm_of_a_shape_beyond_memory_is_refused() {
    norm::squared::<f32>(&cpu(), &Layout::Table { rows: 1 << 60, cols: 16 }, &[]);
}

#[test]
#[should_panic(expected = "logical length")]
fn packing_a_shape_beyond_memory_is_refused() {
    Layout::Panels { rows: 1 << 60, cols: 16 }.pack::<f32>(&[], &mut []);
}

#[test]
fn rows_without_columns_hold_nothing() {
    let (cpu, mut y) = (cpu(), [1.0f32; 3]);
    assert!(elementwise::unary(&cpu, Unary::Exp, 0, &[0.0; 3], &mut y).is_err());
    assert!(softmax::forward(&cpu, 0, &[0.0; 3], &mut y).is_err());
    assert!(elementwise::unary::<f32>(&cpu, Unary::Exp, 0, &[], &mut []).is_ok());
    assert!(softmax::forward::<f32>(&cpu, 0, &[], &mut []).is_ok());
    assert!(gather::forward::<f32>(4, 0, &[], &[3, 1], &mut []).is_ok());
    assert!(gather::backward::<f32>(&cpu, 4, 0, &[3, 1], &[], &mut []).is_ok());
    assert!(gather::backward::<f32>(&cpu, 4, 0, &[4], &[], &mut []).is_err(), "a token out of range");
    assert!(softmax::cross_entropy::<f32>(&cpu, 5, &[], 1.0, &mut [], &mut []).is_ok());
    let (layout, huge) = (Layout::Panels { rows: 1 << 40, cols: 0 }, linear::Dims { rows: 0, inputs: 0, outputs: 3 });
    assert_eq!(norm::squared::<f32>(&cpu, &layout, &[]), 0.0);
    assert!(linear::forward::<f32>(&cpu, &huge, &[], &[], None, &mut []).is_ok());
}

#[test]
fn a_refused_gradient_writes_nothing() {
    let (cpu, d) = (cpu(), linear::Dims { rows: 2, inputs: 3, outputs: 4 });
    let (x, weight, grad_y) = (noise::<f32>(32, 1), noise(3 * 64, 2), noise(32, 3));
    let (mut grad_x, mut grad_weight) = (noise(32, 4), noise(3 * 64, 5));
    let before = (grad_x.clone(), grad_weight.clone());
    let short = Some(&mut [0.0; 63][..]);
    let error = linear::backward(&cpu, &d, &x, &weight, &grad_y, Some(&mut grad_x), &mut grad_weight, short);
    assert_eq!(error.unwrap_err().to_string(), "linear bias gradient has 63 elements, expected P * 64 = 64");
    assert!((grad_x, grad_weight) == before);
}

#[test]
fn tokens_have_no_gradient() {
    let d = Dims { cell: Cell::RnnTanh, seq_len: 2, batch: 1, input_size: 3, hidden_size: 5, reverse: false };
    let (w_ih, w_hh) = (vec![0.0f32; d.weight_ih().packed_len()], vec![0.0; d.weight_hh().packed_len()]);
    let w = Weights { weight_ih: &w_ih, weight_hh: &w_hh, bias_ih: &[0.0; 64], bias_hh: &[0.0; 64] };
    let (mut g_ih, mut g_hh, mut g_bi, mut g_bh) = (w_ih.clone(), w_hh.clone(), [0.0; 64], [0.0; 64]);
    let (mut gates, hidden, mut grad_hidden) = (noise(2 * 64, 1), noise(3 * 16, 2), noise(3 * 16, 3));
    let grads = WeightGrads { weight_ih: &mut g_ih, weight_hh: &mut g_hh, bias_ih: &mut g_bi, bias_hh: &mut g_bh };
    let before = (gates.clone(), grad_hidden.clone());
    let run =
        Sequence { gates: &mut gates, hidden: &hidden, cell: &[], grad_hidden: &mut grad_hidden, grad_cell: &mut [] };
    let mut grad_x = [0.0; 32];
    let error = recurrent::backward(&cpu(), &d, &w, Inputs::all(Input::Tokens(&[0, 1])), run, Some(&mut grad_x), grads);
    let message = "input gradient of tokens has 32 elements, expected nothing = 0";
    assert_eq!(error.unwrap_err().to_string(), message);
    assert!((gates, grad_hidden) == before);
}

#[test]
fn wrong_lengths_are_refused() {
    let cpu = cpu();
    let d = Dims { cell: Cell::Lstm, seq_len: 2, batch: 1, input_size: 3, hidden_size: 5, reverse: false };
    let (w_ih, w_hh) = (vec![0.0f32; d.weight_ih().packed_len()], vec![0.0; d.weight_hh().packed_len()]);
    let b = vec![0.0; d.bias_ih().packed_len()];
    let w = Weights { weight_ih: &w_ih, weight_hh: &w_hh, bias_ih: &b, bias_hh: &b };
    let mut gates = vec![0.0; d.gates_len()];
    let (mut hidden, mut cell) = (vec![0.0; d.hidden_len()], vec![0.0; d.cell_len()]);
    let mut forward = |input: Input<'_, f32>| {
        recurrent::forward(&cpu, &d, &w, Inputs::all(input), &mut gates, &mut hidden, &mut cell)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(forward(Input::Dense(&[0.0; 31])), "input has 31 elements, expected T * B * pad(I) = 32");
    assert_eq!(forward(Input::Tokens(&[0, 3])), "token 3 at position 1, expected less than 3");
    let dropout = Dropout::new(0.5);
    assert!(dropout.apply(&cpu, &[0; 3], &[0.0f32; 4], false, &mut [0.0; 4]).is_err());
    let step = Step { lr: 0.1, momentum: 0.0, weight_decay: 0.0, grad_scale: 1.0, number: 1 };
    assert!(descent::descend(&cpu, OptimizerKind::Sgd, &step, &mut [0.0f32; 4], &[0.0; 5], &mut []).is_err());
}
