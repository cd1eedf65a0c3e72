//! The workloads on which speed is measured: training and sampling, each checked before it is timed. Not here: the
//! clock and printing (the caller has both).
#![forbid(unsafe_code)]

pub mod growth;

use elman_kernels::Cpu;

use elman::autodiff::params::{Declaration, Params};
use elman::autodiff::tape::Tape;
use elman::config::{Cell, Config, Dtype, OptimizerKind};
use elman::error::Error;
use elman::infer::{Precision, Session};
use elman::nn::linear::Linear;
use elman::nn::model::LanguageModel;
use elman::nn::shards::Shards;
use elman::nn::state::State;
use elman::nn::{Recurrent, Stack};
use elman::rng::{Purpose, generator, uniform};
use elman::train::optim::{Optimizer, clip};

/// Largest global norm of a gradient.
const CLIP: f64 = 5.0;
/// Steps before timing, in which the loss of the one batch must fall.
pub const CHECKED_STEPS: usize = 6;

/// A model's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Equations; an RNN's nonlinearity is tanh.
    pub cell: Cell,
    /// L.
    pub num_layers: usize,
    /// H.
    pub hidden_size: usize,
    /// Width of the embedding; 0 feeds one-hot tokens.
    pub embed: usize,
    /// V.
    pub vocab_size: usize,
}

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Whole training steps: forward, cross-entropy, backward, clipping, optimizer.
    Train {
        /// B.
        batch: usize,
        /// T.
        seq_len: usize,
        /// Which.
        optimizer: OptimizerKind,
        /// Its rate.
        lr: f64,
        /// What the products take: f32 or bf16.
        dtype: Dtype,
    },
    /// Texts written one token after another, the likeliest each time.
    Sample {
        /// Texts at once.
        streams: usize,
        /// Of the weights.
        precision: Precision,
    },
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Cell, layers x units, batch and steps; for sampling, weights and streams.
    pub name: String,
    /// The model.
    pub sizes: Sizes,
    /// What is done with it.
    pub work: Work,
}

