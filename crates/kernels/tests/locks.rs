//! One thread takes no lock. The counter is the process's: this file has one test.

use elman_kernels::descent::{self, OptimizerKind};
use elman_kernels::recurrent::step::{Network, Stepper};
use elman_kernels::recurrent::{self, Cell, Dims, Input, Inputs, Sequence, WeightGrads, Weights};
use elman_kernels::{Buffer, Cpu, linear, lock, pad};

const V: usize = 7;
const H: usize = 5;

/// Steps of training, as the kernels see one: a layer forward and back, an optimizer.
fn train(cpu: &Cpu, steps: usize) {
    let d = Dims { cell: Cell::Lstm, seq_len: 2, batch: 2, input_size: 3, hidden_size: H, reverse: false };
    let layouts = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()];
    let zeros = || layouts.map(|layout| Buffer::<f32>::zeros(layout.packed_len()));
    let (mut weights, mut grads, x) = (zeros(), zeros(), Buffer::zeros(4 * pad(3)));
    let [mut gates, mut hidden, mut cell] = [d.gates_len(), d.hidden_len(), d.cell_len()].map(Buffer::zeros);
    let [mut grad_hidden, mut grad_cell, mut grad_x] = [d.hidden_len(), d.cell_state_len(), x.len()].map(Buffer::zeros);
    let step = descent::Step { lr: 0.1, momentum: 0.0, weight_decay: 0.0, grad_scale: 1.0, number: 1 };
    for _ in 0..steps {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &weights;
        let w = Weights { weight_ih, weight_hh, bias_ih, bias_hh };
        let inputs = Inputs::all(Input::Dense(&x));
        recurrent::forward(cpu, &d, &w, inputs, &mut gates, &mut hidden, &mut cell).unwrap();
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &mut grads;
        let weight_grads = WeightGrads { weight_ih, weight_hh, bias_ih, bias_hh };
        let (grad_hidden, grad_cell) = (&mut grad_hidden[..], &mut grad_cell[..]);
        let run = Sequence { gates: &mut gates, hidden: &hidden, cell: &cell, grad_hidden, grad_cell };
        recurrent::backward(cpu, &d, &w, inputs, run, Some(&mut grad_x), weight_grads).unwrap();
        for (weight, grad) in weights.iter_mut().zip(&grads) {
            descent::descend(cpu, OptimizerKind::Sgd, &step, weight, grad, &mut []).unwrap();
        }
    }
}

/// Steps of sampling.
fn sample(cpu: &Cpu, steps: usize) {
    let d = Dims { cell: Cell::Gru, seq_len: 0, batch: 0, input_size: V, hidden_size: H, reverse: false };
    let layouts = [d.weight_ih(), d.weight_hh(), d.bias_ih(), d.bias_hh()];
    let [weight_ih, weight_hh, bias_ih, bias_hh] = &layouts.map(|layout| Buffer::<f32>::zeros(layout.packed_len()));
    let layers = [(d, Weights { weight_ih, weight_hh, bias_ih, bias_hh })];
    let head = linear::Dims { rows: 1, inputs: H, outputs: V };
    let [head_weight, head_bias] = &[head.weight(), head.bias()].map(|layout| Buffer::zeros(layout.packed_len()));
    let network = Network { vocab_size: V, embedding: None, layers: &layers, head_weight, head_bias };
    let mut stepper = Stepper::new(cpu, &network).unwrap();
    let (mut state, mut logits) = (stepper.zero_state(), vec![0.0; pad(V)]);
    for i in 0..steps {
        stepper.step((i % V) as u32, &mut state, &mut logits).unwrap();
    }
}

#[test]
fn one_thread_takes_no_lock() {
    let steps = if cfg!(miri) { 20 } else { 100_000 };
    let cpu = Cpu::new(Some(1)).unwrap();
    let before = lock::count();
    train(&cpu, steps);
    sample(&cpu, steps);
    assert_eq!(lock::count() - before, 0, "locks of {steps} steps");
    // Threads do, so the counter counts.
    train(&Cpu::new(Some(2)).unwrap().with_work_per_thread(1), 1);
    assert!(lock::count() > before);
}
