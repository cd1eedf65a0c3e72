//! The check of whole language models: tokens, layers, dropout with fixed masks, head and cross-entropy, differentiated
//! by every parameter. Not here: text.

use crate::nn::cells::Cell;
use elman_kernels::{Cpu, softmax};

use super::{Check, Configuration, InitialState, Network, Subject, check_network};
use crate::autodiff::tape::Tape;
use crate::config::{self, Config};
use crate::error::Error;
use crate::nn::model::LanguageModel;
use crate::nn::shards::Shards;
use crate::rng::{self, Purpose};

/// What varies from one model to the next.
#[derive(Clone, Debug)]
pub struct Problem {
    pub cell: Cell,
    pub hidden_sizes: Vec<usize>,
    pub embed: usize,
    pub tied: bool,
    pub locked_dropout: bool,
    pub learned_state: bool,
    pub masked: bool,
}

/// Sizes that stay: T, B, V.
const SIZES: [usize; 3] = [4, 3, 7];

impl Problem {
    fn config(&self) -> Config {
        Config {
            cell: self.cell,
            hidden_size: self.hidden_sizes.last().copied().unwrap_or_default(),
            num_layers: self.hidden_sizes.len(),
            hidden_sizes: Some(self.hidden_sizes.clone()),
            initial_state: match self.learned_state {
                true => config::InitialState::Learned,
                false => config::InitialState::Zero,
            },
            embed: self.embed,
            tied: self.tied,
            locked_dropout: self.locked_dropout,
            dropout: 0.4,
            output_dropout: 0.3,
            ..Config::default()
        }
    }

    fn configuration(&self) -> Configuration {
        let [seq_len, batch, input_size] = SIZES;
        Configuration {
            cell: self.cell.name(),
            network: Network::LanguageModel,
            layers: self.hidden_sizes.len(),
            hidden_sizes: self.hidden_sizes.clone(),
            bidirectional: false,
            initial_state: if self.learned_state { InitialState::Learned } else { InitialState::Zero },
            masked: self.masked,
            seq_len,
            batch,
            input_size,
            embed: self.embed,
            tied: self.tied,
            locked_dropout: self.locked_dropout,
        }
    }

    /// Checks every parameter.
    pub fn check(&self, cpu: &Cpu) -> Result<Vec<Check>, Error> {
        let [seq_len, batch, vocab_size] = SIZES;
        let (model, mut tape) = (LanguageModel::<f64>::new(&self.config(), vocab_size)?, Tape::new(cpu));
        // Every token occurs, so that every row of a table has a gradient.
        let tokens = |step: usize| (0..seq_len * batch).map(move |i| ((i * step + 2) % vocab_size) as u32);
        let inputs: Vec<u32> = tokens(1).collect();
        let masked = |i: usize| self.masked && i % 4 == 1;
        let targets = tokens(3).enumerate().map(|(i, token)| if masked(i) { softmax::IGNORED } else { token });
        let targets: Vec<u32> = targets.collect();
        check_network(model, self.cell, &Subject::Network(self.configuration()), |model, grads| {
            let (mut state, dropout) = (model.initial_state(batch), rng::generator(1, Purpose::Dropout, 1));
            model.loss_and_grads(&mut tape, &mut Shards::default(), &inputs, &targets, &mut state, Some(dropout), grads)
        })
    }
}
