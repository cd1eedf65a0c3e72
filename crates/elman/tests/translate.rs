//! What must hold for networks that read and write, whatever the attention: padding changes no bit, a batch is its
//! pairs one by one, no logit depends on a later token, writing token by token gives the logits of the whole, gradients
//! are those of central differences; and a small language is learnt, with the same bits after a resume.

use elman::autodiff::params::Params;
use elman::autodiff::tape::Tape;
use elman::check::{Loss, Verdict, check_tensor};
use elman::config::{Attention, Cell, Config, TaskSettings, Translate as Settings};
use elman::data::table::parallel::{PairBatch, Pairs, Parallel, Parts, Vocabs};
use elman::infer::search::Search;
use elman::nn::model::Seq2Seq;
use elman::nn::model::seq2seq::Pass;
use elman::task::Translate;
use elman::train::{Changes, Control, Event, Stopped, Trainer};
use elman::{Corpus, Cpu, Element, RunDir};

const WORDS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
const MOTS: [&str; 6] = ["un", "deux", "trois", "quatre", "cinq", "six"];
const KINDS: [(Attention, bool); 7] = [
    (Attention::None, false),
    (Attention::Dot, false),
    (Attention::General, false),
    (Attention::Additive, false),
    (Attention::Dot, true),
    (Attention::General, true),
    (Attention::Additive, true),
];

/// Numbers as words, and the same in another language backwards.
fn pairs(count: usize) -> Vec<(String, String)> {
    let pair = |at: usize| {
        let digits: Vec<usize> = (0..1 + at * 7 % 4).map(|i| at * 31 / 6_usize.pow(i as u32) % 6).collect();
        let from: Vec<&str> = digits.iter().map(|&digit| WORDS[digit]).collect();
        let to: Vec<&str> = digits.iter().rev().map(|&digit| MOTS[digit]).collect();
        (from.join(" "), to.join(" "))
    };
    (0..count).map(pair).collect()
}

fn config(cell: Cell, attention: Attention, input_feeding: bool, num_layers: usize, tied: bool) -> Config {
    let task = Settings { attention, input_feeding, ..Settings::default() };
    let base = Config::of_task(Some(TaskSettings::Translate(task)));
    Config { cell, num_layers, hidden_size: 8, embed: 6, tied, min_freq: 1, ..base }
}

fn sentences(config: &Config, count: usize) -> Parts {
    Parts::new(config, &Settings { val_sentences: Some(0), ..config.translate().unwrap().clone() }, &pairs(count))
}

/// Pairs of unlike lengths, and a network for them.
fn prepared<E: Element>(config: &Config) -> (Pairs, Seq2Seq<E>) {
    let sentences = sentences(config, 7).train;
    let vocabs = Vocabs::fit(config, "t", &sentences).unwrap();
    let model = Seq2Seq::new(config, [vocabs.from.len(), vocabs.to.len()]).unwrap();
    (Pairs::new(&vocabs, "t", &sentences).unwrap(), model)
}

fn plain<'a>() -> Pass<'a> {
    Pass { dropout: None, smoothing: 0.0, inputs: None }
}

fn run<E: Element>(model: &Seq2Seq<E>, tape: &mut Tape<E>, batch: &PairBatch<E>) -> (f64, Vec<E>, Params<E>) {
    tape.start(false);
    let logits = model.forward(tape, batch, &mut plain()).unwrap();
    let logits = tape.dense_value(logits)[..batch.predictions() * logits.cols()].to_vec();
    let mut grads = model.params().zeros_like();
    let loss = model.loss_and_grads(tape, batch, plain(), &mut grads).unwrap();
    (loss, logits, grads)
}

fn bits<E: Element>(values: &[E]) -> Vec<u64> {
    values.iter().map(|x| x.to_f64().to_bits()).collect()
}