/// Every row, training first.
pub fn rows() -> Vec<Row> {
    let sizes =
        |cell, num_layers, hidden_size, embed, vocab_size| Sizes { cell, num_layers, hidden_size, embed, vocab_size };
    let train = |sizes: Sizes, batch, seq_len, optimizer, lr| Row {
        name: format!("{} B{batch} T{seq_len}", model_name(&sizes)),
        sizes,
        work: Work::Train { batch, seq_len, optimizer, lr, dtype: Dtype::F32 },
    };
    let adam = (OptimizerKind::Adam, 1e-3);
    let (lstm, gru, rnn) = (Cell::LSTM, Cell::GRU, Cell::RNN_TANH);
    let mut rows = vec![
        train(sizes(rnn, 1, 100, 0, 65), 1, 50, OptimizerKind::Adagrad, 0.01),
        train(sizes(lstm, 2, 256, 0, 59), 64, 24, adam.0, adam.1),
        train(sizes(rnn, 1, 256, 0, 77), 32, 64, OptimizerKind::Sgd, 0.1),
        train(sizes(lstm, 2, 128, 0, 65), 50, 50, adam.0, adam.1),
        train(sizes(gru, 2, 128, 0, 65), 50, 50, adam.0, adam.1),
        train(sizes(lstm, 2, 512, 0, 65), 64, 64, adam.0, adam.1),
        train(sizes(gru, 1, 512, 0, 65), 64, 64, adam.0, adam.1),
        train(sizes(lstm, 1, 1024, 0, 65), 64, 64, adam.0, adam.1),
        train(sizes(lstm, 2, 650, 650, 10_000), 20, 35, OptimizerKind::Sgd, 1.0),
        train(sizes(lstm, 1, 256, 128, 65), 32, 64, adam.0, adam.1),
        train(sizes(Cell::MIN_GRU, 1, 256, 128, 65), 32, 64, adam.0, adam.1),
        train(sizes(Cell::SLSTM, 1, 256, 128, 65), 32, 64, adam.0, adam.1),
        train(sizes(Cell::LAYER_NORM_LSTM, 1, 256, 128, 65), 32, 64, adam.0, adam.1),
    ];
    let narrow: Vec<Row> = rows.iter().filter_map(Row::in_bfloat16).collect();
    rows.extend(narrow);
    let sample = |num_layers, hidden_size, streams, precision| {
        let sizes = sizes(lstm, num_layers, hidden_size, 0, 65);
        let weights = match precision {
            Precision::Full => "f32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        };
        let name = format!("sample {} {weights} x{streams}", model_name(&sizes));
        Row { name, sizes, work: Work::Sample { streams, precision } }
    };
    for (num_layers, hidden_size) in [(2, 128), (2, 256), (2, 512), (1, 1024)] {
        for precision in [Precision::Full, Precision::Bf16, Precision::Int8] {
            rows.push(sample(num_layers, hidden_size, 1, precision));
        }
        rows.push(sample(num_layers, hidden_size, 64, Precision::Full));
    }
    rows
}

fn model_name(sizes: &Sizes) -> String {
    format!("{} {}x{}", sizes.cell.name(), sizes.num_layers, sizes.hidden_size)
}

/// Multiply-adds of one token's forward, by what is multiplied.
struct Products {
    /// Of weights with the input of a layer.
    input: usize,
    /// Of weights with one-hot tokens, of which a row is read instead.
    one_hot: usize,
    /// Of weights with the state before.
    recurrent: usize,
    /// Of the head.
    head: usize,
}

impl Sizes {
    /// Counted from the weights that are declared: each is multiplied once a token.
    fn products(&self) -> Products {
        let Sizes { cell, num_layers, hidden_size, embed, vocab_size } = *self;
        let mut declared = Declaration::default();
        let input_size = if embed == 0 { vocab_size } else { embed };
        let hidden_sizes = vec![hidden_size; num_layers];
        let _: Stack<f32> = Recurrent::plain(cell, input_size, &hidden_sizes).declare(&mut declared, "rnn.");
        Linear::declare(&mut declared, "head", hidden_size, vocab_size);
        let mut products = Products { input: 0, one_hot: 0, recurrent: 0, head: 0 };
        for (name, shape) in declared.names_and_shapes() {
            let multiply_adds = shape.iter().product::<usize>();
            match name {
                "head.weight" => products.head += multiply_adds,
                "rnn.weight_ih_l0" if embed == 0 => products.one_hot += multiply_adds,
                _ if name.starts_with("rnn.weight_ih_") => products.input += multiply_adds,
                _ if name.starts_with("rnn.weight_hh_") => products.recurrent += multiply_adds,
                _ => assert!(shape.len() == 1, "{name} is a weight of no known product"),
            }
        }
        products
    }

    fn config(&self) -> Config {
        let Sizes { cell, num_layers, hidden_size, embed, .. } = *self;
        let (dropout, output_dropout) = (0.0, 0.0);
        Config { cell, num_layers, hidden_size, embed, dropout, output_dropout, clip: CLIP, ..Config::default() }
    }

    /// Multiply-adds of the products of one token's forward: those that are done, and with them the one-hot product that
    /// a row's gather stands for.
    pub fn multiply_adds(&self) -> (usize, usize) {
        let Products { input, one_hot, recurrent, head } = self.products();
        let done = input + recurrent + head;
        (done, done + one_hot)
    }
}

impl Row {
    /// The same training with products of bfloat16.
    fn in_bfloat16(&self) -> Option<Row> {
        let Work::Train { batch, seq_len, optimizer, lr, .. } = self.work else { return None };
        let work = Work::Train { batch, seq_len, optimizer, lr, dtype: Dtype::Bf16 };
        Some(Row { name: format!("{} bf16", self.name), sizes: self.sizes, work })
    }

    /// Whether a machine is meant for the row: bfloat16 that is computed number by number is not worth a clock.
    pub fn is_for(&self, cpu: &Cpu) -> bool {
        let narrow = matches!(self.work, Work::Train { dtype: Dtype::Bf16, .. });
        !narrow || cpu.backend().has_bfloat16_instruction()
    }

    /// Tokens of one step.
    pub fn tokens(&self) -> usize {
        match self.work {
            Work::Train { batch, seq_len, .. } => batch * seq_len,
            Work::Sample { streams, .. } => streams,
        }
    }

    /// Floating-point operations of the products of one step: done, and with the one-hot product that is not. Backward
    /// is two products for each of forward.
    pub fn flops(&self) -> (f64, f64) {
        let passes = if matches!(self.work, Work::Train { .. }) { 3 } else { 1 };
        let of = |multiply_adds: usize| (2 * passes * self.tokens() * multiply_adds) as f64;
        let (done, with_one_hot) = self.sizes.multiply_adds();
        (of(done), of(with_one_hot))
    }

    /// The operations of [`Row::flops`] by the part of a step that does them, under the names of the kernels' profiler, which
    /// tells the parts of the kernels' own cells apart.
    pub fn flops_by_part(&self) -> [(&'static str, f64); 6] {
        let Products { input, recurrent, head, .. } = self.sizes.products();
        let of = |multiply_adds: usize| (2 * self.tokens() * multiply_adds) as f64;
        [
            ("products with the input", of(input)),
            ("steps forward", of(recurrent)),
            ("head with its loss", of(2 * head)),
            ("steps back", of(recurrent)),
            ("gradients by the input", of(input)),
            ("weight gradients", of(input + recurrent + head)),
        ]
    }

    /// The model, freshly drawn: the same for every row of its sizes.
    pub fn model(&self) -> Result<LanguageModel<f32>, Error> {
        LanguageModel::new(&self.sizes.config(), self.sizes.vocab_size)
    }

    /// Tokens without pattern: `[T, B]` to read, then as many to predict.
    pub fn data(&self) -> (Vec<u32>, Vec<u32>) {
        let tokens = match self.work {
            Work::Train { .. } => self.tokens(),
            Work::Sample { .. } => SAMPLED_CHECK,
        };
        let mut rng = generator(1, Purpose::Batches, 0);
        let mut draw = || (uniform(&mut rng) * self.sizes.vocab_size as f64) as u32;
        let mut tokens = || (0..tokens).map(|_| draw()).collect();
        (tokens(), tokens())
    }
}

/// Steps of the fixed text that a sampler's logits are compared on.
const SAMPLED_CHECK: usize = 64;

/// A row made ready to be timed.
pub enum Runner {
    /// See [`Work::Train`].
    Train(Box<Training>),
    /// See [`Work::Sample`].
    Sample(Box<Sampling>),
}

impl Runner {
    /// Makes a row ready and checks it: the losses are finite, and those of training fall from about ln V. Returns the
    /// losses: of the first steps, or the mean over a fixed text.
    ///
    /// Errors: a loss that is not as it should be; no memory of the system's.
    pub fn new(row: &Row, cpu: &Cpu) -> Result<(Runner, Vec<f64>), Error> {
        match row.work {
            Work::Train { .. } => {
                let mut training = Training::new(row, cpu)?;
                let losses = (0..CHECKED_STEPS).map(|_| training.step()).collect::<Result<Vec<f64>, Error>>()?;
                let (first, last) = (losses[0], losses[CHECKED_STEPS - 1]);
                let uniform = libm::log(row.sizes.vocab_size as f64);
                if !((first - uniform).abs() < 0.5 && last < first) {
                    return Err(unexpected(format!("{losses:?}"), format!("a fall from about {uniform:.3}")));
                }
                Ok((Runner::Train(Box::new(training)), losses))
            }
            Work::Sample { .. } => {
                let mut sampling = Sampling::new(row, cpu)?;
                let loss = sampling.check(row)?;
                if !loss.is_finite() {
                    return Err(unexpected(loss.to_string(), "a finite number".into()));
                }
                Ok((Runner::Sample(Box::new(sampling)), vec![loss]))
            }
        }
    }

    /// One step.
    pub fn step(&mut self) -> Result<(), Error> {
        match self {
            Runner::Train(training) => training.step().map(|_| ()),
            Runner::Sample(sampling) => sampling.step(),
        }
    }

    /// Threads of a sampler that steps one row.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Runner::Train(_) => None,
            Runner::Sample(sampling) => sampling.session.threads(),
        }
    }

    /// Bytes of weights that a step reads, where it reads each once.
    pub fn bytes(&self) -> Option<usize> {
        match self {
            Runner::Train(_) => None,
            Runner::Sample(sampling) => sampling.session.bytes(),
        }
    }
}

