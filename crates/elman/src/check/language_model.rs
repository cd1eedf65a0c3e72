//! The check of whole language models: tokens, layers, dropout with fixed masks, head and cross-entropy, differentiated
//! by every parameter. Not here: text.

use crate::nn::cells::Cell;
use elman_kernels::{Cpu, softmax};

use super::{Check, Configuration, InitialState, Loss, Network, Subject, check_tensor, start};
use crate::autodiff::params::Params;
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
        let mut model = LanguageModel::<f64>::new(&self.config(), vocab_size)?;
        let mut tape = Tape::new(cpu);
        let mut grads = model.params().zeros_like();
        // Every token occurs, so that every row of a table has a gradient.
        let tokens = |step: usize| (0..seq_len * batch).map(move |i| ((i * step + 2) % vocab_size) as u32);
        let inputs: Vec<u32> = tokens(1).collect();
        let masked = |i: usize| self.masked && i % 4 == 1;
        let targets = tokens(3).enumerate().map(|(i, token)| if masked(i) { softmax::IGNORED } else { token });
        let targets: Vec<u32> = targets.collect();
        let names: Vec<String> = model.params().names().map(str::to_owned).collect();
        let shape = |name: &str| model.params().shape(name).unwrap_or_default();
        let starts = names.iter().enumerate().map(|(i, name)| start(self.cell, name, i, shape(name)));
        let mut values: Vec<Vec<f64>> = starts.collect();
        let mut loss = |values: &[Vec<f64>], grads: &mut Params<f64>| -> Result<Loss, Error> {
            for (name, values) in names.iter().zip(values) {
                model.params_mut().set(name, values)?;
            }
            let (mut state, dropout) = (model.initial_state(batch), rng::generator(1, Purpose::Dropout, 1));
            let value = model.loss_and_grads(
                &mut tape,
                &mut Shards::default(),
                &inputs,
                &targets,
                &mut state,
                Some(dropout),
                grads,
            )?;
            Ok(Loss { value, magnitude: value })
        };
        loss(&values, &mut grads)?;
        let analytic: Vec<Vec<f64>> = names.iter().filter_map(|name| grads.get(name)).collect();
        let mut checks = Vec::new();
        for (i, parameter) in names.iter().enumerate() {
            let finding = check_tensor(&mut values, i, &analytic[i], &mut |values| loss(values, &mut grads))?;
            let subject = Subject::Network(self.configuration());
            checks.push(Check { subject, parameter: parameter.clone(), finding });
        }
        Ok(checks)
    }
}
