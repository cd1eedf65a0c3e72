//! Three problems of the literature that tell a right recurrent net from a wrong one, without data: the adding problem
//! and the embedded Reber grammar (Hochreiter and Schmidhuber 1997), and parity with a label at every step.
//!
//!     cargo run --release -p elman --example literature -- adding           # the sequences it takes, 10 seeds; lstm or gru
//!     cargo run --release -p elman --example literature -- reber            # 20 seeds
//!     cargo run --release -p elman --example literature -- parity gru       # 10 seeds; rnn, lstm or gru
//!     cargo run --release -p elman --example literature -- adding gru 2 5   # 2 seeds of 5 steps

use elman::autodiff::params::Params;
use elman::autodiff::tape::Tape;
use elman::config::{Cell, Config, Forecast, Tag, TaskSettings};
use elman::data::series::{Batch, Widths};
use elman::data::table::sequences::{Padded, Sequences};
use elman::nn::losses::CrossEntropy;
use elman::nn::model::{Forecaster, Input, Predictor};
use elman::rng::{ChaCha8Rng, Purpose, generator, uniform};
use elman::train::optim::{Optimizer, clip};
use elman::{Cpu, Error};
use elman_kernels::softmax::IGNORED;

/// Sequences of a step.
const BATCH: usize = 32;
/// Of the adding problem, whose sequences are counted: more steps from as many.
const FEW: usize = 20;

/// What a step of training needs beside the model.
struct Loop {
    config: Config,
    cpu: Cpu,
    tape: Tape<f32>,
    grads: Params<f32>,
    optimizer: Optimizer<f32>,
}

impl Loop {
    fn new(config: &Config, cpu: &Cpu, params: &Params<f32>) -> Loop {
        let (tape, grads) = (Tape::new(cpu), params.zeros_like());
        Loop { config: config.clone(), cpu: cpu.clone(), tape, grads, optimizer: Optimizer::of(config, params) }
    }

    fn update(&mut self, params: &mut Params<f32>) -> Result<(), Error> {
        let norm = self.grads.norm(&self.cpu);
        let scale = clip(&self.cpu, &self.config, norm, &mut self.grads);
        self.optimizer.update(&self.cpu, self.config.lr, scale, params, &self.grads)
    }
}

fn config(task: TaskSettings, cell: Cell, hidden_size: usize, lr: f64, seed: u64) -> Config {
    let plain = Config { dropout: 0.0, output_dropout: 0.0, clip: 1.0, ..Config::default() };
    Config { task: Some(task), cell, hidden_size, num_layers: 1, embed: 0, lr, seed, ..plain }
}

fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    (uniform(rng) * n as f64) as usize
}

/// `count` sequences of 100 pairs: a number in -1 to 1 and a flag. Two are marked, one of the first ten and one of the
/// first half; the target after the last is 0.5 + (their sum) / 4.
fn additions(count: usize, rng: &mut ChaCha8Rng) -> Batch<f32> {
    const STEPS: usize = 100;
    let (mut rows, mut answers): (Vec<Vec<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let first = below(10, rng);
        let second = (first + 1 + below(STEPS / 2 - 1, rng)) % (STEPS / 2);
        let numbers: Vec<f64> = (0..STEPS).map(|_| 2.0 * uniform(rng) - 1.0).collect();
        answers.push(0.5 + (numbers[first] + numbers[second]) / 4.0);
        let marked = |t: usize| if t == first || t == second { 1.0 } else { 0.0 };
        rows.push((0..STEPS).flat_map(|t| [numbers[t], marked(t)]).collect());
    }
    let mut input = vec![0.0; STEPS * count * 2];
    for (b, row) in rows.iter().enumerate() {
        for (t, pair) in row.chunks_exact(2).enumerate() {
            let place = 2 * (t * count + b);
            input[place..place + 2].copy_from_slice(&[pair[0] as f32, pair[1] as f32]);
        }
    }
    Batch {
        rows: count,
        steps: STEPS,
        input,
        mask: vec![true; STEPS * count],
        origins: ((STEPS - 1) * count..STEPS * count).collect(),
        targets: answers,
        units: vec![1.0; count],
        ..Batch::default()
    }
}

