//! Holds the two ways a batch of streams goes through a model: one row, or narrow weights, a step for each row; many rows
//! with full weights, as the layers that train. Refuses the choice between them to show: the bits are the same.

use elman_kernels::recurrent::step::{self, Stepper};
use elman_kernels::{Cpu, pad};

pub use elman_kernels::recurrent::step::Precision;

use crate::{error::Error, layer::State, model::LanguageModel, tape::Tape};

/// A model with the states of its rows.
pub(super) enum Network<'a> {
    /// All rows at once.
    Together { model: &'a LanguageModel<f32>, tape: Box<Tape<f32>>, state: State<f32> },
    /// One row after another, each with its own state.
    Apart { stepper: Box<Stepper<f32>>, states: Vec<step::State<f32>>, logits: Vec<f32> },
}

impl<'a> Network<'a> {
    /// Zero states for `rows` rows.
    pub fn new(model: &'a LanguageModel<f32>, precision: Precision, rows: usize, cpu: &Cpu) -> Result<Self, Error> {
        if rows > 1 && precision == Precision::Full {
            return Ok(Network::Together { model, tape: Box::new(Tape::new(cpu)), state: model.zero_state(rows) });
        }
        let stepper = model.stepper_with(cpu, precision)?;
        let states = vec![stepper.zero_state(); rows];
        let logits = vec![0.0; pad(model.vocab_size())];
        Ok(Network::Apart { stepper: Box::new(stepper), states, logits })
    }

    /// A step for each row: `logits` becomes `[B, V]`, row-major. Errors: a token out of range.
    pub fn step(&mut self, inputs: &[u32], logits: &mut Vec<f32>) -> Result<(), Error> {
        match self {
            Network::Together { model, tape, state } => model.step(tape, inputs, state, logits),
            Network::Apart { stepper, states, logits: row } => {
                logits.clear();
                for (&token, state) in inputs.iter().zip(states) {
                    stepper.step(token, state, row)?;
                    logits.extend_from_slice(&row[..stepper.vocab_size()]);
                }
                Ok(())
            }
        }
    }
}
