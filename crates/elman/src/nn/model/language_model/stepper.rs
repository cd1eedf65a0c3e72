//! Holds how a language model becomes a network for one row and one step at a time. Refuses layers that read backwards.

use elman_kernels::layout::Layout;
use elman_kernels::recurrent::step::{self, Precision, Stepper};
use elman_kernels::recurrent::{Dims, Weights};
use elman_kernels::{Cpu, Element};

use super::LanguageModel;
use crate::error::Error;

impl<E: Element> LanguageModel<E> {
    /// The model laid out anew for single steps, as it is. Allocates: its weights once more.
    ///
    /// Errors: a cell that no single step is built for; no memory of the system's for threads.
    pub fn stepper(&self, cpu: &Cpu) -> Result<Stepper<E>, Error> {
        self.network(|network| Ok(Stepper::new(cpu, network)?))
    }

    /// As [`LanguageModel::stepper`], with weights of a precision. Errors: a narrow one for a model of f64.
    pub fn stepper_with(&self, cpu: &Cpu, precision: Precision) -> Result<Stepper<E>, Error> {
        self.network(|network| Ok(Stepper::with_precision(cpu, network, precision)?))
    }

    /// Whether [`LanguageModel::stepper`] is built for its cell.
    pub(crate) fn has_stepper(&self) -> bool {
        self.rnn.layers().all(|ids| step::is_built_for(ids.cell))
    }

    /// The state that a text begins from, for a stepper of this model.
    pub fn stepper_state(&self, stepper: &Stepper<E>) -> step::State<E> {
        let (mut state, initial) = (stepper.zero_state(), self.initial_state(1));
        let mut layers = 0;
        for (is_cell, values) in initial.parts() {
            match is_cell {
                true => state.cell_mut(layers - 1).copy_from_slice(values),
                false => {
                    state.hidden_mut(layers).copy_from_slice(values);
                    layers += 1;
                }
            }
        }
        state
    }

    fn network<T>(&self, make: impl FnOnce(&step::Network<'_, E>) -> Result<T, Error>) -> Result<T, Error> {
        let params = &self.params;
        let mut input_size = if self.embed > 0 { self.embed } else { self.vocab_size };
        let mut layers = Vec::new();
        if let Some(ids) = self.rnn.layers().find(|ids| !step::is_built_for(ids.cell)) {
            let expected = "a cell that single steps with reduced weights are built for".to_string();
            return Err(Error::Setting { name: "cell", got: ids.cell.name().into(), expected });
        }
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
        // A table of rows, whatever the layout of a tied weight is.
        let table = self.encoder.map(|table| {
            let (from, rows) = (params.layout(table), Layout::Table { rows: self.vocab_size, cols: self.embed });
            let (mut dense, mut packed) =
                (vec![E::ZERO; self.vocab_size * self.embed], vec![E::ZERO; rows.packed_len()]);
            from.unpack(params.slice(table), &mut dense);
            rows.pack(&dense, &mut packed);
            packed
        });
        make(&step::Network {
            vocab_size: self.vocab_size,
            embedding: table.as_deref().map(|table| (self.embed, table)),
            layers: &layers,
            head_weight: params.slice(self.decoder.weight),
            head_bias: params.slice(self.decoder.bias),
        })
    }
}
