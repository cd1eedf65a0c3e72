//! Rung 4: what must hold whatever the numbers are: splitting time changes nothing, no output sees a later input, rows
//! do not touch each other, the first loss is ln V, little data is memorised, and neither threads nor vector
//! width change a byte.

use elman::autodiff::tape::Tape;
use elman::config::{BatchKind, Cell, OptimizerKind};
use elman::data::{Batch, Batches};
use elman::nn::shards::Shards;
use elman::nn::state::State;
use elman::train::optim::Optimizer;
use elman::{Config, Corpus, Cpu, LanguageModel, RunDir, Trainer};
use elman_kernels::{Backend, softmax::IGNORED};

const VOCAB: usize = 11;

/// A configuration of each cell.
fn cells() -> Vec<Config> {
    Cell::ALL.iter().map(|&cell| Config { cell, ..Config::default() }).collect()
}

/// A model of each cell.
fn models(embed: usize) -> Vec<LanguageModel<f32>> {
    let model = |cell| Config { hidden_size: 37, num_layers: 2, embed, seed: 5, ..cell };
    cells().into_iter().map(|cell| LanguageModel::new(&model(cell), VOCAB).unwrap()).collect()
}

fn tokens(n: usize, salt: usize) -> Vec<u32> {
    (0..n).map(|i| ((i * i * 7 + i * 3 + salt) % VOCAB) as u32).collect()
}

/// Logits `[T*B, V]`, padded, and the state after them.
fn logits(model: &LanguageModel<f32>, tokens: &[u32], state: &State<f32>) -> (Vec<f32>, State<f32>) {
    let mut tape = Tape::new(&Cpu::new(Some(2)).unwrap());
    let before = model.begin(&mut tape, state).unwrap();
    let (y, after) = model.forward(&mut tape, tokens, &before, None).unwrap();
    let mut next = state.clone();
    next.from_tape(&tape, &after);
    (tape.value(y).to_vec(), next)
}

#[test]
fn two_parts_equal_the_whole_to_the_bit() {
    for model in [models(0), models(6)].concat() {
        let batch = 3;
        let all = tokens(12 * batch, 1);
        let start = model.initial_state(batch);
        let (whole, end) = logits(&model, &all, &start);
        for cut in [1, 5, 11] {
            let (mut first, middle) = logits(&model, &all[..cut * batch], &start);
            let (second, end_of_parts) = logits(&model, &all[cut * batch..], &middle);
            first.extend(second);
            assert!(first == whole, "cut at {cut}");
            assert!(end_of_parts.tensors() == end.tensors(), "cut at {cut}");
        }
    }
}

#[test]
fn no_output_depends_on_a_later_input() {
    for model in models(0) {
        let (batch, change) = (2, 7);
        let mut all = tokens(12 * batch, 1);
        let (before, _) = logits(&model, &all, &model.initial_state(batch));
        all[change * batch] = (all[change * batch] + 1) % VOCAB as u32;
        let (after, _) = logits(&model, &all, &model.initial_state(batch));
        let width = before.len() / all.len();
        assert!(before[..change * batch * width] == after[..change * batch * width]);
        assert!(before[change * batch * width..][..width] != after[change * batch * width..][..width]);
    }
}

#[test]
fn rows_of_a_batch_are_each_what_they_are_alone() {
    for model in models(6) {
        let (batch, seq_len) = (5, 9);
        let all = tokens(seq_len * batch, 2);
        let (together, _) = logits(&model, &all, &model.initial_state(batch));
        let width = together.len() / all.len();
        for b in 0..batch {
            let alone: Vec<u32> = all.iter().copied().skip(b).step_by(batch).collect();
            let (alone, _) = logits(&model, &alone, &model.initial_state(1));
            for t in 0..seq_len {
                assert!(
                    alone[t * width..][..width] == together[(t * batch + b) * width..][..width],
                    "row {b} step {t}"
                );
            }
        }
    }
}

