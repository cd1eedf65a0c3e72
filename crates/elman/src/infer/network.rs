//! Holds the two ways a batch of streams goes through a model: one row, or narrow weights, a step for each row; many rows
//! with full weights, as the layers that train. Refuses the choice between them to show: the bits are the same.

use std::borrow::Borrow;

use elman_kernels::recurrent::step::{self, Stepper};
use elman_kernels::{Cpu, Element, pad};

pub use elman_kernels::recurrent::step::Precision;

use crate::{autodiff::tape::Tape, error::Error, nn::model::LanguageModel, nn::recurrent::State};

/// A model, owned or borrowed, with the states of its rows.
pub enum Network<M, E> {
    /// All rows at once.
    Together { model: M, tape: Box<Tape<E>>, state: State<E> },
    /// One row after another, each with its own state.
    Apart { stepper: Box<Stepper<E>>, states: Vec<step::State<E>>, logits: Vec<E> },
}

impl<E: Element, M: Borrow<LanguageModel<E>>> Network<M, E> {
    /// `rows` rows at the start of a text.
    pub fn new(model: M, precision: Precision, rows: usize, cpu: &Cpu) -> Result<Self, Error> {
        let borrowed = model.borrow();
        if precision == Precision::Full && (rows > 1 || !borrowed.has_stepper()) {
            let state = borrowed.initial_state(rows);
            return Ok(Network::Together { model, tape: Box::new(Tape::new(cpu)), state });
        }
        let stepper = borrowed.stepper_with(cpu, precision)?;
        let states = vec![borrowed.stepper_state(&stepper); rows];
        let logits = vec![E::ZERO; pad(borrowed.vocab_size())];
        Ok(Network::Apart { stepper: Box::new(stepper), states, logits })
    }

    /// Threads that a step of one row runs on.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Network::Together { .. } => None,
            Network::Apart { stepper, .. } => Some(stepper.threads()),
        }
    }

    /// Bytes of weights that a step of one row reads.
    pub fn bytes(&self) -> Option<usize> {
        match self {
            Network::Together { .. } => None,
            Network::Apart { stepper, .. } => Some(stepper.bytes()),
        }
    }

    /// A step for each row: `logits` becomes `[B, V]`, row-major. Errors: a token out of range.
    pub fn step(&mut self, inputs: &[u32], logits: &mut Vec<E>) -> Result<(), Error> {
        match self {
            Network::Together { model, tape, state } => (*model).borrow().step(tape, inputs, state, logits),
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
