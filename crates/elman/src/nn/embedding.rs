//! The embedding: a row of a table for each token.

use elman_kernels::layout::Layout;
use elman_kernels::{Element, pad};

use crate::autodiff::nodes::Sequence;
use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;
use crate::nn::layer::{Footprint, Layer, Pass, Piece};

/// A table of rows that tokens pick.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    table: ParamId,
    vocab_size: usize,
    width: usize,
}

impl Embedding {
    /// Declares the table `{name}.weight` `[vocab_size, width]`.
    pub fn declare(declaration: &mut Declaration, name: &str, vocab_size: usize, width: usize) -> Embedding {
        let layout = Layout::Table { rows: vocab_size, cols: width };
        Embedding::declare_as(declaration, name, layout)
    }

    /// The same in a layout that something else reads, too: a head whose weight it is. The layout has a row for each token.
    pub fn declare_as(declaration: &mut Declaration, name: &str, layout: Layout) -> Embedding {
        let table = declaration.embedding(format!("{name}.weight"), layout);
        Embedding { table, vocab_size: layout.rows(), width: layout.cols() }
    }

    /// The rows of a parameter that was declared for something else: a head's weight.
    pub fn of(table: ParamId, vocab_size: usize, width: usize) -> Embedding {
        Embedding { table, vocab_size, width }
    }

    /// The parameter.
    pub fn table(&self) -> ParamId {
        self.table
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows of these tokens, `[tokens, width]`.
    pub fn rows<E: Element>(&self, tape: &mut Tape<E>, params: &Params<E>, tokens: &[u32]) -> Result<Var, Error> {
        tape.embed(params, self.table, self.vocab_size, self.width, tokens)
    }
}

impl<E: Element> Layer<E> for Embedding {
    fn outputs(&self) -> usize {
        self.width
    }

    fn is_causal(&self) -> bool {
        true
    }

    fn sequence(
        &self,
        tape: &mut Tape<E>,
        params: &Params<E>,
        x: Sequence<'_>,
        _: &[Var],
        _: &mut Vec<Var>,
        _: &mut Pass<'_>,
    ) -> Result<Var, Error> {
        match x {
            Sequence::Tokens { tokens, .. } => self.rows(tape, params, tokens),
            Sequence::Dense(x) => {
                let got = format!("vectors of {} numbers", x.cols());
                Err(Error::Setting { name: "input of an embedding", got, expected: "tokens".into() })
            }
        }
    }

    fn pieces(&self) -> Option<Vec<Piece>> {
        Some(vec![Piece::Embedding { table: self.table, width: self.width }])
    }

    fn memory(&self) -> Footprint {
        let own = pad(self.width);
        Footprint { kept: 2 * own, output: own, widest: own, ..Footprint::default() }
    }
}