/// The sequences until at most 1 of 2,560 fresh ones is off by more than 0.04; None where 74,000 are not enough. An
/// LSTM begins with gates that let little in (the source's bias of -3) and keep the state (4); without these biases it
/// stays at the mean.
fn adding(cpu: &Cpu, cell: Cell, seed: u64, most: u64) -> Result<Option<u64>, Error> {
    let settings = Forecast { horizon: 1, ..Forecast::default() };
    let config = config(TaskSettings::Forecast(settings), cell, 64, 1e-2, seed);
    let config = Config { forget_bias: 4.0, clip: 10.0, ..config };
    let widths = Widths { input: 2, columns: 1, ..Widths::default() };
    let mut model = Forecaster::<f32>::new(&config, widths)?;
    let input_bias = "rnn.bias_ih_l0";
    if let (Cell::LSTM, Some(mut bias)) = (cell, model.params().get(input_bias)) {
        bias[..config.hidden_size].iter_mut().for_each(|bias| *bias -= 3.0);
        model.params_mut().set(input_bias, &bias)?;
    }
    let mut work = Loop::new(&config, cpu, model.params());
    for step in 1..=most {
        let batch = additions(FEW, &mut generator(seed, Purpose::Batches, step));
        let dropout = generator(seed, Purpose::Dropout, step);
        model.loss_and_grads(&mut work.tape, &batch, dropout, &mut work.grads)?;
        work.update(model.params_mut())?;
        if step % 200 == 0 || step == most {
            let batch = additions(2560, &mut generator(seed, Purpose::Split, step));
            work.tape.start(false);
            let raw = model.advance(0, &mut work.tape, &batch, &mut None, None)?;
            let output = work.tape.dense_value(raw);
            let output = output.chunks_exact(2).map(|pair| f64::from(pair[0]));
            let off = output.zip(&batch.targets).filter(|(output, answer)| (output - *answer).abs() > 0.04).count();
            if off <= 1 {
                return Ok(Some(step * FEW as u64));
            }
        }
    }
    Ok(None)
}

/// The symbols of the grammar.
const SYMBOLS: &[u8] = b"BTPSXVE";
/// From each state of the inner grammar: two transitions, a symbol and a state each.
const TRANSITIONS: [[(u8, usize); 2]; 5] = [
    [(b'T', 1), (b'P', 2)],
    [(b'S', 1), (b'X', 3)],
    [(b'T', 2), (b'V', 4)],
    [(b'X', 2), (b'S', 5)],
    [(b'P', 3), (b'V', 5)],
];

/// A string of the embedded grammar, and which symbols may follow each of its own.
fn reber(rng: &mut ChaCha8Rng) -> (Vec<u32>, Vec<Vec<u32>>) {
    let id = |symbol: u8| SYMBOLS.iter().position(|&s| s == symbol).unwrap_or_default() as u32;
    let ids = |symbols: &[u8]| symbols.iter().map(|&symbol| id(symbol)).collect::<Vec<u32>>();
    let branch = if uniform(rng) < 0.5 { b'T' } else { b'P' };
    let (mut text, mut legal) = (vec![b'B', branch, b'B'], vec![ids(b"TP"), ids(b"B")]);
    let mut state = 0;
    while state < 5 {
        let transitions = TRANSITIONS[state];
        legal.push(ids(&[transitions[0].0, transitions[1].0]));
        let (symbol, next) = transitions[below(2, rng)];
        text.push(symbol);
        state = next;
    }
    text.extend([b'E', branch, b'E']);
    legal.extend([ids(b"E"), ids(&[branch]), ids(b"E")]);
    (ids(&text), legal)
}

/// Whether, at every step of 256 fresh strings, every legal symbol is likelier than every other; tried until 40,000 are
/// read.
fn grammar(cpu: &Cpu, seed: u64, most: u64) -> Result<Option<u64>, Error> {
    let task = TaskSettings::Tag(Tag { bidirectional: false, ..Tag::default() });
    let config = config(task, Cell::LSTM, 32, 1e-2, seed);
    let mut model = Predictor::<f32>::new(&config, (Input::Tokens(SYMBOLS.len()), SYMBOLS.len()))?;
    let mut work = Loop::new(&config, cpu, model.params());
    let draw = |count: usize, mut rng: ChaCha8Rng| {
        let strings: Vec<(Vec<u32>, Vec<Vec<u32>>)> = (0..count).map(|_| reber(&mut rng)).collect();
        let inputs = strings.iter().map(|(text, _)| text[..text.len() - 1].to_vec()).collect();
        let batch: Padded<f32> = Padded::new(&Sequences::Tokens(inputs), &(0..count).collect::<Vec<_>>(), 0).unwrap();
        (strings, batch)
    };
    for step in 1..=most {
        let (strings, batch) = draw(BATCH, generator(seed, Purpose::Batches, step));
        let next = |t: usize, b: usize| strings[b].0.get(t + 1).copied().unwrap_or(IGNORED);
        let targets: Vec<u32> = (0..batch.steps).flat_map(|t| (0..BATCH).map(move |b| next(t, b))).collect();
        model.loss_and_grads(&mut work.tape, &batch, &CrossEntropy::default(), &targets, None, &mut work.grads)?;
        work.update(model.params_mut())?;
        if step % 50 == 0 || step == most {
            let (strings, batch) = draw(256, generator(seed, Purpose::Split, step));
            let probabilities = model.probabilities(&mut work.tape, &batch)?;
            let is_right = |row: &[f64], legal: &[u32]| {
                let split = |is_legal: bool| (0..row.len()).filter(move |at| legal.contains(&(*at as u32)) == is_legal);
                let least = split(true).map(|at| row[at]).fold(f64::INFINITY, f64::min);
                split(false).all(|at| row[at] < least)
            };
            let all = probabilities.iter().zip(&strings);
            let mut rows = all.flat_map(|(rows, (_, legal))| rows.chunks_exact(SYMBOLS.len()).zip(legal));
            if rows.all(|(row, legal)| is_right(row, legal)) {
                return Ok(Some(step * BATCH as u64));
            }
        }
    }
    Ok(None)
}

