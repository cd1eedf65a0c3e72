//! `State`: h and the states beside it of every layer, for one row, and where each lies. Not here: steps (`job.rs`).

use std::ops::Range;
use std::sync::Arc;

use crate::recurrent::{Cell, Dims};
use crate::{Buffer, Number, pad};

/// h and the states beside it, of every layer, for one row.
#[derive(Clone, Debug)]
pub struct State<E> {
    /// The h of all layers twice, before and after a step in turns, then the other states of all layers; each `[pad(H)]`.
    pub(super) values: Buffer<E>,
    pub(super) sizes: Arc<Sizes>,
    /// Which of the two h is the current one.
    pub(super) current: usize,
}

/// Where the parts of a state lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    layers: Vec<LayerSizes>,
    /// Length of all h together, and of all other states.
    pub(super) hidden_len: usize,
    pub(super) cell_len: usize,
}

/// Where the parts of one layer's state lie.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LayerSizes {
    /// The cell, because states of one length may mean different things.
    cell: Cell,
    hidden_size: usize,
    /// Where its h begins among those of all layers, and its other states among theirs.
    hidden_start: usize,
    cell_start: usize,
}

impl Sizes {
    pub(super) fn push(&mut self, d: &Dims) {
        let (hidden_start, cell_start) = (self.hidden_len, self.cell_len);
        self.layers.push(LayerSizes { cell: d.cell, hidden_size: d.hidden_size, hidden_start, cell_start });
        self.hidden_len += pad(d.hidden_size);
        self.cell_len += d.cell.states().len() * pad(d.hidden_size);
    }
    pub(super) fn len(&self) -> usize {
        2 * self.hidden_len + self.cell_len
    }
    pub(super) fn hidden(&self, slot: usize, l: usize) -> Range<usize> {
        let layer = &self.layers[l];
        let start = slot * self.hidden_len + layer.hidden_start;
        start..start + pad(layer.hidden_size)
    }
    pub(super) fn cell(&self, l: usize) -> Range<usize> {
        let layer = &self.layers[l];
        let start = 2 * self.hidden_len + layer.cell_start;
        start..start + layer.cell.states().len() * pad(layer.hidden_size)
    }
}

impl<E: Number> State<E> {
    /// h of layer `l`, `[pad(H)]`.
    pub fn hidden(&self, l: usize) -> &[E] {
        &self.values[self.sizes.hidden(self.current, l)]
    }
    /// h of layer `l`, `[pad(H)]`; its padding is 0 and must stay so.
    pub fn hidden_mut(&mut self, l: usize) -> &mut [E] {
        &mut self.values[self.sizes.hidden(self.current, l)]
    }
    /// The states beside h of layer `l`, `[S, pad(H)]`; empty where the cell has none.
    pub fn cell(&self, l: usize) -> &[E] {
        &self.values[self.sizes.cell(l)]
    }
    /// The states beside h of layer `l`, `[S, pad(H)]`; their padding is 0 and must stay so.
    pub fn cell_mut(&mut self, l: usize) -> &mut [E] {
        &mut self.values[self.sizes.cell(l)]
    }
}
