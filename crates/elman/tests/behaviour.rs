//! Rung 4: what must hold whatever the numbers are: splitting time changes nothing, no output sees a later input, rows
//! do not touch each other, the first loss is ln V, little data is learnt by heart, and neither threads nor vector
//! width change a byte.

use elman::layer::State;
use elman::optim::Optimizer;
use elman::tape::Tape;
use elman::{Config, Corpus, Cpu, LanguageModel, RunDir, Trainer};
use elman_kernels::Backend;

const VOCAB: usize = 11;

fn model(embed: usize) -> LanguageModel<f32> {
    let config = Config { hidden_size: 37, num_layers: 2, embed, seed: 5, ..Config::default() };
    LanguageModel::new(&config, VOCAB).unwrap()
}

fn tokens(n: usize, salt: usize) -> Vec<u32> {
    (0..n).map(|i| ((i * i * 7 + i * 3 + salt) % VOCAB) as u32).collect()
}

/// Logits `[T*B, V]`, padded, and the state after them.
fn logits(model: &LanguageModel<f32>, tokens: &[u32], state: &State<f32>) -> (Vec<f32>, State<f32>) {
    let mut tape = Tape::new(&Cpu::new(Some(2)).unwrap());
    let before = state.to_tape(&mut tape, false);
    let (y, after) = model.forward(&mut tape, tokens, &before, None).unwrap();
    let mut next = state.clone();
    next.from_tape(&tape, &after);
    (tape.value(y).to_vec(), next)
}

#[test]
fn two_halves_equal_the_whole_to_the_bit() {
    for embed in [0, 6] {
        let (model, batch) = (model(embed), 3);
        let all = tokens(12 * batch, 1);
        let start = model.zero_state(batch);
        let (whole, end) = logits(&model, &all, &start);
        for cut in [1, 5, 11] {
            let (mut first, middle) = logits(&model, &all[..cut * batch], &start);
            let (second, end_of_halves) = logits(&model, &all[cut * batch..], &middle);
            first.extend(second);
            assert!(first == whole, "cut at {cut}");
            assert!(end_of_halves.tensors() == end.tensors(), "cut at {cut}");
        }
    }
}

#[test]
fn no_output_depends_on_a_later_input() {
    let (model, batch, change) = (model(0), 2, 7);
    let mut all = tokens(12 * batch, 1);
    let (before, _) = logits(&model, &all, &model.zero_state(batch));
    all[change * batch] = (all[change * batch] + 1) % VOCAB as u32;
    let (after, _) = logits(&model, &all, &model.zero_state(batch));
    let width = before.len() / all.len();
    assert!(before[..change * batch * width] == after[..change * batch * width]);
    assert!(before[change * batch * width..][..width] != after[change * batch * width..][..width]);
}

#[test]
fn rows_of_a_batch_are_each_what_they_are_alone() {
    let (model, batch, seq_len) = (model(6), 5, 9);
    let all = tokens(seq_len * batch, 2);
    let (together, _) = logits(&model, &all, &model.zero_state(batch));
    let width = together.len() / all.len();
    for b in 0..batch {
        let alone: Vec<u32> = all.iter().copied().skip(b).step_by(batch).collect();
        let (alone, _) = logits(&model, &alone, &model.zero_state(1));
        for t in 0..seq_len {
            assert!(alone[t * width..][..width] == together[(t * batch + b) * width..][..width], "row {b}, step {t}");
        }
    }
}

#[test]
fn the_first_loss_is_ln_v() {
    let cpu = Cpu::new(None).unwrap();
    for (hidden_size, num_layers, embed) in [(128, 1, 0), (256, 2, 0), (256, 2, 64), (512, 1, 0)] {
        let config = Config { hidden_size, num_layers, embed, ..Config::default() };
        let (vocab, batch) = (65, 16);
        let model = LanguageModel::<f32>::new(&config, vocab).unwrap();
        let text: Vec<u32> = (0..33 * batch).map(|i| (i * i % 97 * 31 % vocab) as u32).collect();
        let (inputs, targets) = (&text[..32 * batch], &text[batch..]);
        let sum = model.loss_sum(&mut Tape::new(&cpu), inputs, targets, &mut model.zero_state(batch)).unwrap();
        let (loss, expected) = (sum / targets.len() as f64, (vocab as f64).ln());
        assert!((loss / expected - 1.0).abs() < 0.02, "first loss {loss}, ln V = {expected}");
    }
}

#[test]
fn one_batch_is_learnt_by_heart_from_every_seed() {
    let cpu = Cpu::new(Some(1)).unwrap();
    for seed in 0..20 {
        let config = Config { hidden_size: 48, num_layers: 1, seed, ..Config::default() };
        let mut model = LanguageModel::<f32>::new(&config, VOCAB).unwrap();
        let (batch, seq_len) = (4, 16);
        let text = tokens((seq_len + 1) * batch, seed as usize);
        let (mut adam, mut grads) = (Optimizer::of(&config, model.params()), model.params().zeros_like());
        let (mut tape, mut loss) = (Tape::new(&cpu), f64::INFINITY);
        for _ in 0..500 {
            let (inputs, targets) = (&text[..seq_len * batch], &text[batch..]);
            let mut state = model.zero_state(batch);
            loss = model.loss_and_grads(&mut tape, inputs, targets, &mut state, None, &mut grads).unwrap();
            adam.update(&cpu, 1e-2, 1.0, model.params_mut(), &grads).unwrap();
        }
        assert!(loss < 0.02, "seed {seed} ends at {loss}");
    }
}

#[test]
fn threads_backend_and_directory_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..6000).map(|i| char::from(b'a' + ((i * i / 7 + i / 3) % 26) as u8)).collect();
    let corpus = Corpus::from_text("letters", text);
    // Large enough that every kernel splits its work over three threads.
    let config = Config {
        hidden_size: 64,
        embed: 20,
        dropout: 0.3,
        seq_len: 20,
        batch: 32,
        steps: Some(6),
        eval_every: Some(3),
        ..Config::default()
    };
    let mut first: Option<Vec<u8>> = None;
    for backend in Backend::available() {
        for threads in [1, 2, 3] {
            let cpu = Cpu::with_backend(backend, threads).unwrap();
            let run = RunDir::create(folder.path().join(format!("{}-{threads}", first.is_some()))).unwrap();
            let mut trainer = Trainer::new(config.clone(), &corpus, &cpu).unwrap();
            trainer.run(Some(&run), &mut |_| elman::train::Control::Continue).unwrap();
            let bytes = std::fs::read(run.model()).unwrap();
            assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "{backend:?} with {threads} threads");
            std::fs::remove_dir_all(run.path()).unwrap();
        }
    }
}
