//! A cell of the kernels as a layer: all steps of a sequence in one node. Not here: equations (`elman-kernels`).

use elman_kernels::recurrent::{Cell, Dims};
use elman_kernels::{Element, pad};

use super::direction::Direction;
use crate::autodiff::nodes::{LayerIds, Sequence};
use crate::autodiff::params::{Declaration, Params, Start};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass, Piece};
use crate::nn::state::StatePart;

/// One direction of a layer with a cell of the kernels.
#[derive(Clone, Debug)]
pub struct Fused {
    ids: LayerIds,
    hidden_size: usize,
    gates_len: usize,
    states: Vec<StatePart>,
}

impl Fused {
    /// Declares `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` in PyTorch's names and shapes, then the learned states. A cell
    /// without a product with h has no `weight_hh` and `bias_hh`.
    pub fn declare(declaration: &mut Declaration, cell: Cell, direction: &Direction<'_>) -> Fused {
        let Direction { input_size, hidden_size, reverse, .. } = *direction;
        let d = Dims { cell, seq_len: 1, batch: 1, input_size, hidden_size, reverse };
        let weight_ih = declaration.matrix(direction.parameter("weight_ih"), d.weight_ih());
        let has_product = cell.has_recurrent_product();
        let weight_hh = has_product.then(|| declaration.matrix(direction.parameter("weight_hh"), d.weight_hh()));
        let bias_ih = declaration.vector(direction.parameter("bias_ih"), d.bias_ih());
        let bias_hh = has_product.then(|| declaration.vector(direction.parameter("bias_hh"), d.bias_hh()));
        let all = [Some(weight_ih), weight_hh, Some(bias_ih), bias_hh];
        all.into_iter().flatten().for_each(|id| declaration.of_units(id, hidden_size));
        let rows = if cell.gates() == 1 { "hidden_size".to_string() } else { format!("{}*hidden_size", cell.gates()) };
        declaration.formula(weight_ih, format!("[{rows}, input_size]"));
        if let Some(weight_hh) = weight_hh {
            declaration.formula(weight_hh, format!("[{rows}, hidden_size]"));
            declaration.starts_as(weight_hh, Start::Square);
        }
        [Some(bias_ih), bias_hh].into_iter().flatten().for_each(|id| declaration.formula(id, format!("[{rows}]")));
        if matches!(cell, Cell::Lstm | Cell::Slstm) {
            declaration.forget_gate(bias_ih, hidden_size..2 * hidden_size);
        }
        let letters: Vec<&str> = std::iter::once("h").chain(cell.states().iter().copied()).collect();
        let states = direction.states(declaration, &letters);
        let recurrent = weight_hh.zip(bias_hh).map(|(weight, bias)| [weight, bias]);
        let ids = LayerIds { cell, reverse, weight_ih, bias_ih, recurrent };
        Fused { ids, hidden_size, gates_len: d.gates_len(), states }
    }
}

impl<E: Element> Layer<E> for Fused {
    fn outputs(&self) -> usize {
        self.hidden_size
    }

    fn states(&self) -> &[StatePart] {
        &self.states
    }

    fn is_causal(&self) -> bool {
        !self.ids.reverse
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        before: &[Var],
        after: &mut Vec<Var>,
        pass: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        tape.recurrent(params, self.ids, x, before, after, pass.mask)
    }

    fn pieces(&self) -> Option<Vec<Piece>> {
        (!self.ids.reverse).then(|| vec![Piece::Recurrent(self.ids)])
    }

    fn memory(&self) -> Footprint {
        let (hidden, states) = (pad(self.hidden_size), self.states.len());
        Footprint {
            kept: self.gates_len + states * hidden,
            output: hidden,
            working: self.gates_len + (states - 1) * hidden,
            dropped: 0,
            widest: hidden,
        }
    }
}
