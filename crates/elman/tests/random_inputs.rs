//! Random inputs through public constructors and one training step: nothing panics, what does not fit is an error, and
//! at least a third is valid and takes the step. `ELMAN_RANDOM` says how many (100,000 by default).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use elman::autodiff::nodes::Sequence;
use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::Tape;
use elman::config::{Classify as ClassifySettings, Config, InitialState, Pooling, Tag as TagSettings, TaskSettings};
use elman::data::Corpus;
use elman::data::table::labelled::{Items, Labelled};
use elman::data::table::sequences::{Padded, Sequences};
use elman::data::table::tagged::Tagged;
use elman::infer::{Precision, Session};
use elman::nn::bidirectional::Bidirectional;
use elman::nn::cells::direction::Direction;
use elman::nn::dropout::Dropout;
use elman::nn::embedding::Embedding;
use elman::nn::linear::Linear;
use elman::nn::residual::Residual;
use elman::nn::shards::Shards;
use elman::nn::{Cell, Input, Layer, Network, Pass, Stack, fresh};
use elman::task::{Classify, Tag, Task};
use elman::train::Trainer;
use elman::{Cpu, Error, LanguageModel};
use elman_kernels::softmax::IGNORED;

/// A generator of small numbers, some of them wrong on purpose.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn cell(&mut self) -> Cell {
        Cell::ALL[self.below(Cell::ALL.len())]
    }

    /// 1 to `most`, seldom 0.
    fn size(&mut self, most: usize) -> usize {
        if self.one_in(40) { 0 } else { 1 + self.below(most) }
    }

    /// A number, seldom one that is none.
    fn number(&mut self) -> f64 {
        match self.below(2000) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => 1e300,
            _ => self.below(2001) as f64 / 1000.0 - 1.0,
        }
    }

    /// Tokens below `vocab`, seldom one that is not.
    fn tokens(&mut self, n: usize, vocab: usize) -> Vec<u32> {
        (0..n).map(|_| if self.one_in(400) { self.next() as u32 } else { self.below(vocab.max(1)) as u32 }).collect()
    }

    /// As many as `n`, seldom another number of them.
    fn count(&mut self, n: usize) -> usize {
        if self.one_in(30) { self.below(n + 3) } else { n }
    }
}

/// A language model of random settings, one step on random tokens.
fn language_model(d: &mut Draw, cpu: &Cpu) -> Result<(), Error> {
    let vocab = d.size(6);
    let config = Config {
        cell: d.cell(),
        hidden_size: d.size(5),
        num_layers: d.size(2),
        embed: d.below(4),
        tied: d.one_in(8),
        dropout: [0.0, 0.0, 0.3, 1.5][d.below(4)],
        initial_state: if d.one_in(3) { InitialState::Learned } else { InitialState::Zero },
        ..Config::default()
    };
    let model: LanguageModel<f64> = LanguageModel::new(&config, vocab)?;
    let (batch, steps) = (d.size(3), d.size(4));
    let n = d.count(batch * steps);
    let (inputs, mut targets) = (d.tokens(n, vocab), d.tokens(n, vocab));
    targets.truncate(d.count(n));
    if d.one_in(10) {
        targets.iter_mut().step_by(2).for_each(|target| *target = IGNORED);
    }
    let (mut state, mut grads) = (model.initial_state(batch), model.params().zeros_like());
    let mut shards = if d.one_in(4) { Shards::of(1 << d.below(3))? } else { Shards::default() };
    let mut tape = Tape::new(cpu);
    let loss = model.loss_and_grads(&mut tape, &mut shards, &inputs, &targets, &mut state, None, &mut grads)?;
    finite(loss, &grads)
}

fn finite(loss: f64, grads: &Params<f64>) -> Result<(), Error> {
    assert!(loss.is_finite() && grads.values().iter().all(|g| g.is_finite()), "finite inputs give finite numbers");
    Ok(())
}

/// A random layer over `width` columns.
fn layer(d: &mut Draw, declared: &mut Declaration, number: usize, width: usize) -> Arc<dyn Layer<f64>> {
    let name = if d.one_in(60) { "same".to_string() } else { format!("l{number}") };
    let units = d.size(4);
    let direction = |name, reverse, learned_state| Direction {
        prefix: "",
        name,
        input_size: width,
        hidden_size: units,
        reverse,
        learned_state,
    };
    match d.below(6) {
        0 => Arc::new(Linear::declare(declared, &name, width, units)),
        1 => Arc::new(Dropout { p: 0.5, locked: d.one_in(2) }.layer(width)),
        2 => {
            let (there, back) = (format!("{name}_there"), format!("{name}_back"));
            let forward = d.cell().declare(declared, &direction(&there, false, false));
            Arc::new(Bidirectional::new(forward, d.cell().declare(declared, &direction(&back, true, false))))
        }
        3 => Arc::new(Residual(Arc::new(Linear::declare(declared, &name, width, d.count(width))))),
        _ => {
            let (reverse, learned) = (d.one_in(5), d.one_in(3));
            d.cell().declare(declared, &direction(&name, reverse, learned))
        }
    }
}

