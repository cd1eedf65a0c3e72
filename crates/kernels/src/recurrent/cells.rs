//! `Cell`: the table of cells, and the choice of a cell's equations. Not here: sizes (`dims.rs`).

use super::equations::Equations;

/// Makes the enum of cells, and `with_equations!(cell, Q => body)`, which runs the body with Q bound to the type of the
/// cell's equations. `$dollar` is the sign itself.
macro_rules! cells {
    ($dollar:tt $($(#[doc = $doc:literal])* $(#[cfg($when:meta)])? $cell:ident $name:literal $equations:ty;)*) => {
        /// The cells there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cell {
            $($(#[doc = $doc])* $(#[cfg($when)])? $cell,)*
        }

        impl Cell {
            /// Every cell.
            pub const ALL: &'static [Cell] = &[$($(#[cfg($when)])? Cell::$cell),*];

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $($(#[cfg($when)])? Cell::$cell => $name,)*
                }
            }
        }

        macro_rules! with_equations {
            ($dollar cell:expr, $dollar equations:ident => $dollar body:expr) => {
                match $dollar cell {
                    $($(#[cfg($when)])? crate::recurrent::cells::Cell::$cell => {
                        type $dollar equations = $equations;
                        $dollar body
                    })*
                }
            };
        }
    };
}

cells! { $
    /// Long short-term memory, gates i, f, g, o.
    Lstm "lstm" crate::lstm::Lstm;
    /// Gated recurrent unit, gates r, z, n, reset after the product: PyTorch's.
    Gru "gru" crate::gru::Gru;
    /// Elman's network with tanh.
    RnnTanh "rnn" crate::rnn::Rnn<crate::rnn::Tanh>;
    /// Elman's network with relu.
    RnnRelu "rnn-relu" crate::rnn::Rnn<crate::rnn::Relu>;
    /// Gated recurrent unit, gates r, z, n, reset before the product: Cho et al. 2014.
    GruResetBefore "gru-reset-before" crate::gru_reset_before::GruResetBefore;
    /// Minimal gated recurrent unit, gates z, h: Feng et al. 2024. It has no recurrent product.
    MinGru "min-gru" crate::min_gru::MinGru;
    /// Long short-term memory with exponential gates i, f, z, o: Beck et al. 2024.
    Slstm "slstm" crate::slstm::Slstm;
    /// The LSTM with its gates on two panels: the test that panels of a block change no bit.
    #[cfg(test)]
    LstmOnTwoPanels "lstm-on-two-panels" crate::lstm_on_two_panels::LstmOnTwoPanels;
}

pub(super) use with_equations;

impl Cell {
    /// Names of the states beside h, in the order in which `cell` buffers hold them: `["c"]` for an LSTM.
    #[inline]
    pub fn states(self) -> &'static [&'static str] {
        with_equations!(self, Q => Q::STATES)
    }
    /// Whether there is any state beside h.
    pub fn has_cell(self) -> bool {
        !self.states().is_empty()
    }
    /// Whether a step multiplies h with a weight. If not, `weight_hh` and `bias_hh` have length 0.
    #[inline]
    pub fn has_recurrent_product(self) -> bool {
        with_equations!(self, Q => Q::RECURRENT.is_some())
    }
    /// Rows of a weight per hidden unit: PyTorch's G.
    pub fn gates(self) -> usize {
        with_equations!(self, Q => Q::GATES)
    }
}