fn unexpected(got: String, expected: String) -> Error {
    Error::Setting { name: "the loss of a row to be timed", got, expected }
}

/// A training run on one batch, from the zero state each time.
pub struct Training {
    config: Config,
    cpu: Cpu,
    lr: f64,
    model: LanguageModel<f32>,
    tape: Tape<f32>,
    shards: Shards<f32>,
    grads: Params<f32>,
    optimizer: Optimizer<f32>,
    state: State<f32>,
    inputs: Vec<u32>,
    targets: Vec<u32>,
}

impl Training {
    fn new(row: &Row, cpu: &Cpu) -> Result<Training, Error> {
        let Work::Train { batch, optimizer, lr, dtype, .. } = row.work else {
            unreachable!("a row that trains");
        };
        let model = row.model()?;
        let config = Config { optimizer, lr, ..row.sizes.config() };
        let (inputs, targets) = row.data();
        let cpu = dtype.on(cpu)?;
        Ok(Training {
            lr,
            tape: Tape::new(&cpu),
            shards: Shards::default(),
            cpu,
            grads: model.params().zeros_like(),
            optimizer: Optimizer::of(&config, model.params()),
            state: model.initial_state(batch),
            config,
            model,
            inputs,
            targets,
        })
    }

    fn step(&mut self) -> Result<f64, Error> {
        let Training { tape, shards, grads, state, .. } = self;
        self.model.reset(state);
        let loss = self.model.loss_and_grads(tape, shards, &self.inputs, &self.targets, state, None, grads)?;
        let norm = grads.norm(&self.cpu);
        let scale = clip(&self.cpu, &self.config, norm, grads);
        self.optimizer.update(&self.cpu, self.lr, scale, self.model.params_mut(), grads)?;
        Ok(loss)
    }
}