/// A random stack, one pass with a random mask, then steps of a session.
fn network(d: &mut Draw, cpu: &Cpu) -> Result<(), Error> {
    let (mut declared, mut layers) = (Declaration::default(), Vec::<Arc<dyn Layer<f64>>>::new());
    let input = if d.one_in(3) { Input::Tokens(d.size(4)) } else { Input::Vectors(d.size(4)) };
    let mut width = input.size();
    if matches!(input, Input::Tokens(_)) && d.one_in(2) {
        let embed = d.size(3);
        layers.push(Arc::new(Embedding::declare(&mut declared, "embedding", width, embed)));
        width = embed;
    }
    for number in 0..d.size(3) {
        let next = layer(d, &mut declared, number, width);
        width = if d.one_in(60) { width + 1 } else { next.outputs() };
        layers.push(next);
    }
    let network = Network::new(Arc::new(Stack::new(layers)?), fresh(declared, d.next())?, input);
    let (batch, steps) = (d.size(3), d.size(4));
    let n = batch * steps;
    let (tokens, vectors) = (d.tokens(n, input.size()), d.count(n * input.size()));
    let vectors: Vec<f64> = (0..vectors).map(|_| d.below(100) as f64 / 50.0 - 1.0).collect();
    let mask: Vec<bool> = (0..d.count(n)).map(|_| !d.one_in(3)).collect();
    let (mut tape, mut grads) = (Tape::new(cpu), network.params().zeros_like());
    tape.start(true);
    let state = network.layers().initial_state(network.params(), batch);
    let before = network.layers().begin(&mut tape, network.params(), &state, d.one_in(2))?;
    let x = match input {
        Input::Tokens(vocab_size) => Sequence::Tokens { tokens: &tokens, vocab_size },
        Input::Vectors(width) => Sequence::Dense(tape.dense_leaf(width, &vectors, true)?),
    };
    let mut pass = Pass { mask: (d.one_in(2)).then_some(&mask[..]), ..Pass::plain(batch) };
    let (y, _) = network.layers().run(&mut tape, network.params(), x, &before, &mut pass)?;
    let loss = tape.mean(y)?;
    tape.backward(loss, network.params(), &mut grads)?;
    let rows = d.size(2);
    let mut session = match Session::new(network, rows, Precision::Full, cpu) {
        Ok(session) => session,
        // A network that reads backward trains, and has no steps.
        Err(_) => return Ok(()),
    };
    match input {
        Input::Tokens(vocab) => session.step_tokens(&d.tokens(rows, vocab))?,
        Input::Vectors(width) => session.step(&vec![0.5; rows * width])?,
    };
    Ok(())
}

/// Random rows of numbers or texts with random labels.
fn items(d: &mut Draw) -> (Items, Vec<usize>) {
    let count = 4 + d.below(5);
    if d.one_in(2) {
        let texts = (0..count).map(|_| ["ab", "ba c", "b", "c a b"][d.below(4)].repeat(1 + d.below(2))).collect();
        return (Items::Texts(texts), vec![1; count]);
    }
    let width = d.size(3);
    let lengths: Vec<usize> = (0..count).map(|_| d.size(4)).collect();
    let sequences = lengths.iter().map(|&length| {
        let n = if d.one_in(40) { d.below(5) } else { length * width };
        (0..n).map(|_| d.number()).collect()
    });
    let sequences: Vec<Vec<f64>> = sequences.collect();
    let groups = (0..d.count(count)).map(|group| group.to_string()).collect();
    let columns = (0..width).map(|column| format!("x{column}")).collect();
    (Items::Vectors { columns, groups, sequences }, lengths)
}

/// One step of a task.
fn step<T: Task<Element = f64>>(config: Config, task: T, cpu: &Cpu) -> Result<(), Error> {
    let mut trainer = Trainer::of(Config { steps: Some(1), eval_every: Some(1), ..config }, task, cpu)?;
    trainer.run(None, &mut |_| elman::train::Control::Continue).map(|_| ())
}

fn small(d: &mut Draw, task: TaskSettings) -> Config {
    let config = Config::of_task(Some(task));
    let (hidden_size, embed, batch) = (d.size(4), d.below(3), d.size(4));
    let (cell, seq_len, dtype) = (d.cell(), d.size(6), elman::config::Dtype::F64);
    Config { cell, hidden_size, embed, batch, seq_len, dtype, num_layers: 1, val_frac: 0.3, ..config }
}