fn padding_and_batches<E: Element>(config: &Config, what: &str) {
    let cpu = Cpu::new(Some(1)).unwrap();
    let (pairs, model) = prepared::<E>(config);
    let mut tape = Tape::new(&cpu);
    let all: Vec<usize> = (0..pairs.count()).collect();
    let batch = pairs.batch(&all, 0);
    let (loss, logits, grads) = run(&model, &mut tape, &batch);
    for padding in [1, 4] {
        let (more_loss, more_logits, more_grads) = run(&model, &mut tape, &pairs.batch(&all, padding));
        assert_eq!(loss.to_bits(), more_loss.to_bits(), "{what}: loss, {padding} more steps of padding");
        assert_eq!(bits(&logits), bits(&more_logits), "{what}: logits, {padding} more steps of padding");
        assert_eq!(bits(grads.values()), bits(more_grads.values()), "{what}: gradients, {padding} more");
    }
    // The logits of a batch are time-major; those of a pair alone are its own.
    let (v, rows) = (logits.len() / batch.predictions(), all.len());
    let counts = |at: usize| batch.targets[at] != u32::MAX;
    let mut mean = vec![0.0; grads.values().len()];
    for at in all {
        let alone = pairs.batch(&[at], 0);
        let (_, own, own_grads) = run(&model, &mut tape, &alone);
        let mut together = Vec::new();
        for (place, row) in (0..batch.targets.len()).filter(|&at| counts(at)).zip(logits.chunks_exact(v)) {
            together.extend((place % rows == at).then_some(row).into_iter().flatten().copied());
        }
        assert_eq!(bits(&own), bits(&together), "{what}: logits of pair {at} alone");
        let share = alone.predictions() as f64 / batch.predictions() as f64;
        mean.iter_mut().zip(own_grads.values()).for_each(|(mean, g)| *mean += g.to_f64() * share);
    }
    for (&together, mean) in grads.values().iter().zip(&mean) {
        assert!((together.to_f64() - mean).abs() < 1e-6, "{what}: {together:?} {mean}");
    }
    assert!(grads.values().iter().any(|g| g.to_f64().abs() > 1e-3), "{what}: the gradient is more than rounding");
}

#[test]
fn padding_changes_no_bit_and_a_batch_is_its_pairs_one_by_one() {
    for (at, (attention, feeding)) in KINDS.into_iter().enumerate() {
        for &cell in Cell::ALL {
            let what = format!("{cell:?}, {attention:?}, input feeding {feeding}");
            padding_and_batches::<f32>(&config(cell, attention, feeding, 1 + at % 2, at % 3 > 0), &what);
        }
        padding_and_batches::<f64>(&config(Cell::LSTM, attention, feeding, 2, false), "in double precision");
    }
}

#[test]
fn no_logit_depends_on_a_later_token_and_all_do_on_what_is_read() {
    let cpu = Cpu::new(Some(1)).unwrap();
    for (attention, feeding) in KINDS {
        let (pairs, model) = prepared::<f32>(&config(Cell::LSTM, attention, feeding, 2, true));
        let mut tape = Tape::new(&cpu);
        let longest = (0..pairs.count()).max_by_key(|&at| pairs.lengths()[at]).unwrap();
        let batch = pairs.batch::<f32>(&[longest, longest], 0);
        let (steps, rows) = (batch.inputs.len() / 2, 2);
        let mut logits = |batch: &PairBatch<f32>, inputs: &[u32]| {
            tape.start(false);
            let pass = &mut Pass { inputs: Some(inputs), ..plain() };
            let logits = model.forward(&mut tape, batch, pass).unwrap();
            (bits(&tape.dense_value(logits)[..batch.predictions() * logits.cols()]), logits.cols())
        };
        let (before, v) = logits(&batch, &batch.inputs);
        assert!(steps > 3);
        for changed in 1..steps {
            let mut inputs = batch.inputs.clone();
            inputs[changed * rows..].iter_mut().for_each(|token| *token = (*token + 1) % 5);
            let after = logits(&batch, &inputs).0;
            let at = changed * rows * v;
            assert_eq!(before[..at], after[..at], "{attention:?}, {feeding}: step {changed}");
            for (before, after) in before[at..].chunks(v).zip(after[at..].chunks(v)) {
                assert_ne!(before, after, "{attention:?}, {feeding}: a step after {changed}");
            }
        }
        let mut other = batch.clone();
        *other.from.tokens.last_mut().unwrap() ^= 1;
        for (row, (before, after)) in before.chunks(v).zip(logits(&other, &batch.inputs).0.chunks(v)).enumerate() {
            assert_eq!(before == after, row % rows == 0, "{attention:?}, {feeding}: only the second text was changed");
        }
    }
}

