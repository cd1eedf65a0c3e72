//! How a network becomes the kernels' single steps for one row: tokens or their embedding, fused recurrent layers, an
//! affine head. Not here: any other network, which runs on a tape.

use elman_kernels::layout::Layout;
use elman_kernels::recurrent::Dims;
use elman_kernels::recurrent::step::{self, Precision, Stepper};
use elman_kernels::{Cpu, Element};

use crate::autodiff::nodes::{LayerIds, LinearIds, weights};
use crate::autodiff::params::ParamId;
use crate::error::Error;
use crate::nn::layer::Piece;
use crate::nn::network::{Input, Network};
use crate::nn::state::State;

/// A network of the shape that single steps are built for.
struct Parts {
    vocab_size: usize,
    embedding: Option<(ParamId, usize)>,
    layers: Vec<LayerIds>,
    head: LinearIds,
}

impl Parts {
    /// None where the network has another shape, or a cell without single steps.
    fn of<E: Element>(network: &Network<E>) -> Option<Parts> {
        let (Input::Tokens(vocab_size), mut pieces) = (network.input(), network.layers().pieces()?) else {
            return None;
        };
        let Some(Piece::Linear(head)) = pieces.pop() else { return None };
        let embedding = match pieces.first() {
            Some(&Piece::Embedding { table, width }) => {
                pieces.remove(0);
                Some((table, width))
            }
            _ => None,
        };
        let layer = |piece| match piece {
            Piece::Recurrent(ids) if step::is_built_for(ids.cell) => Some(ids),
            _ => None,
        };
        let layers: Vec<LayerIds> = pieces.into_iter().map(layer).collect::<Option<_>>()?;
        (!layers.is_empty()).then_some(Parts { vocab_size, embedding, layers, head })
    }

    /// Whether head and embedding have a row for each token.
    fn fits<E: Element>(&self, network: &Network<E>) -> bool {
        let rows = |id| network.params().layout(id).rows() == self.vocab_size;
        rows(self.head.weight) && self.embedding.is_none_or(|(table, _)| rows(table))
    }
}

/// Whether there are single steps for a network of this shape.
pub(super) fn exist_for<E: Element>(network: &Network<E>) -> bool {
    Parts::of(network).is_some_and(|parts| parts.fits(network))
}

/// The network laid out anew for single steps; None where there are none for it. Allocates: its weights once more.
///
/// Errors: narrow weights of a model of f64; no memory of the system's for threads.
pub(super) fn of<E: Element>(
    network: &Network<E>,
    precision: Precision,
    cpu: &Cpu,
) -> Result<Option<Stepper<E>>, Error> {
    let Some(parts) = Parts::of(network) else { return Ok(None) };
    let params = network.params();
    if !parts.fits(network) {
        return Ok(None);
    }
    // A table of rows, whatever the layout of a tied weight is.
    let table = parts.embedding.map(|(table, width)| {
        let (from, rows) = (params.layout(table), Layout::Table { rows: parts.vocab_size, cols: width });
        let (mut dense, mut packed) = (vec![E::ZERO; parts.vocab_size * width], vec![E::ZERO; rows.packed_len()]);
        from.unpack(params.slice(table), &mut dense);
        rows.pack(&dense, &mut packed);
        (width, packed)
    });
    let mut input_size = table.as_ref().map_or(parts.vocab_size, |(width, _)| *width);
    let mut layers = Vec::new();
    for ids in parts.layers {
        let hidden_size = params.layout(ids.weight_ih).rows() / ids.cell.gates();
        let (cell, reverse) = (ids.cell, ids.reverse);
        layers.push((Dims { cell, seq_len: 0, batch: 0, input_size, hidden_size, reverse }, weights(params, ids)));
        input_size = hidden_size;
    }
    let network = step::Network {
        vocab_size: parts.vocab_size,
        embedding: table.as_ref().map(|(width, table)| (*width, &table[..])),
        layers: &layers,
        head_weight: params.slice(parts.head.weight),
        head_bias: params.slice(parts.head.bias),
    };
    Ok(Some(Stepper::with_precision(cpu, &network, precision)?))
}

/// The rows of a state, each as single steps have it.
pub(super) fn of_state<E: Element>(stepper: &Stepper<E>, state: &State<E>) -> Vec<step::State<E>> {
    let mut rows = vec![stepper.zero_state(); state.batch()];
    for (row, to) in rows.iter_mut().enumerate() {
        let mut place = Place::default();
        for (name, values) in state.parts() {
            let width = values.len() / state.batch();
            place.next(name, width, to).copy_from_slice(&values[row * width..(row + 1) * width]);
        }
    }
    rows
}

/// The inverse: `state` has the rows and parts.
pub(super) fn to_state<E: Element>(rows: &[step::State<E>], state: &mut State<E>) {
    for (row, from) in rows.iter().enumerate() {
        let (mut place, mut from) = (Place::default(), from.clone());
        for (name, values) in state.parts_mut() {
            let width = values.len() / rows.len();
            values[row * width..(row + 1) * width].copy_from_slice(place.next(name, width, &mut from));
        }
    }
}

/// The positions of the parts of a state in that of single steps: h of a layer, then its other states one after another.
#[derive(Default)]
struct Place {
    layers: usize,
    beside: usize,
}

impl Place {
    fn next<'a, E: Element>(&mut self, name: &str, width: usize, state: &'a mut step::State<E>) -> &'a mut [E] {
        if name.starts_with('h') {
            (self.layers, self.beside) = (self.layers + 1, 0);
            return state.hidden_mut(self.layers - 1);
        }
        self.beside += 1;
        &mut state.cell_mut(self.layers - 1)[(self.beside - 1) * width..self.beside * width]
    }
}