fn classifier(d: &mut Draw, cpu: &Cpu) -> Result<(), Error> {
    let (items, _) = items(d);
    let classes: Vec<String> = (0..2 + d.below(2)).map(|class| class.to_string()).collect();
    let labels = (0..d.count(items.len())).map(|at| if d.one_in(80) { d.below(9) } else { at % classes.len() } as u32);
    let (labels, fingerprint) = (labels.collect(), Corpus::from_text("random", "random".to_string()).fingerprint());
    let data = Labelled { items, labels, classes, fingerprint };
    let pooling = Pooling::ALL[d.below(Pooling::ALL.len())];
    let settings = ClassifySettings { pooling, bidirectional: d.one_in(2), ..ClassifySettings::default() };
    let config = small(d, TaskSettings::Classify(settings));
    config.check()?;
    let task: Classify<f64> = Classify::new(&config, data, None)?;
    step(config, task, cpu)
}

fn tagger(d: &mut Draw, cpu: &Cpu) -> Result<(), Error> {
    let (items, lengths) = items(d);
    let classes: Vec<String> = (0..2).map(|class| class.to_string()).collect();
    let mut labels: Vec<Vec<u32>> = match &items {
        Items::Texts(texts) => texts.iter().map(|text| vec![0; text.split_whitespace().count()]).collect(),
        Items::Vectors { .. } => lengths.iter().map(|&length| vec![0; length]).collect(),
    };
    labels.iter_mut().flatten().for_each(|label| *label = if d.one_in(300) { 7 } else { d.below(2) as u32 });
    labels.truncate(d.count(labels.len()));
    let fingerprint = Corpus::from_text("random", "random".to_string()).fingerprint();
    let settings = TagSettings { bidirectional: d.one_in(2), ..TagSettings::default() };
    let config = small(d, TaskSettings::Tag(settings));
    config.check()?;
    let task: Tag<f64> = Tag::new(&config, Tagged { items, labels, classes, fingerprint }, None)?;
    step(config, task, cpu)
}

fn padded(d: &mut Draw) -> Result<(), Error> {
    let (count, width) = (d.size(4), d.size(3));
    let sequences = match d.below(2) {
        0 => Sequences::Tokens((0..count).map(|_| d.tokens(3, 5)).collect()),
        _ => {
            let mut row = || {
                let n = d.size(3) * width;
                (0..d.count(n)).map(|_| d.number()).collect()
            };
            Sequences::Vectors { width, rows: (0..count).map(|_| row()).collect() }
        }
    };
    let mut place = || {
        let beyond = usize::from(d.one_in(20));
        d.below(count.max(1) + beyond)
    };
    let places: Vec<usize> = (0..3).map(|_| place()).collect();
    let batch: Padded<f64> = Padded::new(&sequences, &places, d.below(3))?;
    assert_eq!(batch.mask.len(), batch.steps * batch.rows);
    Ok(())
}

#[test]
fn nothing_panics_and_a_third_trains() {
    let count: u64 = std::env::var("ELMAN_RANDOM").map_or(100_000, |text| text.parse().unwrap());
    let cpu = Cpu::new(Some(1)).unwrap();
    type Kind = (&'static str, fn(&mut Draw, &Cpu) -> Result<(), Error>);
    const KINDS: [Kind; 5] = [
        ("language model", language_model),
        ("network", network),
        ("classifier", classifier),
        ("tagger", tagger),
        ("padded", |d, _| padded(d)),
    ];
    let mut panicked = Vec::new();
    let (mut valid, mut all) = ([0_u64; KINDS.len()], [0_u64; KINDS.len()]);
    for seed in 0..count {
        let kind = (seed % KINDS.len() as u64) as usize;
        let (name, run) = KINDS[kind];
        let done = catch_unwind(AssertUnwindSafe(|| run(&mut Draw(seed), &cpu)));
        all[kind] += 1;
        match done {
            Ok(Ok(())) => valid[kind] += 1,
            Ok(Err(error)) => assert!(!error.to_string().is_empty()),
            Err(_) => panicked.push(format!("{name}, seed {seed}")),
        }
        assert!(panicked.len() < 20, "panicked: {panicked:?}");
    }
    assert!(panicked.is_empty(), "panicked: {panicked:?}");
    for (((name, _), valid), all) in KINDS.iter().zip(valid).zip(all) {
        println!("{name}: {valid} of {all} valid");
        assert!(valid * 3 >= all, "{name}: {valid} of {all} valid, expected a third");
    }
}