#[test]
fn the_first_loss_is_ln_v() {
    let cpu = Cpu::new(None).unwrap();
    let sizes = [(128, 1, 0), (256, 2, 0), (256, 2, 64), (512, 1, 0)];
    for (cell, (hidden_size, num_layers, embed)) in cells().into_iter().flat_map(|c| sizes.map(|s| (c.clone(), s))) {
        let config = Config { hidden_size, num_layers, embed, ..cell.clone() };
        let (vocab, batch) = (65, 16);
        let model = LanguageModel::<f32>::new(&config, vocab).unwrap();
        let text: Vec<u32> = (0..33 * batch).map(|i| (i * i % 97 * 31 % vocab) as u32).collect();
        let (inputs, targets) = (&text[..32 * batch], &text[batch..]);
        let sum = model.loss_sum(&mut Tape::new(&cpu), inputs, targets, &mut model.initial_state(batch)).unwrap();
        let (loss, expected) = (sum / targets.len() as f64, (vocab as f64).ln());
        // A minGRU's h starts near 1/2 instead of 0: with weights within 1/sqrt(H) a logit then has the variance h^2/3
        // = 1/12, which raises the loss by as much at most, a fiftieth of ln V.
        let allowed = if cell.cell == Cell::MIN_GRU { 0.04 } else { 0.02 };
        assert!((loss / expected - 1.0).abs() < allowed, "{:?}: first loss {loss}, ln V = {expected}", cell.cell);
    }
}

#[test]
fn a_masked_batch_is_its_lines_alone() {
    let cpu = Cpu::new(Some(1)).unwrap();
    let newline = 0;
    let ids: Vec<u32> =
        tokens(90, 3).into_iter().enumerate().map(|(i, t)| if i % 13 == i / 13 { 0 } else { t }).collect();
    for embed in [0, 5] {
        let config = Config { hidden_size: 9, embed, batches: BatchKind::Lines, batch: 4, ..Config::default() };
        let model = LanguageModel::<f64>::new(&config, VOCAB).unwrap();
        let mut batches = Batches::new(&config, "t", ids.clone(), Some(newline)).unwrap();
        let mut batch = Batch::default();
        batches.fill(0, &mut batch).unwrap();
        assert!(batch.rows == 4 && batch.predictions() < batch.targets.len());
        let mut tape = Tape::new(&cpu);
        let mut run = |inputs: &[u32], targets: &[u32], rows| {
            let mut grads = model.params().zeros_like();
            let state = &mut model.initial_state(rows);
            let loss = model
                .loss_and_grads(&mut tape, &mut Shards::default(), inputs, targets, state, None, &mut grads)
                .unwrap();
            let sum = model.loss_sum(&mut tape, inputs, targets, &mut model.initial_state(rows)).unwrap();
            (loss, sum, grads)
        };
        let (loss, _, grads) = run(&batch.inputs, &batch.targets, 4);
        let (mut sums, mut want) = (0.0, model.params().zeros_like());
        for row in 0..4 {
            let column = |ids: &[u32]| ids.iter().copied().skip(row).step_by(4).collect::<Vec<_>>();
            let (mut inputs, mut targets) = (column(&batch.inputs), column(&batch.targets));
            targets.retain(|&target| target != IGNORED);
            inputs.truncate(targets.len());
            let (_, sum, alone) = run(&inputs, &targets, 1);
            let share = targets.len() as f64 / batch.predictions() as f64;
            want.values_mut().iter_mut().zip(alone.values()).for_each(|(w, g)| *w += share * g);
            // All but this row masked: the sum over the batch is the line's alone, bit for bit.
            let mut only = batch.targets.clone();
            only.iter_mut().enumerate().filter(|(i, _)| i % 4 != row).for_each(|(_, t)| *t = IGNORED);
            assert_eq!(run(&batch.inputs, &only, 4).1.to_bits(), sum.to_bits(), "row {row}");
            sums += sum;
        }
        assert!((loss - sums / batch.predictions() as f64).abs() < 1e-14);
        for (got, want) in grads.values().iter().zip(want.values()) {
            assert!((got - want).abs() < 1e-15 + 1e-12 * want.abs(), "{got} {want}");
        }
    }
}

