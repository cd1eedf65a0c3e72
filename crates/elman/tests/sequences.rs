//! What must hold for models of sequences of any length, whatever the cell, the direction and the pooling: more padding
//! changes no bit of loss, logits or gradients; logits are those of each sequence alone, bit for bit; gradients are the mean
//! of the single ones.

use elman::autodiff::params::Params;
use elman::autodiff::tape::Tape;
use elman::config::{Cell, Classify, Config, Pooling, Tag, TaskSettings};
use elman::data::table::sequences::{Padded, Sequences};
use elman::nn::losses::CrossEntropy;
use elman::nn::model::{Input, Predictor};
use elman::{Cpu, Element};
use elman_kernels::softmax::IGNORED;

const V: usize = 7;
const CLASSES: usize = 5;

fn sequences() -> Sequences {
    let lengths = [3, 0, 6, 1, 6, 2];
    let tokens = |(at, &length): (usize, &usize)| (0..length).map(|t| ((at * 5 + t * t + t) % V) as u32).collect();
    Sequences::Tokens(lengths.iter().enumerate().map(tokens).collect())
}

fn vectors() -> Sequences {
    let number = |at: usize, t: usize, i: usize| ((at * 31 + t * 17 + i * 7) % 23) as f64 / 11.0 - 1.0;
    let row = |(at, length): (usize, usize)| (0..length).flat_map(|t| (0..3).map(move |i| number(at, t, i))).collect();
    Sequences::Vectors { width: 3, rows: [3, 0, 6, 1, 6, 2].into_iter().enumerate().map(row).collect() }
}

fn config(task: TaskSettings, cell: Cell, num_layers: usize, embed: usize) -> Config {
    Config { cell, num_layers, hidden_size: 9, embed, ..Config::of_task(Some(task)) }
}

/// Loss, logits of each sequence and gradients.
type Ran<E> = (f64, Vec<Vec<E>>, Params<E>);

/// What a classifier makes of the sequences at `places`: a row of logits for each.
fn classified<E: Element>(
    model: &Predictor<E>,
    tape: &mut Tape<E>,
    sequences: &Sequences,
    places: &[usize],
    padding: usize,
) -> Ran<E> {
    let batch = Padded::new(sequences, places, padding).unwrap();
    tape.start(false);
    let logits = model.forward(tape, &batch, None).unwrap()[0];
    let logits = tape.dense_value(logits).chunks_exact(CLASSES).map(<[E]>::to_vec).collect();
    let targets: Vec<u32> = places.iter().map(|&at| (at % CLASSES) as u32).collect();
    let mut grads = model.params().zeros_like();
    let loss = model.loss_and_grads(tape, &batch, &CrossEntropy::default(), &targets, None, &mut grads).unwrap().0;
    (loss, logits, grads)
}

/// What a tagger makes of them: a row of logits for each step.
fn tagged<E: Element>(
    model: &Predictor<E>,
    tape: &mut Tape<E>,
    sequences: &Sequences,
    places: &[usize],
    padding: usize,
) -> Ran<E> {
    let batch = Padded::new(sequences, places, padding).unwrap();
    tape.start(false);
    let all = model.forward(tape, &batch, None).unwrap()[0];
    let all = tape.dense_value(all);
    let row = |t: usize, b: usize| &all[(t * batch.rows + b) * CLASSES..][..CLASSES];
    let of = |b: usize| (0..batch.lengths[b]).flat_map(|t| row(t, b)).copied().collect();
    let logits = (0..batch.rows).map(of).collect();
    let label =
        |t: usize, b: usize| if t < batch.lengths[b] { ((places[b] + 3 * t) % CLASSES) as u32 } else { IGNORED };
    let targets: Vec<u32> = (0..batch.steps * batch.rows).map(|at| label(at / batch.rows, at % batch.rows)).collect();
    let mut grads = model.params().zeros_like();
    let loss = model.loss_and_grads(tape, &batch, &CrossEntropy::default(), &targets, None, &mut grads).unwrap().0;
    (loss, logits, grads)
}