/// Share of the right labels on bits of length 41 to 500, after training on lengths up to 40: is the number of ones odd?
fn parity(cpu: &Cpu, cell: Cell, seed: u64, most: u64) -> Result<f64, Error> {
    let task = TaskSettings::Tag(Tag { bidirectional: false, ..Tag::default() });
    let config = config(task, cell, 32, if cell == Cell::RNN_TANH { 2e-3 } else { 5e-3 }, seed);
    let mut model = Predictor::<f32>::new(&config, (Input::Tokens(2), 2))?;
    let mut work = Loop::new(&config, cpu, model.params());
    let draw = |from: usize, to: usize, count: usize, mut rng: ChaCha8Rng| {
        let bits = |rng: &mut ChaCha8Rng| {
            let length = from + below(to - from + 1, rng);
            (0..length).map(|_| below(2, rng) as u32).collect::<Vec<u32>>()
        };
        let bits: Vec<Vec<u32>> = (0..count).map(|_| bits(&mut rng)).collect();
        let odd = |bits: &Vec<u32>| {
            let mut ones = 0;
            bits.iter()
                .map(|bit| {
                    ones ^= bit;
                    ones
                })
                .collect::<Vec<u32>>()
        };
        let labels: Vec<Vec<u32>> = bits.iter().map(odd).collect();
        let batch: Padded<f32> = Padded::new(&Sequences::Tokens(bits), &(0..count).collect::<Vec<_>>(), 0).unwrap();
        (batch, labels)
    };
    for step in 1..=most {
        // Lengths grow with the steps: a long string teaches nothing before short ones are known.
        let longest = (2 + 60 * step / most.max(1)).min(40) as usize;
        let (batch, labels) = draw(1, longest, BATCH, generator(seed, Purpose::Batches, step));
        let label = |t: usize, b: usize| labels[b].get(t).copied().unwrap_or(IGNORED);
        let targets: Vec<u32> = (0..batch.steps).flat_map(|t| (0..BATCH).map(move |b| label(t, b))).collect();
        model.loss_and_grads(&mut work.tape, &batch, &CrossEntropy::default(), &targets, None, &mut work.grads)?;
        work.update(model.params_mut())?;
    }
    let (batch, labels) = draw(41, 500, 256, generator(seed, Purpose::Split, 0));
    let probabilities = model.probabilities(&mut work.tape, &batch)?;
    let rows = probabilities.iter().zip(&labels).flat_map(|(rows, labels)| rows.chunks_exact(2).zip(labels));
    let right: Vec<bool> = rows.map(|(row, &label)| (row[1] > row[0]) == (label == 1)).collect();
    Ok(right.iter().filter(|&&right| right).count() as f64 / right.len() as f64)
}

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let (seeds, steps) = (numbers.first().copied(), numbers.get(1).copied());
    let cpu = Cpu::new(None)?;
    let cell = match args.get(1).map(String::as_str) {
        Some("rnn") => Cell::RNN_TANH,
        Some("gru") => Cell::GRU,
        _ => Cell::LSTM,
    };
    let taken = |what: &str, all: &[Option<u64>], most: u64| {
        let solved = all.iter().flatten().count();
        let told: Vec<String> = all.iter().map(|n| n.map_or("-".to_string(), |n| n.to_string())).collect();
        println!("{what}: {solved} of {} seeds within {most} sequences, after {}", all.len(), told.join(" "));
    };
    match args.first().map(String::as_str) {
        Some("adding") => {
            let most = steps.unwrap_or(74_000 / FEW as u64);
            let all: Result<Vec<_>, _> = (1..=seeds.unwrap_or(10)).map(|seed| adding(&cpu, cell, seed, most)).collect();
            taken(&format!("adding problem, {}, T = 100", cell.name()), &all?, most * FEW as u64);
        }
        Some("reber") => {
            let most = steps.unwrap_or(40_000 / BATCH as u64);
            let all: Result<Vec<_>, _> = (1..=seeds.unwrap_or(20)).map(|seed| grammar(&cpu, seed, most)).collect();
            taken("embedded Reber grammar", &all?, most * BATCH as u64);
        }
        Some("parity") => {
            let shares: Result<Vec<f64>, Error> =
                (1..=seeds.unwrap_or(10)).map(|seed| parity(&cpu, cell, seed, steps.unwrap_or(3000))).collect();
            let told: Vec<String> = shares?.iter().map(|share| format!("{:.1}", 100.0 * share)).collect();
            println!(
                "parity, {}, lengths 41 to 500 after 1 to 40, % of the labels by seed: {}",
                cell.name(),
                told.join(" ")
            );
        }
        _ => println!("expected adding, reber or parity"),
    }
    Ok(())
}
