//! Holds the state of stacked recurrent layers as plain data, cut off from any tape: truncating back-propagation is a
//! visible [`State::from_tape`]. Refuses equations.

use elman_kernels::{Buffer, Element, pad};

use crate::autodiff::nodes::StateVars;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// h, and c where the cell has one, of every layer and direction for `batch` rows.
#[derive(Clone, Debug)]
pub struct State<E> {
    batch: usize,
    /// Whether it is the state before the first step, which may be learned.
    initial: bool,
    parts: Vec<Part<E>>,
}

/// One part of a state, `[B, pad(H)]`.
#[derive(Clone, Debug)]
struct Part<E> {
    /// `h_l0`, `c_l0`, `h_l0_reverse`, ...
    name: String,
    hidden_size: usize,
    /// Whether this is the c that belongs to the h before it.
    is_cell: bool,
    values: Buffer<E>,
}

/// The state of every layer and direction on a tape.
pub type TapeState = Vec<StateVars>;

impl<E: Element> State<E> {
    pub(crate) fn empty(batch: usize) -> State<E> {
        State { batch, initial: false, parts: Vec::new() }
    }

    pub(crate) fn push(&mut self, letter: char, direction: &str, hidden_size: usize) {
        let values = Buffer::zeros(self.batch * pad(hidden_size));
        self.parts.push(Part { name: format!("{letter}_{direction}"), hidden_size, is_cell: letter == 'c', values });
    }

    /// B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Whether no step was made since the start of the sequence.
    pub(crate) fn is_initial(&self) -> bool {
        self.initial
    }

    /// Back to the start: every row of each part is the padded row given for it, or zero.
    pub(crate) fn restart<'a>(&mut self, rows: impl Iterator<Item = Option<&'a [E]>>) {
        self.initial = true;
        for (part, row) in self.parts.iter_mut().zip(rows) {
            match row {
                Some(row) => part.values.chunks_exact_mut(row.len()).for_each(|to| to.copy_from_slice(row)),
                None => part.values.fill(E::ZERO),
            }
        }
    }

    /// Zero everywhere, padding too.
    pub(crate) fn clear(&mut self) {
        self.restart(std::iter::repeat(None));
    }

    /// Puts the state on a tape as leaves; their gradients are kept if they are wanted.
    pub fn to_tape(&self, tape: &mut Tape<E>, wants_grad: bool) -> TapeState {
        let mut state = tape.memory.lists.states.take();
        for part in &self.parts {
            let var = tape.leaf(part.hidden_size, &part.values, wants_grad);
            match state.last_mut() {
                Some(direction) if part.is_cell => direction.cell = Some(var),
                _ => state.push(StateVars { hidden: var, cell: None }),
            }
        }
        state
    }

    /// Takes the values of a state from the tape and forgets where they came from: the detach of truncated BPTT.
    pub fn from_tape(&mut self, tape: &Tape<E>, state: &TapeState) {
        self.initial = false;
        for (part, var) in self.parts.iter_mut().zip(vars(state)) {
            part.values.copy_from_slice(tape.value(var));
        }
    }

    /// Whether it has the same parts as another, of any number of rows.
    pub(crate) fn is_like(&self, other: &State<E>) -> bool {
        let part = |part: &Part<E>| (part.is_cell, part.hidden_size);
        self.parts.iter().map(part).eq(other.parts.iter().map(part))
    }

    /// Makes this the rows of `whole` from `first` on, as many as it has.
    pub(crate) fn copy_rows(&mut self, whole: &State<E>, first: usize) {
        self.initial = whole.initial;
        for (part, whole) in self.parts.iter_mut().zip(&whole.parts) {
            let (start, len) = (first * pad(part.hidden_size), part.values.len());
            part.values.copy_from_slice(&whole.values[start..start + len]);
        }
    }

    /// Makes the rows from `first` on those of `some`, all of them.
    pub(crate) fn put_rows(&mut self, first: usize, some: &State<E>) {
        self.initial = some.initial;
        for (part, some) in self.parts.iter_mut().zip(&some.parts) {
            let (start, len) = (first * pad(part.hidden_size), some.values.len());
            part.values[start..start + len].copy_from_slice(&some.values);
        }
    }

    /// Every part, padded, and whether it is the c that belongs to the h before it.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (bool, &[E])> {
        self.parts.iter().map(|part| (part.is_cell, &part.values[..]))
    }

    /// Every part by name, row-major: `h_l0` `[B, H]`, `c_l0`, `h_l0_reverse`, ... Allocates.
    pub fn tensors(&self) -> Vec<(String, [usize; 2], Vec<E>)> {
        let tensor = |part: &Part<E>| {
            let rows = part.values.chunks_exact(pad(part.hidden_size));
            let values = rows.flat_map(|row| &row[..part.hidden_size]).copied().collect();
            (part.name.clone(), [self.batch, part.hidden_size], values)
        };
        self.parts.iter().map(tensor).collect()
    }

    /// Sets a part by its name in [`State::tensors`]; the state then is a given one, not the initial.
    /// Errors: no such part; another number of values.
    pub fn set(&mut self, name: &str, values: &[E]) -> Result<(), Error> {
        let Some(part) = self.parts.iter_mut().find(|part| part.name == name) else {
            return Err(Error::UnknownParameter { name: name.into() });
        };
        let width = part.hidden_size;
        if values.len() != self.batch * width {
            let (name, got) = (name.into(), vec![values.len()]);
            return Err(Error::Shape { name, got, expected: vec![self.batch, width] });
        }
        self.initial = false;
        for (row, values) in part.values.chunks_exact_mut(pad(width)).zip(values.chunks_exact(width)) {
            row[..width].copy_from_slice(values);
        }
        Ok(())
    }
}

/// Every part of a state on the tape, in the order of [`State::tensors`].
pub fn vars(state: &TapeState) -> impl Iterator<Item = Var> {
    state.iter().flat_map(|direction| [Some(direction.hidden), direction.cell]).flatten()
}
