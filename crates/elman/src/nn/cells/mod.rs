//! The cells there are, by the names that configurations and files have: those of the kernels, and those that are written
//! as operations of the tape, a file and a line of the table each. Not here: stacks.

pub mod direction;
pub mod fused;
pub mod layer_norm_lstm;
pub mod scan;

use std::sync::Arc;

use elman_kernels::Element;
use elman_kernels::recurrent::Cell as FusedCell;

use crate::autodiff::params::Declaration;
use crate::nn::layer::Layer;
use direction::Direction;

/// Makes the enum of written cells and their dispatch.
macro_rules! written_cells {
    ($($(#[$doc:meta])* $cell:ident $name:literal $equations:path;)*) => {
        /// A cell that is written as operations of the tape.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum WrittenCell {
            $($(#[$doc])* $cell,)*
        }

        impl WrittenCell {
            const ALL: &'static [WrittenCell] = &[$(WrittenCell::$cell),*];

            fn name(self) -> &'static str {
                match self {
                    $(WrittenCell::$cell => $name,)*
                }
            }

            fn declare<E: Element>(self, declaration: &mut Declaration, direction: &Direction<'_>) -> Arc<dyn Layer<E>> {
                let reverse = direction.reverse;
                match self {
                    $(WrittenCell::$cell => {
                        Arc::new(scan::Scan { cell: <$equations>::declare(declaration, direction), reverse })
                    })*
                }
            }
        }
    };
}

written_cells! {
    /// An LSTM whose products are normalised over all units of a step: Ba et al. 2016.
    LayerNormLstm "layer-norm-lstm" layer_norm_lstm::LayerNormLstm;
}

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// One of the kernels': the fast ones.
    Fused(FusedCell),
    /// One that is written as operations of the tape.
    Written(WrittenCell),
}

impl From<FusedCell> for Cell {
    fn from(cell: FusedCell) -> Cell {
        Cell::Fused(cell)
    }
}

impl PartialEq<FusedCell> for Cell {
    fn eq(&self, other: &FusedCell) -> bool {
        *self == Cell::Fused(*other)
    }
}

const COUNT: usize = FusedCell::ALL.len() + WrittenCell::ALL.len();

/// Every cell: the kernels' first.
const CELLS: [Cell; COUNT] = {
    let (mut all, mut i) = ([Cell::Fused(FusedCell::Lstm); COUNT], 0);
    while i < COUNT {
        all[i] = match i.checked_sub(FusedCell::ALL.len()) {
            None => Cell::Fused(FusedCell::ALL[i]),
            Some(i) => Cell::Written(WrittenCell::ALL[i]),
        };
        i += 1;
    }
    all
};

impl Cell {
    /// Every cell.
    pub const ALL: &'static [Cell] = &CELLS;
    /// Long short-term memory.
    pub const LSTM: Cell = Cell::Fused(FusedCell::Lstm);
    /// Gated recurrent unit, reset after the product: PyTorch's.
    pub const GRU: Cell = Cell::Fused(FusedCell::Gru);
    /// Elman's network with tanh.
    pub const RNN_TANH: Cell = Cell::Fused(FusedCell::RnnTanh);
    /// Elman's network with relu.
    pub const RNN_RELU: Cell = Cell::Fused(FusedCell::RnnRelu);
    /// Gated recurrent unit, reset before the product: Cho et al. 2014.
    pub const GRU_RESET_BEFORE: Cell = Cell::Fused(FusedCell::GruResetBefore);
    /// Minimal gated recurrent unit, without a product with h: Feng et al. 2024.
    pub const MIN_GRU: Cell = Cell::Fused(FusedCell::MinGru);
    /// LSTM with exponential gates: Beck et al. 2024.
    pub const SLSTM: Cell = Cell::Fused(FusedCell::Slstm);
    /// LSTM with layer normalization.
    pub const LAYER_NORM_LSTM: Cell = Cell::Written(WrittenCell::LayerNormLstm);

    /// The name in configurations, files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Cell::Fused(cell) => cell.name(),
            Cell::Written(cell) => cell.name(),
        }
    }

    /// The cell of a name.
    pub fn named(name: &str) -> Option<Cell> {
        Cell::ALL.iter().copied().find(|cell| cell.name() == name)
    }

    /// Declares one direction of a layer with this cell.
    pub fn declare<E: Element>(self, declaration: &mut Declaration, direction: &Direction<'_>) -> Arc<dyn Layer<E>> {
        match self {
            Cell::Fused(cell) => Arc::new(fused::Fused::declare(declaration, cell, direction)),
            Cell::Written(cell) => cell.declare(declaration, direction),
        }
    }

    /// A layer of one unit and what it declares.
    fn smallest(self) -> (Arc<dyn Layer<f32>>, Declaration) {
        let (prefix, name, reverse) = ("", "", false);
        let direction = Direction { prefix, name, input_size: 1, hidden_size: 1, reverse, learned_state: false };
        let mut declaration = Declaration::default();
        (self.declare(&mut declaration, &direction), declaration)
    }

    /// Rows of `weight_ih` for each unit.
    pub fn gates(self) -> usize {
        self.smallest().1.shapes().next().map_or(0, |weight_ih| weight_ih.shape[0])
    }

    /// The letters of its states, `h` first.
    pub fn states(self) -> Vec<String> {
        let (layer, _) = self.smallest();
        layer.states().iter().map(|part| part.name.trim_end_matches('_').to_string()).collect()
    }
}