fn bits<E: Element>(values: &[E]) -> Vec<u64> {
    values.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// `counts`: the predictions that a sequence's loss is the mean of.
fn holds<E: Element>(
    sequences: &Sequences,
    counts: impl Fn(usize) -> usize,
    mut run: impl FnMut(&[usize], usize) -> Ran<E>,
    what: &str,
) {
    let all: Vec<usize> = (0..sequences.count()).collect();
    let (loss, logits, grads) = run(&all, 0);
    for padding in [1, 5] {
        let (more_loss, more_logits, more_grads) = run(&all, padding);
        assert_eq!(loss.to_bits(), more_loss.to_bits(), "{what}: loss, {padding} more steps of padding");
        for (logits, more) in logits.iter().zip(&more_logits) {
            assert_eq!(bits(logits), bits(more), "{what}: logits, {padding} more steps of padding");
        }
        assert_eq!(bits(grads.values()), bits(more_grads.values()), "{what}: gradients, {padding} more");
    }
    let mut mean = vec![0.0; grads.values().len()];
    let total: usize = all.iter().map(|&at| counts(at)).sum();
    for at in all {
        let (_, alone, grads) = run(&[at], 0);
        assert_eq!(bits(&logits[at]), bits(&alone[0]), "{what}: logits of sequence {at} alone");
        let share = counts(at) as f64 / total as f64;
        mean.iter_mut().zip(grads.values()).for_each(|(mean, g)| *mean += g.to_f64() * share);
    }
    for (&together, mean) in grads.values().iter().zip(&mean) {
        assert!((together.to_f64() - mean).abs() < 1e-6, "{what}: {together:?} {mean}");
    }
    assert!(grads.values().iter().any(|g| g.to_f64().abs() > 1e-3), "{what}: the gradient is more than rounding");
}

fn classifies<E: Element>(config: &Config, sequences: &Sequences, input: Input, what: &str) {
    let model = Predictor::<E>::new(config, (input, CLASSES)).unwrap();
    let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
    holds(sequences, |_| 1, |places, padding| classified(&model, &mut tape, sequences, places, padding), what);
}

fn tags<E: Element>(config: &Config, sequences: &Sequences, input: Input, what: &str) {
    let model = Predictor::<E>::new(config, (input, CLASSES)).unwrap();
    let mut tape = Tape::new(&Cpu::new(Some(1)).unwrap());
    let steps = |at: usize| sequences.steps(at);
    holds(sequences, steps, |places, padding| tagged(&model, &mut tape, sequences, places, padding), what);
}

#[test]
fn padding_changes_no_bit_and_a_batch_is_its_sequences_one_by_one() {
    for &cell in Cell::ALL {
        for bidirectional in [false, true] {
            for pooling in Pooling::ALL.iter().copied() {
                let what = format!("{cell:?}, bidirectional {bidirectional}, {pooling:?}");
                let task = TaskSettings::Classify(Classify { bidirectional, pooling, ..Classify::default() });
                let embedded = config(task.clone(), cell, 2, 4);
                classifies::<f32>(&embedded, &sequences(), Input::Tokens(V), &format!("{what}, embedded"));
                let one_hot = config(task, cell, 1, 0);
                classifies::<f64>(&one_hot, &sequences(), Input::Tokens(V), &format!("{what}, one-hot"));
                classifies::<f32>(&embedded, &vectors(), Input::Vectors(3), &format!("{what}, vectors"));
            }
        }
    }
}

#[test]
fn padding_changes_no_bit_of_a_tagger_and_a_batch_is_its_sequences_one_by_one() {
    for &cell in Cell::ALL {
        for bidirectional in [false, true] {
            let what = format!("tags of {cell:?}, bidirectional {bidirectional}");
            let task = TaskSettings::Tag(Tag { bidirectional, ..Tag::default() });
            let embedded = config(task.clone(), cell, 2, 4);
            tags::<f32>(&embedded, &sequences(), Input::Tokens(V), &format!("{what}, embedded"));
            tags::<f64>(&config(task, cell, 1, 0), &sequences(), Input::Tokens(V), &format!("{what}, one-hot"));
            tags::<f32>(&embedded, &vectors(), Input::Vectors(3), &format!("{what}, vectors"));
        }
    }
}
