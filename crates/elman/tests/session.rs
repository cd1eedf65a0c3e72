//! What a session promises: the bits of the sequence for every cell, with rows that come and go; refusals that
//! move no row. `session_memory.rs` counts allocations and locks.

use std::sync::Arc;

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::Declaration;
use elman::autodiff::tape::Tape;
use elman::infer::{Precision, Session};
use elman::nn::embedding::Embedding;
use elman::nn::linear::Linear;
use elman::nn::{Cell, Input, Layer, Network, Pass, Recurrent, Stack, fresh};
use elman::{Cpu, Element};

const T: usize = 23;
const I: usize = 5;
const O: usize = 3;

/// Two layers of `cell` under a head; tokens are one-hot or embedded.
fn network<E: Element>(cell: Cell, input: Input, embed: usize) -> Network<E> {
    let mut declared = Declaration::default();
    let mut layers: Vec<Arc<dyn Layer<E>>> = Vec::new();
    let mut width = input.size();
    if embed > 0 {
        layers.push(Arc::new(Embedding::declare(&mut declared, "encoder", width, embed)));
        width = embed;
    }
    let recurrent = Recurrent { learned_state: embed > 0, ..Recurrent::plain(cell, width, &[18, 7]) };
    let recurrent: Stack<E> = recurrent.declare(&mut declared, "rnn.");
    let outputs = if matches!(input, Input::Tokens(_)) { input.size() } else { O };
    layers.extend(recurrent.layers().iter().cloned());
    layers.push(Arc::new(Linear::declare(&mut declared, "head", 7, outputs)));
    Network::new(Arc::new(Stack::new(layers).unwrap()), fresh(declared, 3).unwrap(), input)
}

fn numbers<E: Element>(n: usize, tag: usize) -> Vec<E> {
    (0..n).map(|i| E::from_f64(((i * 37 + tag * 101) % 89) as f64 / 44.0 - 1.0)).collect()
}

fn bits<E: Element>(values: &[E]) -> Vec<u64> {
    values.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// The outputs of a whole sequence of one row, `[T, outputs]`.
fn sequence<E: Element>(network: &Network<E>, cpu: &Cpu, tokens: &[u32], x: &[E]) -> Vec<E> {
    let mut tape = Tape::new(cpu);
    tape.start(false);
    let state = network.layers().initial_state(network.params(), 1);
    let before = network.layers().begin(&mut tape, network.params(), &state, false).unwrap();
    let x = match network.input() {
        Input::Tokens(vocab_size) => Sequence::Tokens { tokens, vocab_size },
        Input::Vectors(width) => Sequence::Dense(tape.dense_leaf(width, x, false).unwrap()),
    };
    let (y, _) = network.layers().run(&mut tape, network.params(), x, &before, &mut Pass::plain(1)).unwrap();
    tape.dense_value(y)
}

fn steps_have_the_bits_of_the_sequence<E: Element>() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let tokens: Vec<u32> = (0..T as u32).map(|t| t * t % I as u32).collect();
    for &cell in Cell::ALL {
        for (input, embed) in [(Input::Vectors(I), 0), (Input::Tokens(I), 0), (Input::Tokens(I), 4)] {
            let network = network::<E>(cell, input, embed);
            let rows: Vec<Vec<E>> = (0..3).map(|row| numbers(T * I, row)).collect();
            let turned =
                |row: usize| -> Vec<u32> { tokens.iter().map(|token| (token + row as u32) % I as u32).collect() };
            let want: Vec<Vec<E>> = (0..3).map(|row| sequence(&network, &cpu, &turned(row), &rows[row])).collect();
            let outputs = want[0].len() / T;
            // Row 0 alone, then with others that begin later, are copied, removed, saved and put back.
            let mut session = Session::new(network, 1, Precision::Full, &cpu).unwrap();
            let mut at = vec![(0, 0)];
            for t in 0..T {
                match t {
                    3 | 6 => {
                        let row = session.add_row().unwrap();
                        at.push((row, 0));
                    }
                    9 => {
                        session.copy_row(0, 2).unwrap();
                        at[2] = at[0];
                    }
                    12 => {
                        session.remove_row(0).unwrap();
                        at.remove(0);
                    }
                    14 => {
                        let state = session.state();
                        session.pick(&[1]).unwrap();
                        session.set_state(&state).unwrap();
                    }
                    16 => {
                        session.pick(&[1]).unwrap();
                        at = vec![at[1]];
                    }
                    18 => {
                        session.reset_row(0).unwrap();
                        at[0].1 = 0;
                    }
                    _ => {}
                }
                let outputs_now = match input {
                    Input::Tokens(_) => {
                        let tokens: Vec<u32> = at.iter().map(|&(row, t)| turned(row)[t]).collect();
                        session.step_tokens(&tokens).unwrap().to_vec()
                    }
                    Input::Vectors(_) => {
                        let x = at.iter().flat_map(|&(row, t)| rows[row][t * I..(t + 1) * I].to_vec());
                        session.step(&x.collect::<Vec<E>>()).unwrap().to_vec()
                    }
                };
                for ((row, time), got) in at.iter_mut().zip(outputs_now.chunks_exact(outputs)) {
                    let want = &want[*row][*time * outputs..(*time + 1) * outputs];
                    assert_eq!(bits(got), bits(want), "{} {input:?} embed {embed}, step {t}, row {row}", cell.name());
                    *time += 1;
                }
            }
        }
    }
}

