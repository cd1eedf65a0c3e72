//! The state of a network as plain data, cut off from any tape: truncating back-propagation is a visible
//! [`State::from_tape`]. Not here: equations.

use elman_kernels::{Buffer, Element, pad};

use crate::autodiff::params::ParamId;
use crate::autodiff::tape::{Tape, Var};
use crate::error::Error;

/// A named part of a layer's state, `[B, width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePart {
    /// `h_l0`, `c_l0`, `h_l0_reverse`, ...: unique within a network. A part `h_*` is also an output of its layer.
    pub name: String,
    /// Numbers of a row.
    pub width: usize,
    /// The parameter `[1, width]` that every sequence starts from; zero where it is None.
    pub initial: Option<ParamId>,
}

/// Every part of a network's state for `batch` rows.
#[derive(Clone, Debug)]
pub struct State<E> {
    batch: usize,
    /// Whether it is the state before the first step, which may be learned.
    initial: bool,
    parts: Vec<Part<E>>,
}

/// One part of a state, `[B, pad(width)]`.
#[derive(Clone, Debug)]
struct Part<E> {
    name: String,
    width: usize,
    values: Buffer<E>,
}

impl<E: Element> State<E> {
    /// Zero, for `batch` rows.
    pub fn new(parts: &[StatePart], batch: usize) -> State<E> {
        let part = |part: &StatePart| Part {
            name: part.name.clone(),
            width: part.width,
            values: Buffer::zeros(batch * pad(part.width)),
        };
        State { batch, initial: false, parts: parts.iter().map(part).collect() }
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
                Some(row) if row.len() == pad(part.width) => {
                    part.values.chunks_exact_mut(row.len().max(1)).for_each(|to| to.copy_from_slice(row));
                }
                Some(_) => part.values.fill(E::ZERO),
                None => part.values.fill(E::ZERO),
            }
        }
    }

    /// Whether every number is finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.parts.iter().all(|part| part.values.iter().all(|x| x.to_f64().is_finite()))
    }

    /// Zero everywhere, padding too.
    pub(crate) fn clear(&mut self) {
        self.restart(std::iter::repeat(None));
    }

    /// Puts the state on a tape as leaves, one for each part; their gradients are kept if they are wanted.
    pub fn to_tape(&self, tape: &mut Tape<E>, wants_grad: bool) -> Vec<Var> {
        let mut vars = tape.memory.lists.vars.take();
        vars.extend(self.parts.iter().map(|part| tape.leaf(part.width, &part.values, wants_grad)));
        vars
    }

    /// Takes the values of a state from the tape and forgets where they came from: the detach of truncated BPTT.
    pub fn from_tape(&mut self, tape: &Tape<E>, vars: &[Var]) {
        self.initial = false;
        for (part, &var) in self.parts.iter_mut().zip(vars) {
            part.values.copy_from_slice(tape.value(var));
        }
    }

    /// Whether it has the same parts as another, of any number of rows.
    pub(crate) fn is_like(&self, other: &State<E>) -> bool {
        let part = |part: &Part<E>| part.width;
        self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(|(a, b)| part(a) == part(b) && a.name == b.name)
    }

    /// Makes this the rows of `whole` from `first` on, as many as it has.
    pub(crate) fn copy_rows(&mut self, whole: &State<E>, first: usize) {
        self.initial = whole.initial;
        for (part, whole) in self.parts.iter_mut().zip(&whole.parts) {
            let (start, len) = (first * pad(part.width), part.values.len());
            part.values.copy_from_slice(&whole.values[start..start + len]);
        }
    }

    /// Makes the rows from `first` on those of `some`, all of them.
    pub(crate) fn put_rows(&mut self, first: usize, some: &State<E>) {
        self.initial = some.initial;
        for (part, some) in self.parts.iter_mut().zip(&some.parts) {
            let (start, len) = (first * pad(part.width), some.values.len());
            part.values[start..start + len].copy_from_slice(&some.values);
        }
    }

    /// The rows at `from`, in that order, as a state of its own. Errors: a row that it does not have.
    pub fn pick(&self, from: &[usize]) -> Result<State<E>, Error> {
        if let Some(&row) = from.iter().find(|&&row| row >= self.batch) {
            let expected = format!("a row below {}", self.batch);
            return Err(Error::Setting { name: "row of a state", got: row.to_string(), expected });
        }
        let part = |part: &Part<E>| {
            let width = pad(part.width);
            let mut values = Buffer::zeros(from.len() * width);
            for (to, &row) in values.chunks_exact_mut(width.max(1)).zip(from) {
                to.copy_from_slice(&part.values[row * width..(row + 1) * width]);
            }
            Part { name: part.name.clone(), width: part.width, values }
        };
        Ok(State { batch: from.len(), initial: self.initial, parts: self.parts.iter().map(part).collect() })
    }

    /// Every part by name, rows padded.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, &[E])> {
        self.parts.iter().map(|part| (&part.name[..], &part.values[..]))
    }

    /// Every part by name, rows padded; padding is zero and must stay so.
    pub(crate) fn parts_mut(&mut self) -> impl Iterator<Item = (&str, &mut [E])> {
        self.parts.iter_mut().map(|part| (&part.name[..], &mut part.values[..]))
    }

    /// Says that it is not the state before the first step, at least not of all rows.
    pub(crate) fn was_begun(&mut self) {
        self.initial = false;
    }

    /// Every part by name, row-major: `h_l0` `[B, H]`, `c_l0`, `h_l0_reverse`, ... Allocates.
    pub fn tensors(&self) -> Vec<(String, [usize; 2], Vec<E>)> {
        let tensor = |part: &Part<E>| {
            let rows = part.values.chunks_exact(pad(part.width).max(1));
            let values = rows.flat_map(|row| &row[..part.width]).copied().collect();
            (part.name.clone(), [self.batch, part.width], values)
        };
        self.parts.iter().map(tensor).collect()
    }

    /// Sets a part by its name in [`State::tensors`]; the state then is a given one, not the initial.
    /// Errors: no such part; another number of values.
    pub fn set(&mut self, name: &str, values: &[E]) -> Result<(), Error> {
        let Some(part) = self.parts.iter_mut().find(|part| part.name == name) else {
            return Err(Error::UnknownParameter { name: name.into() });
        };
        let width = part.width;
        if values.len() != self.batch * width {
            let (name, got) = (name.into(), vec![values.len()]);
            return Err(Error::Shape { name, got, expected: vec![self.batch, width] });
        }
        self.initial = false;
        for (row, values) in part.values.chunks_exact_mut(pad(width).max(1)).zip(values.chunks_exact(width.max(1))) {
            row[..width].copy_from_slice(values);
        }
        Ok(())
    }
}

/// Parts of a state whose names are all different.
pub(crate) fn distinct<'a>(parts: impl Iterator<Item = &'a StatePart>) -> Vec<StatePart> {
    let mut all: Vec<StatePart> = Vec::new();
    for part in parts {
        let is_taken = |name: &str, all: &[StatePart]| all.iter().any(|other| other.name == name);
        let mut name = part.name.clone();
        let mut number = 2;
        while is_taken(&name, &all) {
            name = format!("{}.{number}", part.name);
            number += 1;
        }
        all.push(StatePart { name, ..part.clone() });
    }
    all
}

/// The first `count` states, and the rest. Errors: there are fewer.
pub(crate) fn split(states: &[Var], count: usize) -> Result<(&[Var], &[Var]), Error> {
    states.split_at_checked(count).ok_or_else(|| {
        let (got, expected) = (vec![states.len()], vec![count]);
        Error::Shape { name: "list of states".into(), got, expected }
    })
}
