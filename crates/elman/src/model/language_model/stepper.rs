//! Holds how a language model becomes a network for one row and one step at a time. Refuses layers that read backwards.

use elman_kernels::recurrent::step::{self, Precision, Stepper};
use elman_kernels::recurrent::{Dims, Weights};
use elman_kernels::{Cpu, Element};

use super::LanguageModel;
use crate::error::Error;

impl<E: Element> LanguageModel<E> {
    /// The model laid out anew for single steps, as it is. Allocates: its weights once more.
    ///
    /// Errors: no memory of the system's for threads.
    pub fn stepper(&self, cpu: &Cpu) -> Result<Stepper<E>, Error> {
        self.network(|network| Ok(Stepper::new(cpu, network)?))
    }

    fn network<T>(&self, make: impl FnOnce(&step::Network<'_, E>) -> Result<T, Error>) -> Result<T, Error> {
        let params = &self.params;
        let mut input_size = if self.embed > 0 { self.embed } else { self.vocab_size };
        let mut layers = Vec::new();
        for ids in self.rnn.layers() {
            let hidden_size = params.layout(ids.weight_hh).cols();
            let (cell, reverse) = (ids.cell, ids.reverse);
            let weights = Weights {
                weight_ih: params.slice(ids.weight_ih),
                weight_hh: params.slice(ids.weight_hh),
                bias_ih: params.slice(ids.bias_ih),
                bias_hh: params.slice(ids.bias_hh),
            };
            layers.push((Dims { cell, seq_len: 0, batch: 0, input_size, hidden_size, reverse }, weights));
            input_size = hidden_size;
        }
        make(&step::Network {
            vocab_size: self.vocab_size,
            embedding: self.encoder.map(|table| (self.embed, params.slice(table))),
            layers: &layers,
            head_weight: params.slice(self.decoder.weight),
            head_bias: params.slice(self.decoder.bias),
        })
    }
}

impl LanguageModel<f32> {
    /// As [`LanguageModel::stepper`], with weights of a precision.
    pub fn stepper_with(&self, cpu: &Cpu, precision: Precision) -> Result<Stepper<f32>, Error> {
        self.network(|network| Ok(Stepper::with_precision(cpu, network, precision)?))
    }
}