#[test]
fn writing_token_by_token_gives_the_logits_of_the_whole() {
    let cpu = Cpu::new(Some(1)).unwrap();
    for (attention, feeding) in KINDS {
        for &cell in Cell::ALL {
            let (pairs, model) = prepared::<f32>(&config(cell, attention, feeding, 2, false));
            let mut tape = Tape::new(&cpu);
            let all: Vec<usize> = (0..pairs.count()).collect();
            let batch = pairs.batch::<f32>(&all, 0);
            tape.start(false);
            let whole = model.forward(&mut tape, &batch, &mut plain()).unwrap();
            let v = whole.cols();
            let whole = tape.dense_value(whole)[..batch.predictions() * v].to_vec();
            let (memory, mut carried) = model.read(&mut tape, &batch.from).unwrap();
            let mut rows = whole.chunks_exact(v);
            for (tokens, targets) in batch.inputs.chunks(all.len()).zip(batch.targets.chunks(all.len())) {
                let mut weights = Vec::new();
                let logits = model.write(&mut tape, &memory, tokens, &mut carried, Some(&mut weights)).unwrap();
                let logits = tape.dense_value(logits);
                for (logits, _) in logits.chunks_exact(v).zip(targets).filter(|(_, target)| **target != u32::MAX) {
                    assert_eq!(bits(logits), bits(rows.next().unwrap()), "{cell:?}, {attention:?}, {feeding}");
                }
                let sums =
                    weights.chunks_exact(batch.from.steps).map(|row| row.iter().map(|w| f64::from(*w)).sum::<f64>());
                sums.for_each(|sum| assert!((sum - 1.0).abs() < 1e-6, "{sum}"));
                assert_eq!(weights.is_empty(), attention == Attention::None);
            }
            assert!(rows.next().is_none());
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    let cpu = Cpu::new(Some(1)).unwrap();
    for (attention, feeding) in KINDS {
        let config = Config { hidden_size: 4, embed: 3, ..config(Cell::LSTM, attention, feeding, 1, true) };
        let (pairs, mut model) = prepared::<f64>(&config);
        let batch = pairs.batch(&[0, 1, 2, 3], 1);
        let mut tape = Tape::new(&cpu);
        let smoothed = || Pass { smoothing: 0.2, ..plain() };
        let mut grads = model.params().zeros_like();
        model.loss_and_grads(&mut tape, &batch, smoothed(), &mut grads).unwrap();
        let names: Vec<String> = model.params().names().map(str::to_string).collect();
        let mut values: Vec<Vec<f64>> = names.iter().map(|name| model.params().get(name).unwrap()).collect();
        let analytic: Vec<Vec<f64>> = names.iter().map(|name| grads.get(name).unwrap()).collect();
        for (at, (name, analytic)) in names.iter().zip(&analytic).enumerate() {
            let finding = check_tensor(&mut values, at, analytic, &mut |values| {
                for (name, values) in names.iter().zip(values) {
                    model.params_mut().set(name, values)?;
                }
                let value = model.loss_and_grads(&mut tape, &batch, smoothed(), &mut grads)?;
                Ok(Loss { value, magnitude: value.abs() })
            });
            let finding = finding.unwrap();
            assert_eq!(finding.verdict, Verdict::Pass, "{attention:?}, {feeding}, {name}: {finding:?}");
        }
    }
}

fn parallel(count: usize) -> Parallel {
    let pairs = pairs(count);
    let lines: Vec<String> = pairs.iter().map(|(from, to)| format!("{from}\t{to}\n")).collect();
    Parallel { pairs, fingerprint: Corpus::from_text("numbers.tsv", lines.concat()).fingerprint() }
}

/// A run of some steps: 3 in 4 of all numbers of up to four digits, to be written backwards.
fn learn(config: &Config, run: Option<&RunDir>, stop_after: u64) -> Trainer<Translate<f32>> {
    let cpu = Cpu::new(Some(1)).unwrap();
    let task = Translate::new(config, parallel(3000), None).unwrap();
    let mut trainer = Trainer::of(config.clone(), task, &cpu).unwrap();
    let stop = |event: Event<'_>| match event {
        Event::Step { step, .. } if step == stop_after => Control::Stop,
        _ => Control::Continue,
    };
    trainer.run(run, &mut { stop }).unwrap();
    trainer
}

fn small(steps: u64) -> Config {
    let task = Settings { attention: Attention::General, val_sentences: Some(60), ..Settings::default() };
    let base = Config::of_task(Some(TaskSettings::Translate(task)));
    Config {
        hidden_size: 32,
        embed: 16,
        min_freq: 1,
        batch: 32,
        steps: Some(steps),
        lr: 1e-2,
        eval_every: Some(0),
        ..base
    }
}

#[test]
fn a_small_language_is_learnt() {
    let mut trainer =
        learn(&Config { dropout: 0.0, output_dropout: 0.0, sample_every: Some(0), ..small(400) }, None, 0);
    let (task, tape) = trainer.task_and_tape();
    for beam in [1, 4] {
        let search = Search { beam, length_penalty: 1.0, longest: 12 };
        let (figures, _) = task.trained().measure(tape, task.validation(), search, &mut || true).unwrap().unwrap();
        assert!(figures.all.exact_match() > 0.95, "beam {beam}: {}", figures.all.exact_match());
        assert_eq!(figures.all.sentences(), 60);
    }
    // What was written backwards was looked at backwards.
    let (written, look) = task.trained().look(tape, "t", "one two three", 12).unwrap();
    assert_eq!(written.text, "trois deux un");
    assert_eq!((look.read.join(" "), look.written.join(" ")), ("one two three".into(), "trois deux un <eos>".into()));
    let largest = |row: &Vec<f64>| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let looked: Vec<usize> = look.weights.iter().take(3).map(largest).collect();
    assert!(looked[0] > looked[2], "{looked:?}");
}

/// An untrained network would write `<unk>` and `<bos>` as soon as any other token.
#[test]
fn no_token_is_written_that_stands_for_no_text() {
    let task = Translate::<f32>::new(&small(1), parallel(400), None).unwrap();
    let tape = &mut Tape::new(&Cpu::new(Some(1)).unwrap());
    let texts: Vec<String> = pairs(60).into_iter().map(|(from, _)| from).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for beam in [1, 3] {
        let search = Search { beam, length_penalty: 1.0, longest: 8 };
        let written = task.trained().translate(tape, "t", &texts, search, &mut || true).unwrap().unwrap();
        assert!(written.iter().all(|written| !written.text.contains('<')), "{written:?}");
        assert!(written.iter().any(|written| !written.text.is_empty()));
        // Each is what it is alone.
        for (text, together) in texts.iter().zip(&written).take(9) {
            let alone = task.trained().translate(tape, "t", &[text], search, &mut || true).unwrap().unwrap();
            assert_eq!(alone, std::slice::from_ref(together));
        }
    }
}

#[test]
fn a_resumed_run_has_the_bits_of_one_that_never_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let task = Settings { forcing: 0.5, smoothing: 0.1, input_feeding: true, ..small(12).translate().unwrap().clone() };
    let config = Config { task: Some(TaskSettings::Translate(task)), ..small(12) };
    let whole = learn(&config, None, 0);
    let run = RunDir::create(dir.path().join("run")).unwrap();
    drop(learn(&config, Some(&run), 5));
    let stopped = Stopped::open(&run, &parallel(3000).fingerprint, Changes::default()).unwrap();
    let task = Translate::<f32>::new(&stopped.config, parallel(3000), None).unwrap();
    let mut resumed = stopped.resume(task, &Cpu::new(Some(2)).unwrap()).unwrap();
    assert_eq!(resumed.plan().steps_done, 5);
    resumed.run(Some(&run), &mut |_| Control::Continue).unwrap();
    let params = |trainer: &Trainer<Translate<f32>>| bits(trainer.task().trained().model.params().values());
    assert_eq!(params(&resumed), params(&whole));
    let stored = elman::files::model_file::Stored::read(run.path()).unwrap();
    let (_, loaded) = elman::task::translate::Trained::<f32>::load(&stored).unwrap();
    assert_eq!(bits(loaded.model.params().values()), params(&whole));
    assert_eq!(loaded.vocabs, whole.task().trained().vocabs);
}
