//! The checks of whole sequence-to-sequence networks: encoder, bridge, decoder, attention, head and loss, differentiated by
//! every parameter. Not here: texts.

use elman_kernels::{Cpu, softmax::IGNORED};

use super::{Check, Kind, Part, Subject, check_network};
use crate::autodiff::tape::Tape;
use crate::config::{Attention, Config, InitialState, TaskSettings, Translate};
use crate::data::table::parallel::PairBatch;
use crate::data::table::sequences::{Padded, Sequences};
use crate::error::Error;
use crate::nn::cells::Cell;
use crate::nn::model::Seq2Seq;
use crate::nn::model::seq2seq::Pass;
use crate::rng::{self, Purpose};

/// A network and what is special about it.
#[derive(Clone, Debug)]
pub struct Problem {
    config: Config,
    options: String,
    dropped: bool,
}

/// Tokens to read and to write.
const SIZES: [usize; 2] = [6, 7];

/// Every attention, with and without input feeding; then every cell and every option beside one attention.
pub fn all() -> Vec<Problem> {
    let mut all = Vec::new();
    let plain = Translate::default();
    for &attention in Attention::ALL {
        let with = Translate { attention, ..plain.clone() };
        all.push(of(Cell::LSTM, with.clone(), "", |_| {}));
        if attention != Attention::None {
            all.push(of(Cell::LSTM, Translate { input_feeding: true, ..with }, "input feeding", |_| {}));
        }
    }
    for &cell in Cell::ALL {
        let general = Translate { attention: Attention::General, ..plain.clone() };
        all.push(of(cell, general, cell.name(), |_| {}));
    }
    let one_direction = Translate { bidirectional: false, ..plain.clone() };
    all.push(of(Cell::GRU, one_direction, "gru, one direction", |_| {}));
    let smooth = Translate { smoothing: 0.2, attention: Attention::Additive, ..plain.clone() };
    all.push(of(Cell::GRU, smooth, "gru, smoothing", |_| {}));
    let learned = |config: &mut Config| config.initial_state = InitialState::Learned;
    all.push(of(Cell::GRU, plain.clone(), "gru, learned state", learned));
    all.push(of(Cell::GRU, plain.clone(), "gru, tied, 2 layers", |config| {
        (config.tied, config.num_layers) = (true, 2)
    }));
    all.push(of(Cell::GRU, plain, "gru, dropout", |config| (config.dropout, config.output_dropout) = (0.4, 0.3)));
    all
}

fn of(cell: Cell, settings: Translate, options: &str, change: impl FnOnce(&mut Config)) -> Problem {
    let base = Config::of_task(Some(TaskSettings::Translate(settings)));
    let none = Config { dropout: 0.0, output_dropout: 0.0, tied: false, initial_state: InitialState::Zero, ..base };
    let mut config = Config { cell, num_layers: 1, hidden_sizes: None, hidden_size: 4, embed: 3, ..none };
    change(&mut config);
    let dropped = config.dropout > 0.0;
    Problem { config, options: options.into(), dropped }
}

impl Problem {
    fn part(&self) -> Result<Part, Error> {
        let name = format!("{:?}", self.config.translate()?.attention).to_lowercase();
        Ok(Part { kind: Kind::Translator, name, options: self.options.clone() })
    }

    /// Three pairs of unlike lengths, in which every token occurs.
    fn batch() -> Result<PairBatch<f64>, Error> {
        let from = Sequences::Tokens(vec![vec![0, 3, 5], vec![4], vec![1, 2]]);
        let (lengths, steps, rows) = ([4, 2, 3], 4, 3);
        let target = |t: usize, b: usize| if t < lengths[b] { ((t * 3 + b * 2) % SIZES[1]) as u32 } else { IGNORED };
        Ok(PairBatch {
            from: Padded::new(&from, &[0, 1, 2], 0)?,
            inputs: (0..steps * rows).map(|i| (i % SIZES[1]) as u32).collect(),
            targets: (0..steps * rows).map(|i| target(i / rows, i % rows)).collect(),
        })
    }

    /// Checks every parameter.
    pub fn check(&self, cpu: &Cpu) -> Result<Vec<Check>, Error> {
        let (part, batch) = (self.part()?, Problem::batch()?);
        let (model, mut tape) = (Seq2Seq::<f64>::zeros(&self.config, SIZES)?, Tape::new(cpu));
        let smoothing = self.config.translate()?.smoothing;
        check_network(model, self.config.cell, &Subject::Part(part), |model, grads| {
            let dropout = self.dropped.then(|| rng::generator(1, Purpose::Dropout, 1));
            model.loss_and_grads(&mut tape, &batch, Pass { dropout, smoothing, inputs: None }, grads)
        })
    }
}
