//! What must hold for models of sequences of any length, whatever the cell, the direction and the pooling: more padding
//! changes no bit of loss, logits or gradients; logits are those of each sequence alone, bit for bit; gradients are the mean
//! of the single ones.

use elman::config::{Cell, Classify, Config, Pooling, TaskSettings};
use elman::data::sequences::{Padded, Sequences};
use elman::model::{Classifier, Input};
use elman::params::Params;
use elman::tape::Tape;
use elman::{Cpu, Element};

const V: usize = 7;
const CLASSES: usize = 5;
const POOLINGS: [Pooling; 5] = [Pooling::Last, Pooling::First, Pooling::Mean, Pooling::Max, Pooling::Attention];

fn sequences() -> Sequences {
    let lengths = [3, 0, 6, 1, 6, 2];
    let tokens = |(at, &length): (usize, &usize)| (0..length).map(|t| ((at * 5 + t * t + t) % V) as u32).collect();
    Sequences::Tokens(lengths.iter().enumerate().map(tokens).collect())
}

fn vectors() -> Sequences {
    let number = |at: usize, t: usize, i: usize| ((at * 31 + t * 17 + i * 7) % 23) as f32 / 11.0 - 1.0;
    let row = |(at, length): (usize, usize)| (0..length).flat_map(|t| (0..3).map(move |i| number(at, t, i))).collect();
    Sequences::Vectors { width: 3, rows: [3, 0, 6, 1, 6, 2].into_iter().enumerate().map(row).collect() }
}

fn config(cell: Cell, bidirectional: bool, pooling: Pooling, num_layers: usize, embed: usize) -> Config {
    let task = Classify { bidirectional, pooling, ..Classify::default() };
    let task = TaskSettings::Classify(task);
    Config { cell, num_layers, hidden_size: 9, embed, ..Config::of_task(Some(task)) }
}

/// Loss, logits and gradients of the sequences at `places`.
fn run<E: Element>(
    model: &Classifier<E>,
    tape: &mut Tape<E>,
    sequences: &Sequences,
    places: &[usize],
    padding: usize,
) -> (f64, Vec<E>, Params<E>) {
    let batch = Padded::new(sequences, places, padding);
    tape.start(false);
    let logits = model.forward(tape, &batch, None).unwrap();
    let logits = tape.dense_value(logits);
    let targets: Vec<u32> = places.iter().map(|&at| (at % CLASSES) as u32).collect();
    let mut grads = model.params().zeros_like();
    let loss = model.loss_and_grads(tape, &batch, &targets, None, None, &mut grads).unwrap();
    (loss, logits, grads)
}

fn bits<E: Element>(values: &[E]) -> Vec<u64> {
    values.iter().map(|x| x.to_f64().to_bits()).collect()
}

fn holds<E: Element>(config: &Config, sequences: &Sequences, input: Input, what: &str) {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (model, mut tape) = (Classifier::<E>::new(config, input, CLASSES).unwrap(), Tape::new(&cpu));
    let all: Vec<usize> = (0..sequences.count()).collect();
    let (loss, logits, grads) = run(&model, &mut tape, sequences, &all, 0);
    for padding in [1, 5] {
        let (more_loss, more_logits, more_grads) = run(&model, &mut tape, sequences, &all, padding);
        assert_eq!(loss.to_bits(), more_loss.to_bits(), "{what}: loss, {padding} more steps of padding");
        assert_eq!(bits(&logits), bits(&more_logits), "{what}: logits, {padding} more steps of padding");
        assert_eq!(bits(grads.values()), bits(more_grads.values()), "{what}: gradients, {padding} more");
    }
    let mut mean = vec![0.0; grads.values().len()];
    for at in all.iter().copied() {
        let (_, alone, grads) = run(&model, &mut tape, sequences, &[at], 0);
        let row = &logits[at * CLASSES..(at + 1) * CLASSES];
        assert_eq!(bits(row), bits(&alone), "{what}: logits of sequence {at} alone");
        mean.iter_mut().zip(grads.values()).for_each(|(mean, g)| *mean += g.to_f64() / all.len() as f64);
    }
    for (&together, mean) in grads.values().iter().zip(&mean) {
        assert!((together.to_f64() - mean).abs() < 1e-6, "{what}: {together:?} {mean}");
    }
    assert!(grads.values().iter().any(|g| g.to_f64().abs() > 1e-3), "{what}: the gradient is more than rounding");
}

#[test]
fn padding_changes_no_bit_and_a_batch_is_its_sequences_one_by_one() {
    for &cell in Cell::ALL {
        for bidirectional in [false, true] {
            for pooling in POOLINGS {
                let what = format!("{cell:?}, bidirectional {bidirectional}, {pooling:?}");
                let embedded = config(cell, bidirectional, pooling, 2, 4);
                holds::<f32>(&embedded, &sequences(), Input::Tokens(V), &format!("{what}, embedded"));
                let one_hot = config(cell, bidirectional, pooling, 1, 0);
                holds::<f64>(&one_hot, &sequences(), Input::Tokens(V), &format!("{what}, one-hot"));
                holds::<f32>(&embedded, &vectors(), Input::Vectors(3), &format!("{what}, vectors"));
            }
        }
    }
}