#[test]
fn steps_have_the_bits_of_the_sequence_whatever_the_other_rows_do() {
    steps_have_the_bits_of_the_sequence::<f32>();
    steps_have_the_bits_of_the_sequence::<f64>();
}

#[test]
fn what_does_not_fit_is_refused_and_moves_no_row() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let numbers_in = network::<f32>(Cell::GRU, Input::Vectors(2), 0);
    let mut session = Session::new(numbers_in.clone(), 2, Precision::Full, &cpu).unwrap();
    let mut twin = Session::new(numbers_in.clone(), 2, Precision::Full, &cpu).unwrap();
    for (problem, x) in [
        ("inputs of a step has shape [3], expected [2, 2]", &[0.0, 1.0, 2.0][..]),
        ("NaN in row 1, column 0", &[0.0, 1.0, f32::NAN, 2.0]),
        ("inf in row 0, column 1", &[0.0, f32::INFINITY, 0.0, 2.0]),
    ] {
        let error = session.step(x).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    assert!(session.step_tokens(&[0, 1]).unwrap_err().to_string().contains("tokens for a network that reads vectors"));
    let row = [0.5; 4];
    assert_eq!(session.step(&row).unwrap(), twin.step(&row).unwrap());
    for (problem, error) in [
        ("rows below 2", session.copy_row(0, 2).unwrap_err()),
        ("of which one stays", session.remove_row(2).unwrap_err()),
        ("a row below 2", session.reset_row(2).unwrap_err()),
        ("a row below 2", session.pick(&[2]).unwrap_err()),
        ("expected 1 to 16384", session.pick(&[]).unwrap_err()),
        ("expected 1 to 16384", Session::new(numbers_in, 0, Precision::Full, &cpu).map(|_| ()).unwrap_err()),
    ] {
        assert!(error.to_string().contains(problem), "{error}");
    }
    assert_eq!(session.step(&row).unwrap(), twin.step(&row).unwrap());
    let other = Session::new(network::<f32>(Cell::LSTM, Input::Vectors(2), 0), 1, Precision::Full, &cpu).unwrap();
    assert!(session.set_state(&other.state()).unwrap_err().to_string().contains("of another network"));
    let mut tokens_in = Session::new(network::<f32>(Cell::GRU, Input::Tokens(4), 0), 2, Precision::Full, &cpu).unwrap();
    assert!(tokens_in.step_tokens(&[0, 4]).unwrap_err().to_string().contains('4'));
    let mut declared = Declaration::default();
    let both: Stack<f32> =
        Recurrent { bidirectional: true, ..Recurrent::plain(Cell::GRU, 2, &[3]) }.declare(&mut declared, "");
    let both = Network::new(Arc::new(both), fresh(declared, 1).unwrap(), Input::Vectors(2));
    let refused = Session::new(both, 1, Precision::Full, &cpu).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("reads backward"), "{refused}");
}