/// Streams that take the likeliest token each time.
pub struct Sampling {
    session: Session<f32>,
    vocab_size: usize,
    inputs: Vec<u32>,
}

impl Sampling {
    fn new(row: &Row, cpu: &Cpu) -> Result<Sampling, Error> {
        let Work::Sample { streams, precision } = row.work else {
            unreachable!("a row that samples");
        };
        let session = Session::new(row.model()?.network(), streams, precision, cpu)?;
        let inputs = (0..streams).map(|i| (i % row.sizes.vocab_size) as u32).collect();
        Ok(Sampling { session, vocab_size: row.sizes.vocab_size, inputs })
    }

    /// Mean loss of a fixed text, read by every stream; from the zero state.
    fn check(&mut self, row: &Row) -> Result<f64, Error> {
        let (inputs, targets) = row.data();
        let mut nats = 0.0;
        for (&input, &target) in inputs.iter().zip(&targets) {
            self.inputs.fill(input);
            let logits = self.session.step_tokens(&self.inputs)?;
            let logits: Vec<f64> = logits[..self.vocab_size].iter().map(|&x| f64::from(x)).collect();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|x| libm::exp(x - largest)).sum();
            nats += largest + libm::log(sum) - logits[target as usize];
        }
        Ok(nats / inputs.len() as f64)
    }

    fn step(&mut self) -> Result<(), Error> {
        let Sampling { session, vocab_size, inputs } = self;
        let outputs = session.step_tokens(inputs)?;
        for (input, logits) in inputs.iter_mut().zip(outputs.chunks_exact(*vocab_size)) {
            let likeliest = (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
            *input = likeliest as u32;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_as_they_are_done() {
        let row = |name: &str| rows().into_iter().find(|row| row.name == name).unwrap();
        // anchors: 3 * 2 * B * T * (4H (V + H) + 4H (H + H) + H V).
        let lstm = row("lstm 2x256 B64 T24");
        let (h, v) = (256.0, 59.0);
        let all = 6.0 * 64.0 * 24.0 * (4.0 * h * (v + h) + 4.0 * h * 2.0 * h + h * v);
        assert_eq!(lstm.flops(), (all - 6.0 * 64.0 * 24.0 * 4.0 * h * v, all));
        for row in rows().iter().filter(|row| matches!(row.work, Work::Train { .. })) {
            let parts: f64 = row.flops_by_part().iter().map(|part| part.1).sum();
            assert_eq!(parts, row.flops().0, "{}", row.name);
        }
        let word = row("lstm 2x650 B20 T35");
        assert_eq!(word.flops().0, word.flops().1, "an embedding's product is done");
        let rnn = row("rnn 1x100 B1 T50");
        assert_eq!(rnn.flops().0, 6.0 * 50.0 * (100.0 * 100.0 + 100.0 * 65.0));
        let cells = |name: &str, input: f64, recurrent: f64| {
            let row = row(&format!("{name} 1x256 B32 T64"));
            let of = |multiply_adds| 6.0 * 32.0 * 64.0 * multiply_adds;
            assert_eq!(row.flops(), (of(input + recurrent + 256.0 * 65.0), of(input + recurrent + 256.0 * 65.0)));
            assert_eq!(row.flops_by_part()[1].1 * 3.0, of(recurrent), "{name}");
        };
        cells("lstm", 1024.0 * 128.0, 1024.0 * 256.0);
        cells("min-gru", 512.0 * 128.0, 0.0);
        cells("slstm", 1024.0 * 128.0, 1024.0 * 256.0);
        cells("layer-norm-lstm", 1024.0 * 128.0, 1024.0 * 256.0);
        let sample = row("sample lstm 2x128 int8 x1");
        assert_eq!(sample.flops().0, 2.0 * (3.0 * 4.0 * 128.0 * 128.0 + 128.0 * 65.0));
    }

    #[test]
    fn rows_of_every_cell_with_a_row_of_one_layer_pass_their_own_check() {
        let (cpu, mut checked) = (Cpu::new(Some(2)).unwrap(), Vec::new());
        for row in rows().iter().filter(|row| row.name.ends_with(" 1x256 B32 T64") && row.sizes.embed == 128) {
            let (_, losses) = Runner::new(row, &cpu).unwrap();
            assert!(losses[CHECKED_STEPS - 1] < losses[0] - 0.01, "{}: {losses:?}", row.name);
            checked.push(row.sizes.cell);
        }
        assert_eq!(checked, [Cell::LSTM, Cell::MIN_GRU, Cell::SLSTM, Cell::LAYER_NORM_LSTM]);
    }

    #[test]
    fn small_rows_pass_their_own_check_and_a_loss_that_rises_is_refused() {
        let cpu = Cpu::new(Some(1)).unwrap();
        let mut row = rows().remove(0);
        let (mut runner, losses) = Runner::new(&row, &cpu).unwrap();
        assert_eq!(losses.len(), CHECKED_STEPS);
        runner.step().unwrap();
        let Work::Train { lr, .. } = &mut row.work else { unreachable!() };
        *lr = 1e4;
        assert!(Runner::new(&row, &cpu).map(|_| ()).unwrap_err().to_string().starts_with("the loss of a row to be"));
        // Streams and precisions read the same fixed text.
        let mut sample = rows().into_iter().find(|row| row.name == "sample lstm 2x128 f32 x1").unwrap();
        let mut loss = |streams, precision| {
            sample.work = Work::Sample { streams, precision };
            Runner::new(&sample, &cpu).unwrap().1[0]
        };
        assert_eq!(loss(1, Precision::Full), loss(3, Precision::Full));
        assert!((loss(1, Precision::Full) - loss(1, Precision::Int8)).abs() < 0.01);
    }
}