#[test]
fn one_batch_is_learnt_by_heart_from_every_seed() {
    let cpu = Cpu::new(Some(1)).unwrap();
    for (cell, seed) in cells().into_iter().flat_map(|c| (0..20).map(move |seed| (c.clone(), seed))) {
        let config = Config { hidden_size: 48, num_layers: 1, seed, ..cell };
        let mut model = LanguageModel::<f32>::new(&config, VOCAB).unwrap();
        let (batch, seq_len) = (4, 16);
        let text = tokens((seq_len + 1) * batch, seed as usize);
        let (mut adam, mut grads) = (Optimizer::of(&config, model.params()), model.params().zeros_like());
        let (mut tape, mut loss) = (Tape::new(&cpu), f64::INFINITY);
        for _ in 0..500 {
            let (inputs, targets) = (&text[..seq_len * batch], &text[batch..]);
            let mut state = model.initial_state(batch);
            loss = model
                .loss_and_grads(&mut tape, &mut Shards::default(), inputs, targets, &mut state, None, &mut grads)
                .unwrap();
            adam.update(&cpu, 1e-2, 1.0, model.params_mut(), &grads).unwrap();
        }
        assert!(loss < 0.02, "{} with seed {seed} ends at {loss}", config.cell.name());
    }
}

#[test]
fn threads_backend_and_directory_change_no_byte() {
    // As often as the variable says: `just bytes` takes 200.
    let steps = std::env::var("ELMAN_BYTES").map_or(6, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..6000).map(|i| char::from(b'a' + ((i * i / 7 + i / 3) % 26) as u8)).collect();
    let corpus = Corpus::from_text("letters", text);
    let config = Config {
        hidden_size: 64,
        embed: 20,
        dropout: 0.3,
        // So many positions that a step is done in shards.
        seq_len: 33,
        batch: 32,
        steps: Some(steps),
        eval_every: Some(3),
        ..Config::default()
    };
    let mut runs = 0;
    for cell in cells() {
        for (optimizer, lr) in [(OptimizerKind::Adam, 2e-3), (OptimizerKind::Sgd, 0.5)] {
            let config = Config { cell: cell.cell, optimizer, lr, ..config.clone() };
            runs += same_bytes(&config, &corpus, folder.path());
        }
    }
    println!("{runs} runs of {steps} steps: the same model for every backend and number of threads");
}

/// Trains on every backend with 1, 2, 3 and 8 threads and compares the models; how many there were.
fn same_bytes(config: &Config, corpus: &Corpus, folder: &std::path::Path) -> usize {
    let mut first: Option<Vec<u8>> = None;
    // The portable source without hardware FMA takes minutes for what the others do in seconds: a few steps only.
    let little = config.steps <= Some(6) && config.optimizer == OptimizerKind::Adam;
    let mut runs = 0;
    for backend in Backend::available() {
        let threads: &[usize] = match backend.is_plain() {
            true if little => &[2],
            true => &[],
            false => &[1, 2, 3, 8],
        };
        for &threads in threads {
            // Every kernel splits its work, however small, over all threads.
            let cpu = Cpu::with_backend(backend, threads).unwrap().with_work_per_thread(1);
            let run = RunDir::create(folder.join(format!("{}-{threads}", first.is_some()))).unwrap();
            let mut trainer = Trainer::new(config.clone(), corpus, &cpu).unwrap();
            trainer.run(Some(&run), &mut |_| elman::train::Control::Continue).unwrap();
            let bytes = std::fs::read(run.model()).unwrap();
            assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "{backend:?} with {threads} threads");
            std::fs::remove_dir_all(run.path()).unwrap();
            runs += 1;
        }
    }
    runs
}
